/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the kernel says of memory and processors. Machines with several nodes are not at hand: what is tested
 * is that the answers are the kernel's, and that nothing is upset where there is one node only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "numa.h"
#include "telemetry.h"

enum { SIZE = 1 << 20 };

static void a_processors_node_is_the_kernels(void **state)
{
	char path[96];
	(void)state;

	const int node = numa_node_of_core(0);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpu0", node);
	if (node >= 0) /* a kernel without NUMA says nothing */
		assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(numa_node_of_core(100000), -1);
}

static void memory_is_found_on_the_node_it_was_taken_from(void **state)
{
	const uint32_t cores[] = {0};
	char text[64], want[64];
	(void)state;

	assert_int_equal(numa_near(cores, 1), 0);
	uint8_t *map =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	numa_any();
	assert_ptr_not_equal(map, MAP_FAILED);
	numa_nodes_text(map, SIZE, text, sizeof(text));
	snprintf(want, sizeof(want), "%d", numa_node_of_core(0));
	if (strcmp(text, "unknown") != 0) /* a container may forbid to ask */
		assert_string_equal(text, want);
	assert_int_equal(munmap(map, SIZE), 0);
	numa_nodes_text(map, SIZE, text, sizeof(text));
	assert_string_equal(text, "unknown");
}

/* Who may write to the folder could put another socket in the place of ours. */
static void a_folder_for_telemetry_is_nobody_elses(void **state)
{
	static const struct {
		mode_t mode;
		int want;
	} cases[] = {{0700, 0}, {0755, 0}, {0775, -EPERM}, {0777, -EPERM}, {01777, -EPERM}};
	char path[64], file[80];
	(void)state;

	snprintf(path, sizeof(path), "/tmp/bgf-telemetry-%d", (int)getpid());
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(telemetry_folder(path), 0); /* made by it */
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0700);
		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_int_equal(telemetry_folder(path), cases[i].want);
		assert_int_equal(rmdir(path), 0);
	}
	snprintf(file, sizeof(file), "%s/not/there", path);
	assert_int_equal(telemetry_folder(file), -ENOENT);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(telemetry_folder(path), -ENOTDIR);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_processors_node_is_the_kernels),
		cmocka_unit_test(memory_is_found_on_the_node_it_was_taken_from),
		cmocka_unit_test(a_folder_for_telemetry_is_nobody_elses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
