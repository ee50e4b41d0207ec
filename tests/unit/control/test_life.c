/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include "control/life.h"

#define SECOND UINT64_C(1000000000)

struct row {
	enum bgf_set_state state;
	enum life_event event;
	enum life_action action;
	unsigned after; /* 0: gone */
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct life_step step = life_step(rows[i].state, rows[i].event);
		assert_int_equal(step.action, rows[i].action);
		assert_int_equal(step.state, rows[i].after);
	}
}

#define T BGF_SET_TEMPORARY
#define E BGF_SET_ESTABLISHED
#define S BGF_SET_SUPERSEDED
#define D BGF_SET_DRAINING
#define CHECK(...)                                              \
	do {                                                    \
		static const struct row rows[] = {__VA_ARGS__}; \
		(void)state;                                    \
		check(rows, sizeof(rows) / sizeof(*rows));      \
	} while (0)

static void rule_14_a_temporary_set_expires(void **state)
{
	CHECK({T, LIFE_EXPIRE, LIFE_END_EXPIRED, 0});
}

static void rule_15_a_challenge_ends_temporary_sets_only(void **state)
{
	CHECK({T, LIFE_CHALLENGE, LIFE_END, 0}, {E, LIFE_CHALLENGE, LIFE_KEEP, E},
	      {S, LIFE_CHALLENGE, LIFE_KEEP, S}, {D, LIFE_CHALLENGE, LIFE_KEEP, D});
}

static void rule_15_the_set_that_the_challenge_travels_on_lingers(void **state)
{
	CHECK({T, LIFE_CHALLENGE_VIA, LIFE_LINGER, D}, {E, LIFE_CHALLENGE_VIA, LIFE_KEEP, E},
	      {S, LIFE_CHALLENGE_VIA, LIFE_KEEP, S}, {D, LIFE_CHALLENGE_VIA, LIFE_KEEP, D});
}

static void rule_18_confirm_establishes_a_temporary_set(void **state)
{
	CHECK({T, LIFE_CONFIRM, LIFE_ESTABLISH, E});
}

static void rule_19_confirm_extends_an_established_set(void **state)
{
	CHECK({E, LIFE_CONFIRM, LIFE_EXTEND, E});
}

static void confirm_is_refused_for_what_is_on_its_way_out(void **state)
{
	CHECK({S, LIFE_CONFIRM, LIFE_REFUSE, S}, {D, LIFE_CONFIRM, LIFE_REFUSE, D});
}

static void rule_20_the_first_use_of_a_newer_set_cuts_an_established_one(void **state)
{
	CHECK({T, LIFE_SUPERSEDE, LIFE_KEEP, T}, {E, LIFE_SUPERSEDE, LIFE_CUT, S},
	      {S, LIFE_SUPERSEDE, LIFE_KEEP, S}, {D, LIFE_SUPERSEDE, LIFE_KEEP, D});
}

static void rule_20_a_life_is_cut_and_never_lengthened(void **state)
{
	static const struct {
		uint32_t cut_s;
		uint64_t had_s, left_s;
	} rows[] = {{128, 3600, 128}, {128, 129, 128}, {128, 128, 128},
		    {128, 127, 127},  {128, 0, 0},     {1, 600, 1}};
	const uint64_t now = 77 * SECOND;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(life_superseded_until(now, rows[i].cut_s, now + rows[i].had_s * SECOND),
				 now + rows[i].left_s * SECOND);
}

static void rules_22_and_23_a_released_set_drains_or_ends(void **state)
{
	CHECK({T, LIFE_DRAIN, LIFE_LINGER, D}, {E, LIFE_DRAIN, LIFE_LINGER, D},
	      {S, LIFE_DRAIN, LIFE_LINGER, D}, {D, LIFE_DRAIN, LIFE_LINGER, D},
	      {T, LIFE_RELEASE, LIFE_END, 0}, {E, LIFE_RELEASE, LIFE_END, 0}, {S, LIFE_RELEASE, LIFE_END, 0},
	      {D, LIFE_RELEASE, LIFE_END, 0});
}

static void a_drained_set_was_removed_and_did_not_expire(void **state)
{
	CHECK({D, LIFE_EXPIRE, LIFE_END, 0}, {E, LIFE_EXPIRE, LIFE_END_EXPIRED, 0},
	      {S, LIFE_EXPIRE, LIFE_END_EXPIRED, 0});
}

static void rule_18_the_lifetime_is_the_longer_of_expires_and_30_s_and_what_was_left(void **state)
{
	static const struct {
		uint32_t expires_s;
		uint64_t floor_s, until_s; /* from now */
	} rows[] = {{600, 0, 630}, {600, 629, 630}, {600, 630, 630},	    {600, 631, 631},
		    {0, 0, 30},	   {0, 3600, 3600}, {16777215, 0, 16777245}};
	const uint64_t now = 77 * SECOND;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(life_confirmed_until(now, rows[i].expires_s, now + rows[i].floor_s * SECOND),
				 now + rows[i].until_s * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_14_a_temporary_set_expires),
		cmocka_unit_test(rule_15_a_challenge_ends_temporary_sets_only),
		cmocka_unit_test(rule_15_the_set_that_the_challenge_travels_on_lingers),
		cmocka_unit_test(rule_18_confirm_establishes_a_temporary_set),
		cmocka_unit_test(rule_19_confirm_extends_an_established_set),
		cmocka_unit_test(confirm_is_refused_for_what_is_on_its_way_out),
		cmocka_unit_test(rule_20_the_first_use_of_a_newer_set_cuts_an_established_one),
		cmocka_unit_test(rule_20_a_life_is_cut_and_never_lengthened),
		cmocka_unit_test(rules_22_and_23_a_released_set_drains_or_ends),
		cmocka_unit_test(a_drained_set_was_removed_and_did_not_expire),
		cmocka_unit_test(rule_18_the_lifetime_is_the_longer_of_expires_and_30_s_and_what_was_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
