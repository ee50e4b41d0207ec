/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The buckets of clear sources, on a clock of the test's own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "policer.h"

enum { RATE = 10, BURST = 20, HZ = 1000000, START = 5 * HZ };

static const uint8_t ue4[4] = {10, 45, 0, 2};
static const uint8_t ue6[16] = {0xfd, 0, 0, 0x45, [15] = 2};

static struct policer *make(uint32_t rate, uint32_t burst)
{
	struct policer *p = NULL;
	assert_int_equal(policer_new(rate, burst, HZ, 0x91b7584a2265b1f5, 0, &p), 0);
	return p;
}

static int admitted(struct policer *p, const uint8_t *source, bool ipv6, uint64_t now, int packets)
{
	int n = 0;
	while (packets-- > 0)
		n += policer_admit(p, source, ipv6, now);
	return n;
}

static void a_source_has_its_burst_and_then_its_rate(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct policer *p = make(RATE, BURST);
		const uint8_t *ue = ipv6 ? ue6 : ue4;
		assert_int_equal(admitted(p, ue, ipv6, START, 100), BURST);
		assert_int_equal(admitted(p, ue, ipv6, START + HZ / RATE - 1, 100), 0);
		assert_int_equal(admitted(p, ue, ipv6, START + HZ / RATE, 100), 1);
		assert_int_equal(admitted(p, ue, ipv6, START + HZ, 100), RATE - 1);
		assert_int_equal(admitted(p, ue, ipv6, START + 100 * HZ, 100), BURST);
		policer_free(p);
	}
}

static void a_burst_of_one_is_one(void **state)
{
	struct policer *p = make(1, 1);
	(void)state;
	assert_int_equal(admitted(p, ue4, false, START, 10), 1);
	assert_int_equal(admitted(p, ue4, false, START + HZ, 10), 1);
	policer_free(p);
}

static void sources_do_not_share_and_hosts_of_one_64_do(void **state)
{
	struct policer *p = make(RATE, BURST);
	uint8_t other4[4] = {10, 45, 0, 3}, neighbour6[16], other6[16];
	(void)state;

	memcpy(neighbour6, ue6, sizeof(ue6));
	memcpy(other6, ue6, sizeof(ue6));
	neighbour6[15] = 3;
	other6[7] = 1;
	assert_int_equal(admitted(p, ue4, false, START, 100), BURST);
	assert_int_equal(admitted(p, other4, false, START, 100), BURST);
	assert_int_equal(admitted(p, ue6, true, START, 100), BURST);
	assert_int_equal(admitted(p, neighbour6, true, START, 100), 0);
	assert_int_equal(admitted(p, other6, true, START, 100), BURST);
	policer_free(p);
}

static void a_full_table_takes_from_the_most_silent(void **state)
{
	struct policer *p = make(1, 2);
	uint8_t source[4] = {11};
	(void)state;

	/* one source is busy all the time while four times the table's worth of others pass by */
	for (uint32_t i = 0; i < 4 * POLICER_SOURCES; i++) {
		source[1] = (uint8_t)(i >> 16);
		source[2] = (uint8_t)(i >> 8);
		source[3] = (uint8_t)i;
		assert_true(policer_admit(p, source, false, START + i));
		if (i == 0)
			assert_int_equal(admitted(p, ue4, false, START, 10), 2);
		assert_false(policer_admit(p, ue4, false, START + i));
	}
	policer_free(p);
}

static void arguments_of_no_sense_are_refused(void **state)
{
	struct policer *p = NULL;
	(void)state;
	assert_int_equal(policer_new(0, 1, HZ, 1, 0, &p), -EINVAL);
	assert_int_equal(policer_new(1, 0, HZ, 1, 0, &p), -EINVAL);
	assert_int_equal(policer_new(HZ + 1, 1, HZ, 1, 0, &p), -EINVAL);
	assert_null(p);
}

static int setup(void **state)
{
	char *argv[] = {"test",	       "--no-huge",	 "--no-pci",	  "-m", "64",
			"--no-shconf", "--no-telemetry", "--log-level=4", "-l", "0"};
	(void)state;
	return rte_eal_init(10, argv) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_its_burst_and_then_its_rate),
		cmocka_unit_test(a_burst_of_one_is_one),
		cmocka_unit_test(sources_do_not_share_and_hosts_of_one_64_do),
		cmocka_unit_test(a_full_table_takes_from_the_most_silent),
		cmocka_unit_test(arguments_of_no_sense_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
