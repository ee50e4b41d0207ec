/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store's file: what is kept over a restart, and every way in which a file is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store.h"
#include "store_file.h"

enum { CAPACITY = 100 };

static const uint8_t key[BGF_AUTH_KEY_MAX] = "a key that must not be left over";
static char folder[64], path[96], refused[112], error[512];

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/dev/shm/bgf-test-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sets", folder);
	snprintf(refused, sizeof(refused), "%s.refused", path);
	strcpy(error, "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(refused);
	return rmdir(folder);
}

static struct store *opened(int expected)
{
	struct store *s = NULL;

	assert_int_equal(store_open(path, CAPACITY, &s, error, sizeof(error)), expected);
	if (expected >= 0)
		assert_int_equal(store_capacity(s), CAPACITY);
	return s;
}

/* A record with a key in it. */
static void fill(struct store *s, uint32_t slot, enum store_record record)
{
	struct store_cold *c = store_cold(s, slot);

	c->generation = 7 + slot;
	c->set_id = store_set_id_next(s, slot);
	c->key_length = 20;
	memcpy(c->auth_key, key, sizeof(key));
	memcpy(store_hot(s)[slot].shared.inner, key, SA_HMAC_STATE);
	store_hot(s)[slot].out[1].last = 4711;
	store_seal(c);
	c->record = (uint8_t)record;
}

/* Whether the key, or a part of it, is anywhere in a file. */
static int has_key(const char *file)
{
	static uint8_t content[1 << 20];
	FILE *f = fopen(file, "re");

	assert_non_null(f);
	size_t n = fread(content, 1, sizeof(content), f);
	fclose(f);
	return n >= SA_HMAC_STATE && memmem(content, n, key, SA_HMAC_STATE) != NULL;
}

static void a_new_store_is_empty_and_private(void **state)
{
	(void)state;
	struct store *s = opened(0);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(store_epoch(s) != 0);
	for (uint32_t slot = 0; slot < CAPACITY; slot++)
		assert_int_equal(store_cold(s, slot)->record, STORE_FREE);
	store_close(s);
}

static void a_file_that_others_could_read_is_made_private(void **state)
{
	(void)state;
	const mode_t mask = umask(0);
	struct stat st;

	int fd = open(path, O_CREAT | O_RDWR, 0666);
	umask(mask);
	assert_true(fd >= 0);
	close(fd);
	struct store *s = opened(0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	store_close(s);
}

/* Its owner could have kept it open, and would read the keys. */
static void a_file_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	store_close(opened(0));
	assert_int_equal(chown(path, 65534, 65534), 0);
	opened(-EPERM);
	assert_non_null(strstr(error, "belongs to user 65534"));
}

/* Whether the kernel has a flag for the store's map (proc(5), VmFlags). */
static bool has_flag(const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool is_ours = false, found = false, read = false;
	char line[512];

	assert_non_null(f);
	while (!read && fgets(line, sizeof(line), f) != NULL) {
		is_ours |= strstr(line, path) != NULL;
		read = is_ours && strncmp(line, "VmFlags:", 8) == 0;
		found = read && strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

/* Neither on a disk that is swapped to, nor in a core dump, nor in a child. */
static void keys_stay_in_memory(void **state)
{
	(void)state;
	static const char *const flags[] = {" lo", " dd", " dc"};
#ifdef __SANITIZE_ADDRESS__
	skip(); /* whose mlock() locks nothing */
#endif
	struct store *s = opened(0);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!has_flag(flags[i]))
			fail_msg("the store's map has not the flag%s", flags[i]);
	store_close(s);
}

static void live_records_and_the_epoch_outlive_the_process(void **state)
{
	(void)state;
	struct store *s = opened(0);
	uint64_t epoch = store_epoch(s);

	fill(s, 3, STORE_LIVE);
	uint64_t id = store_cold(s, 3)->set_id;
	store_close(s);
	s = opened(0);
	assert_int_equal(store_epoch(s), epoch);
	assert_int_equal(store_cold(s, 3)->record, STORE_LIVE);
	assert_int_equal(store_cold(s, 3)->set_id, id);
	assert_true(store_sealed(store_cold(s, 3)));
	assert_memory_equal(store_cold(s, 3)->auth_key, key, sizeof(key));
	assert_int_equal(store_hot(s)[3].out[1].last, 4711);
	assert_true(store_set_id_next(s, 3) > id);
	store_close(s);
}

static void half_made_and_half_removed_records_are_wiped(void **state)
{
	(void)state;
	struct store *s = opened(0);

	fill(s, 5, STORE_FILLING);
	fill(s, 6, STORE_DYING);
	store_close(s);
	assert_true(has_key(path));
	s = opened(0);
	for (uint32_t slot = 5; slot <= 6; slot++) {
		assert_int_equal(store_cold(s, slot)->record, STORE_FREE);
		assert_int_equal(store_cold(s, slot)->generation, 7 + slot);
		assert_int_equal(store_hot(s)[slot].out[1].last, 0);
	}
	store_close(s);
	assert_false(has_key(path));
}

static void a_record_that_changed_is_not_sealed(void **state)
{
	(void)state;
	struct store *s = opened(0);

	fill(s, 0, STORE_LIVE);
	store_cold(s, 0)->auth_key[19] ^= 1;
	assert_false(store_sealed(store_cold(s, 0)));
	store_cold(s, 0)->auth_key[19] ^= 1;
	store_cold(s, 0)->selectors.port_pc++;
	assert_false(store_sealed(store_cold(s, 0)));
	store_close(s);
}

/* What is done to the header of a store with a key in it, and what is then said. */
static void other_magic(struct store_header *h)
{
	h->magic[0] = 'X';
}
static void other_layout(struct store_header *h)
{
	h->layout++;
}
static void other_record(struct store_header *h)
{
	h->cold_size += 8;
}
static void other_reasons(struct store_header *h)
{
	h->drops++;
}
static void other_spi(struct store_header *h)
{
	h->slot_bits--;
	h->checksum = store_header_checksum(h);
}
static void other_capacity(struct store_header *h)
{
	h->capacity++;
	h->checksum = store_header_checksum(h);
}
static void other_boot(struct store_header *h)
{
	h->boot_id[5] ^= 0xff;
	h->checksum = store_header_checksum(h);
}
static void other_epoch(struct store_header *h)
{
	h->epoch++;
}

static const struct {
	void (*change)(struct store_header *h);
	const char *says;
} refusals[] = {{other_magic, "not made by bgf-dataplane"},
		{other_layout, "it has layout 3, and this version has layout 2"},
		{other_record, "its records have another size"},
		{other_reasons, "its records have another size"},
		{other_spi, "SPIs are laid out in another way"},
		{other_capacity, "made for 101 sets"},
		{other_boot, "made before the last reboot"},
		{other_epoch, "checksum of its header"}};

static void a_foreign_store_is_wiped_and_set_aside(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		unlink(path);
		struct store *s = opened(0);
		uint64_t epoch = store_epoch(s);
		struct store_header h;
		fill(s, 99, STORE_LIVE);
		store_close(s);

		/* a second name keeps an eye on the file itself */
		char second[112];
		snprintf(second, sizeof(second), "%s.second", path);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(read(fd, &h, sizeof(h)), sizeof(h));
		refusals[i].change(&h);
		assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
		close(fd);
		assert_int_equal(link(path, second), 0);
		assert_true(has_key(second));

		s = opened(STORE_REFUSED);
		if (strstr(error, refusals[i].says) == NULL)
			fail_msg("row %zu: %s", i, error);
		assert_false(has_key(second));
		assert_false(has_key(refused));
		assert_true(store_epoch(s) != epoch);
		assert_int_equal(store_cold(s, 99)->record, STORE_FREE);
		store_close(s);
		assert_int_equal(unlink(second), 0);
	}
}

static void another_capacity_is_refused_by_name(void **state)
{
	(void)state;
	store_close(opened(0));
	struct store *s = NULL;
	assert_int_equal(store_open(path, 50, &s, error, sizeof(error)), STORE_REFUSED);
	assert_non_null(strstr(error, "made for 100 sets"));
	assert_non_null(strstr(error, "the configuration says 50"));
	assert_int_equal(store_capacity(s), 50);
	store_close(s);
}

/* Its header is whole, and its last records are not there. */
static void a_store_that_was_cut_is_refused(void **state)
{
	(void)state;
	struct stat st;

	store_close(opened(0));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 4096), 0);
	store_close(opened(STORE_REFUSED));
	assert_non_null(strstr(error, "it was made for 100 sets"));
}

static void what_is_no_store_is_refused(void **state)
{
	(void)state;
	FILE *f = fopen(path, "we");
	fprintf(f, "%.32s", (const char *)key);
	fclose(f);
	assert_true(has_key(path));
	store_close(opened(STORE_REFUSED));
	assert_non_null(strstr(error, "too short"));
	assert_false(has_key(refused));
}

static void one_process_has_it(void **state)
{
	(void)state;
	struct store *s = opened(0);

	opened(-EBUSY);
	assert_non_null(strstr(error, "another process has it"));
	store_close(s);
	store_close(opened(0));
}

static void a_place_for_no_keys_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *place;
		int rc;
		const char *says;
	} rows[] = {{"/dev/shm", -EISDIR, "is a folder"},
		    {"/dev/shm/bgf-no-such-folder/sets", -ENOENT, "No such file"},
		    {"/proc/bgf-sets", -EINVAL, "is on a disk"},
		    {"/dev/shm/bgfmap_sets", -EINVAL, "map_"}};
	struct store *s = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(store_open(rows[i].place, CAPACITY, &s, error, sizeof(error)), rows[i].rc);
		if (strstr(error, rows[i].says) == NULL)
			fail_msg("row %zu: %s", i, error);
		assert_null(s);
	}
	assert_int_equal(symlink("/dev/shm/elsewhere", path), 0);
	opened(-ELOOP);
	assert_int_equal(store_open(path, 0, &s, error, sizeof(error)), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_new_store_is_empty_and_private),
		T(a_file_that_others_could_read_is_made_private),
		T(a_file_of_another_user_is_refused),
		T(keys_stay_in_memory),
		T(live_records_and_the_epoch_outlive_the_process),
		T(half_made_and_half_removed_records_are_wiped),
		T(a_record_that_changed_is_not_sealed),
		T(a_foreign_store_is_wiped_and_set_aside),
		T(another_capacity_is_refused_by_name),
		T(a_store_that_was_cut_is_refused),
		T(what_is_no_store_is_refused),
		T(one_process_has_it),
		T(a_place_for_no_keys_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
