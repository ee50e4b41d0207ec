/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one set does to the others of its subscriber: rules 20 to 22 and 24.
 */
#include "orders.h"

static uint64_t established(const struct install *in, uint64_t reference, uint32_t expires_s)
{
	struct zb_set set = installed(in);

	assert_int_equal(client_confirm(&client, set.set_id, reference, expires_s), ZB_CAUSE_DONE);
	return set.set_id;
}

static const struct sa_set *known(struct harness *h, uint64_t set_id)
{
	const struct sa_set *set = sa_table_by_id(&h->control.table, set_id);

	assert_non_null(set);
	return set;
}

/* It was given so many seconds at some time since the test began. */
static void assert_was_given(struct harness *h, uint64_t set_id, unsigned s)
{
	assert_in_range(known(h, set_id)->expires, h->begun + s * SECOND, timers_now() + s * SECOND);
}

static void rule_20_the_first_use_cuts_the_older_sets_of_the_registration(void **state)
{
	struct harness *h = *state;
	struct install in[4] = {nth(1), nth(2), nth(3), nth(4)};
	uint64_t id[4];

	hello(h);
	strcpy(in[2].registration_id, "2");
	in[3].flags = BGF_SET_EMERGENCY;
	for (unsigned i = 0; i < 4; i++)
		id[i] = established(&in[i == 3 ? 1 : i == 1 ? 3 : i], 10 + i, 600); /* the second last */
	fake_tell_first_used(&h->fake, id[3]);
	client_wait_event(&client, ZB_MSG_SUPERSEDED);
	assert_int_equal(client.events, 2);
	assert_int_equal(known(h, id[0])->state, BGF_SET_SUPERSEDED);
	assert_was_given(h, id[0], 128);
	assert_int_equal(h->fake.last_update.set_id, id[0]);
	assert_int_equal(h->fake.last_update.state, BGF_SET_SUPERSEDED);
	assert_int_equal(h->fake.last_update.expires, known(h, id[0])->expires);
	for (unsigned i = 1; i < 4; i++) { /* the emergency one, the other registration's, and itself */
		assert_int_equal(known(h, id[i])->state, BGF_SET_ESTABLISHED);
		assert_was_given(h, id[i], 630);
	}
	assert_int_equal(client_confirm(&client, id[0], 99, 600), ZB_CAUSE_BAD_STATE);
	client_close(&client);
}

static void rule_20_an_older_or_a_released_set_supersedes_nothing(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2);

	hello(h);
	uint64_t old = established(&first, 10, 600), new = established(&second, 11, 600);
	fake_tell_first_used(&h->fake, old);
	client_wait_event(&client, ZB_MSG_FIRST_USED);
	assert_int_equal(known(h, new)->state, BGF_SET_ESTABLISHED);
	assert_int_equal(client_release(&client, new, 12, 60), ZB_CAUSE_DONE);
	fake_tell_first_used(&h->fake, new);
	client_wait_event(&client, ZB_MSG_FIRST_USED);
	assert_int_equal(known(h, old)->state, BGF_SET_ESTABLISHED);
	assert_was_given(h, old, 630);
	client_close(&client);
}

static void rule_20_what_ends_sooner_anyway_is_not_lengthened(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2);

	hello(h);
	uint64_t old = established(&first, 10, 60), new = established(&second, 11, 600);
	fake_tell_first_used(&h->fake, new);
	client_wait_event(&client, ZB_MSG_SUPERSEDED);
	assert_was_given(h, old, 90);
	client_close(&client);
}

static void rule_21_leaves_an_emergency_registration_and_another_one_alone(void **state)
{
	struct harness *h = *state;
	struct install normal = nth(1), emergency = nth(2), flow = nth(3), anew = nth(4);

	hello(h);
	emergency.flags = BGF_SET_EMERGENCY | BGF_SET_BEGAN_UNPROTECTED;
	strcpy(flow.registration_id, "flow2");
	anew.flags = BGF_SET_BEGAN_UNPROTECTED;
	uint64_t first = established(&normal, 10, 600);
	uint64_t others[2] = {established(&emergency, 11, 600), established(&flow, 12, 600)};
	assert_int_equal(known(h, first)->state, BGF_SET_ESTABLISHED); /* the emergency one ended it not */
	established(&anew, 13, 600);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_null(sa_table_by_id(&h->control.table, first));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(known(h, others[i])->state, BGF_SET_ESTABLISHED);
	assert_int_equal(client.events, 1);
	client_close(&client);
}

static void rule_24_a_ue_that_changed_its_address_starts_afresh_and_its_old_sets_go(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2), moved = nth(3);

	hello(h);
	uint64_t old[2] = {established(&first, 10, 600), established(&second, 11, 600)};
	moved.flags = BGF_SET_BEGAN_UNPROTECTED;
	moved.selectors.ue = sample_addr("10.45.0.77");
	uint64_t new = established(&moved, 12, 60);
	for (unsigned i = 0; i < 2; i++) {
		client_wait_event(&client, ZB_MSG_REMOVED);
		assert_int_equal(why(), BGF_REMOVED_BEGAN_UNPROTECTED);
		assert_null(sa_table_by_id(&h->control.table, old[i]));
	}
	assert_int_equal(known(h, new)->state, BGF_SET_ESTABLISHED);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

static void rule_22_a_failed_authentication_ends_the_new_set_and_keeps_the_old(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2);

	hello(h);
	uint64_t old = established(&first, 10, 600);
	struct zb_set new = installed(&second);
	assert_int_equal(client_release(&client, new.set_id, 11, 1), ZB_CAUSE_DONE);
	assert_int_equal(known(h, new.set_id)->state, BGF_SET_DRAINING);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(known(h, old)->state, BGF_SET_ESTABLISHED);
	assert_int_equal(client_confirm(&client, old, 12, 600), ZB_CAUSE_DONE);
	client_close(&client);
}

static void rule_21_a_registration_that_began_unprotected_ends_the_older_sets(void **state)
{
	struct harness *h = *state;
	struct install first = nth(1), second = nth(2);

	hello(h);
	struct zb_set old = installed(&first);
	assert_int_equal(client_confirm(&client, old.set_id, 7, 600), ZB_CAUSE_DONE);
	second.flags = BGF_SET_BEGAN_UNPROTECTED;
	struct zb_set new = installed(&second);
	assert_int_equal(fake_count(&h->fake), 2);
	assert_int_equal(client_confirm(&client, new.set_id, 8, 600), ZB_CAUSE_DONE);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_BEGAN_UNPROTECTED);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&client);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(rule_20_the_first_use_cuts_the_older_sets_of_the_registration),
		T(rule_20_an_older_or_a_released_set_supersedes_nothing),
		T(rule_20_what_ends_sooner_anyway_is_not_lengthened),
		T(rule_21_leaves_an_emergency_registration_and_another_one_alone),
		T(rule_24_a_ue_that_changed_its_address_starts_afresh_and_its_old_sets_go),
		T(rule_22_a_failed_authentication_ends_the_new_set_and_keeps_the_old),
		T(rule_21_a_registration_that_began_unprotected_ends_the_older_sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
