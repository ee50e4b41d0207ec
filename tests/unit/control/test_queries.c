/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

static struct client client;

enum { SETS = 6 };

/* Six sets of two peers: users 0 to 5, the odd ones of pcscf2. */
static int fill(void **state)
{
	struct client peers[2];
	struct install in = sample_install();

	harness_setup(state);
	for (int p = 0; p < 2; p++) {
		client_hello(&peers[p], *state, p == 0 ? "pcscf1" : "pcscf2", 1, ZB_ROLE_PEER, false);
		assert_int_equal(client_call(&peers[p]), ZB_CAUSE_DONE);
	}
	for (unsigned i = 0; i < SETS; i++) {
		in.reference = 1 + i;
		snprintf(in.subscriber, sizeof(in.subscriber), "user%u", i);
		in.selectors.ue.octet[3] = (uint8_t)(2 + i);
		assert_int_equal(client_install(&peers[i % 2], &in), ZB_CAUSE_DONE);
	}
	for (int p = 0; p < 2; p++)
		client_close(&peers[p]);
	return 0;
}

static void hello(struct harness *h, const char *name, enum zb_role role)
{
	client_hello(&client, h, name, 1, role, false);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
}

static unsigned count_groups(enum zb_attribute attr)
{
	struct zb_attrs group;
	size_t position = 0;
	unsigned count = 0;

	while (zb_group_next(&client.answer.attrs, attr, &position, &group))
		count++;
	return count;
}

static unsigned query(void)
{
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	return count_groups(ZB_ATTR_SET);
}

static void a_peer_sees_its_own_and_an_observer_all(void **state)
{
	hello(*state, "pcscf1", ZB_ROLE_PEER);
	client_begin(&client, ZB_MSG_QUERY);
	assert_int_equal(query(), SETS / 2);
	client_close(&client);
	hello(*state, "watcher", ZB_ROLE_OBSERVER);
	client_begin(&client, ZB_MSG_QUERY);
	assert_int_equal(query(), SETS);
	client_close(&client);
}

static void each_filter_restricts(void **state)
{
	const struct bgf_addr ue = sample_addr("10.45.0.5");

	hello(*state, "watcher", ZB_ROLE_OBSERVER);
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_string(&client.out, ZB_ATTR_SUBSCRIBER, "user3");
	assert_int_equal(query(), 1);
	assert_string_equal(client_set(&client).subscriber, "user3");
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_string(&client.out, ZB_ATTR_SUBSCRIBER, "user3");
	zb_put_string(&client.out, ZB_ATTR_REGISTRATION_ID, "emergency");
	assert_int_equal(query(), 0);
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_addr(&client.out, ZB_ATTR_UE_ADDRESS, &ue);
	zb_put_number(&client.out, ZB_ATTR_PORT_UE, 5063);
	zb_put_number(&client.out, ZB_ATTR_PORT_LOCAL, 6060);
	assert_int_equal(query(), 1);
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_addr(&client.out, ZB_ATTR_UE_ADDRESS, &ue);
	zb_put_number(&client.out, ZB_ATTR_PORT_UE, 6060); /* is the P-CSCF's */
	assert_int_equal(query(), 0);
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_number(&client.out, ZB_ATTR_SET_ID, 2);
	assert_int_equal(query(), 1);
	client_close(&client);
}

static void pages_show_each_set_once(void **state)
{
	unsigned rows = 0, pages = 0;
	uint64_t cursor = 0;

	hello(*state, "watcher", ZB_ROLE_OBSERVER);
	do {
		client_begin(&client, ZB_MSG_QUERY);
		zb_put_number(&client.out, ZB_ATTR_LIMIT, 4);
		zb_put_number(&client.out, ZB_ATTR_CURSOR, cursor);
		rows += query();
		cursor = zb_get_number(&client.answer.attrs, ZB_ATTR_CURSOR, 0);
		pages++;
	} while (cursor != 0 && pages < 10);
	assert_int_equal(rows, SETS);
	assert_int_equal(pages, 2);
	client_close(&client);
}

static void rows_carry_the_data_planes_counters_and_drops(void **state)
{
	struct harness *h = *state;

	h->fake.set[0].sa[DPL_SA_PS].packets = 7;
	h->fake.set[0].sa[DPL_SA_US].sequence = 9;
	h->fake.set[0].drops[BGF_DROP_REPLAY] = 3;
	hello(h, "watcher", ZB_ROLE_OBSERVER);
	client_begin(&client, ZB_MSG_QUERY);
	zb_put_number(&client.out, ZB_ATTR_SET_ID, h->fake.set[0].set_id);
	assert_int_equal(query(), 1);
	struct zb_set set = client_set(&client);
	assert_int_equal(set.packets[DPL_SA_PS], 7);
	assert_int_equal(set.sequence[DPL_SA_US], 9);
	assert_int_equal(set.drop_count, 1);
	assert_int_equal(set.drops[0].reason, BGF_DROP_REPLAY);
	assert_int_equal(set.drops[0].count, 3);
	client_close(&client);
}

static void counters_of_all_pairs_come_page_by_page(void **state)
{
	unsigned rows = 0, pages = 0;
	uint64_t cursor = 0;

	hello(*state, "watcher", ZB_ROLE_OBSERVER);
	do {
		client_begin(&client, ZB_MSG_COUNTERS);
		zb_put_number(&client.out, ZB_ATTR_CURSOR, cursor);
		zb_put_number(&client.out, ZB_ATTR_LIMIT, 20);
		assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
		rows += count_groups(ZB_ATTR_STAT);
		cursor = zb_get_number(&client.answer.attrs, ZB_ATTR_CURSOR, 0);
		pages++;
	} while (cursor != 0 && pages < 100);
	assert_int_equal(rows, 2 * (7 + BGF_DROP_COUNT) + 1 + 1 + DPL_POLL_GAPS + DPL_LOADS);
	client_close(&client);
}

static void ports_and_peers_are_shown(void **state)
{
	hello(*state, "watcher", ZB_ROLE_OBSERVER);
	client_begin(&client, ZB_MSG_PORTS);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	assert_int_equal(count_groups(ZB_ATTR_PORT), 2);
	client_begin(&client, ZB_MSG_PEERS);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	assert_int_equal(count_groups(ZB_ATTR_PEER), 3);
	client_close(&client);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fill, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(a_peer_sees_its_own_and_an_observer_all),
		T(each_filter_restricts),
		T(pages_show_each_set_once),
		T(rows_carry_the_data_planes_counters_and_drops),
		T(counters_of_all_pairs_come_page_by_page),
		T(ports_and_peers_are_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
