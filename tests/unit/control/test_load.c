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
	h->config.control.overload_delay_ms = DELAY_MS;
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(new_registrations_are_refused_and_told_when_to_come_again),
		T(those_who_have_a_registration_to_lose_are_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
