/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libzb's requests without waiting: each is told once, whatever becomes of the gateway.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fake_gateway.h"
#include "zb.h"
#include "zb/zb_table.h"

enum { PENDING = 200 };

struct fixture {
	struct fake gateway;
	struct zb *zb;
};

static struct zb_error error;

static struct zb *open_client(struct fake *f, int wait_ms)
{
	struct zb_options o = {.path = f->path,
			       .name = "pcscf1",
			       .instance_id = 1,
			       .wait_ms = wait_ms,
			       .pending_max = PENDING};
	struct zb *zb = NULL;

	assert_int_equal(zb_open(&o, &zb, &error), 0);
	return zb;
}

static int setup(void **state)
{
	static struct fixture x;

	fake_start(&x.gateway);
	x.zb = open_client(&x.gateway, 8000);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	zb_close(x->zb);
	fake_stop(&x->gateway);
	return 0;
}

static struct zb_install an_install(uint64_t reference)
{
	struct zb_install i = {.reference = reference, .subscriber = "user@ims.example", .alg = 1};

	bgf_addr_parse("10.45.0.2", &i.selectors.ue);
	bgf_addr_parse("10.50.0.1", &i.selectors.served);
	i.selectors.port_uc = 5062;
	i.selectors.port_us = 5064;
	i.selectors.port_pc = 6060;
	i.selectors.port_ps = 6062;
	i.selectors.spi_uc = 1001;
	i.selectors.spi_us = 1002;
	return i;
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* What was told, by reference. */
struct told {
	struct zb *zb;
	unsigned count, done, lost, late, by_reference[4 * PENDING];
	uint64_t last_set;
	size_t rows;
	uint64_t cursor;
	char why[256]; /* of the last that failed */
};

static void note(const struct zb_answer *a, void *arg)
{
	struct told *t = arg;

	t->count++;
	t->done += a->status == 0;
	t->lost += a->status == -ENOTCONN;
	t->late += a->status == -ETIMEDOUT;
	t->by_reference[a->reference]++;
	t->rows = a->set_count;
	t->cursor = a->cursor;
	if (a->set_count > 0)
		t->last_set = a->sets[0].set_id;
	if (a->status == 0)
		return;
	assert_string_not_equal(a->error.text, "");
	snprintf(t->why, sizeof(t->why), "%s", a->error.text);
}

static void start(struct zb *zb, uint64_t reference, struct told *t)
{
	struct zb_install i = an_install(reference);

	assert_int_equal(zb_start_install(zb, &i, note, t, &error), 0);
}

/* Until `count` were told, or a second and a half is over. */
static void process(struct zb *zb, const struct told *t, unsigned count)
{
	for (int i = 0; i < 9000 && t->count < count; i++) {
		zb_process(zb, NULL, NULL);
		if (t->count < count)
			sleep_ms(5);
	}
	assert_int_equal(t->count, count);
}

static void test_many_are_under_way_at_once(void **state)
{
	struct fixture *x = *state;
	struct told t = {0};

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 1; i <= PENDING; i++)
			start(x->zb, round * PENDING + i, &t);
		assert_int_equal(zb_pending(x->zb), PENDING);
		process(x->zb, &t, (round + 1) * PENDING);
		assert_int_equal(zb_pending(x->zb), 0);
	}
	assert_int_equal(t.done, 3 * PENDING);
	for (unsigned i = 1; i <= 3 * PENDING; i++)
		assert_int_equal(t.by_reference[i], 1);
	assert_int_equal(x->gateway.installs, 3 * PENDING);
}

static void test_more_than_the_bound_are_not_taken(void **state)
{
	struct fixture *x = *state;
	struct zb_install i = an_install(1);
	struct told t = {0};

	for (unsigned n = 1; n <= PENDING; n++)
		start(x->zb, n, &t);
	assert_int_equal(zb_start_install(x->zb, &i, note, &t, &error), -EAGAIN);
	process(x->zb, &t, PENDING);
	start(x->zb, 1, &t);
	process(x->zb, &t, PENDING + 1);
}

static void test_answers_in_another_order(void **state)
{
	struct fixture *x = *state;
	struct told t = {0};

	x->gateway.hold = 1; /* the first goes just before the second, and the third stays alone */
	for (unsigned i = 1; i <= 3; i++)
		start(x->zb, i, &t);
	process(x->zb, &t, 3);
	assert_int_equal(t.done, 3);
}

static void test_every_kind(void **state)
{
	struct fixture *x = *state;
	struct zb_query query = {.subscriber = "user@ims.example"};
	struct told t = {0};

	start(x->zb, 1, &t);
	process(x->zb, &t, 1);
	assert_int_equal(t.last_set, 1);
	assert_int_equal(zb_start_confirm(x->zb, 1, 2, 600, note, &t, &error), 0);
	assert_int_equal(zb_start_release(x->zb, 1, 3, 0, note, &t, &error), 0);
	process(x->zb, &t, 3);
	assert_int_equal(zb_start_query(x->zb, &query, note, &t, &error), 0);
	process(x->zb, &t, 4);
	assert_int_equal(t.rows, 2);
	assert_int_equal(t.cursor, 2);
	assert_int_equal(t.done, 4);
	assert_int_equal(zb_start_release(x->zb, 0, 3, 0, note, &t, &error), -EINVAL);
	assert_int_equal(zb_start_confirm(x->zb, 0, 3, 0, note, &t, &error), -EINVAL);
	assert_int_equal(zb_pending(x->zb), 0);
}

static void confirm_it(const struct zb_answer *a, void *arg)
{
	struct told *t = arg;

	assert_int_equal(zb_start_confirm(t->zb, a->sets[0].set_id, a->reference + 1, 600, note, t, &error),
			 0);
}

static void test_an_answer_starts_the_next_request(void **state)
{
	struct fixture *x = *state;
	struct zb_install i = an_install(1);
	struct told t = {.zb = x->zb};

	assert_int_equal(zb_start_install(x->zb, &i, confirm_it, &t, &error), 0);
	process(x->zb, &t, 1);
	assert_int_equal(t.by_reference[2], 1);
	assert_int_equal(t.done, 1);
}

static void test_a_lost_connection_is_told_to_each(void **state)
{
	struct fixture *x = *state;
	struct told t = {0};

	x->gateway.ignore = 5;
	x->gateway.hang_up = 1; /* at the sixth */
	for (unsigned i = 1; i <= 20; i++)
		start(x->zb, i, &t);
	process(x->zb, &t, 20);
	assert_int_equal(t.lost, 20);
	for (unsigned i = 1; i <= 20; i++)
		assert_int_equal(t.by_reference[i], 1);
	/* It connects again, by itself, and the repetition is answered. */
	start(x->zb, 21, &t);
	process(x->zb, &t, 21);
	assert_int_equal(t.done, 1);
}

/* A gateway that ends the association has not answered what was under way on it: nobody knows what became of
 * it. */
static void test_a_bye_with_a_cause_answers_no_request(void **state)
{
	static const uint8_t bye[] = {1, ZB_MSG_BYE, 0, 0, 0,	0,  0, 24, 0,
				      0, 0,	     0, 0, 1,	0,  2, 0,  29 /* TOO_MANY_CONNECTIONS */,
				      0, 3,	     0, 2, 'n', 'o'};
	struct fixture *x = *state;
	struct told t = {0};

	start(x->zb, 1, &t);
	process(x->zb, &t, 1);
	x->gateway.ignore = 2;
	start(x->zb, 2, &t);
	start(x->zb, 3, &t);
	for (int i = 0; i < 300 && x->gateway.ignore > 0; i++) {
		zb_process(x->zb, NULL, NULL);
		sleep_ms(5);
	}
	assert_int_equal(x->gateway.ignore, 0);
	fake_send_raw(&x->gateway, bye, sizeof(bye));
	process(x->zb, &t, 3);
	assert_int_equal(t.done, 1);
	assert_int_equal(t.lost, 2);
	assert_string_equal(t.why, "the gateway closed the association: no");
	start(x->zb, 4, &t);
	process(x->zb, &t, 4);
	assert_int_equal(t.done, 2);
}

static void test_time_is_up(void **state)
{
	struct fixture *x = *state;
	struct zb *zb =
		open_client(&x->gateway, 4000); /* in which the second one is answered on any machine */
	struct told t = {0};

	x->gateway.hold = 1;
	start(zb, 1, &t);
	process(zb, &t, 1);
	assert_int_equal(t.late, 1);
	start(zb, 2, &t); /* before its answer comes the first one's, which nobody wants any more */
	process(zb, &t, 2);
	assert_int_equal(t.done, 1);
	assert_int_equal(t.by_reference[1], 1);
	zb_close(zb);
}

static void test_without_a_gateway_all_are_told(void **state)
{
	struct fixture *x = *state;
	struct told t = {0};

	fake_vanish(&x->gateway);
	start(x->zb, 1, &t);
	start(x->zb, 2, &t);
	assert_int_equal(t.count, 0); /* not from within */
	process(x->zb, &t, 2);
	assert_int_equal(t.lost, 2);
	fake_return(&x->gateway);
	start(x->zb, 3, &t); /* waits for the connection, which is tried once a second */
	process(x->zb, &t, 3);
	assert_int_equal(t.done, 1);
}

static void test_a_call_in_between_keeps_the_answers(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;
	struct told t = {0};

	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	for (unsigned i = 1; i <= 10; i++)
		start(x->zb, i, &t);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0); /* its answer comes behind the ten */
	assert_int_equal(t.count, 0);
	assert_int_equal(zb_pending(x->zb), 10);
	fake_vanish(&x->gateway); /* what was answered is no loss */
	zb_process(x->zb, NULL, NULL);
	assert_int_equal(t.done, 10);
	fake_return(&x->gateway);
}

static void test_an_answer_that_comes_twice_is_told_once(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;
	struct told t = {0};

	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	x->gateway.twice = 1;
	for (unsigned i = 1; i <= 10; i++)
		start(x->zb, i, &t);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0); /* the ten wait, each with its double */
	process(x->zb, &t, 10);
	for (unsigned i = 11; i <= 10 + PENDING; i++) /* no place is lost, and none is given twice */
		start(x->zb, i, &t);
	process(x->zb, &t, 10 + PENDING);
	for (unsigned i = 1; i <= 10 + PENDING; i++)
		assert_int_equal(t.by_reference[i], 1);
	assert_int_equal(zb_pending(x->zb), 0);
}

static void test_a_gateway_that_reads_nothing_is_given_up(void **state)
{
	struct fixture *x = *state;
	struct zb_options o = {
		.path = x->gateway.path, .name = "p", .instance_id = 1, .wait_ms = 3000, .pending_max = 4000};
	struct zb_gateway g;
	struct told t = {0};
	struct zb *zb = NULL;

	assert_int_equal(zb_open(&o, &zb, &error), 0);
	assert_int_equal(zb_gateway(zb, &g, &error), 0);
	x->gateway.deaf = 1;
	for (unsigned i = 0; i < 9000 && zb_fd(zb) >= 0; i++) {
		while (zb_pending(zb) < 4000)
			start(zb, 1, &t);
		zb_process(zb, NULL, NULL);
		sleep_ms(5);
	}
	assert_int_equal(zb_fd(zb), -1);
	assert_int_equal(zb_pending(zb), 0);
	x->gateway.deaf = 0;
	zb_close(zb);
}

static void test_a_refused_hello_is_told_to_each(void **state)
{
	struct fixture *x = *state;
	struct told t = {0};

	x->gateway.hello_cause = ZB_CAUSE_INSTANCE_CLASH;
	start(x->zb, 1, &t);
	process(x->zb, &t, 1);
	assert_int_equal(t.done + t.lost + t.late, 0); /* -EREMOTEIO, as a call says it */
	assert_int_equal(x->gateway.installs, 0);
}

static void test_bounds_of_the_bound(void **state)
{
	struct fixture *x = *state;
	struct zb_options o = {
		.path = x->gateway.path, .name = "p", .instance_id = 1, .pending_max = ZB_PENDING_MOST + 1};
	struct zb *zb = NULL;

	assert_int_equal(zb_open(&o, &zb, &error), -EINVAL);
	assert_null(zb);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_are_under_way_at_once),
		TEST(more_than_the_bound_are_not_taken),
		TEST(answers_in_another_order),
		TEST(every_kind),
		TEST(an_answer_starts_the_next_request),
		TEST(a_lost_connection_is_told_to_each),
		TEST(a_bye_with_a_cause_answers_no_request),
		TEST(time_is_up),
		TEST(without_a_gateway_all_are_told),
		TEST(a_call_in_between_keeps_the_answers),
		TEST(an_answer_that_comes_twice_is_told_once),
		TEST(a_gateway_that_reads_nothing_is_given_up),
		TEST(a_refused_hello_is_told_to_each),
		TEST(bounds_of_the_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
