/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Associations: who may speak, what ends one, and that one harms no other.
 */
#include "harness.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/events.h"
#include "control/sets.h"

static unsigned hello(struct client *c, struct harness *h, const char *name, uint64_t instance, bool restart)
{
	client_hello(c, h, name, instance, ZB_ROLE_PEER, restart);
	return client_call(c);
}

static void hello_comes_first(void **state)
{
	struct harness *h = *state;
	struct client c;

	client_open(&c, h);
	client_begin(&c, ZB_MSG_HEARTBEAT);
	assert_int_equal(client_call(&c), ZB_CAUSE_NO_HELLO);
	assert_true(client_is_closed(&c));
	client_close(&c);
}

static void a_second_live_instance_of_a_name_is_refused_and_a_later_one_is_not(void **state)
{
	struct harness *h = *state;
	struct client first, same, other;

	assert_int_equal(hello(&first, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	assert_int_equal(hello(&same, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	assert_int_equal(hello(&other, h, "pcscf1", 2, false), ZB_CAUSE_INSTANCE_CLASH);
	assert_int_equal(client_bad_attribute(&other), ZB_ATTR_INSTANCE_ID);
	assert_true(client_is_closed(&other));
	client_close(&other);
	client_close(&first);
	assert_int_equal(hello(&other, h, "pcscf1", 2, false), ZB_CAUSE_INSTANCE_CLASH);
	client_close(&other);
	client_close(&same);
	assert_int_equal(hello(&other, h, "pcscf1", 2, false), ZB_CAUSE_DONE);
	client_close(&other);
}

static void restart_keeps_or_releases_what_the_former_instance_had(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	struct client c;

	assert_int_equal(hello(&c, h, "pcscf1", 1, true), ZB_CAUSE_DONE);
	assert_int_equal(client_install(&c, &in), ZB_CAUSE_DONE);
	client_close(&c);
	assert_int_equal(hello(&c, h, "pcscf1", 2, false), ZB_CAUSE_DONE);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&c);
	harness_restart(h); /* the sets tell which instance installed them */
	assert_int_equal(hello(&c, h, "pcscf1", 1, true), ZB_CAUSE_DONE);
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&c);
	assert_int_equal(hello(&c, h, "pcscf1", 3, true), ZB_CAUSE_DONE);
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&c);
}

static void only_the_first_hello_of_an_instance_says_what_becomes_of_the_former(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	struct client first, second;

	assert_int_equal(hello(&first, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	assert_int_equal(client_install(&first, &in), ZB_CAUSE_DONE);
	client_close(&first);
	assert_int_equal(hello(&first, h, "pcscf1", 2, false), ZB_CAUSE_DONE);
	assert_int_equal(hello(&second, h, "pcscf1", 2, true), ZB_CAUSE_DONE);
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&first);
	client_close(&second);
}

/* Whoever only sends what is refused would hold a connection for good. */
static void without_hello_a_connection_ends_in_time_whatever_comes(void **state)
{
	struct harness *h = *state;
	static const uint8_t bare[] = {1, ZB_MSG_HELLO, 0, 0, 0, 0,
				       0, 12,		0, 0, 0, 1}; /* MISSING_ATTRIBUTE */
	struct client c;

	h->config.control.frame_timeout_s = 1;
	client_open(&c, h);
	for (int i = 0; i < 8; i++) {
		send(c.fd, bare, sizeof(bare), MSG_NOSIGNAL);
		harness_run_for(h, 200);
		session_tick_all(&h->control);
	}
	assert_true(client_is_closed(&c));
	client_close(&c);
}

static void a_malformed_frame_ends_its_association_and_loses_nothing_installed(void **state)
{
	static const struct {
		uint8_t octets[16];
		size_t length;
		unsigned cause;
	} frames[] = {{{9, 1, 0, 0, 0, 0, 0, 12, 0, 0, 0, 7}, 12, ZB_CAUSE_BAD_VERSION},
		      {{1, 19, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7}, 12, ZB_CAUSE_MALFORMED},
		      {{1, 19, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0, 0, 7}, 12, ZB_CAUSE_MALFORMED},
		      {{1, 19, 0, 0, 0, 0, 0, 14, 0, 0, 0, 7, 0, 1}, 14, ZB_CAUSE_MALFORMED}};
	struct harness *h = *state;
	struct install in = sample_install();
	struct client c, other;

	assert_int_equal(hello(&other, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	assert_int_equal(client_install(&other, &in), ZB_CAUSE_DONE);
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		assert_int_equal(hello(&c, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
		c.txn = 7;
		assert_int_equal(send(c.fd, frames[i].octets, frames[i].length, 0), frames[i].length);
		assert_int_equal(client_wait(&c), frames[i].cause);
		assert_true(client_is_closed(&c));
		client_close(&c);
	}
	assert_int_equal(fake_count(&h->fake), 1);
	in.ik[0] = 1;
	assert_int_equal(client_install(&other, &in), ZB_CAUSE_DONE);
	client_close(&other);
}

static void a_frame_that_stays_half_ends_in_time_and_others_go_on(void **state)
{
	struct harness *h = *state;
	struct client slow, other;

	h->config.control.frame_timeout_s = 1;
	assert_int_equal(hello(&slow, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	assert_int_equal(hello(&other, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	for (int i = 0; i < 7; i++) { /* an octet now and then does not keep it alive */
		send(slow.fd, "\1\2\0\0\0\0\0", 1, MSG_NOSIGNAL);
		harness_run_for(h, 200);
		session_tick_all(&h->control);
		client_begin(&other, ZB_MSG_HEARTBEAT);
		assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	}
	assert_true(client_is_closed(&slow));
	client_close(&slow);
	client_close(&other);
}

static void a_frame_that_comes_octet_by_octet_is_whole_at_last(void **state)
{
	struct harness *h = *state;
	struct client c;

	assert_int_equal(hello(&c, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	client_begin(&c, ZB_MSG_HEARTBEAT);
	int length = zb_frame_finish(&c.out);
	for (int i = 0; i < length; i++) {
		assert_int_equal(send(c.fd, c.frame + i, 1, 0), 1);
		harness_run_for(h, 2);
	}
	assert_int_equal(client_wait(&c), ZB_CAUSE_DONE);
	client_close(&c);
}

static void a_silent_peer_is_asked_and_then_closed(void **state)
{
	struct harness *h = *state;
	struct client c;

	h->config.control.heartbeat_s = 1;
	assert_int_equal(hello(&c, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	for (int i = 0; i < 16; i++) {
		harness_run_for(h, 200);
		session_tick_all(&h->control);
	}
	assert_true(client_is_closed(&c));
	client_close(&c);
}

static void a_connection_too_many_is_told_so(void **state)
{
	struct harness *h = *state;
	struct client c[5];

	for (int i = 0; i < 4; i++)
		assert_int_equal(hello(&c[i], h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	assert_int_equal(hello(&c[4], h, "pcscf1", 1, false), ZB_CAUSE_TOO_MANY_CONNECTIONS);
	assert_true(client_is_closed(&c[4]));
	for (int i = 0; i < 5; i++)
		client_close(&c[i]);
}

static void a_slow_reader_loses_events_and_hears_of_the_gap(void **state)
{
	enum { EVENTS = 20000 };
	struct harness *h = *state;
	struct install in = sample_install();
	struct client c;

	assert_int_equal(hello(&c, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	client_subscribe(&c);
	assert_int_equal(client_install(&c, &in), ZB_CAUSE_DONE);
	const struct sa_set *set = h->control.table.slot[0];
	for (int i = 0; i < EVENTS; i++)
		events_set(&h->control, ZB_EVENT_FIRST_USED, set);
	client_wait_event(&c, ZB_MSG_GAP);
	assert_in_range(c.events, 100, EVENTS - 1);
	client_begin(&c, ZB_MSG_HEARTBEAT);
	assert_int_equal(client_call(&c), ZB_CAUSE_DONE);
	client_close(&c);
}

static void a_role_does_what_it_may(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	struct client c;

	client_hello(&c, h, "watcher", 1, ZB_ROLE_OBSERVER, false);
	assert_int_equal(client_call(&c), ZB_CAUSE_DONE);
	assert_int_equal(client_install(&c, &in), ZB_CAUSE_NOT_ALLOWED);
	assert_int_equal(client_release(&c, 1, 1, 0), ZB_CAUSE_NOT_ALLOWED);
	assert_int_equal(client_confirm(&c, 1, 1, 0), ZB_CAUSE_NOT_ALLOWED);
	client_close(&c);
}

static void bye_is_answered_and_closes(void **state)
{
	struct harness *h = *state;
	struct client c;

	assert_int_equal(hello(&c, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	client_begin(&c, ZB_MSG_BYE);
	assert_int_equal(client_call(&c), ZB_CAUSE_DONE);
	assert_true(client_is_closed(&c));
	assert_int_equal(h->control.session_count, 0);
	client_close(&c);
}

/* --- turns --- */

static unsigned octets_for(const struct client *c)
{
	int octets = 0;

	assert_int_equal(ioctl(c->fd, FIONREAD, &octets), 0);
	return (unsigned)octets;
}

static void one_turn(struct harness *h)
{
	event_base_loop(h->control.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void heartbeat(struct client *c)
{
	client_begin(c, ZB_MSG_HEARTBEAT);
	client_send(c);
}

static void pcscfs_are_served_before_those_who_only_watch(void **state)
{
	static const enum zb_role roles[] = {ZB_ROLE_OBSERVER, ZB_ROLE_OPERATOR};
	struct harness *h = *state;
	struct client c, watcher;

	assert_int_equal(hello(&c, h, "pcscf1", 1, false), ZB_CAUSE_DONE);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		client_hello(&watcher, h, "watcher", 1, roles[i], false);
		assert_int_equal(client_call(&watcher), ZB_CAUSE_DONE);
		harness_run_for(h, 5);
		heartbeat(&watcher);
		heartbeat(&c);
		one_turn(h);
		assert_true(octets_for(&c) > 0);
		assert_int_equal(octets_for(&watcher), 0);
		one_turn(h);
		assert_true(octets_for(&watcher) > 0);
		assert_int_equal(client_wait(&c), ZB_CAUSE_DONE);
		client_close(&watcher);
	}
	client_close(&c);
}

/* So many that to look at all of them takes a while. `ends`: how soon, ms. */
static void fill(struct harness *h, unsigned sets, unsigned ends_ms, bool one_ue)
{
	struct peer *peer = peer_get(&h->control, "pcscf1", ZB_ROLE_PEER);
	struct install in = sample_install();

	for (unsigned n = 0; n < sets; n++) {
		struct sa_set *set = sa_set_new();
		set->id = n + 1;
		set->state = BGF_SET_ESTABLISHED;
		set->expires = timers_now() + ends_ms * UINT64_C(1000000);
		set->selectors = in.selectors;
		set->selectors.spi_pc = set->selectors.spi_ps = 1000; /* nobody looks */
		set->selectors.ue.octet[2] = one_ue ? 0 : (uint8_t)(n >> 8);
		set->selectors.ue.octet[3] = one_ue ? 1 : (uint8_t)n;
		set->name.reference = n + 1;
		strcpy(set->name.peer, peer->name);
		snprintf(set->name.subscriber, sizeof(set->name.subscriber), "u%u", n);
		assert_int_equal(sets_enter(&h->control, set, peer), 0);
	}
	peer_unref(peer);
}

struct flood {
	struct client *client;
	unsigned octets;
};

static bool is_answered_whole(void *arg)
{
	struct flood *f = arg;

	return octets_for(f->client) == f->octets;
}

/* Requests that take long, one behind the other in one read: others are served in between. */
static void a_flood_of_requests_takes_its_share_of_a_turn(void **state)
{
	enum { SETS = 20000, REQUESTS = 150, ANSWER = 30 /* octets: header, cause, cursor */ };
	static const enum zb_role roles[] = {ZB_ROLE_PEER, ZB_ROLE_OBSERVER};
	struct harness *h = *state;
	struct client c, other;

	fill(h, SETS, 3600000, false);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		client_hello(&c, h, "pcscf1", 1, roles[i], false);
		assert_int_equal(client_call(&c), ZB_CAUSE_DONE);
		assert_int_equal(hello(&other, h, "pcscf2", 1, false), ZB_CAUSE_DONE);
		harness_run_for(h, 5);
		for (unsigned n = 0; n < REQUESTS; n++) {
			client_begin(&c, ZB_MSG_QUERY);
			zb_put_number(&c.out, ZB_ATTR_PORT_UE, 1); /* no set has it */
			client_send(&c);
		}
		for (int turn = 0; turn < 2; turn++)
			one_turn(h);
		heartbeat(&other);
		one_turn(h);
		assert_true(octets_for(&other) > 0);
		assert_in_range(octets_for(&c), ANSWER, REQUESTS * ANSWER * 4 / 5);
		struct flood flood = {&c, REQUESTS * ANSWER};
		harness_run(h, is_answered_whole, &flood, "all answers");
		client_close(&other);
		client_close(&c);
	}
}

static void ask_for_long(struct client *c, unsigned requests)
{
	for (unsigned n = 0; n < requests; n++) {
		client_begin(c, ZB_MSG_QUERY);
		zb_put_number(&c->out, ZB_ATTR_PORT_UE, 1); /* no set has it */
		client_send(c);
	}
}

static void who_waits_for_its_turn_is_not_put_off_by_those_who_come(void **state)
{
	enum { SETS = 20000, REQUESTS = 150, FEW = 20, COME = 6 };
	struct harness *h = *state;
	struct client c, comes[COME];

	fill(h, SETS, 3600000, false);
	client_hello(&c, h, "pcscf1", 1, ZB_ROLE_OBSERVER, false);
	assert_int_equal(client_call(&c), ZB_CAUSE_DONE);
	for (unsigned i = 0; i < COME; i++) {
		client_hello(&comes[i], h, "pcscf2", 1, ZB_ROLE_OBSERVER, false);
		assert_int_equal(client_call(&comes[i]), ZB_CAUSE_DONE);
	}
	harness_run_for(h, 5);
	ask_for_long(&c, REQUESTS);
	one_turn(h);
	one_turn(h);
	unsigned octets = octets_for(&c);
	for (unsigned i = 0; i < COME; i++) {
		ask_for_long(&comes[i], FEW);
		one_turn(h);
	}
	assert_true(octets_for(&c) > octets);
	for (unsigned i = 0; i < COME; i++)
		client_close(&comes[i]);
	client_close(&c);
}

/* Whoever has very many sets of one UE makes each end take long. */
static void sets_that_end_together_take_their_share_of_a_turn(void **state)
{
	enum { SETS = 4000, ENDS_MS = 1000, AT_ONCE = 256 };
	struct harness *h = *state;

	fill(h, SETS, ENDS_MS, true);
	usleep(ENDS_MS * 1000);
	one_turn(h);
	assert_in_range(SETS - h->control.table.count, 1, AT_ONCE * 9 / 10);
	harness_run_for(h, 20); /* and goes on */
	assert_true(h->control.table.count < SETS - 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(hello_comes_first),
		T(a_second_live_instance_of_a_name_is_refused_and_a_later_one_is_not),
		T(restart_keeps_or_releases_what_the_former_instance_had),
		T(only_the_first_hello_of_an_instance_says_what_becomes_of_the_former),
		T(without_hello_a_connection_ends_in_time_whatever_comes),
		T(a_malformed_frame_ends_its_association_and_loses_nothing_installed),
		T(a_frame_that_stays_half_ends_in_time_and_others_go_on),
		T(a_frame_that_comes_octet_by_octet_is_whole_at_last),
		T(a_silent_peer_is_asked_and_then_closed),
		T(a_connection_too_many_is_told_so),
		T(a_slow_reader_loses_events_and_hears_of_the_gap),
		T(a_role_does_what_it_may),
		T(bye_is_answered_and_closes),
		T(pcscfs_are_served_before_those_who_only_watch),
		T(a_flood_of_requests_takes_its_share_of_a_turn),
		T(who_waits_for_its_turn_is_not_put_off_by_those_who_come),
		T(sets_that_end_together_take_their_share_of_a_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
