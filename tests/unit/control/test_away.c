/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A P-CSCF that goes, and comes back or not; one that starts anew; a gateway that reboots.
 */
#include "harness.h"

#include <unistd.h>

#define SECOND UINT64_C(1000000000)

static void hello(struct client *c, struct harness *h, const char *name, uint64_t instance)
{
	client_hello(c, h, name, instance, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(c), ZB_CAUSE_DONE);
}

static unsigned ended_away(const struct client *c)
{
	assert_true(zb_has(&c->answer.attrs, ZB_ATTR_ENDED_AWAY));
	return (unsigned)zb_get_number(&c->answer.attrs, ZB_ATTR_ENDED_AWAY, 0);
}

/* The nth phone's set; its id. */
static uint64_t install(struct client *c, unsigned n)
{
	struct install in = sample_install();

	in.reference = n + 1;
	snprintf(in.subscriber, sizeof(in.subscriber), "ue%u@ims.example", n);
	in.selectors.ue.octet[3] = (uint8_t)(n + 10);
	assert_int_equal(client_install(c, &in), ZB_CAUSE_DONE);
	return client_set(c).set_id;
}

static struct peer *find_peer(struct harness *h, const char *name)
{
	struct peer *p;

	TAILQ_FOREACH (p, &h->control.peers, next)
		if (p->role == ZB_ROLE_PEER && strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

/* So much time passes for the peer, and the daemon's clock ticks. */
static void pass(struct harness *h, const char *name, unsigned s)
{
	struct peer *p = find_peer(h, name);

	if (p != NULL && p->gone_at != 0)
		p->gone_at -= s * SECOND;
	session_tick_all(&h->control);
	harness_run_for(h, 20);
}

static void a_peer_that_is_gone_keeps_its_sets_for_its_time_and_hears_of_their_end(void **state)
{
	struct harness *h = *state;
	struct client c, other, observer;

	h->config.control.peer_gone_s = 100;
	hello(&other, h, "pcscf2", 1);
	install(&other, 9);
	hello(&c, h, "pcscf1", 1);
	assert_int_equal(ended_away(&c), 0);
	install(&c, 0);
	install(&c, 1);
	client_hello(&observer, h, "watch", 1, ZB_ROLE_OBSERVER, false);
	assert_int_equal(client_call(&observer), ZB_CAUSE_DONE);
	assert_false(zb_has(&observer.answer.attrs, ZB_ATTR_ENDED_AWAY));
	client_subscribe(&observer);
	client_close(&c);
	pass(h, "pcscf1", 98);
	assert_int_equal(fake_count(&h->fake), 3);
	pass(h, "pcscf1", 3);
	assert_int_equal(fake_count(&h->fake), 1); /* the other peer is there, and has its own */
	client_wait_event(&observer, ZB_MSG_REMOVED);
	assert_int_equal(zb_get_number(&observer.event.attrs, ZB_ATTR_WHY, 0), BGF_REMOVED_PEER_GONE);
	hello(&c, h, "pcscf1", 2);
	assert_int_equal(ended_away(&c), 2);
	client_close(&other);
	hello(&other, h, "pcscf1", 2); /* its other processes hear it too */
	assert_int_equal(ended_away(&other), 2);
	client_close(&other);
	client_close(&c);
	hello(&c, h, "pcscf1", 2); /* it knows now */
	assert_int_equal(ended_away(&c), 0);
	client_close(&c);
	client_close(&observer);
	assert_int_equal(h->control.remembered, 0);
}

static void one_connection_is_enough_to_be_there(void **state)
{
	struct harness *h = *state;
	struct client first, second;

	h->config.control.peer_gone_s = 100;
	hello(&first, h, "pcscf1", 1);
	hello(&second, h, "pcscf1", 1);
	install(&first, 0);
	client_close(&first);
	pass(h, "pcscf1", 1000);
	assert_int_equal(fake_count(&h->fake), 1);
	client_close(&second);
	pass(h, "pcscf1", 90);
	hello(&first, h, "pcscf1", 1); /* it comes back in time, and its time begins anew */
	assert_int_equal(ended_away(&first), 0);
	client_close(&first);
	pass(h, "pcscf1", 90);
	assert_int_equal(fake_count(&h->fake), 1);
	pass(h, "pcscf1", 11);
	assert_int_equal(fake_count(&h->fake), 0);
}

static void what_ends_otherwise_while_it_is_away_is_told_too(void **state)
{
	struct harness *h = *state;
	struct client c, operator;
	uint64_t id;

	hello(&c, h, "pcscf1", 1);
	id = install(&c, 0);
	install(&c, 1);
	client_close(&c);
	client_hello(&operator, h, "op", 1, ZB_ROLE_OPERATOR, false);
	assert_int_equal(client_call(&operator), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&operator, id, 1, 0), ZB_CAUSE_DONE);
	hello(&c, h, "pcscf1", 1);
	assert_int_equal(ended_away(&c), 1);
	assert_int_equal(client_release(&operator, id + 1, 2, 0),
			 ZB_CAUSE_DONE); /* it is there, and hears the event */
	client_close(&operator);
	client_close(&c);
	hello(&c, h, "pcscf1", 1);
	assert_int_equal(ended_away(&c), 0);
	client_close(&c);
}

static void two_end_while_it_is_away(struct harness *h)
{
	struct client c, operator;

	hello(&c, h, "pcscf1", 1);
	uint64_t id = install(&c, 0);
	install(&c, 1);
	install(&c, 2);
	client_close(&c);
	client_hello(&operator, h, "op", 1, ZB_ROLE_OPERATOR, false);
	assert_int_equal(client_call(&operator), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&operator, id, 1, 0), ZB_CAUSE_DONE);
	assert_int_equal(client_release(&operator, id + 1, 2, 0), ZB_CAUSE_DONE);
	client_close(&operator);
}

/* The P-CSCF that just came back is killed, or the connection breaks: it asks again. */
static void what_an_association_broke_over_is_told_again(void **state)
{
	struct harness *h = *state;
	struct client c, operator;

	two_end_while_it_is_away(h);
	for (unsigned n = 0; n < 3; n++) {
		client_hello(&c, h, "pcscf1", 2, ZB_ROLE_PEER, false);
		client_send(&c);
		harness_run_for(h, 20); /* the answer lies there */
		if (n == 1) {		/* and while it does, a third set ends */
			client_hello(&operator, h, "op", 1, ZB_ROLE_OPERATOR, false);
			assert_int_equal(client_call(&operator), ZB_CAUSE_DONE);
			assert_int_equal(client_release(&operator, 3, 3, 0), ZB_CAUSE_DONE);
			client_close(&operator);
		}
		client_close(&c);
	}
	hello(&c, h, "pcscf1", 2);
	assert_int_equal(ended_away(&c), 3);
	client_close(&c);
	hello(&c, h, "pcscf1", 2);
	assert_int_equal(ended_away(&c), 0);
	client_close(&c);
	assert_int_equal(h->control.remembered, 0);
}

/* Of all ways to end an association only those show nothing in which the answer may have been lost. */
static void one_that_asked_for_more_had_the_answer_however_it_ends(void **state)
{
	struct harness *h = *state;
	struct client c;

	two_end_while_it_is_away(h);
	hello(&c, h, "pcscf1", 2);
	assert_int_equal(ended_away(&c), 2);
	client_begin(&c, ZB_MSG_HEARTBEAT);
	client_send(&c);
	harness_run_for(h, 20);
	client_close(&c); /* with an answer unread: it breaks */
	hello(&c, h, "pcscf1", 2);
	assert_int_equal(ended_away(&c), 0);
	client_close(&c);
}

static void with_0_they_stay_until_they_expire(void **state)
{
	struct harness *h = *state;
	struct client c;

	h->config.control.peer_gone_s = 0;
	hello(&c, h, "pcscf1", 1);
	install(&c, 0);
	client_close(&c);
	pass(h, "pcscf1", 1 << 30);
	assert_int_equal(fake_count(&h->fake), 1);
}

static void a_restart_of_control_counts_anew_and_forgets_nobody(void **state)
{
	struct harness *h = *state;
	struct client c;

	h->config.control.peer_gone_s = 100;
	hello(&c, h, "pcscf1", 1);
	install(&c, 0);
	client_close(&c);
	pass(h, "pcscf1", 90);
	harness_restart(h);
	pass(h, "pcscf1", 90);
	assert_int_equal(fake_count(&h->fake), 1);
	pass(h, "pcscf1", 11);
	assert_int_equal(fake_count(&h->fake), 0);
}

static void nothing_is_released_while_the_data_plane_is_away(void **state)
{
	struct harness *h = *state;
	struct client c;

	h->config.control.peer_gone_s = 100;
	hello(&c, h, "pcscf1", 1);
	install(&c, 0);
	client_close(&c);
	fake_stop(&h->fake);
	harness_serving(h, false);
	pass(h, "pcscf1", 101);
	assert_int_equal(h->control.table.count, 1);
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
	pass(h, "pcscf1", 0);
	assert_int_equal(fake_count(&h->fake), 0);
}

static void a_set_that_the_data_plane_lost_is_one_that_ended_too(void **state)
{
	struct harness *h = *state;
	struct client c;

	hello(&c, h, "pcscf1", 1);
	install(&c, 0);
	install(&c, 1);
	client_close(&c);
	fake_stop(&h->fake);
	harness_serving(h, false);
	h->fake.set[0].set_id = 0;
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
	hello(&c, h, "pcscf1", 1);
	assert_int_equal(ended_away(&c), 1);
	client_close(&c);
}

/* Names come and go; their memory does not grow for ever. */
static void only_so_many_that_are_away_are_remembered(void **state)
{
	enum { PEERS = 300, REMEMBERED = 256 };
	struct harness *h = *state;
	struct client c, operator;
	char name[16];

	client_hello(&operator, h, "op", 1, ZB_ROLE_OPERATOR, false);
	assert_int_equal(client_call(&operator), ZB_CAUSE_DONE);
	for (unsigned n = 0; n < PEERS; n++) {
		snprintf(name, sizeof(name), "p%u", n);
		hello(&c, h, name, 1);
		uint64_t id = install(&c, 0);
		close(c.fd);
		zb_stream_clear(&c.in);
		harness_run_for(h, 1);
		assert_int_equal(client_release(&operator, id, n + 1, 0), ZB_CAUSE_DONE);
	}
	assert_int_equal(h->control.remembered, REMEMBERED);
	hello(&c, h, "p299", 1); /* who was forgotten hears that there may have been something */
	assert_int_equal(ended_away(&c), 1);
	client_close(&c);
	client_close(&operator);
}

static void rule_28_a_restarted_pcscf_finds_the_set_of_a_message_by_address_and_ports(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	struct client c;

	hello(&c, h, "pcscf1", 1);
	uint64_t id = install(&c, 0);
	assert_int_equal(client_confirm(&c, id, 100, 600), ZB_CAUSE_DONE);
	install(&c, 1);
	client_close(&c);
	hello(&c, h, "pcscf1", 2);
	in.selectors.ue.octet[3] = 10;
	for (unsigned pair = 0; pair < 2; pair++) {
		client_begin(&c, ZB_MSG_QUERY);
		zb_put_addr(&c.out, ZB_ATTR_UE_ADDRESS, &in.selectors.ue);
		zb_put_number(&c.out, ZB_ATTR_PORT_UE, pair ? in.selectors.port_us : in.selectors.port_uc);
		zb_put_number(&c.out, ZB_ATTR_PORT_LOCAL, pair ? in.selectors.port_pc : in.selectors.port_ps);
		assert_int_equal(client_call(&c), ZB_CAUSE_DONE);
		struct zb_set set = client_set(&c);
		/* what integrity-protected needs: whose, and whether its challenge was answered */
		assert_true(set.set_id == id);
		assert_string_equal(set.subscriber, "ue0@ims.example");
		assert_int_equal(set.state, BGF_SET_ESTABLISHED);
	}
	client_close(&c);
}

static void after_a_reboot_the_boot_id_and_the_epoch_are_others_and_all_sets_gone(void **state)
{
	struct harness *h = *state;
	struct client c;
	uint8_t boot_id[16], was[16];

	memset(h->fake.boot_id, 1, sizeof(h->fake.boot_id));
	harness_restart(h);
	hello(&c, h, "pcscf1", 1);
	zb_get_octets(&c.answer.attrs, ZB_ATTR_BOOT_ID, was, sizeof(was));
	assert_memory_equal(was, h->fake.boot_id, sizeof(was));
	uint64_t epoch = zb_get_number(&c.answer.attrs, ZB_ATTR_STORE_EPOCH, 0);
	install(&c, 0);
	client_close(&c);
	/* both daemons, and the store with them */
	fake_stop(&h->fake);
	memset(h->fake.set, 0, sizeof(h->fake.set));
	memset(h->fake.boot_id, 2, sizeof(h->fake.boot_id));
	h->fake.epoch++;
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_restart(h);
	hello(&c, h, "pcscf1", 1);
	zb_get_octets(&c.answer.attrs, ZB_ATTR_BOOT_ID, boot_id, sizeof(boot_id));
	assert_memory_not_equal(boot_id, was, sizeof(was));
	assert_true(zb_get_number(&c.answer.attrs, ZB_ATTR_STORE_EPOCH, 0) != epoch);
	assert_int_equal(zb_get_number(&c.answer.attrs, ZB_ATTR_SET_COUNT, 9), 0);
	client_close(&c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_peer_that_is_gone_keeps_its_sets_for_its_time_and_hears_of_their_end),
		T(one_connection_is_enough_to_be_there),
		T(what_ends_otherwise_while_it_is_away_is_told_too),
		T(what_an_association_broke_over_is_told_again),
		T(one_that_asked_for_more_had_the_answer_however_it_ends),
		T(with_0_they_stay_until_they_expire),
		T(a_restart_of_control_counts_anew_and_forgets_nobody),
		T(nothing_is_released_while_the_data_plane_is_away),
		T(a_set_that_the_data_plane_lost_is_one_that_ended_too),
		T(only_so_many_that_are_away_are_remembered),
		T(rule_28_a_restarted_pcscf_finds_the_set_of_a_message_by_address_and_ports),
		T(after_a_reboot_the_boot_id_and_the_epoch_are_others_and_all_sets_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
