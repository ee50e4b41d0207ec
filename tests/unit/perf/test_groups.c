/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "groups.h"

enum { SUBJECT, REFERENCE, CONTENDERS };

/* Adds n groups in which the subject takes `cycles` and the reference 100. */
static void add(struct groups *g, unsigned n, double cycles, bool disturbed)
{
	for (unsigned i = 0; i < n; i++)
		assert_true(groups_add(g, (const double[CONTENDERS]){cycles, 100}, disturbed));
}

static void disturbed_groups_count_only_where_clean_ones_are_too_few(void **state)
{
	static const struct {
		unsigned clean, disturbed;
		double ratio; /* clean groups read 1.2, disturbed ones 3 */
	} cases[] = {
		{GROUPS_CLEAN_LEAST, 0, 1.2},
		{GROUPS_CLEAN_LEAST, 100, 1.2},
		{GROUPS_CLEAN_LEAST - 1, 100, 3},
		{GROUPS_CLEAN_LEAST - 1, 2, 1.2},
		{0, 1, 3},
		{1, 0, 1.2},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct groups *g = groups_begin("point", CONTENDERS);
		assert_non_null(g);
		add(g, cases[i].disturbed, 300, true);
		add(g, cases[i].clean, 120, false);
		const struct groups_figures f = groups_figures(g, groups_all(g), REFERENCE);
		assert_int_equal(groups_clean(g, groups_all(g)), cases[i].clean);
		assert_float_equal(f.ratio.median, cases[i].ratio, 1e-9);
		assert_float_equal(f.surplus.median, 100 * cases[i].ratio - 100, 1e-9);
		assert_float_equal(f.cycles.median, 100, 1e-9);
		groups_end(g, false, true);
	}
}

static void turns_are_put_together_and_told_apart(void **state)
{
	static const double cycles[GROUPS_TURNS] = {110, 150, 130};
	struct groups *g = NULL;
	(void)state;

	for (unsigned turn = 0; turn < GROUPS_TURNS; turn++) {
		struct groups *other = groups_begin("another point", CONTENDERS);
		add(other, 1, 900, false);
		groups_end(other, false, true);
		if (turn > 0)
			groups_end(g, false, false);
		g = groups_begin("point", CONTENDERS);
		add(g, 20 + turn, cycles[turn], false);
	}
	assert_int_equal(g->turns, GROUPS_TURNS);
	assert_int_equal(groups_all(g).to, 63);
	assert_float_equal(groups_figures(g, groups_all(g), REFERENCE).ratio.median, 1.3, 1e-9);
	for (unsigned turn = 0; turn < GROUPS_TURNS; turn++) {
		const struct groups_span span = groups_turn(g, turn);
		assert_int_equal(span.to - span.from, 20 + turn);
		assert_float_equal(groups_figures(g, span, SUBJECT).cycles.median, cycles[turn], 1e-9);
	}
	groups_end(g, false, true);
	g = groups_begin("point", CONTENDERS); /* after the last turn all begins anew */
	assert_int_equal(g->n, 0);
	groups_end(g, false, true);
}

static void a_failed_turn_leaves_nothing(void **state)
{
	struct groups *g = groups_begin("point", CONTENDERS);
	(void)state;

	add(g, 20, 110, false);
	groups_end(g, false, false);
	g = groups_begin("point", CONTENDERS);
	add(g, 20, 900, false);
	groups_end(g, true, false);
	g = groups_begin("point", CONTENDERS);
	assert_int_equal(g->turns, 2);
	add(g, 5, 130, false);
	assert_int_equal(groups_all(g).to, 25);
	assert_float_equal(groups_figures(g, groups_all(g), REFERENCE).ratio.high, 1.3, 1e-9);
	groups_end(g, false, true);
}

static void a_turn_has_an_end(void **state)
{
	struct groups *g = groups_begin("point", CONTENDERS);
	(void)state;

	add(g, GROUPS_TURN_MAX, 110, false);
	assert_false(groups_add(g, (const double[CONTENDERS]){110, 100}, false));
	groups_end(g, false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disturbed_groups_count_only_where_clean_ones_are_too_few),
		cmocka_unit_test(turns_are_put_together_and_told_apart),
		cmocka_unit_test(a_failed_turn_leaves_nothing),
		cmocka_unit_test(a_turn_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
