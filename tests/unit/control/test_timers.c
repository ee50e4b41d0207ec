/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <stdlib.h>
#include <time.h>

#include "control/timers.h"

enum { SETS = 1000 };

static void sets_come_out_in_the_order_of_their_ends(void **state)
{
	static struct sa_set sets[SETS];
	struct timers t = {0};
	uint64_t last = 0;
	uint32_t left = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < SETS; i++) {
		sets[i].expires = (uint64_t)rand() % 500;
		assert_int_equal(timers_set(&t, &sets[i]), 0);
	}
	for (int i = 0; i < SETS; i += 3) { /* moved, both ways */
		sets[i].expires = (uint64_t)rand() % 500;
		assert_int_equal(timers_set(&t, &sets[i]), 0);
	}
	for (int i = 1; i < SETS; i += 3)
		timers_clear(&t, &sets[i]);
	timers_clear(&t, &sets[1]); /* it has none */
	while (timers_first(&t) != NULL) {
		struct sa_set *first = timers_first(&t);
		assert_true(first->expires >= last);
		assert_int_not_equal((first - sets) % 3, 1);
		last = first->expires;
		timers_clear(&t, first);
		left++;
	}
	assert_int_equal(left, SETS - (SETS + 1) / 3);
	timers_free(&t);
}

static void the_clock_is_boottime(void **state)
{
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &now);
	uint64_t before = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	uint64_t t = timers_now();
	assert_true(t >= before && t < before + UINT64_C(10000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_come_out_in_the_order_of_their_ends),
		cmocka_unit_test(the_clock_is_boottime),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
