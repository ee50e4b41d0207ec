/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the data plane finds amiss reaches the P-CSCF that it concerns, and no other; no flood does.
 */
#include "harness.h"

#include "control/trouble.h"

static struct client pcscf, stranger, observer;

static void open_all(struct harness *h)
{
	client_hello(&pcscf, h, "pcscf1", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&pcscf), ZB_CAUSE_DONE);
	client_hello(&stranger, h, "pcscf2", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&stranger), ZB_CAUSE_DONE);
	client_hello(&observer, h, "watch", 1, ZB_ROLE_OBSERVER, false);
	assert_int_equal(client_call(&observer), ZB_CAUSE_DONE);
	client_subscribe(&pcscf);
	client_subscribe(&stranger);
	client_subscribe(&observer);
}

static void close_all(void)
{
	client_close(&pcscf);
	client_close(&stranger);
	client_close(&observer);
}

/* How many events have come, once an answer came behind them. */
static unsigned heard(struct client *c)
{
	harness_run_for(c->h, 20);
	client_begin(c, ZB_MSG_HEARTBEAT);
	assert_int_equal(client_call(c), ZB_CAUSE_DONE);
	return c->events;
}

static struct zb_set install(struct client *c, uint64_t reference)
{
	struct install in = sample_install();

	in.reference = reference;
	assert_int_equal(client_install(c, &in), ZB_CAUSE_DONE);
	return client_set(c);
}

static uint64_t event_number(const struct client *c, enum zb_attribute attr)
{
	return zb_get_number(&c->event.attrs, attr, 0);
}

static uint64_t event_set_id(const struct client *c)
{
	struct zb_attrs group;
	size_t position = 0;

	assert_true(zb_group_next(&c->event.attrs, ZB_ATTR_SET, &position, &group));
	return zb_get_number(&group, ZB_ATTR_SET_ID, 0);
}

static void tell(struct harness *h, uint64_t set_id, unsigned kind, unsigned sa, uint64_t number)
{
	struct dpl_trouble t = {.header = {.type = DPL_TROUBLE, .length = sizeof(t)},
				.set_id = set_id,
				.kind = (uint8_t)kind,
				.sa = (uint8_t)sa,
				.number = number};

	fake_tell(&h->fake, &t.header);
}

static void trouble_with_a_set_is_its_own_peers_to_know(void **state)
{
	static const struct {
		enum dpl_trouble_kind kind;
		enum zb_message message;
		enum zb_attribute number;
	} rows[] = {{DPL_TROUBLE_SEQUENCE, ZB_MSG_SEQUENCE_LOW, ZB_ATTR_SEQUENCE},
		    {DPL_TROUBLE_ICV, ZB_MSG_ICV_FAILURES, ZB_ATTR_COUNT},
		    {DPL_TROUBLE_REPLAY, ZB_MSG_REPLAYS, ZB_ATTR_COUNT}};
	struct harness *h = *state;

	open_all(h);
	struct zb_set set = install(&pcscf, 7);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		pcscf.events = observer.events = 0;
		tell(h, set.set_id, rows[i].kind, 0, 4000000000 + i);
		client_wait_event(&pcscf, rows[i].message);
		client_wait_event(&observer, rows[i].message);
		assert_true(event_set_id(&pcscf) == set.set_id);
		assert_true(event_number(&pcscf, rows[i].number) == 4000000000 + i);
	}
	tell(h, set.set_id + 1000, DPL_TROUBLE_ICV, 0, 9); /* gone meanwhile */
	tell(h, set.set_id, 200, 0, 9);			   /* of a newer data plane */
	assert_int_equal(heard(&pcscf), 1);
	assert_int_equal(heard(&stranger), 0);
	close_all();
}

static void a_sequence_that_runs_out_names_its_sa(void **state)
{
	struct harness *h = *state;

	open_all(h);
	struct zb_set set = install(&pcscf, 7);
	const uint32_t spi[DPL_SA_COUNT] = {set.selectors.spi_ps, set.selectors.spi_pc, set.selectors.spi_uc,
					    set.selectors.spi_us};
	for (unsigned sa = 0; sa < DPL_SA_COUNT; sa++) {
		pcscf.events = 0;
		tell(h, set.set_id, DPL_TROUBLE_SEQUENCE, sa, UINT32_MAX);
		client_wait_event(&pcscf, ZB_MSG_SEQUENCE_LOW);
		assert_int_equal(event_number(&pcscf, ZB_ATTR_SPI), spi[sa]);
	}
	close_all();
}

static void tell_stray(struct harness *h, const struct bgf_addr *source, uint32_t spi, uint32_t count)
{
	struct dpl_stray s = {.header = {.type = DPL_STRAY, .length = sizeof(s)},
			      .source = *source,
			      .served = sample_install().selectors.served,
			      .spi = spi,
			      .count = count};

	fake_tell(&h->fake, &s.header);
	harness_run_for(h, 10);
}

static void an_unknown_spi_is_told_where_its_ue_has_sets_and_once_in_a_minute(void **state)
{
	struct harness *h = *state;
	struct bgf_addr ue = sample_install().selectors.ue, other = ue;

	open_all(h);
	other.octet[3] ^= 1;
	tell_stray(h, &ue, 0x1234, 5);
	struct zb_set set = install(&pcscf, 7);
	tell_stray(h, &other, 0x1234, 5);
	assert_int_equal(heard(&pcscf) + heard(&stranger) + heard(&observer), 0);

	tell_stray(h, &ue, 0x1234, 5);
	client_wait_event(&pcscf, ZB_MSG_UNKNOWN_SPI);
	assert_int_equal(event_number(&pcscf, ZB_ATTR_SPI), 0x1234);
	assert_int_equal(event_number(&pcscf, ZB_ATTR_COUNT), 5);
	for (int i = 0; i < 100; i++)
		tell_stray(h, &ue, 0x5678, 7);
	assert_int_equal(heard(&pcscf), 1);
	/* the minute is over */
	sa_table_by_id(&h->control.table, set.set_id)->stray_told -= TROUBLE_STRAY_S * UINT64_C(1000000000);
	tell_stray(h, &ue, 0x9abc, 1);
	client_wait_event(&pcscf, ZB_MSG_UNKNOWN_SPI);
	assert_int_equal(heard(&pcscf), 2);
	assert_int_equal(event_number(&pcscf, ZB_ATTR_COUNT), 701);
	assert_int_equal(heard(&stranger), 0);
	close_all();
}

static void a_second_set_of_the_ue_knows_that_its_address_was_told(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	open_all(h);
	install(&pcscf, 7);
	tell_stray(h, &in.selectors.ue, 0x1234, 1);
	client_wait_event(&pcscf, ZB_MSG_UNKNOWN_SPI);
	assert_int_equal(client_confirm(&pcscf, 1, 100, 600), ZB_CAUSE_DONE);
	in.reference = 8;
	in.selectors.port_uc += 10;
	in.selectors.port_pc += 10;
	in.selectors.spi_uc += 10;
	in.selectors.spi_us += 10;
	assert_int_equal(client_install(&pcscf, &in), ZB_CAUSE_DONE);
	tell_stray(h, &in.selectors.ue, 0x1234, 1);
	assert_int_equal(client_release(&pcscf, 1, 101, 0), ZB_CAUSE_DONE); /* the older one's memory stays */
	pcscf.events = 0;
	tell_stray(h, &in.selectors.ue, 0x1234, 1);
	assert_int_equal(heard(&pcscf), 0);
	close_all();
}

static void each_peer_with_sets_of_the_ue_hears_of_its_unknown_spi(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	open_all(h);
	install(&pcscf, 7);
	in.selectors.port_uc += 10;
	in.selectors.port_us += 10;
	in.selectors.spi_uc += 10;
	in.selectors.spi_us += 10;
	assert_int_equal(client_install(&stranger, &in), ZB_CAUSE_DONE);
	tell_stray(h, &in.selectors.ue, 0x1234, 1);
	client_wait_event(&pcscf, ZB_MSG_UNKNOWN_SPI);
	client_wait_event(&stranger, ZB_MSG_UNKNOWN_SPI);
	assert_int_equal(heard(&pcscf), 1);
	assert_int_equal(heard(&stranger), 1);
	assert_int_equal(heard(&observer), 2); /* one a peer, by its name */
	close_all();
}

static void a_connection_hears_of_the_kinds_that_it_asked_for_alone(void **state)
{
	static const enum dpl_trouble_kind kinds[] = {DPL_TROUBLE_SEQUENCE, DPL_TROUBLE_ICV,
						      DPL_TROUBLE_REPLAY};
	struct harness *h = *state;

	open_all(h);
	struct zb_set set = install(&pcscf, 7);
	for (unsigned bit = ZB_EVENT_SEQUENCE_LOW; bit <= ZB_EVENT_UNKNOWN_SPI; bit++) {
		client_begin(&pcscf, ZB_MSG_SUBSCRIBE);
		zb_put_number(&pcscf.out, ZB_ATTR_EVENTS, ZB_EVENT_BIT(bit));
		assert_int_equal(client_call(&pcscf), ZB_CAUSE_DONE);
		pcscf.events = 0;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			tell(h, set.set_id, kinds[i], 0, 100);
		sa_table_by_id(&h->control.table, set.set_id)->stray_told = 0;
		tell_stray(h, &set.selectors.ue, 0x1234, 1);
		client_wait_event(&pcscf, (enum zb_message)(ZB_EVENT_FIRST + bit - 1));
		assert_int_equal(heard(&pcscf), 1);
	}
	close_all();
}

#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(trouble_with_a_set_is_its_own_peers_to_know),
		T(a_sequence_that_runs_out_names_its_sa),
		T(an_unknown_spi_is_told_where_its_ue_has_sets_and_once_in_a_minute),
		T(a_second_set_of_the_ue_knows_that_its_address_was_told),
		T(each_peer_with_sets_of_the_ue_hears_of_its_unknown_spi),
		T(a_connection_hears_of_the_kinds_that_it_asked_for_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
