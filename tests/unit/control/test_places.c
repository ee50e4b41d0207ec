/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Places for connections: whoever holds as many as it can, others get theirs.
 */
#include "harness.h"

#include <unistd.h>

#include "control/places.h"

enum { MAX = 4 /* sample.h */, NAMELESS = MAX + PLACES_WATCHERS, STRANGER = 4711, EXTRA = 8 };
/* Processes of a Kamailio: UDP sockets of deploy/kamailio/kamailio.cfg by its own default of 8 children, as
 * many for TCP, and the one that takes events. */
enum { WORKERS = 9 * 8 + 8 + 1, KAMAILIOS = 3, DEFAULT_MAX = 256 };

static struct client held[KAMAILIOS * WORKERS], other[3];

static unsigned hello(struct client *c, struct harness *h, uint32_t uid, int32_t pid, const char *name,
		      enum zb_role role)
{
	client_open_as(c, h, uid, pid);
	client_put_hello(c, name, 1, role);
	return client_call(c);
}

static unsigned heartbeat(struct client *c)
{
	client_begin(c, ZB_MSG_HEARTBEAT);
	return client_call(c);
}

static void assert_gave_way(struct client *c)
{
	assert_true(client_is_closed(c));
	assert_int_equal(c->bye, ZB_CAUSE_TOO_MANY_CONNECTIONS);
}

static void close_all(struct harness *h, struct client *clients, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		zb_stream_clear(&clients[i].in);
		close(clients[i].fd);
	}
	harness_run_for(h, 20);
}

static void a_pcscf_that_has_all_places_gives_way_to_another_until_both_have_half(void **state)
{
	static const unsigned expected[] = {ZB_CAUSE_DONE, ZB_CAUSE_DONE, ZB_CAUSE_TOO_MANY_CONNECTIONS};
	static const uint32_t users[] = {0, STRANGER}; /* where both are root's their names decide */
	struct harness *h = *state;

	for (size_t u = 0; u < 2; u++) {
		for (size_t i = 0; i < MAX; i++)
			assert_int_equal(hello(&held[i], h, users[u], 7, "pcscf1", ZB_ROLE_PEER), 0);
		assert_int_equal(heartbeat(&held[0]),
				 ZB_CAUSE_DONE); /* so the others were silent for longer */
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(hello(&other[i], h, 0, 8, "pcscf2", ZB_ROLE_PEER), expected[i]);
			if (expected[i] == ZB_CAUSE_DONE)
				assert_gave_way(&held[i + 1]);
		}
		close_all(h, &other[2], 1);
		assert_int_equal(hello(&other[2], h, users[u], 7, "pcscf1", ZB_ROLE_PEER),
				 ZB_CAUSE_TOO_MANY_CONNECTIONS);
		assert_int_equal(heartbeat(&held[0]), ZB_CAUSE_DONE);
		assert_int_equal(heartbeat(&held[3]), ZB_CAUSE_DONE);
		close_all(h, held, MAX);
		close_all(h, other, 3);
	}
}

/* A worker of a P-CSCF that opens one connection after the other takes none from the workers beside it. */
static void a_process_that_has_the_most_gives_way_to_another_of_its_pcscf(void **state)
{
	struct harness *h = *state;

	assert_int_equal(hello(&other[0], h, STRANGER, 1, "pcscf1", ZB_ROLE_PEER), ZB_CAUSE_DONE);
	for (size_t i = 1; i < MAX; i++)
		assert_int_equal(hello(&held[i], h, STRANGER, 2, "pcscf1", ZB_ROLE_PEER), ZB_CAUSE_DONE);
	assert_int_equal(hello(&held[0], h, STRANGER, 2, "pcscf1", ZB_ROLE_PEER),
			 ZB_CAUSE_TOO_MANY_CONNECTIONS);
	assert_int_equal(hello(&other[1], h, STRANGER, 3, "pcscf1", ZB_ROLE_PEER), ZB_CAUSE_DONE);
	assert_gave_way(&held[1]);
	assert_int_equal(heartbeat(&other[0]), ZB_CAUSE_DONE);
	assert_int_equal(heartbeat(&held[2]), ZB_CAUSE_DONE);
	close_all(h, held, MAX);
	close_all(h, other, 2);
}

/* Processes with a connection each are what a P-CSCF is: too many of them are refused, none is closed. */
static void workers_with_one_connection_each_take_none_from_each_other(void **state)
{
	struct harness *h = *state;

	for (int i = 0; i < MAX; i++)
		assert_int_equal(hello(&held[i], h, STRANGER, i, "pcscf1", ZB_ROLE_PEER), ZB_CAUSE_DONE);
	assert_int_equal(hello(&held[MAX], h, STRANGER, MAX, "pcscf1", ZB_ROLE_PEER),
			 ZB_CAUSE_TOO_MANY_CONNECTIONS);
	for (int i = 0; i < MAX; i++)
		assert_int_equal(heartbeat(&held[i]), ZB_CAUSE_DONE);
	close_all(h, held, MAX + 1);
}

/* Of one user, as on one host, and all connected before the first of them comes to say HELLO. */
static void three_kamailios_with_their_default_children_are_served_at_once(void **state)
{
	static const char *const names[KAMAILIOS] = {"pcscf1", "pcscf2", "pcscf3"};
	struct harness *h = *state;

	h->config.control.connections_max = DEFAULT_MAX;
	for (int i = 0; i < KAMAILIOS * WORKERS; i++)
		client_open_as(&held[i], h, 107, i);
	for (int i = 0; i < KAMAILIOS * WORKERS; i++) {
		client_put_hello(&held[i], names[i % KAMAILIOS], 1, ZB_ROLE_PEER);
		assert_int_equal(client_call(&held[i]), ZB_CAUSE_DONE);
	}
	assert_int_equal(hello(&other[0], h, 0, 8, "bgfctl", ZB_ROLE_OBSERVER), ZB_CAUSE_DONE);
	assert_int_equal(h->control.session_count, KAMAILIOS * WORKERS + 1);
	assert_int_equal(h->control.gave_way + h->control.no_place, 0);
	close_all(h, held, KAMAILIOS * WORKERS);
	close_all(h, other, 1);
}

static void who_is_refused_for_its_instance_takes_no_place(void **state)
{
	struct harness *h = *state;

	assert_int_equal(hello(&other[0], h, 0, 1, "pcscf2", ZB_ROLE_PEER), ZB_CAUSE_DONE);
	for (int i = 1; i < MAX; i++)
		assert_int_equal(hello(&held[i], h, 0, 2, "pcscf1", ZB_ROLE_PEER), ZB_CAUSE_DONE);
	client_open_as(&other[1], h, 0, 1);
	client_put_hello(&other[1], "pcscf2", 2, ZB_ROLE_PEER);
	assert_int_equal(client_call(&other[1]), ZB_CAUSE_INSTANCE_CLASH);
	for (int i = 1; i < MAX; i++)
		assert_int_equal(heartbeat(&held[i]), ZB_CAUSE_DONE);
	close_all(h, held + 1, MAX - 1);
	close_all(h, other, 2);
}

static void an_operator_gets_in_and_stays_whoever_watches(void **state)
{
	static const uint32_t users[] = {STRANGER, 0};
	struct harness *h = *state;

	for (size_t u = 0; u < 2; u++) {
		for (size_t i = 0; i < PLACES_WATCHERS; i++)
			assert_int_equal(hello(&held[i], h, users[u], 7, "watcher", ZB_ROLE_OBSERVER), 0);
		assert_int_equal(hello(&other[0], h, 0, 8, "bgfctl", ZB_ROLE_OPERATOR), ZB_CAUSE_DONE);
		assert_int_equal(hello(&other[1], h, 0, 8, "bgfctl", ZB_ROLE_OBSERVER), ZB_CAUSE_DONE);
		for (size_t i = 0; i < 2; i++)
			assert_gave_way(&held[i]);
		for (size_t i = 0; i < EXTRA; i++) {
			struct client *c = &held[PLACES_WATCHERS + i];
			assert_int_equal(hello(c, h, users[u], 7, "watcher", ZB_ROLE_OBSERVER), 0);
			assert_gave_way(&held[2 + i]);
		}
		assert_int_equal(heartbeat(&other[0]), ZB_CAUSE_DONE);
		assert_int_equal(heartbeat(&other[1]), ZB_CAUSE_DONE);
		assert_int_equal(hello(&other[2], h, 0, 9, "pcscf1", ZB_ROLE_PEER), ZB_CAUSE_DONE);
		close_all(h, held, PLACES_WATCHERS + EXTRA);
		close_all(h, other, 3);
	}
}

/* One that watches of each process, all of them root's bgfctl: the one more gets in all the same. */
static void the_longest_silent_watcher_gives_way_where_all_have_one(void **state)
{
	struct harness *h = *state;

	for (int i = 0; i < PLACES_WATCHERS; i++)
		assert_int_equal(hello(&held[i], h, 0, i, "bgfctl", ZB_ROLE_OBSERVER), ZB_CAUSE_DONE);
	assert_int_equal(heartbeat(&held[0]), ZB_CAUSE_DONE);
	assert_int_equal(hello(&other[0], h, 0, PLACES_WATCHERS, "bgfctl", ZB_ROLE_OBSERVER), ZB_CAUSE_DONE);
	assert_gave_way(&held[1]);
	assert_int_equal(heartbeat(&held[0]), ZB_CAUSE_DONE);
	close_all(h, held, PLACES_WATCHERS);
	close_all(h, other, 1);
}

static void connections_without_a_hello_keep_nobody_out(void **state)
{
	struct harness *h = *state;

	client_open_as(&other[0], h, 0, 8);
	for (size_t i = 0; i < NAMELESS + EXTRA; i++)
		client_open_as(&held[i], h, 0, 7);
	for (size_t i = 0; i < EXTRA + 1; i++)
		assert_gave_way(&held[i]);
	assert_int_equal(h->control.session_count, NAMELESS);
	/* who came before them has lost nothing, and who comes now gets in */
	client_put_hello(&other[0], "pcscf1", 1, ZB_ROLE_PEER);
	assert_int_equal(client_call(&other[0]), ZB_CAUSE_DONE);
	assert_int_equal(hello(&other[1], h, 0, 9, "bgfctl", ZB_ROLE_OPERATOR), ZB_CAUSE_DONE);
	close_all(h, held, NAMELESS + EXTRA);
	close_all(h, other, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(a_pcscf_that_has_all_places_gives_way_to_another_until_both_have_half),
		T(a_process_that_has_the_most_gives_way_to_another_of_its_pcscf),
		T(workers_with_one_connection_each_take_none_from_each_other),
		T(three_kamailios_with_their_default_children_are_served_at_once),
		T(who_is_refused_for_its_instance_takes_no_place),
		T(an_operator_gets_in_and_stays_whoever_watches),
		T(the_longest_silent_watcher_gives_way_where_all_have_one),
		T(connections_without_a_hello_keep_nobody_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
