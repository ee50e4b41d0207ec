/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Time: sets end when they should, by a clock that nobody sets and that a suspend does not stop. The wall
 * clock, which is only shown to people, may do what it likes. The linker puts what is called __wrap_... in
 * the place of what the daemon calls.
 */
#include "orders.h"

#include <stdlib.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "control/orders.h"
#include "control/sets.h"

int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __real_gettimeofday(struct timeval *restrict ret, void *restrict zone);
int __wrap_gettimeofday(struct timeval *restrict ret, void *restrict zone);
int __real_timerfd_create(int id, int flags);
int __wrap_timerfd_create(int id, int flags);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);

static int64_t wall_is_wrong_by_s;
static int timer_clock = -1;
static unsigned relative_timers, late_timers;

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = __real_clock_gettime(id, ret);

	if (id == CLOCK_REALTIME)
		ret->tv_sec += wall_is_wrong_by_s;
	return r;
}

int __wrap_gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	int r = __real_gettimeofday(ret, zone);

	ret->tv_sec += wall_is_wrong_by_s;
	return r;
}

int __wrap_timerfd_create(int id, int flags)
{
	timer_clock = id;
	return __real_timerfd_create(id, flags);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	relative_timers += !(flags & TFD_TIMER_ABSTIME);
	return __real_timerfd_settime(fd, flags, new, old);
}

/* While the machine sleeps CLOCK_MONOTONIC stands still, and a relative timer with it. */
static void rule_14_the_timer_is_absolute_and_a_suspend_counts(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	installed(&in);
	assert_int_equal(timer_clock, CLOCK_BOOTTIME);
	assert_true(h->control.timer_at != 0);
	assert_int_equal(relative_timers, 0);
	client_close(&client);
}

static void rule_14_a_change_of_the_wall_clock_moves_no_end(void **state)
{
	static const int64_t changes_s[] = {10 * 365 * 86400, -10 * 365 * 86400};
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	in.await_auth_s = 1;
	for (size_t i = 0; i < sizeof(changes_s) / sizeof(*changes_s); i++) {
		in.reference++;
		uint64_t begin = timers_now(), id = installed(&in).set_id;
		uint64_t until = sa_table_by_id(&h->control.table, id)->expires;
		assert_in_range(until, begin + SECOND, timers_now() + SECOND);
		wall_is_wrong_by_s = changes_s[i];
		client_wait_event(&client, ZB_MSG_EXPIRED);
		assert_in_range(timers_now(), until, until + 60 * SECOND);
		client.event.header.type = 0;
		wall_is_wrong_by_s = 0;
	}
	client_close(&client);
}

static uint64_t established(unsigned n)
{
	struct install in = nth(n);
	uint64_t id = installed(&in).set_id;

	assert_int_equal(client_confirm(&client, id, 500 + n, 600), ZB_CAUSE_DONE);
	return id;
}

/* Which set is older is told by their stamps, which are of the wall clock but never fall, also over a
 * restart. */
static void rule_20_the_newer_set_is_the_newer_one_when_the_wall_clock_went_back(void **state)
{
	struct harness *h = *state;

	for (int restart = 0; restart < 2; restart++) {
		hello(h);
		uint64_t old = established(1 + 2 * (unsigned)restart);
		wall_is_wrong_by_s -= 86400;
		client_close(&client);
		if (restart)
			harness_restart(h);
		hello(h);
		uint64_t new = established(2 + 2 * (unsigned)restart);
		fake_tell_first_used(&h->fake, new);
		client_wait_event(&client, ZB_MSG_SUPERSEDED);
		assert_int_equal(sa_table_by_id(&h->control.table, old)->state, BGF_SET_SUPERSEDED);
		assert_int_equal(sa_table_by_id(&h->control.table, new)->state, BGF_SET_ESTABLISHED);
		assert_int_equal(client_release(&client, old, 900, 0), ZB_CAUSE_DONE);
		assert_int_equal(client_release(&client, new, 901, 0), ZB_CAUSE_DONE);
		client_close(&client);
	}
	wall_is_wrong_by_s = 0;
}

/* Many requests are under way, and none waits long: that somebody sets the clock is no overload. */
static void a_step_of_the_wall_clock_refuses_nobody(void **state)
{
	enum { MANY = OVERLOAD_LEAST + 10, DELAY_S = 30, STEP_S = 40 };
	struct harness *h = *state;

	h->config.control.overload_delay_ms = DELAY_S * 1000;
	h->config.control.overload_retry_s = 1;
	h->control.capacity = 2 * MANY;
	h->fake.is_mute = true;
	hello(h);
	for (unsigned i = 0; i <= MANY; i++) {
		struct install in = nth(i);
		snprintf(in.subscriber, sizeof(in.subscriber), "u%u", i);
		if (i == MANY)
			wall_is_wrong_by_s = STEP_S;
		client_send_install(&client, &in);
		if (i % 16 == 0)
			harness_run_for(h, 1);
	}
	harness_run_for(h, 20);
	orders_look_at_load(&h->control);
	assert_true(dplink_under_way(h->control.link) >= OVERLOAD_LEAST);
	assert_false(h->control.overload.on);
	assert_int_equal(h->fake.adds, MANY + 1);
	wall_is_wrong_by_s = 0;
	client_close(&client);
}

struct ends {
	struct harness *h;
	uint64_t until[FAKE_CAPACITY];
	uint64_t back;		   /* when the daemon, or the machine, was there again */
	uint64_t looked, cpu;	   /* the time, and the processor's, of the last look */
	unsigned left, restart_at; /* so many left */
};

static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* Looks which sets are there after each turn of the loop: how late one ended, its turn included. */
static bool all_ended(void *arg)
{
	struct ends *e = arg;
	uint64_t now = timers_now(), cpu = cpu_now(), gap = now - e->looked;

	if (e->looked != 0 && gap > SECOND / 50 && cpu - e->cpu < gap / 2)
		e->back = now; /* others had the processor: what is due by now has its 100 ms yet */
	e->looked = now;
	e->cpu = cpu;
	for (uint64_t id = 1; id < FAKE_CAPACITY; id++) {
		if (e->until[id] == 0 || sa_table_by_id(&e->h->control.table, id) != NULL)
			continue;
		assert_true(now >= e->until[id]);
		uint64_t due = e->until[id] > e->back ? e->until[id] : e->back;
		late_timers += now > due + SECOND / 10;
		e->until[id] = 0;
		e->left--;
	}
	return e->left == 0;
}

static bool is_time_to_restart(void *arg)
{
	struct ends *e = arg;

	all_ended(e);
	return e->left <= e->restart_at;
}

static bool is_empty(void *arg)
{
	return fake_count(&((struct harness *)arg)->fake) == 0;
}

/* None early, and all but what the machine itself kept from running within 100 ms; in the middle of it the
 * daemon starts anew, which lengthens no life. */
static void rule_14_each_set_ends_within_100_ms_of_its_time(void **state)
{
	enum { SETS = 60, SPAN_MS = 6000 };
	struct harness *h = *state;
	struct ends e = {.h = h, .left = SETS, .restart_at = SETS * 3 / 4};
	uint64_t begin = timers_now();

	hello(h);
	for (unsigned i = 0; i < SETS; i++) {
		struct install in = nth(i);
		snprintf(in.subscriber, sizeof(in.subscriber), "u%u", i);
		uint64_t id = installed(&in).set_id;
		assert_in_range(id, 1, FAKE_CAPACITY - 1);
		struct sa_set *set = sa_table_by_id(&h->control.table, id);
		e.until[id] = begin + SECOND / 2 + (uint64_t)(rand() % SPAN_MS) * 1000000;
		sets_set_expiry(&h->control, set, e.until[id]);
		assert_int_equal(sets_update(&h->control, set, false, false, NULL, NULL), 0);
	}
	harness_run(h, is_time_to_restart, &e, "the first of the ends");
	assert_in_range(e.left, 1, SETS - 1);
	client_close(&client);
	harness_restart(h);
	e.back = timers_now();
	harness_run(h, all_ended, &e, "the ends of all sets");
	assert_in_range(late_timers, 0, SETS / 10);
	harness_run(h, is_empty, h, "the data plane to have none");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(rule_14_the_timer_is_absolute_and_a_suspend_counts),
		T(rule_14_a_change_of_the_wall_clock_moves_no_end),
		T(rule_20_the_newer_set_is_the_newer_one_when_the_wall_clock_went_back),
		T(a_step_of_the_wall_clock_refuses_nobody),
		T(rule_14_each_set_ends_within_100_ms_of_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
