/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The wire cursor: bounds, and errors that stick.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "zb/wire.h"

static void test_numbers_go_there_and_back(void **state)
{
	static const struct {
		unsigned width;
		uint64_t value;
		uint8_t octets[8];
	} cases[] = {
		{1, 0xab, {0xab}},
		{2, 0x1234, {0x12, 0x34}},
		{4, 0xdeadbeef, {0xde, 0xad, 0xbe, 0xef}},
		{8, 0x0102030405060708, {1, 2, 3, 4, 5, 6, 7, 8}},
		{8, UINT64_MAX, {255, 255, 255, 255, 255, 255, 255, 255}},
		{3, 0x010203, {1, 2, 3}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buffer[8] = {0};
		struct wire_writer w = wire_writer(buffer, sizeof(buffer));
		wire_write(&w, cases[i].value, cases[i].width);
		assert_int_equal(w.used, cases[i].width);
		assert_memory_equal(buffer, cases[i].octets, 8);
		struct wire_reader r = wire_reader(buffer, w.used);
		assert_true(wire_read(&r, cases[i].width) == cases[i].value);
		assert_int_equal(r.left, 0);
		assert_false(r.failed);
	}
}

static void test_reading_beyond_the_end_sticks(void **state)
{
	const uint8_t data[3] = {1, 2, 3};
	struct wire_reader r = wire_reader(data, sizeof(data));

	(void)state;
	assert_int_equal(wire_read(&r, 2), 0x0102);
	assert_int_equal(wire_read(&r, 2), 0);
	assert_true(r.failed);
	assert_int_equal(wire_read(&r, 1), 0); /* one octet is left, but the error stays */
	assert_null(wire_read_octets(&r, 0));
}

static void test_writing_beyond_the_end_sticks(void **state)
{
	uint8_t buffer[4] = {0, 0, 0, 0x77};
	struct wire_writer w = wire_writer(buffer, 3);

	(void)state;
	wire_write(&w, 0x0102, 2);
	wire_write_octets(&w, "ab", 2);
	assert_true(w.failed);
	wire_write(&w, 5, 1);
	assert_int_equal(w.used, 2);
	assert_int_equal(buffer[2], 0);
	assert_int_equal(buffer[3], 0x77);
}

static void test_patch_stays_within_what_was_written(void **state)
{
	static const struct {
		size_t offset;
		unsigned width;
		bool good;
	} cases[] = {{0, 4, true},  {2, 2, true},	    {3, 1, true}, {3, 2, false},
		     {4, 1, false}, {(size_t)-1, 1, false}, {0, 8, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buffer[8] = {0};
		struct wire_writer w = wire_writer(buffer, sizeof(buffer));
		wire_write(&w, 0, 4);
		wire_patch(&w, cases[i].offset, UINT64_MAX, cases[i].width);
		assert_int_equal(!w.failed, cases[i].good);
		assert_int_equal(buffer[4], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_go_there_and_back),
		cmocka_unit_test(test_reading_beyond_the_end_sticks),
		cmocka_unit_test(test_writing_beyond_the_end_sticks),
		cmocka_unit_test(test_patch_stays_within_what_was_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
