/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Overload over Zb: a data plane that does not keep up, and who is served then.
 */
#include "orders.h"

#include "control/orders.h"

enum { DELAY_MS = 300, STORM = OVERLOAD_LEAST + 44 };

static struct client other;

/* One of many subscribers that register at once. */
static struct install newcomer(unsigned n)
{
	struct install in = nth(n % 8);

	snprintf(in.subscriber, sizeof(in.subscriber), "newcomer-%u@ims.example", n);
	in.reference = 1000 + n;
	in.selectors.ue.octet[2] = (uint8_t)(1 + n / 200);
	in.selectors.ue.octet[3] = (uint8_t)(1 + n % 200);
	return in;
}

static void overload(struct harness *h)
{
	h->config.control.overload_delay_ms = 60000; /* until all are under way, however long that takes */
	h->config.control.overload_retry_s = 2;
	h->fake.is_mute = true;
	h->control.capacity = 2 * STORM; /* more than the array holds, which nobody asks */
	for (unsigned n = 0; n < STORM; n++) {
		struct install in = newcomer(n);
		client_send_install(&client, &in);
		if (n % 16 == 0)
			harness_run_for(h, 1);
	}
	harness_run_for(h, DELAY_MS + 30);
	h->config.control.overload_delay_ms = DELAY_MS;
	assert_int_equal(h->fake.adds, STORM + 1);
}

static bool is_over(void *arg)
{
	struct harness *h = arg;

	orders_look_at_load(&h->control);
	return !h->control.overload.on;
}

static void new_registrations_are_refused_and_told_when_to_come_again(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1);

	hello(h);
	client_hello(&other, h, "pcscf2", 6, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	assert_int_equal(zb_get_number(&other.answer.attrs, ZB_ATTR_OVERLOADED, 7), 0);
	installed(&in);
	overload(h);

	in = newcomer(STORM);
	assert_int_equal(client_install(&other, &in), ZB_CAUSE_OVERLOAD);
	assert_in_range(zb_get_number(&other.answer.attrs, ZB_ATTR_RETRY_AFTER, 0), 1000, 2999);
	assert_int_equal(h->fake.adds, STORM + 1);
	client_wait_event(&client, ZB_MSG_OVERLOAD);
	assert_int_equal(zb_get_number(&client.event.attrs, ZB_ATTR_OVERLOADED, 0), 1);
	client_close(&other);
	client_hello(&other, h, "pcscf2", 6, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	assert_int_equal(zb_get_number(&other.answer.attrs, ZB_ATTR_OVERLOADED, 7), 1);

	/* The link is given up, and comes again: nothing is under way any more, for a second. */
	client.event.header.type = 0;
	h->fake.is_mute = false;
	harness_run(h, is_over, h, "overload is over");
	client_wait_event(&client, ZB_MSG_OVERLOAD);
	assert_int_equal(zb_get_number(&client.event.attrs, ZB_ATTR_OVERLOADED, 7), 0);
	client_close(&other);
	client_close(&client);
}

static void those_who_have_a_registration_to_lose_are_served(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1), emergency = newcomer(STORM), initial = nth(3);
	uint64_t id;

	hello(h);
	id = installed(&in).set_id;
	assert_int_equal(client_confirm(&client, id, 2, 600), ZB_CAUSE_DONE);
	in = nth(5);
	installed(&in);
	client_hello(&other, h, "pcscf1", 5, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	h->fake.adds--; /* the second of them */
	overload(h);

	initial.flags = BGF_SET_BEGAN_UNPROTECTED;
	assert_int_equal(client_install(&other, &initial), ZB_CAUSE_OVERLOAD);
	in = nth(5); /* a repetition: its set is there */
	assert_int_equal(client_install(&other, &in), ZB_CAUSE_DONE);
	emergency.flags = BGF_SET_EMERGENCY;
	client_send_install(&other, &emergency);
	in = nth(2); /* re-authentication of the one with an established set */
	client_send_install(&other, &in);
	unsigned updates = h->fake.updates, removes = h->fake.removes;
	client_begin(&other, ZB_MSG_CONFIRM);
	zb_put_number(&other.out, ZB_ATTR_SET_ID, id);
	zb_put_number(&other.out, ZB_ATTR_REFERENCE, 3);
	zb_put_number(&other.out, ZB_ATTR_EXPIRES, 600);
	client_send(&other);
	client_begin(&other, ZB_MSG_RELEASE);
	zb_put_number(&other.out, ZB_ATTR_SET_ID, id);
	zb_put_number(&other.out, ZB_ATTR_REFERENCE, 4);
	client_send(&other);
	harness_run_for(h, 50);
	assert_int_equal(h->fake.adds, STORM + 3);
	assert_true(h->fake.updates > updates);
	assert_true(h->fake.removes > removes);
	client_close(&other);
	client_close(&client);
}

enum { WATCHED = 40, LOOKS = 20 };

/* An observer asks for everything again and again, not waiting for answers. */
static void watch(struct client *watcher, unsigned count, unsigned limit)
{
	for (unsigned i = 0; i < count; i++) {
		client_begin(watcher, ZB_MSG_QUERY);
		zb_put_number(&watcher->out, ZB_ATTR_LIMIT, limit);
		client_send(watcher);
	}
}

static void fill(struct harness *h, struct client *watcher)
{
	hello(h);
	for (unsigned n = 0; n < WATCHED; n++) {
		struct install in = newcomer(n);
		installed(&in);
	}
	client_hello(watcher, h, "watcher", 1, ZB_ROLE_OBSERVER, false);
	assert_int_equal(client_call(watcher), ZB_CAUSE_DONE);
}

static void what_is_only_looked_at_is_no_overload(void **state)
{
	struct harness *h = *state;
	struct install in = newcomer(WATCHED);

	fill(h, &other);
	h->config.control.overload_delay_ms = DELAY_MS;
	h->config.control.overload_retry_s = 2;
	h->fake.is_mute = true;
	watch(&other, LOOKS, WATCHED);
	harness_run_for(h, DELAY_MS + 30);
	assert_int_equal(h->fake.gets,
			 DPLINK_LOOKS); /* no more at a time, or who registers would wait for them */
	client_send_install(&client, &in);
	harness_run_for(h, 20);
	assert_int_equal(h->fake.adds, WATCHED + 1);
	assert_false(h->control.overload.on);
	/* The link is given up: each of them has its outcome, also those that had not been sent. */
	assert_int_equal(client_wait(&other), ZB_CAUSE_DATAPLANE_DOWN);
	client_close(&other);
	client_close(&client);
}

static void those_who_watch_look_after_the_pcscfs(void **state)
{
	enum { LIMIT = 30, COUNT = 3 };
	struct harness *h = *state;
	unsigned place = 0;

	fill(h, &other);
	event_del(h->fake.reading); /* so that the P-CSCF comes when the observer's wait already */
	watch(&other, COUNT, LIMIT);
	harness_run_for(h, 20);
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_number(&client.out, ZB_ATTR_SET_ID, WATCHED);
	client_send(&client);
	harness_run_for(h, 20);
	event_add(h->fake.reading, NULL);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE);
	assert_int_equal(client_wait(&other), ZB_CAUSE_DONE);
	assert_int_equal(h->fake.gets, LIMIT * COUNT + 1);
	while (place < h->fake.gets && h->fake.got[place] != WATCHED)
		place++;
	assert_int_equal(place, DPLINK_LOOKS); /* the next one, of 27 that wait */
	client_close(&other);
	client_close(&client);
}

static void those_who_watch_have_a_few_places_beside_the_pcscfs(void **state)
{
	enum { LIMIT = 30, COUNT = 10 };
	struct harness *h = *state;
	unsigned place = 0;

	fill(h, &other);
	event_del(h->fake.reading);
	watch(&client, COUNT, LIMIT);
	harness_run_for(h, 20);
	client_begin(&other, ZB_MSG_QUERY);
	zb_put_number(&other.out, ZB_ATTR_SET_ID, WATCHED);
	client_send(&other);
	harness_run_for(h, 20);
	event_add(h->fake.reading, NULL);
	assert_int_equal(client_wait(&other), ZB_CAUSE_DONE);
	harness_run_for(h, 50);
	assert_int_equal(h->fake.gets, LIMIT * COUNT + 1);
	while (place < h->fake.gets && h->fake.got[place] != WATCHED)
		place++;
	assert_int_equal(place, DPLINK_LOOKS);
	client_close(&other);
	client_close(&client);
}

static void what_nobody_waits_for_any_more_is_not_looked_at(void **state)
{
	struct harness *h = *state;

	fill(h, &other);
	event_del(h->fake.reading);
	watch(&other, LOOKS, WATCHED);
	harness_run_for(h, 20);
	client_close(&other);
	harness_run_for(h, 20);
	event_add(h->fake.reading, NULL);
	harness_run_for(h, 50);
	assert_int_equal(h->fake.gets, DPLINK_LOOKS); /* those that were under way */
	client_close(&client);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(new_registrations_are_refused_and_told_when_to_come_again),
		T(those_who_have_a_registration_to_lose_are_served),
		T(what_is_only_looked_at_is_no_overload),
		T(those_who_watch_look_after_the_pcscfs),
		T(those_who_watch_have_a_few_places_beside_the_pcscfs),
		T(what_nobody_waits_for_any_more_is_not_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
