/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libzb against a gateway that answers late, not at all, goes away and comes back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_gateway.h"
#include "zb.h"
#include "zb/zb_table.h"

struct fixture {
	struct fake gateway;
	struct zb *zb;
};

static struct zb_error error;

static struct zb *open_client(struct fake *f, int wait_ms)
{
	struct zb_options o = {.path = f->path, .name = "pcscf1", .instance_id = 1, .wait_ms = wait_ms};
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

static struct zb_install an_install(void)
{
	struct zb_install i = {
		.reference = 7, .subscriber = "user@ims.example", .registration_id = "", .alg = 1};

	bgf_addr_parse("10.45.0.2", &i.selectors.ue);
	bgf_addr_parse("10.50.0.1", &i.selectors.served);
	i.selectors.port_uc = 5062;
	i.selectors.port_us = 5064;
	i.selectors.port_pc = 6060;
	i.selectors.port_ps = 6062;
	i.selectors.spi_uc = 1001;
	i.selectors.spi_us = 1002;
	memset(i.ik, 0xa7, sizeof(i.ik));
	return i;
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

struct seen {
	unsigned count, by_kind[8];
	uint64_t last;
};

static void see(const struct zb_event *event, void *arg)
{
	struct seen *s = arg;

	s->count++;
	s->by_kind[event->kind & 7]++;
	s->last = event->set_id;
}

/* Processes until `count` events came, two seconds at most. */
static void process_until(struct zb *zb, struct seen *s, unsigned count)
{
	for (int i = 0; i < 3000 && s->count < count; i++) {
		zb_process(zb, see, s);
		if (s->count < count)
			sleep_ms(10);
	}
	assert_int_equal(s->count, count);
}

struct told_of {
	unsigned count;
};

static void take_note(const struct zb_answer *answer, void *arg)
{
	assert_int_equal(answer->status, 0);
	((struct told_of *)arg)->count++;
}

static void test_every_call(void **state)
{
	struct fixture *x = *state;
	struct zb_install i = an_install();
	struct zb_gateway g;
	struct zb_set set, rows[2];
	struct zb_query q = {.subscriber = "user@ims.example"};
	uint32_t released;
	size_t n;

	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	assert_string_equal(g.name, "bgf1");
	assert_int_equal(g.store_epoch, 42);
	assert_int_equal(zb_install(x->zb, &i, &set, &error), 0);
	assert_int_equal(set.selectors.spi_ps, 0x00800000);
	assert_int_equal(zb_confirm(x->zb, 1, 8, 3600, &set, &error), 0);
	assert_int_equal(zb_query(x->zb, &q, rows, 2, &n, &error), 0);
	assert_int_equal(n, 2);
	assert_int_equal(q.cursor, 2);
	assert_int_equal(zb_query(x->zb, &q, rows, 2, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].set_id, 3);
	assert_int_equal(q.cursor, 0);
	assert_int_equal(zb_release(x->zb, 1, 9, 128, &error), 0);
	assert_int_equal(zb_release_all(x->zb, 10, 0, &released, &error), 0);
	assert_int_equal(released, 5);
	assert_int_equal(x->gateway.hellos, 1);
}

static void test_arguments_are_named(void **state)
{
	struct fixture *x = *state;
	struct zb_install i = an_install();
	struct zb_set set;

	i.selectors.spi_uc = 255;
	assert_int_equal(zb_install(x->zb, &i, &set, &error), -EINVAL);
	assert_int_equal(error.attribute, ZB_ATTR_SPI_UC);
	assert_non_null(strstr(error.text, "SPI_UC"));
	i = an_install();
	i.subscriber = "";
	assert_int_equal(zb_install(x->zb, &i, &set, &error), -EINVAL);
	assert_non_null(strstr(error.text, "subscriber"));
	assert_int_equal(zb_confirm(x->zb, 1, 0, 3600, &set, &error), -EINVAL);
	assert_int_equal(error.attribute, ZB_ATTR_REFERENCE);
	assert_int_equal(x->gateway.installs, 0);
}

static void test_bad_options(void **state)
{
	struct zb *zb = NULL;

	(void)state;
	assert_int_equal(zb_open(&(struct zb_options){.name = "a b", .instance_id = 1}, &zb, &error),
			 -EINVAL);
	assert_int_equal(zb_open(&(struct zb_options){.name = "", .instance_id = 1}, &zb, &error), -EINVAL);
	assert_int_equal(zb_open(&(struct zb_options){.instance_id = 1}, &zb, &error), -EINVAL);
	assert_int_equal(zb_open(&(struct zb_options){.name = "a", .instance_id = 0}, &zb, &error), -EINVAL);
	assert_null(zb);
}

static void test_no_gateway(void **state)
{
	struct zb_options o = {.path = "/nonexistent/zb.sock", .name = "a", .instance_id = 1};
	struct zb_gateway g;
	struct zb *zb;

	(void)state;
	assert_int_equal(zb_open(&o, &zb, &error), 0);
	assert_int_equal(zb_gateway(zb, &g, &error), -ENOTCONN);
	assert_non_null(strstr(error.text, "/nonexistent/zb.sock"));
	assert_int_equal(zb_fd(zb), -1);
	zb_close(zb);
	zb_close(NULL);
}

static void test_a_refused_hello_is_told(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;

	x->gateway.hello_cause = ZB_CAUSE_INSTANCE_CLASH;
	assert_int_equal(zb_gateway(x->zb, &g, &error), -EREMOTEIO);
	assert_int_equal(error.cause, ZB_CAUSE_INSTANCE_CLASH);
	assert_int_equal(error.attribute, ZB_ATTR_INSTANCE_ID);
	assert_string_equal(error.text, "no");
	x->gateway.hello_cause = 0;
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
}

static void test_timeout_is_bounded_and_the_late_answer_discarded(void **state)
{
	struct fixture *x = *state;
	enum {
		WAIT_MS = 4000
	}; /* a machine that others use may stand still as long as the next answer takes */
	struct zb *zb = open_client(&x->gateway, WAIT_MS);
	struct timespec a, b;
	struct zb_set set;
	uint32_t count = 0;

	zb_close(x->zb);
	x->zb = zb;
	x->gateway.hold = 1; /* the answer to CONFIRM goes only before the one to RELEASE */
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(zb_confirm(zb, 1, 8, 60, &set, &error), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &b);
	long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	assert_in_range(ms, WAIT_MS - 10, 60000);
	assert_int_equal(zb_release_all(zb, 9, 0, &count, &error), 0);
	assert_int_equal(count, 5);
	assert_int_equal(x->gateway.hellos, 1); /* on the same connection */
}

static void test_request_is_repeated_when_the_connection_breaks(void **state)
{
	struct fixture *x = *state;
	struct zb_install i = an_install();
	struct zb_set set;
	struct zb_gateway g;

	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	x->gateway.hang_up = 1;
	assert_int_equal(zb_install(x->zb, &i, &set, &error), 0);
	assert_int_equal(x->gateway.installs, 2);
	assert_int_equal(x->gateway.hellos, 2);
	x->gateway.hang_up = 2;
	assert_int_equal(zb_install(x->zb, &i, &set, &error), -ENOTCONN);
	assert_int_equal(zb_install(x->zb, &i, &set, &error), 0);
}

static void test_restarted_gateway_is_found_again_without_sigpipe(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;

	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	fake_vanish(&x->gateway);
	assert_int_equal(zb_gateway(x->zb, &g, &error), -ENOTCONN);
	fake_return(&x->gateway);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
}

static void test_events_are_kept_during_a_call(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;
	struct seen s = {0};

	assert_int_equal(zb_subscribe(x->zb, ZB_EVENTS_ALL, &error), 0);
	x->gateway.events_first = 3;
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	assert_int_equal(zb_process(x->zb, see, &s), 3);
	assert_int_equal(s.by_kind[ZB_EVENT_FIRST_USED], 3);
	assert_int_equal(s.last, 3);
	assert_int_equal(zb_process(x->zb, see, &s), 0);
}

static void test_too_many_events_make_a_gap(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;
	struct seen s = {0};

	assert_int_equal(zb_subscribe(x->zb, ZB_EVENTS_ALL, &error), 0);
	x->gateway.events_first = 1030;
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	assert_int_equal(zb_process(x->zb, see, &s), 1025);
	assert_int_equal(s.by_kind[ZB_EVENT_FIRST_USED], 1024);
	assert_int_equal(s.by_kind[ZB_EVENT_GAP], 1);
}

static void test_a_flood_of_events_is_told_whole_by_zb_process(void **state)
{
	enum { FLOOD = 3000 };
	struct fixture *x = *state;
	struct seen s = {0};

	assert_int_equal(zb_subscribe(x->zb, ZB_EVENTS_ALL, &error), 0);
	/* They are in the socket, or on their way, when it begins to read. */
	x->gateway.events_first = FLOOD;
	struct told_of none = {0};
	struct zb_query query = {.set_id = 1};
	assert_int_equal(zb_start_query(x->zb, &query, take_note, &none, &error), 0);
	zb_process(x->zb, see, &s);
	sleep_ms(100);
	process_until(x->zb, &s, FLOOD);
	x->gateway.events_first = 0;
	assert_int_equal(s.by_kind[ZB_EVENT_FIRST_USED], FLOOD);
	assert_int_equal(s.by_kind[ZB_EVENT_GAP], 0);
	for (int i = 0; i < 3000 && none.count == 0; i++, sleep_ms(10))
		zb_process(x->zb, see, &s);
	assert_int_equal(none.count, 1);
}

/* More than one zb_process hands on, all in the socket at once: what it has read and not told would wait
 * until something else comes, for the descriptor is silent. */
static void test_no_event_is_left_behind_a_silent_descriptor(void **state)
{
	enum { FLOOD = 16 * 1024 + 2, ROOM = 64 << 20 };
	struct fixture *x = *state;
	struct seen s = {0};

	assert_int_equal(zb_subscribe(x->zb, ZB_EVENTS_ALL, &error), 0);
	if (setsockopt(x->gateway.connection, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ROOM}, sizeof(int)) != 0)
		skip(); /* only root may make the socket as large */
	fake_send_events(&x->gateway, FLOOD);
	struct pollfd p = {.fd = zb_fd(x->zb), .events = POLLIN};
	while (poll(&p, 1, 200) == 1)
		zb_process(x->zb, see, &s);
	assert_int_equal(s.count, FLOOD);
}

static void test_events_by_descriptor(void **state)
{
	struct fixture *x = *state;
	struct seen s = {0};

	assert_int_equal(zb_subscribe(x->zb, ZB_EVENT_BIT(ZB_EVENT_FIRST_USED), &error), 0);
	assert_int_equal(x->gateway.events, ZB_EVENT_BIT(ZB_EVENT_FIRST_USED));
	fake_send_events(&x->gateway, 2);
	struct pollfd p = {.fd = zb_fd(x->zb), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 60000), 1);
	process_until(x->zb, &s, 2);
}

static void test_subscription_is_renewed_with_a_gap(void **state)
{
	struct fixture *x = *state;
	struct seen s = {0};

	assert_int_equal(zb_subscribe(x->zb, ZB_EVENTS_ALL, &error), 0);
	fake_vanish(&x->gateway);
	assert_true(zb_process(x->zb, see, &s) < 0);
	x->gateway.store_epoch = 43;
	sleep_ms(1000); /* zb_process connects once a second */
	fake_return(&x->gateway);
	process_until(x->zb, &s, 2);
	assert_int_equal(s.by_kind[ZB_EVENT_EPOCH_LOST], 1);
	assert_int_equal(s.by_kind[ZB_EVENT_GAP], 1);
	assert_int_equal(x->gateway.events, ZB_EVENTS_ALL);
	fake_send_events(&x->gateway, 1);
	process_until(x->zb, &s, 3);
}

/* A P-CSCF that starts and keeps its sets: the gateway says that some of them are gone. */
static void test_sets_that_ended_while_the_peer_was_away_are_a_gap(void **state)
{
	struct fixture *x = *state;
	struct seen s = {0};
	struct zb_gateway g;

	x->gateway.ended_away = 3;
	assert_int_equal(zb_subscribe(x->zb, ZB_EVENTS_ALL, &error), 0);
	process_until(x->zb, &s, 1);
	assert_int_equal(s.by_kind[ZB_EVENT_GAP], 1);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	assert_int_equal(g.ended_away, 3);
}

static void test_heartbeat_is_answered(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;

	x->gateway.ask = 1;
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	for (int i = 0; i < 3000 && x->gateway.heartbeat_answers < 2; i++)
		sleep_ms(10);
	assert_int_equal(x->gateway.heartbeat_answers, 2);
}

static void test_garbage_ends_the_connection(void **state)
{
	static const uint8_t other_version[12] = {2, 1, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1};
	static const uint8_t too_long[12] = {1, 64, 0, 2, 0x7f, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t cut_attr[14] = {1, 64, 0, 2, 0, 0, 0, 14, 0, 0, 0, 0, 0, 49};
	static const struct {
		const uint8_t *data;
		size_t length;
	} cases[] = {{other_version, 12}, {too_long, 12}, {cut_attr, 14}};
	struct fixture *x = *state;
	struct zb_gateway g;
	struct seen s = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
		fake_send_raw(&x->gateway, cases[i].data, cases[i].length);
		struct pollfd p = {.fd = zb_fd(x->zb), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(zb_process(x->zb, see, &s), -EPROTO);
		assert_int_equal(zb_fd(x->zb), -1);
	}
}

static void test_unknown_event_is_passed_over(void **state)
{
	static const uint8_t unknown[12] = {1, 200, 0, 2, 0, 0, 0, 12, 0, 0, 0, 0};
	struct fixture *x = *state;
	struct zb_gateway g;
	struct seen s = {0};

	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	fake_send_raw(&x->gateway, unknown, sizeof(unknown));
	fake_send_events(&x->gateway, 1);
	process_until(x->zb, &s, 1);
	assert_int_equal(x->gateway.hellos, 1);
}

static void test_a_child_keeps_its_hands_off(void **state)
{
	struct fixture *x = *state;
	struct zb_gateway g;
	int status;

	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	pid_t child = fork();
	if (child == 0) {
		struct zb_set set;
		struct zb_install i = an_install();
		int bad = zb_gateway(x->zb, &g, &error) != -ECHILD;
		bad |= zb_install(x->zb, &i, &set, &error) != -ECHILD;
		bad |= zb_process(x->zb, see, NULL) != -ECHILD;
		bad |= zb_fd(x->zb) != -1;
		zb_close(x->zb);
		_exit(bad);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(zb_gateway(x->zb, &g, &error), 0);
	assert_int_equal(x->gateway.hellos, 1);
	assert_int_equal(x->gateway.byes, 0);
}

static void test_bye_is_said(void **state)
{
	struct fixture *x = *state;
	struct zb *zb = open_client(&x->gateway, 8000);
	struct zb_gateway g;

	assert_int_equal(zb_gateway(zb, &g, &error), 0);
	zb_close(zb);
	assert_int_equal(x->gateway.byes, 1);
}

static void test_former_instance_is_released_on_request(void **state)
{
	struct fixture *x = *state;
	struct zb_options o = {.path = x->gateway.path, .name = "p", .instance_id = 2, .release_former = 1};
	struct zb_gateway g;
	struct zb *zb;

	assert_int_equal(zb_open(&o, &zb, &error), 0);
	assert_int_equal(zb_gateway(zb, &g, &error), 0);
	zb_close(zb);
	assert_int_equal(x->gateway.restarts, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_call),
		TEST(arguments_are_named),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_no_gateway),
		TEST(a_refused_hello_is_told),
		TEST(timeout_is_bounded_and_the_late_answer_discarded),
		TEST(request_is_repeated_when_the_connection_breaks),
		TEST(restarted_gateway_is_found_again_without_sigpipe),
		TEST(events_are_kept_during_a_call),
		TEST(too_many_events_make_a_gap),
		TEST(a_flood_of_events_is_told_whole_by_zb_process),
		TEST(no_event_is_left_behind_a_silent_descriptor),
		TEST(events_by_descriptor),
		TEST(subscription_is_renewed_with_a_gap),
		TEST(sets_that_ended_while_the_peer_was_away_are_a_gap),
		TEST(heartbeat_is_answered),
		TEST(garbage_ends_the_connection),
		TEST(unknown_event_is_passed_over),
		TEST(a_child_keeps_its_hands_off),
		TEST(bye_is_said),
		TEST(former_instance_is_released_on_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
