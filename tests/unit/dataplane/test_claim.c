/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which set an outbound tuple leads to: when the look-up table has no room for a set's second one, and when a
 * set is to replace another (rule 6).
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

enum { OTHER_UC = 7001, OTHER_US = 7002 };

static struct state s;
static struct dpl_set_state answered;
static uint64_t replaces; /* the set that the next one is to replace */

static void note(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context;
	(void)ticket;
	answered = *set;
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	replaces = 0;
	s.done = note;
	state_new(&s);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	state_free(&s);
	return 0;
}

static struct sets_ticket ticket(uint16_t type)
{
	return (struct sets_ticket){.client = 1, .type = type};
}

static uint32_t owner(uint16_t port_ue, uint16_t port_local)
{
	const struct dpl_set_add a = order(0);
	struct tuple_key key = {.port_ue = htons(port_ue), .port_local = htons(port_local)};

	memcpy(key.ue, a.selectors.ue.octet, sizeof(key.ue));
	return tuple_find(s.tuples, &key);
}

static int add(uint16_t port_uc, uint16_t port_us, uint8_t flags, uint32_t *ret_slot)
{
	struct dpl_set_add a = order(0);
	struct dpl_set_state clash;
	struct sets_ticket t = ticket(DPL_SET_ADD);

	a.selectors.port_uc = port_uc;
	a.selectors.port_us = port_us;
	a.name.flags = flags;
	a.name.replaces = replaces;
	int rc = sets_add(s.sets, &a, &t, &clash);
	if (rc != 0)
		return rc;
	assert_int_equal(sets_poll(s.sets), 0);
	*ret_slot = bgf_spi_slot(answered.selectors.spi_ps);
	return 0;
}

static void removed(uint32_t slot)
{
	struct sets_ticket t = ticket(DPL_SET_REMOVE);

	assert_int_equal(sets_remove(s.sets, store_cold(s.store, slot)->set_id, &t), 0);
	assert_int_equal(sets_poll(s.sets), 0);
}

static int confirm(uint32_t slot)
{
	const struct store_cold *c = store_cold(s.store, slot);
	struct dpl_set_update u = {
		.set_id = c->set_id, .state = BGF_SET_ESTABLISHED, .takes_over = 1, .name = c->name};
	struct sets_ticket t = ticket(DPL_SET_UPDATE);
	int rc = sets_update(s.sets, &u, &t);

	sets_poll(s.sets);
	return rc;
}

static struct tuple_bucket *bucket_of(uint16_t port_ue, uint16_t port_local)
{
	const struct dpl_set_add a = order(0);
	struct tuple_key key = {.port_ue = htons(port_ue), .port_local = htons(port_local)};
	struct tuple_words words;

	memcpy(key.ue, a.selectors.ue.octet, sizeof(key.ue));
	memcpy(&words, &key, sizeof(words));
	return &s.tuples->bucket[tuple_place(s.tuples, words).bucket];
}

/* A port_us whose tuple has another bucket than port_uc's, so that the one can be full. */
static uint16_t distant_us(void)
{
	uint16_t us = OTHER_US;

	while (bucket_of(us, 6060) == bucket_of(5001, 6062))
		us++;
	return us;
}

/* Takes what room is left behind a bucket; tags alone, that nobody finds. */
static void fill(struct tuple_bucket *b, uint32_t *ret_free_buckets)
{
	for (unsigned i = 0; i < TUPLE_ENTRIES; i++)
		if (b->tag[i] == 0)
			b->tag[i] = 1, b->ref[i] = tuple_ref(CAPACITY - 1, 0);
	*ret_free_buckets = s.tuples->free_buckets;
	s.tuples->free_buckets = 0;
}

/* A set that would replace another's first tuple and take a free one for its second. */
static void rule_6_a_take_over_without_room_changes_nothing(void **state)
{
	(void)state;
	const uint16_t us = distant_us();
	uint32_t old, other, new, free_buckets;

	assert_int_equal(add(5001, 5002, 0, &old), 0);
	assert_int_equal(add(OTHER_UC, us, 0, &other), 0);
	assert_int_equal(add(5001, us, BGF_SET_REPLACE, &new), 0);
	removed(other);
	const struct tuple_bucket room = *bucket_of(us, 6060);
	fill(bucket_of(us, 6060), &free_buckets);
	assert_int_equal(confirm(new), -ENOSPC);
	assert_int_equal(owner(5001, 6062), tuple_ref(old, 0));
	assert_int_equal(owner(us, 6060), TUPLE_NONE);
	assert_int_equal(store_cold(s.store, old)->tuples, 3);
	assert_int_equal(store_cold(s.store, new)->tuples, 0);
	assert_int_equal(store_cold(s.store, new)->state, BGF_SET_TEMPORARY);
	*bucket_of(us, 6060) = room;
	s.tuples->free_buckets = free_buckets;
	assert_int_equal(confirm(new), 0);
	assert_int_equal(owner(5001, 6062), tuple_ref(new, 0));
	assert_int_equal(owner(us, 6060), tuple_ref(new, 1));
	assert_int_equal(store_cold(s.store, old)->tuples, 2);
	assert_int_equal(store_cold(s.store, new)->tuples, 3);
}

/* Both are free, and the second finds no room: the first is not blocked. */
static void a_tuple_is_not_kept_by_a_change_that_failed(void **state)
{
	(void)state;
	const uint16_t us = distant_us();
	uint32_t old, other, new, next, free_buckets;

	assert_int_equal(add(5001, 5002, 0, &old), 0);
	assert_int_equal(add(OTHER_UC, us, 0, &other), 0);
	assert_int_equal(add(5001, us, BGF_SET_REPLACE, &new), 0);
	removed(old);
	removed(other);
	fill(bucket_of(us, 6060), &free_buckets);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(confirm(new), -ENOSPC);
		assert_int_equal(owner(5001, 6062), TUPLE_NONE);
		assert_int_equal(store_cold(s.store, new)->tuples, 0);
	}
	s.tuples->free_buckets = free_buckets;
	assert_int_equal(add(5001, 5002, 0, &next), 0);
	assert_int_equal(owner(5001, 6062), tuple_ref(next, 0));
}

/* A new set that finds room for its first only: it is none, and leaves nothing. */
static void a_set_without_room_leaves_nothing(void **state)
{
	(void)state;
	const uint16_t us = distant_us();
	const struct tuple_bucket room = *bucket_of(us, 6060);
	struct dpl_set_state rows[CAPACITY];
	uint32_t slot, free_buckets;
	uint64_t next;

	fill(bucket_of(us, 6060), &free_buckets);
	assert_int_equal(add(5001, us, 0, &slot), -ENOSPC);
	assert_int_equal(owner(5001, 6062), TUPLE_NONE);
	assert_int_equal(sets_list(s.sets, 0, rows, CAPACITY, &next), 0);
	assert_int_equal(sets_poll(s.sets), 0);
	*bucket_of(us, 6060) = room;
	s.tuples->free_buckets = free_buckets;
	for (uint32_t n = 0; n < CAPACITY; n++) {
		assert_int_equal(store_cold(s.store, n)->auth_key[0], 0);
		assert_int_equal(store_cold(s.store, n)->record, STORE_FREE);
	}
	for (uint16_t n = 0; n < CAPACITY; n++) /* the slot is free again */
		assert_int_equal(add((uint16_t)(5001 + n), (uint16_t)(us + n), 0, &slot), 0);
}

/* What a set had before stays its own. */
static void what_was_claimed_before_a_failed_change_stays(void **state)
{
	(void)state;
	const uint16_t us = distant_us();
	uint32_t other, new, free_buckets;

	assert_int_equal(add(OTHER_UC, us, 0, &other), 0);
	assert_int_equal(add(5001, us, BGF_SET_REPLACE, &new), 0);
	assert_int_equal(owner(5001, 6062), tuple_ref(new, 0));
	removed(other);
	fill(bucket_of(us, 6060), &free_buckets);
	assert_int_equal(confirm(new), -ENOSPC);
	assert_int_equal(owner(5001, 6062), tuple_ref(new, 0));
	assert_int_equal(store_cold(s.store, new)->tuples, 1);
	s.tuples->free_buckets = free_buckets;
}

/* ---- rule 6: the outbound tuple of port_uc is lent to the set that is to replace its owner ---- */

enum { UC = 5001, US = 5002 };

static void expect_uc(uint32_t slot)
{
	assert_int_equal(owner(UC, 6062), tuple_ref(slot, 0));
	assert_true(store_cold(s.store, slot)->tuples & 1);
}

static void expect_us(uint32_t slot)
{
	assert_int_equal(owner(US, 6060), tuple_ref(slot, 1));
	assert_true(store_cold(s.store, slot)->tuples & 2);
}

/* An established set, and one that is to replace it, as control orders it. */
static uint32_t old_set(void)
{
	uint32_t slot;

	assert_int_equal(add(UC, US, 0, &slot), 0);
	assert_int_equal(confirm(slot), 0);
	return slot;
}

static uint32_t successor(uint32_t old)
{
	uint32_t slot;

	replaces = store_cold(s.store, old)->set_id;
	assert_int_equal(add(UC, US, BGF_SET_REPLACE, &slot), 0);
	replaces = 0;
	return slot;
}

/* The owner saw a good packet, and its notice is on the way. */
static void seen(uint32_t slot)
{
	store_hot(s.store)[slot].shared.flags &= (uint8_t)~SA_WATCH_KEYS;
}

static void prove(uint32_t slot)
{
	seen(slot);
	sets_proven(s.sets, slot);
}

static int update(uint32_t slot, uint8_t state, uint8_t takes_over, uint64_t now_replaces)
{
	const struct store_cold *c = store_cold(s.store, slot);
	struct dpl_set_update u = {
		.set_id = c->set_id, .state = state, .takes_over = takes_over, .name = c->name};
	struct sets_ticket t = ticket(DPL_SET_UPDATE);

	u.name.replaces = now_replaces;
	int rc = sets_update(s.sets, &u, &t);
	sets_poll(s.sets);
	return rc;
}

static void drain(uint32_t slot)
{
	assert_int_equal(update(slot, BGF_SET_DRAINING, 0, store_cold(s.store, slot)->name.replaces), 0);
}

static void restart(void)
{
	state_close(&s);
	state_open(&s);
}

static void rule_6_who_shows_the_new_keys_gets_the_answers_and_nothing_else(void **state)
{
	(void)state;
	const uint32_t old = old_set(), new = successor(old);

	assert_true(store_hot(s.store)[new].shared.flags & SA_WATCH_KEYS);
	sets_proven(s.sets, new); /* a notice of the slot's former set */
	sets_proven(s.sets, old);
	sets_proven(s.sets, CAPACITY);
	expect_uc(old);
	for (int again = 0; again < 2; again++) {
		prove(new);
		expect_uc(new);
		expect_us(old);
		assert_int_equal(store_cold(s.store, old)->tuples, 2);
		assert_int_equal(store_cold(s.store, new)->tuples, 1);
	}
	drain(old); /* what becomes of the old one meanwhile takes nothing back */
	expect_uc(new);
	expect_us(old);
}

static void rule_6_who_waits_for_no_answers_is_not_watched(void **state)
{
	(void)state;
	uint32_t alone, beside;
	const uint32_t old = old_set();

	assert_int_equal(add(OTHER_UC, OTHER_US, 0, &alone), 0);
	replaces = store_cold(s.store, old)->set_id;
	assert_int_equal(add(OTHER_UC + 1, US, BGF_SET_REPLACE, &beside), 0); /* it waits for port_us */
	assert_false(store_hot(s.store)[alone].shared.flags & SA_WATCH_KEYS);
	assert_false(store_hot(s.store)[beside].shared.flags & SA_WATCH_KEYS);
	prove(beside);
	expect_us(old);
	removed(beside);
	expect_us(old);
	expect_uc(old);
	assert_int_equal(owner(OTHER_UC + 1, 6062), TUPLE_NONE);
}

/* An established set is never proven: it may be a newer one's that has its tuple. */
static void rule_6_who_is_confirmed_needs_no_proof(void **state)
{
	(void)state;
	const uint32_t old = old_set(), new = successor(old);

	seen(new); /* CONFIRM comes before the notice */
	assert_int_equal(confirm(new), 0);
	sets_proven(s.sets, new);
	expect_uc(new);
	expect_us(new);
	removed(old);
	expect_uc(new);
	expect_us(new);
	removed(new);
	assert_int_equal(owner(UC, 6062), TUPLE_NONE);
	assert_int_equal(owner(US, 6060), TUPLE_NONE);
}

static void rule_6_after_a_proof_confirm_takes_the_rest(void **state)
{
	(void)state;
	const uint32_t old = old_set(), new = successor(old);

	prove(new);
	assert_int_equal(confirm(new), 0);
	expect_uc(new);
	expect_us(new);
	assert_int_equal(store_cold(s.store, old)->tuples, 0);
	removed(new); /* before the old one goes, which has been replaced */
	assert_int_equal(owner(UC, 6062), TUPLE_NONE);
	removed(old);
	assert_int_equal(owner(US, 6060), TUPLE_NONE);
}

static void rules_6_and_22_who_ends_unconfirmed_gives_the_answers_back(void **state)
{
	(void)state;
	const uint32_t old = old_set();

	for (unsigned turn = 0; turn < 2 * CAPACITY; turn++) { /* again and again, and in each slot */
		const uint32_t new = successor(old);
		const bool is_proven = turn & 1, drains = turn & 2;
		if (is_proven)
			prove(new);
		if (drains) { /* its authentication failed: the answer to that goes out on it yet */
			drain(new);
			expect_uc(is_proven ? new : old);
			if (!is_proven)
				prove(new);
			expect_uc(new);
		}
		expect_us(old);
		removed(new);
		expect_uc(old);
		expect_us(old);
		assert_int_equal(store_cold(s.store, old)->tuples, 3);
	}
}

static void rule_6_when_the_old_set_ends_the_new_one_keeps_what_it_has(void **state)
{
	(void)state;
	const uint32_t old = old_set(), new = successor(old);

	prove(new);
	removed(old);
	expect_uc(new);
	assert_int_equal(owner(US, 6060), TUPLE_NONE);
	assert_int_equal(update(new, BGF_SET_TEMPORARY, 1, 0), 0); /* as control does */
	expect_uc(new);
	expect_us(new);
	removed(new);
	assert_int_equal(owner(UC, 6062), TUPLE_NONE);
}

/* The slot of the set that lent is another's by then, on the same ports. */
static void rule_6_nothing_is_given_back_to_a_slots_next_set(void **state)
{
	(void)state;
	const uint32_t old = old_set(), new = successor(old);
	uint32_t next = CAPACITY;

	prove(new);
	removed(old);
	for (uint16_t n = 0; n < CAPACITY - 1; n++)
		assert_int_equal(add(n < CAPACITY - 2 ? (uint16_t)(OTHER_UC + n) : UC,
				     n < CAPACITY - 2 ? (uint16_t)(OTHER_US + 100 + n) : US, BGF_SET_REPLACE,
				     &next),
				 0);
	assert_int_equal(next, old);
	expect_uc(new);
	removed(new);
	assert_int_equal(owner(UC, 6062), TUPLE_NONE);
}

/* A challenge that travelled on a set which waits itself: that one drains beside its successor. */
static void rule_6_the_younger_of_two_that_wait_has_the_answers(void **state)
{
	(void)state;
	const uint32_t old = old_set(), first = successor(old);

	prove(first);
	drain(first);
	const uint32_t second = successor(old);
	assert_true(store_hot(s.store)[second].shared.flags & SA_WATCH_KEYS);
	expect_uc(first);
	prove(second);
	expect_uc(second);
	store_hot(s.store)[first].shared.flags |= SA_WATCH_KEYS;
	prove(first); /* a late packet */
	expect_uc(second);
	restart();
	expect_uc(second);
	expect_us(old);
	removed(first);
	expect_uc(second);
	removed(second);
	expect_uc(old);
	expect_us(old);
}

static void rule_6_a_full_table_keeps_no_answers_away(void **state)
{
	(void)state;
	const uint32_t old = old_set(), new = successor(old);
	uint32_t free_buckets;

	fill(bucket_of(UC, 6062), &free_buckets);
	prove(new);
	expect_uc(new);
	removed(new);
	expect_uc(old);
	s.tuples->free_buckets = free_buckets;
}

/* What a crash may have left of a set that is to replace another, and whose port_uc's answers are then. */
static const struct {
	const char *what;
	bool is_watched, is_seen, is_moved, both_claim;
	bool new_has_it;
} crashes[] = {
	{"nothing came", true, false, false, false, false},
	{"it was not watched yet", false, false, false, false, false},
	{"the notice was on the way", true, true, false, false, true},
	{"the tuple had moved", true, true, true, false, true},
	{"both claim it", true, true, true, true, true},
};

/* The old set lies in the last slot and the new one in the first, or the other way. */
static uint32_t old_set_at(bool is_last)
{
	uint32_t slot;

	for (uint16_t n = 0; is_last && n < CAPACITY - 1; n++)
		assert_int_equal(add((uint16_t)(OTHER_UC + n), (uint16_t)(OTHER_US + 100 + n), 0, &slot), 0);
	for (uint32_t n = 0; is_last && n < CAPACITY - 1; n++)
		removed(n);
	return old_set();
}

static void crash_and_start(unsigned row, bool is_last)
{
	const uint32_t old = old_set_at(is_last), new = successor(old);

	assert_true(is_last == (old > new));
	if (!crashes[row].is_watched) {
		seen(new);
		store_cold(s.store, new)->watch_keys = 0;
	}
	if (crashes[row].is_seen)
		seen(new);
	if (crashes[row].is_moved)
		sets_proven(s.sets, new);
	if (crashes[row].both_claim)
		store_cold(s.store, old)->tuples |= 1;
	for (int again = 0; again < 2; again++) {
		restart();
		expect_uc(crashes[row].new_has_it ? new : old);
		expect_us(old);
		assert_int_equal(store_cold(s.store, old)->tuples, crashes[row].new_has_it ? 2 : 3);
	}
	prove(new); /* who was not heard before the crash is heard now */
	expect_uc(new);
	drain(new);
	restart();
	expect_uc(new);
	removed(new);
	expect_uc(old);
	restart();
	expect_uc(old);
	expect_us(old);
}

static void rule_6_a_start_finds_who_has_the_answers(void **state)
{
	for (unsigned row = 0; row < sizeof(crashes) / sizeof(*crashes); row++) {
		for (int is_last = 0; is_last < 2; is_last++) {
			print_message("%s, the old set %s\n", crashes[row].what,
				      is_last ? "behind" : "ahead");
			teardown(state);
			setup(state);
			crash_and_start(row, is_last);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rule_6_a_take_over_without_room_changes_nothing),
		T(a_tuple_is_not_kept_by_a_change_that_failed),
		T(a_set_without_room_leaves_nothing),
		T(what_was_claimed_before_a_failed_change_stays),
		T(rule_6_who_shows_the_new_keys_gets_the_answers_and_nothing_else),
		T(rule_6_who_waits_for_no_answers_is_not_watched),
		T(rule_6_who_is_confirmed_needs_no_proof),
		T(rule_6_after_a_proof_confirm_takes_the_rest),
		T(rules_6_and_22_who_ends_unconfirmed_gives_the_answers_back),
		T(rule_6_when_the_old_set_ends_the_new_one_keeps_what_it_has),
		T(rule_6_nothing_is_given_back_to_a_slots_next_set),
		T(rule_6_the_younger_of_two_that_wait_has_the_answers),
		T(rule_6_a_full_table_keeps_no_answers_away),
		T(rule_6_a_start_finds_who_has_the_answers),
	};
	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
