/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.h"

static void buckets_meet_and_are_narrow(void **state)
{
	uint64_t next = 0;
	(void)state;

	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
		const uint64_t upper = histogram_upper(b);
		assert_int_equal(histogram_bucket(next), b);
		assert_int_equal(histogram_bucket(upper), b);
		assert_true((upper - next) * 32 <= next);
		next = upper + 1;
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void percentiles_are_of_all_values(void **state)
{
	static const struct {
		double percent;
		uint64_t value; /* of 1 to 10,000: at most 1/32 more */
	} cases[] = {{0.01, 1}, {1, 100}, {50, 5000}, {90, 9000}, {99, 9900}, {99.9, 9990}, {100, 10000}};
	static struct histogram h;
	(void)state;

	histogram_clear(&h);
	assert_int_equal(histogram_percentile(&h, 99), 0);
	for (uint64_t v = 10000; v > 0; v--)
		histogram_add(&h, v);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t found = histogram_percentile(&h, cases[i].percent);
		assert_in_range(found, cases[i].value, cases[i].value + cases[i].value / 32);
	}
	assert_int_equal(h.least, 1);
	assert_int_equal(h.most, 10000);
	assert_int_equal(histogram_mean(&h), 5000);
}

static void one_value_is_every_percentile(void **state)
{
	static struct histogram h;
	(void)state;

	histogram_clear(&h);
	histogram_add(&h, 123456789);
	assert_int_equal(histogram_percentile(&h, 0.1), 123456789);
	assert_int_equal(histogram_percentile(&h, 100), 123456789);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_meet_and_are_narrow),
		cmocka_unit_test(percentiles_are_of_all_values),
		cmocka_unit_test(one_value_is_every_percentile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
