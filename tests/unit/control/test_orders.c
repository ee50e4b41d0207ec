/* SPDX-License-Identifier: BSD-3-Clause
 *
 * INSTALL, CONFIRM and RELEASE, from the frame to the data plane and back.
 */
#include "orders.h"

static void rules_11_and_14_install_is_temporary_and_its_key_is_expanded(void **state)
{
	struct harness *h = *state;
	static const uint8_t key[BGF_AUTH_KEY_MAX] = {1, 2, 3};
	struct install in = sample_install();

	hello(h);
	struct zb_set set = installed(&in);
	assert_int_equal(set.state, BGF_SET_TEMPORARY);
	assert_true(set.selectors.spi_ps > 255 && set.selectors.spi_pc > 255);
	assert_in_range(set.remaining_ms, 239000, 240000);
	assert_int_equal(h->fake.last_key_length, 20);
	assert_memory_equal(h->fake.last_key, key, sizeof(key));
	client_close(&client);
}

static void a_reference_means_one_effect_and_one_answer(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set first = installed(&in), again = installed(&in);
	assert_int_equal(again.set_id, first.set_id);
	assert_int_equal(again.selectors.spi_ps, first.selectors.spi_ps);
	assert_int_equal(h->fake.adds, 1);
	in.ik[0] ^= 1;
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_REFERENCE_CLASH);
	assert_int_equal(client_bad_attribute(&client), ZB_ATTR_REFERENCE);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void a_reference_is_known_after_controls_restart_and_free_after_its_sets_end(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set first = installed(&in);
	assert_int_equal(client_confirm(&client, first.set_id, 7, 600), ZB_CAUSE_DONE);
	client_close(&client);
	harness_restart(h);
	hello(h);
	assert_int_equal(installed(&in).set_id, first.set_id);
	assert_int_equal(client_confirm(&client, first.set_id, 7, 600), ZB_CAUSE_DONE);
	assert_int_equal(client_confirm(&client, first.set_id, 7, 601), ZB_CAUSE_REFERENCE_CLASH);
	assert_int_equal(client_release(&client, first.set_id, 8, 0), ZB_CAUSE_DONE);
	assert_int_equal(fake_count(&h->fake), 0);
	struct zb_set anew = installed(&in);
	assert_int_not_equal(anew.set_id, first.set_id);
	client_close(&client);
}

static void rule_5_and_7_bad_numbers_are_refused_with_their_attribute(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	in.selectors.port_ps = 5060;
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_BAD_PORT);
	assert_int_equal(client_bad_attribute(&client), ZB_ATTR_PORT_PS);
	assert_int_equal(h->fake.adds, 0);
	assert_int_equal(h->control.table.count, 0);
	client_close(&client);
}

static void rule_6_port_in_use_is_refused(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	installed(&in);
	in.reference++;
	strcpy(in.subscriber, "bob");
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_PORT_IN_USE);
	assert_int_equal(client_bad_attribute(&client), ZB_ATTR_PORT_UC);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void rule_6_replace_moves_the_ports_at_confirm(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set old = installed(&in);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	in.reference++;
	in.flags = BGF_SET_REPLACE;
	struct zb_set new = installed(&in);
	assert_int_equal(fake_count(&h->fake), 2);
	assert_int_equal(h->fake.updates, 1);
	assert_int_equal(client_confirm(&client, new.set_id, 8, 600), ZB_CAUSE_DONE);
	assert_int_equal(h->fake.last_update.takes_over, 1);
	assert_int_equal(h->fake.last_update.name.replaces, old.set_id);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_REPLACED);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void rule_6_the_replacing_set_sends_when_the_old_one_ends_before_confirm(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set old = installed(&in);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	in.reference++;
	in.flags = BGF_SET_REPLACE;
	struct zb_set new = installed(&in);
	assert_int_equal(client_release(&client, old.set_id, 8, 0), ZB_CAUSE_DONE);
	harness_run_for(h, 20);
	assert_int_equal(h->fake.last_update.set_id, new.set_id);
	assert_int_equal(h->fake.last_update.takes_over, 1);
	client_close(&client);
}

/* Else nothing could be sent on it before CONFIRM, not even the answer to a TCP connection's first segment.
 */
static void rule_6_it_sends_too_when_the_old_one_ends_while_it_is_being_added(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set old = installed(&in);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	in.reference++;
	in.flags = BGF_SET_REPLACE;
	client_send_install(&client, &in); /* not waited for */
	client_begin(&client, ZB_MSG_RELEASE);
	zb_put_number(&client.out, ZB_ATTR_SET_ID, old.set_id);
	zb_put_number(&client.out, ZB_ATTR_REFERENCE, 8);
	client_send(&client);
	harness_run_for(h, 30);
	assert_int_equal(fake_count(&h->fake), 1);
	assert_int_equal(h->fake.updates, 2);
	assert_int_not_equal(h->fake.last_update.set_id, old.set_id);
	assert_int_equal(h->fake.last_update.takes_over, 1);
	assert_int_equal(h->fake.last_update.name.replaces, 0);
	client_close(&client);
}

static void rule_15_a_new_challenge_ends_the_other_temporary_set(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	installed(&in);
	in.reference++; /* same ports: rule 15 comes before the duplicate check */
	installed(&in);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_NEW_CHALLENGE);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void rule_15_the_set_that_carries_the_401_drains(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2);

	hello(h);
	struct zb_set via = installed(&first);
	second.via_set = via.set_id;
	installed(&second);
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 2);
	assert_int_equal(h->fake.last_update.set_id, via.set_id);
	assert_int_equal(h->fake.last_update.state, BGF_SET_DRAINING);
	assert_in_range(h->fake.last_update.expires, h->begun + 5 * SECOND, timers_now() + 5 * SECOND);
	client_close(&client);
}

/* Two INSTALLs of one subscriber are read at once: the second waits for the first one's answer, then ends it.
 */
static void rule_15_holds_for_pipelined_installs_too(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	client_send_install(&client, &in);
	in.reference++;
	client_send_install(&client, &in);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DONE);
	assert_int_equal(client_set(&client).reference, in.reference);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_NEW_CHALLENGE);
	assert_int_equal(h->fake.adds, 2);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void rule_18_confirm_takes_the_longer_of_expires_and_what_the_old_set_had(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2);

	hello(h);
	struct zb_set old = installed(&first);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 3600), ZB_CAUSE_DONE);
	assert_in_range(client_set(&client).remaining_ms, 3629000, 3630000);
	struct zb_set new = installed(&second);
	assert_int_equal(client_confirm(&client, new.set_id, 8, 600), ZB_CAUSE_DONE);
	assert_int_equal(client_set(&client).state, BGF_SET_ESTABLISHED);
	assert_in_range(client_set(&client).remaining_ms, 3628000, 3630000);
	assert_int_equal(h->fake.last_update.watch_first_use, 1);
	client_close(&client);
}

static void rule_19_confirm_on_an_established_set_extends_it(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set set = installed(&in);
	assert_int_equal(client_confirm(&client, set.set_id, 7, 600), ZB_CAUSE_DONE);
	assert_int_equal(client_confirm(&client, set.set_id, 8, 1200), ZB_CAUSE_DONE);
	assert_in_range(client_set(&client).remaining_ms, 1229000, 1230000);
	assert_int_equal(h->fake.last_update.watch_first_use, 0);
	assert_int_equal(client_confirm(&client, set.set_id, 9, 60), ZB_CAUSE_DONE);
	assert_in_range(client_set(&client).remaining_ms, 1228000, 1230000);
	client_close(&client);
}

static void rule_18_what_a_temporary_set_had_left_does_not_count(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set set = installed(&in);
	assert_int_equal(client_confirm(&client, set.set_id, 7, 60), ZB_CAUSE_DONE);
	assert_in_range(client_set(&client).remaining_ms, 89000, 90000);
	client_close(&client);
}

static void rules_19_and_21_extending_a_set_ends_only_older_ones(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1);

	hello(h);
	in.flags = BGF_SET_BEGAN_UNPROTECTED;
	struct zb_set old = installed(&in);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	in = nth(2);
	in.flags = 0;
	in.via_set = old.set_id;
	struct zb_set new = installed(&in);
	assert_int_equal(client_confirm(&client, new.set_id, 8, 600), ZB_CAUSE_DONE);
	assert_int_equal(client_confirm(&client, old.set_id, 9, 600), ZB_CAUSE_DONE);
	harness_run_for(h, 20);
	assert_int_equal(fake_count(&h->fake), 2);
	client_close(&client);
}

static void a_reference_of_release_is_none_of_confirms(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set set = installed(&in);
	assert_int_equal(client_confirm(&client, set.set_id, 7, 600), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&client, set.set_id, 8, 60), ZB_CAUSE_DONE);
	assert_int_equal(client_confirm(&client, set.set_id, 8, 600), ZB_CAUSE_REFERENCE_CLASH);
	assert_int_equal(client_confirm(&client, set.set_id, 9, 600), ZB_CAUSE_BAD_STATE);
	client_close(&client);
}

/* Between the link and the last of the sets nobody knows what is there. */
static void nothing_is_ordered_before_the_sets_are_known(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	h->control.serving = false;
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DATAPLANE_DOWN);
	assert_int_equal(h->fake.adds, 0);
	client_close(&client);
}

static void rule_20_first_use_is_told(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set set = installed(&in);
	assert_int_equal(client_confirm(&client, set.set_id, 7, 600), ZB_CAUSE_DONE);
	fake_tell_first_used(&h->fake, set.set_id);
	client_wait_event(&client, ZB_MSG_FIRST_USED);
	client_close(&client);
}

static void rule_23_release_drains_and_then_the_set_is_gone(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	struct zb_set set = installed(&in);
	assert_int_equal(client_confirm(&client, set.set_id, 7, 600), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&client, set.set_id, 8, 1), ZB_CAUSE_DONE);
	assert_int_equal(h->fake.last_update.state, BGF_SET_DRAINING);
	assert_int_equal(client_release(&client, set.set_id, 8, 1), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&client, set.set_id, 8, 2), ZB_CAUSE_REFERENCE_CLASH);
	assert_int_equal(client_confirm(&client, set.set_id, 9, 600), ZB_CAUSE_BAD_STATE);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_RELEASED);
	assert_int_equal(fake_count(&h->fake), 0);
	assert_int_equal(client_release(&client, set.set_id, 8, 1), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&client, set.set_id, 9, 1), ZB_CAUSE_UNKNOWN_SET);
	client_close(&client);
}

static struct zb_set set_of_event(void)
{
	struct zb_attrs group;
	struct zb_set set;
	size_t position = 0;

	assert_true(zb_group_next(&client.event.attrs, ZB_ATTR_SET, &position, &group));
	zb_get_set(&group, &set);
	return set;
}

/* What the data plane has counted when it removes a set is told with its end, whatever ends it. */
static void a_set_that_goes_is_told_with_its_last_counters(void **state)
{
	static const struct {
		unsigned message;
		uint32_t await_auth_s, drain_s;
		bool is_released;
	} ends[] = {
		{ZB_MSG_EXPIRED, 1, 0, false}, {ZB_MSG_REMOVED, 0, 0, true}, {ZB_MSG_REMOVED, 0, 1, true}};
	struct harness *h = *state;

	hello(h);
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct install in = sample_install();
		in.reference += i;
		client.events = 0;
		in.await_auth_s = (uint16_t)ends[i].await_auth_s;
		struct zb_set set = installed(&in);
		unsigned at = 0;
		while (h->fake.set[at].set_id != set.set_id)
			at++;
		for (unsigned sa = 0; sa < DPL_SA_COUNT; sa++)
			h->fake.set[at].sa[sa] = (struct dpl_sa_counters){10 + sa, 1000 + sa, 100 + sa};
		h->fake.set[at].drops[BGF_DROP_REPLAY] = 3;
		if (ends[i].is_released)
			assert_int_equal(client_release(&client, set.set_id, 80 + i, ends[i].drain_s),
					 ZB_CAUSE_DONE);
		client_wait_event(&client, ends[i].message);
		struct zb_set last = set_of_event();
		assert_int_equal(last.set_id, set.set_id);
		for (unsigned sa = 0; sa < DPL_SA_COUNT; sa++) {
			assert_int_equal(last.packets[sa], 10 + sa);
			assert_int_equal(last.octets[sa], 1000 + sa);
			assert_int_equal(last.sequence[sa], 100 + sa);
		}
		assert_int_equal(last.drop_count, 1);
		assert_int_equal(last.drops[0].reason, BGF_DROP_REPLAY);
		assert_int_equal(last.drops[0].count, 3);
	}
	client_close(&client);
}

static void rule_14_a_temporary_set_ends_in_time_and_its_peer_hears_it(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	in.await_auth_s = 1;
	installed(&in);
	client_wait_event(&client, ZB_MSG_EXPIRED);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void release_all_counts_the_peers_own(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1);
	struct client other;

	hello(h);
	for (unsigned i = 1; i <= 3; i++) {
		in = nth(i);
		in.registration_id[0] = (char)('0' + i);
		installed(&in);
	}
	client_hello(&other, h, "pcscf2", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	in = nth(4);
	assert_int_equal(client_install(&other, &in), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&client, 0, 5, 0), ZB_CAUSE_DONE);
	assert_int_equal(zb_get_number(&client.answer.attrs, ZB_ATTR_SET_COUNT, 99), 3);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&other);
	client_close(&client);
}

static void release_all_means_a_set_that_is_just_being_added_too(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1);

	hello(h);
	client_send_install(&client, &in); /* not waited for */
	client_begin(&client, ZB_MSG_RELEASE);
	zb_put_number(&client.out, ZB_ATTR_REFERENCE, 5);
	zb_put_number(&client.out, ZB_ATTR_ALL_SETS, 1);
	client_send(&client);
	harness_run_for(h, 30);
	assert_int_equal(h->fake.adds, 1);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void release_all_repeated_has_one_effect_and_the_same_answer(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1);

	hello(h);
	installed(&in);
	assert_int_equal(client_release(&client, 0, 5, 0), ZB_CAUSE_DONE);
	in = nth(2);
	installed(&in);
	assert_int_equal(client_release(&client, 0, 5, 0), ZB_CAUSE_DONE);
	assert_int_equal(zb_get_number(&client.answer.attrs, ZB_ATTR_SET_COUNT, 99), 1);
	assert_int_equal(fake_count(&h->fake), 1);
	assert_int_equal(client_release(&client, 0, 5, 1), ZB_CAUSE_REFERENCE_CLASH);
	assert_int_equal(client_release(&client, 0, 6, 0), ZB_CAUSE_DONE);
	assert_int_equal(fake_count(&h->fake), 0);
	client_close(&client);
}

static void release_all_whose_link_died_is_carried_out_when_repeated(void **state)
{
	struct harness *h = *state;
	struct install in = nth(1);

	hello(h);
	installed(&in);
	h->fake.is_mute = true;
	assert_int_equal(client_release(&client, 0, 5, 60), ZB_CAUSE_DATAPLANE_DOWN);
	h->fake.set[0].state = BGF_SET_TEMPORARY; /* it died before it took the order */
	h->fake.set[0].name.last_reference = 0;
	h->fake.is_mute = false;
	harness_serving(h, true);
	assert_int_equal(client_release(&client, 0, 5, 60), ZB_CAUSE_DONE);
	assert_int_equal(h->fake.set[0].state, BGF_SET_DRAINING);
	client_close(&client);
}

static void a_set_is_its_peers_and_an_operators(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	struct client other, operator;

	hello(h);
	struct zb_set set = installed(&in);
	client_hello(&other, h, "pcscf2", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	client_subscribe(&other);
	assert_int_equal(client_confirm(&other, set.set_id, 1, 60), ZB_CAUSE_UNKNOWN_SET);
	assert_int_equal(client_release(&other, set.set_id, 1, 0), ZB_CAUSE_UNKNOWN_SET);
	client_hello(&operator, h, "ops", 1, ZB_ROLE_OPERATOR, false);
	assert_int_equal(client_call(&operator), ZB_CAUSE_DONE);
	assert_int_equal(client_install(&operator, & in), ZB_CAUSE_NOT_ALLOWED);
	assert_int_equal(client_release(&operator, set.set_id, 1, 0), ZB_CAUSE_DONE);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_OPERATOR);
	client_begin(&other, ZB_MSG_HEARTBEAT);
	assert_int_equal(client_call(&other), ZB_CAUSE_DONE);
	assert_int_equal(other.events, 0); /* it is none of theirs */
	client_close(&operator);
	client_close(&other);
	client_close(&client);
}

static void a_full_table_says_so(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(h);
	for (unsigned i = 0; i <= FAKE_CAPACITY; i++) {
		in.reference = 1 + i;
		snprintf(in.subscriber, sizeof(in.subscriber), "user%u", i);
		in.selectors.ue.octet[3] = (uint8_t)(2 + i);
		assert_int_equal(client_install(&client, &in),
				 i < FAKE_CAPACITY ? ZB_CAUSE_DONE : ZB_CAUSE_TABLE_FULL);
	}
	assert_int_equal(h->control.table.count, FAKE_CAPACITY);
	assert_int_equal(h->fake.adds, FAKE_CAPACITY);
	/* A challenge that ends the subscriber's own temporary set has its place, once that is free. */
	h->fake.wipes_late = true;
	snprintf(in.subscriber, sizeof(in.subscriber), "user0");
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	assert_int_equal(h->control.table.count, FAKE_CAPACITY);
	client_close(&client);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(rules_11_and_14_install_is_temporary_and_its_key_is_expanded),
		T(a_reference_means_one_effect_and_one_answer),
		T(a_reference_is_known_after_controls_restart_and_free_after_its_sets_end),
		T(rule_5_and_7_bad_numbers_are_refused_with_their_attribute),
		T(rule_6_port_in_use_is_refused),
		T(rule_6_replace_moves_the_ports_at_confirm),
		T(rule_6_the_replacing_set_sends_when_the_old_one_ends_before_confirm),
		T(rule_6_it_sends_too_when_the_old_one_ends_while_it_is_being_added),
		T(a_set_that_goes_is_told_with_its_last_counters),
		T(rule_14_a_temporary_set_ends_in_time_and_its_peer_hears_it),
		T(rule_15_a_new_challenge_ends_the_other_temporary_set),
		T(rule_15_the_set_that_carries_the_401_drains),
		T(rule_15_holds_for_pipelined_installs_too),
		T(rule_18_confirm_takes_the_longer_of_expires_and_what_the_old_set_had),
		T(rule_19_confirm_on_an_established_set_extends_it),
		T(rule_18_what_a_temporary_set_had_left_does_not_count),
		T(rules_19_and_21_extending_a_set_ends_only_older_ones),
		T(a_reference_of_release_is_none_of_confirms),
		T(nothing_is_ordered_before_the_sets_are_known),
		T(rule_20_first_use_is_told),
		T(rule_23_release_drains_and_then_the_set_is_gone),
		T(release_all_counts_the_peers_own),
		T(release_all_means_a_set_that_is_just_being_added_too),
		T(release_all_repeated_has_one_effect_and_the_same_answer),
		T(release_all_whose_link_died_is_carried_out_when_repeated),
		T(a_set_is_its_peers_and_an_operators),
		T(a_full_table_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
