/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a set: SPIs, publishing, taking over, removal after the workers' grace, recovery.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_fixture.h"

static struct {
	unsigned count;
	struct sets_ticket ticket;
	struct dpl_set_state set;
} answer;

static struct state s;

static void note(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context;
	answer.count++;
	answer.ticket = *ticket;
	answer.set = *set;
}

static unsigned tcp_gone[2];

static void note_tcp_gone(void *context, const struct bgf_set_selectors *selectors, unsigned which)
{
	(void)context;
	assert_int_equal(selectors->port_uc, 5001);
	tcp_gone[which]++;
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	memset(&answer, 0, sizeof(answer));
	memset(tcp_gone, 0, sizeof(tcp_gone));
	s.done = note;
	s.tcp_gone = note_tcp_gone;
	state_new(&s);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	state_free(&s);
	return 0;
}

static struct sets_ticket ticket(uint16_t type, uint64_t txn)
{
	return (struct sets_ticket){.client = 1, .type = type, .txn = txn};
}

/* Adds a set and returns it as it was answered. */
static struct dpl_set_state added(const struct dpl_set_add *add)
{
	struct sets_ticket t = ticket(DPL_SET_ADD, add->header.txn);
	struct dpl_set_state clash;

	assert_int_equal(sets_add(s.sets, add, &t, &clash), 0);
	assert_int_equal(sets_poll(s.sets), 0);
	assert_int_equal(answer.ticket.txn, add->header.txn);
	return answer.set;
}

static void removed(uint64_t id)
{
	struct sets_ticket t = ticket(DPL_SET_REMOVE, 0);

	assert_int_equal(sets_remove(s.sets, id, &t), 0);
	assert_int_equal(sets_poll(s.sets), 0);
}

static uint32_t slot_of(const struct dpl_set_state *set)
{
	return bgf_spi_slot(set->selectors.spi_ps);
}

static uint32_t outbound(const struct dpl_set_state *set, int which)
{
	const struct bgf_set_selectors *sel = &set->selectors;
	struct tuple_key key = {.served = sel->ue.family == 6,
				.ipv6 = sel->ue.family == 6,
				.port_local = htons(which == 0 ? sel->port_ps : sel->port_pc),
				.port_ue = htons(which == 0 ? sel->port_uc : sel->port_us)};

	memcpy(key.ue, sel->ue.octet, 16);
	return tuple_find(s.tuples, &key);
}

static void rule_1_four_sas_are_published(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		struct dpl_set_add add = order(n);
		struct dpl_set_state set = added(&add);
		const struct sa_hot *h = &store_hot(s.store)[slot_of(&set)];
		assert_int_equal(h->in[BGF_SPI_PS].spi, set.selectors.spi_ps);
		assert_int_equal(h->in[BGF_SPI_PC].spi, set.selectors.spi_pc);
		assert_int_equal(h->in[BGF_SPI_PS].port_ue, htons(5001));
		assert_int_equal(h->in[BGF_SPI_PS].port_local, htons(6062));
		assert_int_equal(h->in[BGF_SPI_PC].port_ue, htons(5002));
		assert_int_equal(h->in[BGF_SPI_PC].port_local, htons(6060));
		assert_int_equal(h->out[0].spi, htonl(1000 + n));
		assert_int_equal(h->out[1].spi, htonl(2000 + n));
		assert_int_equal(h->shared.flags, SA_TEMPORARY | (n ? SA_IPV6 : 0));
		assert_int_equal(h->shared.owner, set.owner);
		for (uint32_t which = 0; which < 2; which++)
			assert_int_equal(outbound(&set, (int)which), tuple_ref(slot_of(&set), which));
	}
}

/* For every generation that there is: the UE's SPIs are those that would be drawn next. */
static void rule_4_an_spi_that_the_ue_has_is_drawn_again(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);

	for (unsigned turn = 0; turn < 3 * BGF_SPI_GENERATION_MAX; turn++) {
		/* the slot that comes next, as first in, first out says */
		uint32_t slot = turn % CAPACITY, generation = store_cold(s.store, slot)->generation;
		uint32_t next = bgf_spi_generation_next(generation);
		if (generation != 0) {
			add.selectors.spi_uc = bgf_spi_make(next, slot, turn % 3 ? BGF_SPI_PC : BGF_SPI_PS);
			add.selectors.spi_us = bgf_spi_make(bgf_spi_generation_next(next), slot,
							    turn % 2 ? BGF_SPI_PC : BGF_SPI_PS);
		}
		struct dpl_set_state set = added(&add);
		const struct bgf_set_selectors *sel = &set.selectors;
		assert_int_equal(slot_of(&set), slot);
		assert_true(sel->spi_ps != sel->spi_pc);
		assert_true(sel->spi_ps != sel->spi_uc && sel->spi_ps != sel->spi_us);
		assert_true(sel->spi_pc != sel->spi_uc && sel->spi_pc != sel->spi_us);
		if (generation != 0)
			assert_int_equal(bgf_spi_generation(sel->spi_ps),
					 bgf_spi_generation_next(bgf_spi_generation_next(next)));
		removed(set.set_id);
	}
}

static void rule_5_no_spi_is_reserved(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);

	for (unsigned turn = 0; turn < CAPACITY * (BGF_SPI_GENERATION_MAX + 5); turn++) {
		struct dpl_set_state set = added(&add);
		assert_true(set.selectors.spi_ps >= BGF_SPI_MIN && set.selectors.spi_pc >= BGF_SPI_MIN);
		assert_true(bgf_spi_generation(set.selectors.spi_ps) != 0);
		removed(set.set_id);
	}
}

static void a_stale_spi_is_unknown_when_the_slot_is_used_again(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state first = added(&add);

	removed(first.set_id);
	assert_int_equal(store_hot(s.store)[slot_of(&first)].in[0].spi, 0);
	for (unsigned n = 1; n < CAPACITY; n++) { /* the slot rests as long as others are free */
		struct dpl_set_add other = order(n);
		struct dpl_set_state set = added(&other);
		assert_true(slot_of(&set) != slot_of(&first));
	}
	struct dpl_set_state again = added(&add);
	assert_int_equal(slot_of(&again), slot_of(&first));
	assert_true(again.selectors.spi_ps != first.selectors.spi_ps);
	assert_true(again.set_id != first.set_id);
	assert_int_equal(sets_get(s.sets, first.set_id, &first), -ENOENT);
}

static void rule_6_ports_in_use_are_refused_and_named(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state set = added(&add), clash;
	struct sets_ticket t = ticket(DPL_SET_ADD, 9);

	add.selectors.port_us = 7002; /* (UE, port_uc, port_ps) is the same still */
	assert_int_equal(sets_add(s.sets, &add, &t, &clash), -EEXIST);
	assert_int_equal(clash.clash, DPL_CLASH_PORT_UC);
	assert_int_equal(clash.set_id, set.set_id);
	add = order(0);
	add.selectors.port_uc = 7001;
	assert_int_equal(sets_add(s.sets, &add, &t, &clash), -EEXIST);
	assert_int_equal(clash.clash, DPL_CLASH_PORT_US);
	assert_int_equal(sets_live(s.sets), 1);
}

/* A re-authentication: with another port_uc and port_pc they are other pairs, of the same UE and beside it.
 */
static void rule_7_port_us_and_port_ps_stay_while_the_others_change(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0), again = order(0), other = order(0);
	struct dpl_set_state old = added(&add);

	again.selectors.port_uc = 7001;
	again.selectors.port_pc = 6064;
	struct dpl_set_state new = added(&again);
	other.selectors.ue.octet[3]++; /* all UEs share the P-CSCF's ports */
	struct dpl_set_state another = added(&other);
	for (uint32_t which = 0; which < 2; which++) {
		assert_int_equal(outbound(&old, (int)which), tuple_ref(slot_of(&old), which));
		assert_int_equal(outbound(&new, (int)which), tuple_ref(slot_of(&new), which));
		assert_int_equal(outbound(&another, (int)which), tuple_ref(slot_of(&another), which));
	}
}

static void rule_6_a_replacing_set_takes_over_at_confirm(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state old = added(&add);

	add.name.flags = BGF_SET_REPLACE;
	struct dpl_set_state new = added(&add);
	assert_int_equal(outbound(&new, 0), tuple_ref(slot_of(&old), 0));
	struct dpl_set_update update = {
		.set_id = new.set_id, .state = BGF_SET_ESTABLISHED, .takes_over = 1, .name = add.name};
	struct sets_ticket t = ticket(DPL_SET_UPDATE, 1);
	assert_int_equal(sets_update(s.sets, &update, &t), 0);
	assert_int_equal(sets_poll(s.sets), 0);
	for (uint32_t which = 0; which < 2; which++)
		assert_int_equal(outbound(&new, (int)which), tuple_ref(slot_of(&new), which));
	removed(old.set_id);
	for (uint32_t which = 0; which < 2; which++)
		assert_int_equal(outbound(&new, (int)which), tuple_ref(slot_of(&new), which));
	/* and it is so after a restart */
	state_close(&s);
	state_open(&s);
	assert_int_equal(outbound(&new, 1), tuple_ref(slot_of(&new), 1));
}

static void carry_tcp(const struct dpl_set_state *set)
{
	store_hot(s.store)[slot_of(set)].shared.flags |= SA_TCP;
}

static void rule_24_the_end_of_a_set_that_carried_tcp_is_told(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state silent = added(&add);

	removed(silent.set_id);
	assert_int_equal(tcp_gone[0] + tcp_gone[1], 0);
	struct dpl_set_state set = added(&add);
	assert_false(store_hot(s.store)[slot_of(&set)].shared.flags & SA_TCP);
	carry_tcp(&set);
	state_close(&s); /* a restart forgets nothing that is there */
	state_open(&s);
	assert_int_equal(tcp_gone[0] + tcp_gone[1], 0);
	rte_rcu_qsbr_thread_register(s.rcu, 0);
	rte_rcu_qsbr_thread_online(s.rcu, 0);
	struct sets_ticket t = ticket(DPL_SET_REMOVE, 0);
	assert_int_equal(sets_remove(s.sets, set.set_id, &t), 0);
	sets_poll(s.sets);
	assert_int_equal(tcp_gone[0] + tcp_gone[1], 0); /* a worker may send on it yet */
	rte_rcu_qsbr_thread_offline(s.rcu, 0);
	assert_int_equal(sets_poll(s.sets), 0);
	assert_int_equal(tcp_gone[0], 1);
	assert_int_equal(tcp_gone[1], 1);
}

/* A phone that rebooted has its ports again: what runs on them is the new set's. */
static void rule_24_ports_that_a_newer_set_has_are_left_alone(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state old = added(&add);

	carry_tcp(&old);
	add.name.flags = BGF_SET_REPLACE;
	add.selectors.port_us++; /* one pair of them */
	struct dpl_set_state new = added(&add);
	struct dpl_set_update update = {
		.set_id = new.set_id, .state = BGF_SET_ESTABLISHED, .takes_over = 1, .name = add.name};
	struct sets_ticket t = ticket(DPL_SET_UPDATE, 1);
	assert_int_equal(sets_update(s.sets, &update, &t), 0);
	removed(old.set_id);
	assert_int_equal(tcp_gone[0], 0);
	assert_int_equal(tcp_gone[1], 1);
}

static void a_set_is_not_freed_before_every_worker_passed(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state set = added(&add);
	const struct store_cold *c = store_cold(s.store, slot_of(&set));
	struct sets_ticket t = ticket(DPL_SET_REMOVE, 77);

	for (unsigned worker = 0; worker < WORKERS; worker++) {
		rte_rcu_qsbr_thread_register(s.rcu, worker);
		rte_rcu_qsbr_thread_online(s.rcu, worker);
	}
	answer.count = 0;
	assert_int_equal(sets_remove(s.sets, set.set_id, &t), 0);
	assert_int_equal(outbound(&set, 0), TUPLE_NONE);
	for (int which = 0; which < 2; which++)
		assert_int_equal(store_hot(s.store)[slot_of(&set)].in[which].spi, 0);
	assert_int_equal(sets_poll(s.sets), 1);
	rte_rcu_qsbr_quiescent(s.rcu, 0);
	assert_int_equal(sets_poll(s.sets), 1);
	assert_memory_equal(c->auth_key, add.auth_key, 20);
	assert_int_equal(answer.count, 0);
	assert_int_equal(sets_remove(s.sets, set.set_id, &t), -ENOENT);
	rte_rcu_qsbr_thread_offline(s.rcu, 1); /* a sleeping worker holds nothing */
	assert_int_equal(sets_poll(s.sets), 0);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.ticket.txn, 77);
	assert_int_equal(answer.set.set_id, set.set_id);
	uint8_t zeros[sizeof(struct sa_shared)] = {0};
	assert_memory_equal(c->auth_key, zeros, 20);
	assert_memory_equal(&store_hot(s.store)[slot_of(&set)].shared, zeros, sizeof(zeros));
}

static void recovery_keeps_windows_and_sequence_numbers(void **state)
{
	(void)state;
	struct dpl_set_add add = order(1);
	struct dpl_set_state set = added(&add);
	struct sa_hot *h = &store_hot(s.store)[slot_of(&set)];
	struct sa_shared before = h->shared;

	h->in[0].top = 500, h->in[0].window[1] = 0xabc, h->out[1].last = 70, h->out[1].packets = 3;
	memset(h->shared.inner, 0, SA_HMAC_STATE); /* another processor's would differ */
	state_close(&s);
	s.workers = 1; /* the number of workers changed */
	state_open(&s);
	h = &store_hot(s.store)[slot_of(&set)];
	assert_int_equal(sets_live(s.sets), 1);
	assert_int_equal(h->in[0].top, 500);
	assert_int_equal(h->in[0].window[1], 0xabc);
	assert_int_equal(h->out[1].last, 70);
	assert_int_equal(h->in[1].spi, set.selectors.spi_pc);
	assert_memory_equal(h->shared.inner, before.inner, SA_HMAC_STATE);
	assert_int_equal(h->shared.owner, 0);
	assert_int_equal(outbound(&set, 1), tuple_ref(slot_of(&set), 1));
	struct dpl_set_state now;
	assert_int_equal(sets_get(s.sets, set.set_id, &now), 0);
	assert_string_equal(now.name.subscriber, "alice");
	assert_int_equal(now.sa[DPL_SA_US].packets, 3);
}

static void recovery_removes_what_cannot_be_served(void **state)
{
	(void)state;
	struct dpl_set_state set[5];

	for (unsigned n = 0; n < 5; n++) {
		struct dpl_set_add add = order(n < 4 ? 2 * n : 1);
		set[n] = added(&add);
	}
	struct store_cold *c = store_cold(s.store, slot_of(&set[1]));
	c->auth_key[0] ^= 1; /* torn */
	c = store_cold(s.store, slot_of(&set[2]));
	bgf_addr_parse("10.50.0.9", &c->selectors.served); /* not served any more */
	store_seal(c);
	c = store_cold(s.store, slot_of(&set[3]));
	c->selectors.port_pc = 5060; /* an unprotected port now */
	store_seal(c);
	c = store_cold(s.store, slot_of(&set[4]));
	c->selectors.spi_ps = set[0].selectors.spi_ps; /* another set's */
	store_seal(c);
	state_close(&s);
	state_open(&s);
	assert_int_equal(sets_live(s.sets), 1);
	for (unsigned n = 0; n < 5; n++) {
		assert_int_equal(sets_get(s.sets, set[n].set_id, &set[n]), n == 0 ? 0 : -ENOENT);
		if (n > 0)
			assert_int_equal(store_cold(s.store, slot_of(&set[n]))->auth_key[5], 0);
	}
}

static void a_crash_before_a_sets_tuples_leaves_it_whole(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state set = added(&add), younger;

	store_cold(s.store, slot_of(&set))->tuples = 0;
	state_close(&s);
	state_open(&s);
	for (uint32_t which = 0; which < 2; which++)
		assert_int_equal(outbound(&set, (int)which), tuple_ref(slot_of(&set), which));

	/* what another set claims stays with that one, the older or the younger */
	add.name.flags = BGF_SET_REPLACE;
	younger = added(&add);
	state_close(&s);
	state_open(&s);
	assert_int_equal(outbound(&set, 0), tuple_ref(slot_of(&set), 0));
	store_cold(s.store, slot_of(&set))->tuples = 0;
	store_cold(s.store, slot_of(&younger))->tuples = 3;
	state_close(&s);
	state_open(&s);
	assert_int_equal(outbound(&set, 1), tuple_ref(slot_of(&younger), 1));
	/* and what both claim after a crash in a take-over is the younger's */
	store_cold(s.store, slot_of(&set))->tuples = 3;
	state_close(&s);
	state_open(&s);
	assert_int_equal(outbound(&set, 0), tuple_ref(slot_of(&younger), 0));
	assert_int_equal(store_cold(s.store, slot_of(&set))->tuples, 0);
}

/* A crash behind the owner's clearing of the watch may have lost its notice; one before the watch was set has
 * not. */
static void rule_20_a_lost_notice_is_found_at_recovery(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state set = added(&add), now;
	const struct dpl_set_update confirm = {
		.set_id = set.set_id, .state = BGF_SET_ESTABLISHED, .watch_first_use = 1, .name = add.name};

	for (unsigned row = 0; row < 8; row++) {
		const bool is_watched = row & 1, flag = row & 2, in_confirm = row & 4; /* when it crashed */
		store_cold(s.store, slot_of(&set))->watch = is_watched;
		store_cold(s.store, slot_of(&set))->first_used = 0;
		store_hot(s.store)[slot_of(&set)].shared.flags = flag ? SA_WATCH_FIRST : 0;
		if (in_confirm)
			*store_change(s.store) = confirm;
		state_close(&s);
		state_open(&s);
		assert_int_equal(sets_get(s.sets, set.set_id, &now), 0);
		assert_int_equal(now.first_used, is_watched && !flag);
	}
}

static void rule_20_first_use_is_told_once(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	struct dpl_set_state set = added(&add);
	uint32_t slot = slot_of(&set);
	uint8_t *flags = &store_hot(s.store)[slot].shared.flags;
	struct dpl_set_update update = {
		.set_id = set.set_id, .state = BGF_SET_ESTABLISHED, .watch_first_use = 1, .name = add.name};
	struct sets_ticket t = ticket(DPL_SET_UPDATE, 1);

	assert_int_equal(sets_first_used(s.sets, slot), 0); /* not watched */
	assert_int_equal(sets_update(s.sets, &update, &t), 0);
	assert_int_equal(*flags, SA_WATCH_FIRST); /* and not temporary any more */
	assert_int_equal(sets_first_used(s.sets, slot), 0);
	*flags &= (uint8_t)~SA_WATCH_FIRST; /* as the owner does */
	assert_int_equal(sets_first_used(s.sets, slot), set.set_id);
	assert_int_equal(sets_first_used(s.sets, slot), 0);
	assert_int_equal(sets_first_used(s.sets, CAPACITY), 0);
	assert_int_equal(sets_update(s.sets, &update, &t), 0); /* once more when it is asked for again */
	*flags &= (uint8_t)~SA_WATCH_FIRST;
	assert_int_equal(sets_first_used(s.sets, slot), set.set_id);
	sets_poll(s.sets);
}

static void bad_order(struct dpl_set_add *a, unsigned row)
{
	switch (row) {
	case 0:
		a->selectors.port_uc = 0;
		break;
	case 1:
		a->selectors.port_us = a->selectors.port_uc;
		break;
	case 2:
		a->selectors.port_ps = a->selectors.port_pc;
		break;
	case 3:
		a->selectors.port_pc = 5060;
		break;
	case 4:
		a->selectors.spi_uc = 255;
		break;
	case 5:
		a->selectors.spi_us = a->selectors.spi_uc;
		break;
	case 6:
		a->selectors.spi_pc = 4711;
		break;
	case 7:
		a->selectors.ue = a->selectors.served;
		break;
	case 8:
		bgf_addr_parse("fd00:45::2", &a->selectors.ue);
		break;
	case 9:
		bgf_addr_parse("224.0.0.1", &a->selectors.ue);
		break;
	case 10:
		a->selectors.ue.octet[9] = 1;
		break;
	case 11:
		a->key_length = 16;
		break;
	case 12:
		a->name.alg = BGF_ALG_HMAC_MD5_96;
		break;
	case 13:
		a->name.ealg = BGF_EALG_AES_CBC;
		break;
	case 14:
		a->state = 0;
		break;
	case 15:
		memset(a->name.peer, 'x', sizeof(a->name.peer));
		break;
	}
}

static void orders_out_of_bounds_change_nothing(void **state)
{
	(void)state;
	struct dpl_set_state clash;
	struct sets_ticket t = ticket(DPL_SET_ADD, 1);
	struct dpl_set_add add = order(0);

	for (unsigned row = 0; row <= 15; row++) {
		add = order(0);
		bad_order(&add, row);
		int rc = sets_add(s.sets, &add, &t, &clash);
		if (rc != -EINVAL)
			fail_msg("row %u: %d", row, rc);
	}
	add = order(0);
	bgf_addr_parse("10.50.0.2", &add.selectors.served);
	assert_int_equal(sets_add(s.sets, &add, &t, &clash), -EADDRNOTAVAIL);
	assert_int_equal(sets_live(s.sets), 0);
	for (unsigned n = 0; n < CAPACITY; n++) {
		add = order(n);
		added(&add);
	}
	add = order(CAPACITY);
	assert_int_equal(sets_add(s.sets, &add, &t, &clash), -ENOSPC);
}

static void all_are_listed_once(void **state)
{
	(void)state;
	struct dpl_set_state rows[3], set = {0};
	uint64_t next = 0;
	unsigned seen = 0;

	for (unsigned n = 0; n < CAPACITY; n++) {
		struct dpl_set_add add = order(n);
		set = added(&add);
	}
	removed(set.set_id);
	do {
		seen += sets_list(s.sets, next, rows, 3, &next);
	} while (next != 0);
	assert_int_equal(seen, CAPACITY - 1);
	assert_int_equal(sets_list(s.sets, UINT64_MAX - 1, rows, 3, &next), 0);
	assert_int_equal(next, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rule_1_four_sas_are_published),
		T(rule_4_an_spi_that_the_ue_has_is_drawn_again),
		T(rule_5_no_spi_is_reserved),
		T(a_stale_spi_is_unknown_when_the_slot_is_used_again),
		T(rule_6_ports_in_use_are_refused_and_named),
		T(rule_7_port_us_and_port_ps_stay_while_the_others_change),
		T(rule_6_a_replacing_set_takes_over_at_confirm),
		T(rule_24_the_end_of_a_set_that_carried_tcp_is_told),
		T(rule_24_ports_that_a_newer_set_has_are_left_alone),
		T(a_set_is_not_freed_before_every_worker_passed),
		T(recovery_keeps_windows_and_sequence_numbers),
		T(recovery_removes_what_cannot_be_served),
		T(a_crash_before_a_sets_tuples_leaves_it_whole),
		T(rule_20_a_lost_notice_is_found_at_recovery),
		T(rule_20_first_use_is_told_once),
		T(orders_out_of_bounds_change_nothing),
		T(all_are_listed_once),
	};
	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
