/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When the gateway is overloaded, and who is served then.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "control/overload.h"

#define MS UINT64_C(1000000)
enum { MANY = OVERLOAD_LEAST, FEW = OVERLOAD_LEAST - 1 };

/* One look after the other, with a limit of 100 ms. */
static const struct {
	uint64_t at_ms, delay_ms;
	uint32_t under_way;
	enum overload_news news;
	bool shedding;
} looks[] = {
	{10, 0, 0, OVERLOAD_SAME, false},	 {20, 99, MANY, OVERLOAD_SAME, false},
	{30, 5000, FEW, OVERLOAD_SAME, false}, /* a data plane that hangs is another matter */
	{40, 100, MANY, OVERLOAD_BEGINS, true},	 {50, 300, 100 * MANY, OVERLOAD_SAME, true},
	{60, 60, MANY, OVERLOAD_SAME, true},	/* not calm yet */
	{70, 49, MANY, OVERLOAD_SAME, false},	/* new ones are taken again */
	{1000, 60, MANY, OVERLOAD_SAME, false}, /* a little late: neither late nor calm */
	{1100, 20, MANY, OVERLOAD_SAME, false},	 {1500, 100, MANY, OVERLOAD_SAME, true}, /* told once */
	{1600, 0, 0, OVERLOAD_SAME, false},	 {2599, 0, 0, OVERLOAD_SAME, false},
	{2600, 0, 0, OVERLOAD_ENDS, false}, /* calm for a second */
	{5000, 0, 0, OVERLOAD_SAME, false},	 {5010, 101, MANY, OVERLOAD_BEGINS, true},
	{5020, 5000, FEW, OVERLOAD_SAME, false}, /* all but a few are done */
	{6020, 5000, FEW, OVERLOAD_ENDS, false},
};

static void test_when_it_begins_and_ends(void **state)
{
	struct overload o = {.limit = 100 * MS};

	(void)state;
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
		assert_int_equal(
			overload_note(&o, looks[i].delay_ms * MS, looks[i].under_way, looks[i].at_ms * MS),
			looks[i].news);
		assert_int_equal(o.shedding, looks[i].shedding);
	}
}

static void test_who_is_served(void **state)
{
	static const struct {
		bool shedding;
		enum overload_rank rank;
		bool admitted;
	} rows[] = {
		{false, OVERLOAD_EMERGENCY, true}, {false, OVERLOAD_REGISTERED, true},
		{false, OVERLOAD_NEW, true},	   {true, OVERLOAD_EMERGENCY, true},
		{true, OVERLOAD_REGISTERED, true}, {true, OVERLOAD_NEW, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct overload o = {.limit = MS, .on = true, .shedding = rows[i].shedding};
		assert_int_equal(overload_admits(&o, rows[i].rank), rows[i].admitted);
		assert_int_equal(o.refused, !rows[i].admitted);
	}
}

static void test_limit_0_is_never(void **state)
{
	struct overload o = {.limit = 0};

	(void)state;
	assert_int_equal(overload_note(&o, UINT64_MAX, UINT32_MAX, MS), OVERLOAD_SAME);
	assert_true(overload_admits(&o, OVERLOAD_NEW));
}

static void test_they_do_not_come_back_together(void **state)
{
	(void)state;
	assert_int_equal(overload_retry_ms(2, 0), 1000);
	assert_int_equal(overload_retry_ms(2, 1999), 2999);
	assert_int_equal(overload_retry_ms(2, 2000), 1000);
	for (uint32_t random = 0; random < 100000; random += 37)
		assert_in_range(overload_retry_ms(5, random), 2500, 7499);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when_it_begins_and_ends),
		cmocka_unit_test(test_who_is_served),
		cmocka_unit_test(test_limit_0_is_never),
		cmocka_unit_test(test_they_do_not_come_back_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
