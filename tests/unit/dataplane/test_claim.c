/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which set an outbound tuple leads to, when the look-up table has no room for a set's second one.
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

static int add(uint16_t port_uc, uint16_t port_us, uint8_t flags, uint32_t *ret_slot)
{
	struct dpl_set_add a = order(0);
	struct dpl_set_state clash;
	struct sets_ticket t = ticket(DPL_SET_ADD);

	a.selectors.port_uc = port_uc;
	a.selectors.port_us = port_us;
	a.name.flags = flags;
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

static uint32_t owner(uint16_t port_ue, uint16_t port_local)
{
	const struct dpl_set_add a = order(0);
	struct tuple_key key = {.port_ue = htons(port_ue), .port_local = htons(port_local)};

	memcpy(key.ue, a.selectors.ue.octet, sizeof(key.ue));
	return tuple_find(s.tuples, &key);
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rule_6_a_take_over_without_room_changes_nothing),
		T(a_tuple_is_not_kept_by_a_change_that_failed),
		T(a_set_without_room_leaves_nothing),
		T(what_was_claimed_before_a_failed_change_stays),
	};
	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
