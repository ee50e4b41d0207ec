/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens to very many sets of one peer: some at a time, with everybody else served in between, and for
 * the peer as if it had happened at once.
 */
#include "control/sweep.h"
#include "orders.h"

#include <unistd.h>

enum { MANY = 4000 }; /* many turns' worth */

/* The nth phone's. */
static struct install phone(unsigned n)
{
	struct install in = sample_install();

	in.reference = 1000 + n;
	snprintf(in.subscriber, sizeof(in.subscriber), "ue%u@ims.example", n);
	in.selectors.ue.octet[2] = (uint8_t)(n >> 8);
	in.selectors.ue.octet[3] = (uint8_t)n;
	return in;
}

/* Puts sets of a former control daemon into the data plane, which this one learns. */
static void plant(struct harness *h, unsigned count, const char *peer, uint64_t instance)
{
	fake_stop(&h->fake);
	harness_serving(h, false);
	h->fake.capacity = FAKE_ROOM;
	for (unsigned i = 0, n = 0; i < FAKE_ROOM && n < count; i++) {
		struct dpl_set_state *set = &h->fake.set[i];
		const struct install in = phone(n);
		if (set->set_id != 0)
			continue;
		n++;
		*set = (struct dpl_set_state){.set_id = ++h->fake.next_id,
					      .selectors = in.selectors,
					      .expires = timers_now() + 600 * SECOND,
					      .state = BGF_SET_ESTABLISHED};
		set->name = (struct dpl_set_name){
			.reference = in.reference, .instance_id = instance, .installed = n};
		set->selectors.spi_ps = 0x10000 + 2 * (uint32_t)set->set_id;
		set->selectors.spi_pc = set->selectors.spi_ps + 1;
		set->name.alg = in.alg;
		set->name.ealg = in.ealg;
		set->name.mod = in.mod;
		snprintf(set->name.peer, sizeof(set->name.peer), "%s", peer);
		memcpy(set->name.subscriber, in.subscriber, sizeof(in.subscriber));
	}
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
}

static void send_release_all(struct client *c, uint64_t reference, uint32_t drain_s)
{
	client_begin(c, ZB_MSG_RELEASE);
	zb_put_number(&c->out, ZB_ATTR_REFERENCE, reference);
	zb_put_number(&c->out, ZB_ATTR_ALL_SETS, 1);
	zb_put_number(&c->out, ZB_ATTR_DRAIN, drain_s);
	client_send(c);
}

static unsigned count(void)
{
	return (unsigned)zb_get_number(&client.answer.attrs, ZB_ATTR_SET_COUNT, 99);
}

static bool has_begun(const struct harness *h)
{
	return h->fake.removes > 0 || h->fake.updates > 0;
}

/* Until the first sets are told to the data plane; then the sweep stands still. */
static void begin_sweep(struct harness *h)
{
	for (unsigned i = 0; !has_begun(h) && i < 20000;
	     i++) { /* one turn each: more would be the whole sweep */
		event_base_loop(h->control.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		usleep(100);
	}
	assert_true(has_begun(h));
	event_del(h->control.sweeper);
}

static void go_on(struct harness *h)
{
	event_active(h->control.sweeper, EV_TIMEOUT, 1);
}

static bool is_swept(void *arg)
{
	const struct harness *h = arg;

	return TAILQ_EMPTY(&h->control.sweeping) && dplink_under_way(h->control.link) == 0;
}

static void others_are_served_between_the_turns_of_a_release_of_all(void **state)
{
	struct harness *h = *state;
	struct install in = phone(0);
	struct client other;

	hello(h);
	client_hello(&other, h, "pcscf2", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	plant(h, MANY, "pcscf1", 5);
	send_release_all(&client, 5, 0);
	begin_sweep(h);
	in.selectors.ue.octet[1]++;
	assert_int_equal(client_install(&other, &in), ZB_CAUSE_DONE);
	assert_true(h->fake.removes < MANY);
	go_on(h);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE);
	assert_int_equal(count(), MANY);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&other);
	client_close(&client);
}

/* The order of one peer's requests is kept: for what comes behind a RELEASE of all, all is released. */
static void what_comes_behind_a_release_of_all_meets_none_of_its_sets(void **state)
{
	struct harness *h = *state;
	struct install in = phone(MANY - 1), clash = phone(MANY - 2);

	hello(h);
	plant(h, MANY, "pcscf1", 5);
	uint64_t last = h->fake.next_id - 2;
	send_release_all(&client, 5, 0);
	begin_sweep(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE); /* the reference of one of them */
	struct zb_set first = client_set(&client);
	assert_int_equal(first.state, BGF_SET_TEMPORARY);
	clash.reference = 7;
	snprintf(clash.subscriber, sizeof(clash.subscriber), "another@ims.example");
	assert_int_equal(client_install(&client, &clash), ZB_CAUSE_DONE); /* the ports of one of them */
	assert_int_equal(client_confirm(&client, last, 8, 600), ZB_CAUSE_UNKNOWN_SET);
	assert_int_equal(client_release(&client, last - 1, 9, 0), ZB_CAUSE_UNKNOWN_SET);
	assert_true(h->fake.removes < MANY);
	go_on(h);
	harness_run(h, is_swept, h, "the end");
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 2); /* what came behind it is not meant */
	assert_int_equal(client_confirm(&client, first.set_id, 10, 600), ZB_CAUSE_DONE);
	client_close(&client);
}

static void a_release_of_all_behind_another_waits_for_it(void **state)
{
	struct harness *h = *state;
	struct install in = phone(MANY);

	hello(h);
	plant(h, MANY, "pcscf1", 5);
	send_release_all(&client, 5, 60);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	send_release_all(&client, 6, 0);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE); /* the second's, which comes last */
	assert_int_equal(count(), MANY + 1);
	assert_int_equal(h->fake.updates, MANY);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void repeated_in_the_middle_it_gets_the_same_answer(void **state)
{
	struct harness *h = *state;
	struct client again;

	hello(h);
	plant(h, MANY, "pcscf1", 5);
	client_hello(&again, h, "pcscf1", 5, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&again), ZB_CAUSE_DONE);
	send_release_all(&client, 5, 60);
	begin_sweep(h);
	send_release_all(&again, 5, 60);
	harness_run_for(h, 10);
	go_on(h);
	assert_int_equal(client_wait(&again), ZB_CAUSE_DONE);
	assert_int_equal(zb_get_number(&again.answer.attrs, ZB_ATTR_SET_COUNT, 99), MANY);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE);
	assert_int_equal(count(), MANY);
	assert_int_equal(h->fake.updates, MANY);
	client_close(&again);
	client_close(&client);
}

static void it_goes_on_when_its_peer_has_gone(void **state)
{
	struct harness *h = *state;

	hello(h);
	plant(h, MANY, "pcscf1", 5);
	send_release_all(&client, 5, 0);
	begin_sweep(h);
	client_close(&client);
	go_on(h);
	harness_run(h, is_swept, h, "the end");
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 0);
}

static void a_data_plane_that_dies_in_the_middle_is_told_and_the_repetition_does_the_rest(void **state)
{
	struct harness *h = *state;

	hello(h);
	plant(h, MANY, "pcscf1", 5);
	send_release_all(&client, 5, 0);
	begin_sweep(h);
	fake_stop(&h->fake);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DATAPLANE_DOWN);
	assert_true(fake_count(&h->fake) > 0);
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
	assert_int_equal(client_release(&client, 0, 5, 0), ZB_CAUSE_DONE);
	assert_int_equal(count(), MANY);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

/* With a set that the data plane is just adding, as it dies: the RELEASE is not done before it is known. */
static void a_set_whose_add_was_not_answered_does_not_outlive_its_release(void **state)
{
	struct harness *h = *state;
	struct install in = phone(0);

	hello(h);
	h->fake.is_mute = true;
	client_send_install(&client, &in);
	send_release_all(&client, 5, 0);
	harness_run_for(h, 50);
	assert_int_equal(fake_count(&h->fake), 1);
	fake_stop(&h->fake);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DATAPLANE_DOWN);
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
	assert_int_equal(fake_count(&h->fake), 1);
	assert_int_equal(client_release(&client, 0, 5, 0), ZB_CAUSE_DONE);
	assert_int_equal(count(), 1);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void an_install_that_waits_as_a_release_of_all_comes_is_released_too(void **state)
{
	struct harness *h = *state;
	const struct install first = nth(1), second = nth(2);

	hello(h);
	client_send_install(&client, &first);
	client_send_install(&client,
			    &second); /* it can only be judged when the first one has come (rule 15) */
	send_release_all(&client, 5, 0);
	harness_run_for(h, 50);
	assert_int_equal(h->fake.adds, 2);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void an_operator_has_none_to_release(void **state)
{
	struct harness *h = *state;

	client_hello(&client, h, "op", 1, ZB_ROLE_OPERATOR, false);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	send_release_all(&client, 5, 0);
	assert_int_equal(client_wait(&client), ZB_CAUSE_NOT_ALLOWED);
	client_close(&client);
}

static void a_new_instance_is_served_while_the_formers_sets_are_released(void **state)
{
	struct harness *h = *state;
	struct install in = phone(MANY - 1);

	plant(h, MANY, "pcscf1", 5);
	client_hello(&client, h, "pcscf1", 6, ZB_ROLE_PEER, true);
	client_send(&client);
	begin_sweep(h);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE); /* a phone of the former */
	assert_true(h->fake.removes < MANY);
	zb_stream_clear(&client.in);
	close(client.fd);
	harness_restart(h); /* in the middle */
	client_hello(&client, h, "pcscf1", 6, ZB_ROLE_PEER, true);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	harness_run(h, is_swept, h, "the end");
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void a_peer_that_returns_in_the_middle_keeps_the_rest(void **state)
{
	struct harness *h = *state;
	struct peer *p;

	h->config.control.peer_gone_s = 100;
	plant(h, MANY, "pcscf1", 5);
	TAILQ_FOREACH (p, &h->control.peers, next)
		p->gone_at -= 101 * SECOND;
	session_tick_all(&h->control);
	begin_sweep(h);
	hello(h);
	go_on(h);
	harness_run_for(h, 20);
	assert_true(is_swept(h));
	unsigned left = fake_count(&h->fake);
	assert_true(left > 0 && left < MANY);
	client_close(&client);
}

#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(others_are_served_between_the_turns_of_a_release_of_all),
		T(what_comes_behind_a_release_of_all_meets_none_of_its_sets),
		T(a_release_of_all_behind_another_waits_for_it),
		T(repeated_in_the_middle_it_gets_the_same_answer),
		T(it_goes_on_when_its_peer_has_gone),
		T(a_data_plane_that_dies_in_the_middle_is_told_and_the_repetition_does_the_rest),
		T(a_set_whose_add_was_not_answered_does_not_outlive_its_release),
		T(an_install_that_waits_as_a_release_of_all_comes_is_released_too),
		T(an_operator_has_none_to_release),
		T(a_new_instance_is_served_while_the_formers_sets_are_released),
		T(a_peer_that_returns_in_the_middle_keeps_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
