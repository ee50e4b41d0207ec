/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The data plane comes, goes, dies in the middle, and comes back with or without its sets.
 */
#include "harness.h"

#include <unistd.h>

static struct client client;

static void hello(struct harness *h)
{
	client_hello(&client, h, "pcscf1", 5, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	client_subscribe(&client);
}

static void come_back(struct harness *h)
{
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
}

static void without_a_data_plane_every_order_is_refused_at_once(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	fake_stop(&h->fake);
	harness_serving(h, false);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DATAPLANE_DOWN);
	assert_int_equal(client_confirm(&client, 1, 1, 1), ZB_CAUSE_DATAPLANE_DOWN);
	assert_int_equal(client_release(&client, 1, 1, 1), ZB_CAUSE_DATAPLANE_DOWN);
	client_begin(&client, ZB_MSG_QUERY);
	assert_int_equal(client_call(&client), ZB_CAUSE_DATAPLANE_DOWN);
	come_back(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	client_close(&client);
}

static void an_install_whose_answer_was_lost_is_found_by_its_reference(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	h->fake.is_deaf_after = true;
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DATAPLANE_DOWN);
	assert_int_equal(fake_count(&h->fake), 1);
	assert_int_equal(h->control.table.count, 0);
	come_back(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	assert_int_equal(h->fake.adds, 1);
	client_close(&client);
}

static void a_release_whose_answer_was_lost_is_done_when_repeated(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	struct zb_set set = client_set(&client);
	h->fake.is_deaf_after = true;
	assert_int_equal(client_release(&client, set.set_id, 9, 0), ZB_CAUSE_DATAPLANE_DOWN);
	come_back(h);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(client_release(&client, set.set_id, 9, 0), ZB_CAUSE_DONE);
	client_close(&client);
}

static void a_data_plane_that_does_not_answer_is_given_up(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	h->fake.is_mute = true;
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DATAPLANE_DOWN);
	client_close(&client);
}

/* Neither end runs for longer than an answer may take: then there is one yet. */
static void a_machine_that_stands_still_is_not_taken_for_a_silent_data_plane(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	event_del(h->fake.reading);
	client_send_install(&client, &in);
	harness_run_for(h, 20); /* the order is on its way */
	usleep(2000000);
	event_add(h->fake.reading, NULL);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE);
	client_close(&client);
}

static void sets_and_their_timers_survive_both_restarts(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	struct dpl_set_state stored[FAKE_CAPACITY];

	hello(h);
	for (unsigned i = 0; i < 5; i++) { /* more than one SET_LIST answer holds */
		in.reference = 1 + i;
		snprintf(in.subscriber, sizeof(in.subscriber), "user%u", i);
		in.selectors.ue.octet[3] = (uint8_t)(2 + i);
		assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	}
	memcpy(stored, h->fake.set, sizeof(stored));
	client_close(&client);
	harness_restart(h);
	fake_stop(&h->fake);
	harness_serving(h, false);
	come_back(h);
	assert_int_equal(h->control.table.count, 5);
	for (unsigned i = 0; i < 5; i++) {
		const struct sa_set *set = sa_table_by_id(&h->control.table, stored[i].set_id);
		assert_non_null(set);
		assert_int_equal(set->expires, stored[i].expires);
		assert_string_equal(set->name.subscriber, stored[i].name.subscriber);
		assert_int_not_equal(set->heap, 0);
	}
}

static void a_set_past_its_end_ends_as_soon_as_it_is_learned(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	fake_stop(&h->fake);
	harness_serving(h, false);
	for (int i = 0; i < FAKE_CAPACITY; i++)
		h->fake.set[i].expires = 1;
	come_back(h);
	client_wait_event(&client, ZB_MSG_EXPIRED);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void another_store_empties_the_intended_state_and_is_told(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	struct zb_set set = client_set(&client);
	fake_stop(&h->fake);
	harness_serving(h, false);
	memset(h->fake.set, 0, sizeof(h->fake.set));
	h->fake.epoch = 12;
	come_back(h);
	client_wait_event(&client, ZB_MSG_EPOCH_LOST);
	assert_int_equal(zb_get_number(&client.event.attrs, ZB_ATTR_STORE_EPOCH, 0), 12);
	assert_int_equal(h->control.table.count, 0);
	assert_int_equal(client_confirm(&client, set.set_id, 1, 1), ZB_CAUSE_UNKNOWN_SET);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE); /* the reference is free */
	client_close(&client);
}

static void rule_20_a_first_use_while_the_link_was_down_is_told(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	struct zb_set set = client_set(&client);
	assert_int_equal(client_confirm(&client, set.set_id, 7, 600), ZB_CAUSE_DONE);
	fake_stop(&h->fake);
	harness_serving(h, false);
	h->fake.set[0].first_used = 1;
	come_back(h);
	client_wait_event(&client, ZB_MSG_FIRST_USED);
	fake_stop(&h->fake);
	harness_serving(h, false);
	come_back(h);
	harness_run_for(h, 20);
	client_begin(&client, ZB_MSG_HEARTBEAT);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	assert_int_equal(client.events, 1);
	client_close(&client);
}

/* Both ways to it: the data plane saw the first use while the link was down, and control died between the
 * first use and the cut. */
static void rule_20_a_cut_that_a_crash_left_undone_is_done_when_the_link_is_up(void **state)
{
	for (unsigned knew_it = 0; knew_it < 2; knew_it++) {
		struct harness *h = *state;
		struct install in = sample_install();
		struct zb_set set[2];

		hello(h);
		for (unsigned i = 0; i < 2; i++) {
			in.reference = 10 + 2 * knew_it + i;
			snprintf(in.registration_id, sizeof(in.registration_id), "%u", knew_it);
			in.selectors.port_uc = (uint16_t)(7000 + in.reference);
			in.selectors.port_us = (uint16_t)(8000 + in.reference);
			in.selectors.spi_uc = 3000 + 2 * (uint32_t)in.reference;
			in.selectors.spi_us = in.selectors.spi_uc + 1;
			assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
			set[i] = client_set(&client);
			assert_int_equal(client_confirm(&client, set[i].set_id, 20 + i, 600), ZB_CAUSE_DONE);
		}
		fake_stop(&h->fake);
		harness_serving(h, false);
		for (unsigned i = 0; i < FAKE_CAPACITY; i++)
			h->fake.set[i].first_used |= h->fake.set[i].set_id == set[1].set_id;
		sa_table_by_id(&h->control.table, set[1].set_id)->first_used = (uint8_t)knew_it;
		come_back(h);
		client_wait_event(&client, ZB_MSG_SUPERSEDED);
		const struct sa_set *old = sa_table_by_id(&h->control.table, set[0].set_id);
		assert_int_equal(old->state, BGF_SET_SUPERSEDED);
		assert_true(old->expires <= timers_now() + 128000000000);
		const uint64_t until = old->expires;
		fake_stop(&h->fake);
		harness_serving(h, false);
		come_back(h); /* it was stored: the next start neither tells it again nor lengthens it */
		old = sa_table_by_id(&h->control.table, set[0].set_id);
		assert_int_equal(old->state, BGF_SET_SUPERSEDED);
		assert_int_equal(old->expires, until);
		harness_run_for(h, 20);
		client_begin(&client, ZB_MSG_HEARTBEAT);
		assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
		assert_int_equal(client.events, knew_it ? 1 : 2);
		client_close(&client);
	}
}

static void rule_22_a_failed_authentication_that_drains_harms_nothing_at_a_restart(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	struct zb_set old = client_set(&client);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	in.reference++;
	in.selectors.spi_uc += 10;
	in.selectors.spi_us += 10;
	in.flags = BGF_SET_BEGAN_UNPROTECTED | BGF_SET_REPLACE; /* a stranger's, on the very same ports */
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&client, client_set(&client).set_id, 8, 60), ZB_CAUSE_DONE);
	fake_stop(&h->fake);
	harness_serving(h, false);
	come_back(h);
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 2);
	assert_int_equal(sa_table_by_id(&h->control.table, old.set_id)->state, BGF_SET_ESTABLISHED);
	client_close(&client);
}

static void who_came_before_the_first_data_plane_is_told_to_query(void **state)
{
	struct harness *h = *state;

	fake_stop(&h->fake);
	harness_serving(h, false);
	h->control.synced = false; /* as a daemon that has just started */
	h->control.store_epoch = 0;
	hello(h);
	come_back(h);
	client_wait_event(&client, ZB_MSG_GAP);
	client_close(&client);
}

static void a_set_that_the_data_plane_has_lost_is_no_more_and_a_gap_says_so(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	fake_stop(&h->fake);
	harness_serving(h, false);
	h->fake.set[0].set_id = 0;
	come_back(h);
	client_wait_event(&client, ZB_MSG_GAP);
	assert_int_equal(h->control.table.count, 0);
	client_close(&client);
}

/* Rule 6: the CONFIRM's answer was lost, so the old set was not ended; the resynchronisation ends it. */
static void rule_6_a_replacement_that_was_cut_short_is_finished(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	struct zb_set old = client_set(&client);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	in.reference++;
	in.flags = BGF_SET_REPLACE;
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	struct zb_set new = client_set(&client);
	h->fake.is_deaf_after = true;
	assert_int_equal(client_confirm(&client, new.set_id, 8, 600), ZB_CAUSE_DATAPLANE_DOWN);
	come_back(h);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(fake_count(&h->fake), 1);
	assert_int_equal(client_confirm(&client, new.set_id, 8, 600), ZB_CAUSE_DONE);
	client_close(&client);
}

/* Rule 6: the old set ended before the new one's CONFIRM, and that the new one sends from then on was lost
 * with the data plane; or the data plane has lost the old one. The new one sends then, and is like any other.
 */
static void rule_6_a_take_over_that_was_lost_is_made_up_for(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	for (int is_lost = 0; is_lost < 2; is_lost++) {
		hello(h);
		in.flags = 0;
		in.reference++;
		assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
		struct zb_set old = client_set(&client);
		assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
		in.reference++;
		in.flags = BGF_SET_REPLACE;
		assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
		struct zb_set new = client_set(&client);
		if (is_lost) {
			fake_stop(&h->fake);
			harness_serving(h, false);
			assert_int_equal(h->fake.set[0].set_id, old.set_id);
			h->fake.set[0].set_id = 0;
		} else {
			h->fake.is_deaf_after = true;
			assert_int_equal(client_release(&client, old.set_id, 8, 0), ZB_CAUSE_DATAPLANE_DOWN);
		}
		come_back(h);
		harness_run_for(h, 20);
		assert_int_equal(h->fake.last_update.set_id, new.set_id);
		assert_int_equal(h->fake.last_update.takes_over, 1);
		assert_int_equal(h->fake.last_update.name.replaces, 0);
		in.reference++;
		strcpy(in.subscriber, is_lost ? "carol@ims.example" : "bob@ims.example");
		in.selectors.spi_uc += 10;
		in.selectors.spi_us += 10;
		assert_int_equal(client_install(&client, &in),
				 ZB_CAUSE_DONE); /* a third one may replace it */
		client_begin(&client, ZB_MSG_RELEASE);
		zb_put_number(&client.out, ZB_ATTR_ALL_SETS, 1);
		zb_put_number(&client.out, ZB_ATTR_REFERENCE, 20 + (unsigned)is_lost);
		assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
		assert_int_equal(fake_count(&h->fake), 0);
		client_close(&client);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(without_a_data_plane_every_order_is_refused_at_once),
		T(an_install_whose_answer_was_lost_is_found_by_its_reference),
		T(a_release_whose_answer_was_lost_is_done_when_repeated),
		T(a_data_plane_that_does_not_answer_is_given_up),
		T(a_machine_that_stands_still_is_not_taken_for_a_silent_data_plane),
		T(sets_and_their_timers_survive_both_restarts),
		T(a_set_past_its_end_ends_as_soon_as_it_is_learned),
		T(another_store_empties_the_intended_state_and_is_told),
		T(rule_6_a_replacement_that_was_cut_short_is_finished),
		T(rule_6_a_take_over_that_was_lost_is_made_up_for),
		T(rule_20_a_first_use_while_the_link_was_down_is_told),
		T(rule_20_a_cut_that_a_crash_left_undone_is_done_when_the_link_is_up),
		T(rule_22_a_failed_authentication_that_drains_harms_nothing_at_a_restart),
		T(who_came_before_the_first_data_plane_is_told_to_query),
		T(a_set_that_the_data_plane_has_lost_is_no_more_and_a_gap_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
