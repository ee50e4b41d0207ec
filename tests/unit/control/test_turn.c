/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How long a turn of the event loop takes, by what is done in it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "control/timers.h"
#include "control/turn.h"

#define MS UINT64_C(1000000)
enum { STEP_MS = 20 };

/* What is active in one turn, one after the other: each works, and notes how old the turn was before. */
static struct job {
	struct event *event;
	struct job *then; /* given to the turn as it runs */
	uint64_t age;
} jobs[4];
static struct turn turn;

static void work(evutil_socket_t fd, short what, void *arg)
{
	struct job *job = arg;

	(void)fd, (void)what;
	job->age = turn_age(&turn, timers_now());
	turn_work(&turn);
	usleep(STEP_MS * 1000);
	if (job->then != NULL)
		event_active(job->then->event, EV_TIMEOUT, 0);
}

static void test_who_comes_later_has_waited_longer(void **state)
{
	struct event_base *base = event_base_new();

	(void)state;
	assert_int_equal(turn_init(&turn, base), 0);
	for (unsigned i = 0; i < 4; i++)
		jobs[i] = (struct job){.event = evtimer_new(base, work, &jobs[i])};
	jobs[1].then = &jobs[2]; /* behind all others, in the same turn */
	jobs[2].then = &jobs[3];
	for (int round = 0; round < 2; round++) { /* the second one's turn began with itself */
		assert_int_equal(turn_age(&turn, timers_now()), 0);
		event_active(jobs[0].event, EV_TIMEOUT, 0);
		event_active(jobs[1].event, EV_TIMEOUT, 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
		for (unsigned i = 0; i < 4; i++)
			assert_true(jobs[i].age >= i * STEP_MS * MS);
		assert_true(jobs[0].age == 0);
		usleep(STEP_MS * 1000); /* the loop waits */
	}
	for (unsigned i = 0; i < 4; i++)
		event_free(jobs[i].event);
	turn_free(&turn);
	event_base_free(base);
}

static void test_a_clock_that_was_read_before_makes_no_age(void **state)
{
	const struct turn t = {.begun = 100};

	(void)state;
	assert_int_equal(turn_age(&t, 99), 0);
	assert_int_equal(turn_age(&t, 150), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_comes_later_has_waited_longer),
		cmocka_unit_test(test_a_clock_that_was_read_before_makes_no_age),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
