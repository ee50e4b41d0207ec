/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bgf_drop.h"
#include "load.h"

static void sizes_are_read(void **state)
{
	static const struct {
		const char *text;
		int slots; /* 0: refused */
		uint16_t least, greatest;
		double mean;
	} cases[] = {
		{"512", 1, 512, 512, 512},
		{"imix", 100, 120, 1360, 687},
		{"100:3,200:1", 4, 100, 200, 125},
		{"", 0, 0, 0, 0},
		{"0", 0, 0, 0, 0},
		{"512,", 1, 512, 512, 512},
		{"512:0", 0, 0, 0, 0},
		{"512:257", 0, 0, 0, 0},
		{"512:x", 0, 0, 0, 0},
		{"9000", 0, 0, 0, 0},
		{"66048", 0, 0, 0, 0},
		{"512;1", 0, 0, 0, 0},
	};
	struct load_sizes s;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int rc = load_sizes_parse(cases[i].text, &s);
		assert_int_equal(rc == 0 ? s.slots : 0, cases[i].slots);
		if (rc != 0)
			continue;
		assert_int_equal(s.least, cases[i].least);
		assert_int_equal(s.greatest, cases[i].greatest);
		assert_true(s.mean == cases[i].mean);
	}
}

static void shares_are_read(void **state)
{
	static const struct {
		const char *text;
		long share; /* -1: refused */
	} cases[] = {{"5%", (LOAD_SHARE + 10) / 20},
		     {"100", LOAD_SHARE},
		     {"0", 0},
		     {"0.5%", 5243},
		     {"101%", -1},
		     {"-1", -1},
		     {"x", -1},
		     {"5%%", -1},
		     {"", -1},
		     {"nan", -1}};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t share = 0;
		const int rc = load_share_parse(cases[i].text, &share);
		assert_int_equal(rc == 0 ? (long)share : -1, cases[i].share);
	}
}

static void draws_hit_each_kind_as_often_as_its_share(void **state)
{
	struct load l = {.bad_share = {[LOAD_REPLAYED] = 1000, [LOAD_UNKNOWN] = 1, [LOAD_CLEAR] = 30}};
	uint32_t found[LOAD_KINDS] = {0};
	(void)state;

	for (uint32_t draw = 0; draw < LOAD_SHARE; draw++)
		found[load_kind_drawn(&l, draw)]++;
	assert_int_equal(found[LOAD_REPLAYED], 1000);
	assert_int_equal(found[LOAD_FORGED], 0);
	assert_int_equal(found[LOAD_UNKNOWN], 1);
	assert_int_equal(found[LOAD_CLEAR], 30);
}

/* rule_9: replay; rule_25: cleartext to a protected port. */
static void each_bad_kind_has_its_drop(void **state)
{
	(void)state;

	assert_int_equal(load_kind_drop(LOAD_REPLAYED), BGF_DROP_REPLAY);
	assert_int_equal(load_kind_drop(LOAD_FORGED), BGF_DROP_ICV);
	assert_int_equal(load_kind_drop(LOAD_UNKNOWN), BGF_DROP_UNKNOWN_SPI);
	assert_int_equal(load_kind_drop(LOAD_CLEAR), BGF_DROP_CLEAR_PORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(shares_are_read),
		cmocka_unit_test(draws_hit_each_kind_as_often_as_its_share),
		cmocka_unit_test(each_bad_kind_has_its_drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
