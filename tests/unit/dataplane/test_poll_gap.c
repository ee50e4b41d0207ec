/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "poll_gap.h"

static void a_gap_counts_in_each_length_it_reaches(void **state)
{
	static const struct {
		uint64_t us;
		int lengths; /* how many of 1, 2, 4, ... ms it reaches */
	} cases[] = {{250, 0}, {999, 0}, {1000, 1}, {1999, 1}, {2000, 2}, {8500, 4}, {64000, 7}, {900000, 7}};
	struct poll_gaps gaps = {0};
	uint64_t us = 0, longer[DPL_POLL_GAPS] = {0};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		poll_gap_add(&gaps, cases[i].us);
		us += cases[i].us;
		for (int k = 0; k < cases[i].lengths; k++)
			longer[k]++;
		assert_int_equal(gaps.us, us);
		assert_memory_equal(gaps.longer, longer, sizeof(longer));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_gap_counts_in_each_length_it_reaches)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
