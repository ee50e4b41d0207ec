/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets that wait for their neighbour: which have room, for how long, and when it is asked for again.
 */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hold.h"

enum { START = 5000 /* ms */ };

static struct hold *hold;
static unsigned firsts; /* that had to be asked for */

static struct bgf_addr host(unsigned number)
{
	return (struct bgf_addr){.octet = {10, 45, (uint8_t)(number >> 8), (uint8_t)number}, .family = 4};
}

/* The hold does not look into a packet: its number serves. */
static struct rte_mbuf *packet(uintptr_t number)
{
	return (struct rte_mbuf *)number;
}

/* Of `many` packets for a neighbour, how many find room. */
static unsigned put(unsigned neighbour, unsigned many, uint64_t now)
{
	const struct bgf_addr a = host(neighbour);
	unsigned taken = 0;

	for (unsigned i = 1; i <= many; i++) {
		bool first = false;
		taken += hold_put(hold, 0, &a, packet(i), now, &first);
		firsts += first;
	}
	return taken;
}

/* Takes what waits for each neighbour; how many packets it was. */
static unsigned take_all(uint64_t now)
{
	struct rte_mbuf *m[HOLD_EACH];
	struct hold_key key;
	unsigned all = 0;
	bool late;

	for (uint32_t cursor = 0; hold_next(hold, &cursor, now, &key, &late);) {
		const unsigned n = hold_take(hold, cursor, m);
		for (unsigned i = 0; i < n; i++)
			assert_ptr_equal(m[i], packet(i + 1)); /* oldest first */
		all += n;
	}
	return all;
}

static int setup(void **state)
{
	(void)state;
	hold = hold_new();
	firsts = 0;
	return hold == NULL;
}

static int teardown(void **state)
{
	(void)state;
	free(hold);
	return 0;
}

static void a_slow_neighbour_has_room_for_many_and_every_one_for_some(void **state)
{
	enum { FULL = HOLD_SHARED / (HOLD_EACH - HOLD_SURE) };
	static_assert(FULL > 0 && FULL + 1 < HOLD_NEIGHBOURS, "some take all that is shared");
	(void)state;

	for (int round = 0; round < 3; round++) { /* what was taken is room again */
		firsts = 0;
		unsigned held = 0;
		for (unsigned i = 0; i < FULL; i++)
			held += put(i, HOLD_EACH + 5, START);
		assert_int_equal(held, FULL * HOLD_EACH);
		held += put(FULL, HOLD_EACH, START);
		assert_int_equal(held, (FULL + 1) * HOLD_SURE + HOLD_SHARED);
		for (unsigned i = FULL + 1; i < HOLD_NEIGHBOURS; i++)
			assert_int_equal(put(i, HOLD_EACH, START), HOLD_SURE);
		assert_int_equal(put(HOLD_NEIGHBOURS, 1, START), 0);
		assert_int_equal(firsts, HOLD_NEIGHBOURS);
		assert_int_equal(take_all(START), HOLD_NEIGHBOURS * HOLD_SURE + HOLD_SHARED);
	}
}

static void a_neighbour_is_asked_for_again_until_its_time_is_up(void **state)
{
	const struct bgf_addr expected = host(7);
	struct hold_key key;
	bool late;
	(void)state;

	put(7, 2, START);
	assert_int_equal(firsts, 1);
	for (uint64_t now = START; now < START + HOLD_MS; now++) {
		uint32_t cursor = 0;
		assert_true(hold_next(hold, &cursor, now, &key, &late));
		assert_false(late);
		assert_true(bgf_addr_equal(&key.neighbour, &expected));
		assert_int_equal(hold_ask(hold, cursor, now),
				 now > START && (now - START) % HOLD_ASK_MS == 0);
		put(7, 1, now); /* nor does what comes meanwhile give it more time */
	}
	uint32_t cursor = 0;
	assert_true(hold_next(hold, &cursor, START + HOLD_MS, &key, &late));
	assert_true(late);
	assert_false(hold_next(hold, &cursor, START + HOLD_MS, &key, &late));
}

/* fe80::1 is a router on many links. */
static void the_same_address_on_the_other_side_is_another_neighbour(void **state)
{
	const struct bgf_addr router = {.octet = {0xfe, 0x80, [15] = 1}, .family = 6};
	struct rte_mbuf *m[HOLD_EACH];
	struct hold_key key;
	uint32_t cursor = 0;
	bool first, late;
	(void)state;

	for (uint8_t side = 0; side < 2; side++)
		assert_true(hold_put(hold, side, &router, packet(1u + side), START, &first) && first);
	for (unsigned told = 0; told < 2; told++) {
		assert_true(hold_next(hold, &cursor, START, &key, &late));
		assert_int_equal(hold_take(hold, cursor, m), 1);
		assert_ptr_equal(m[0], packet(1u + key.side));
	}
	assert_false(hold_next(hold, &cursor, START, &key, &late));
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		FRESH(a_slow_neighbour_has_room_for_many_and_every_one_for_some),
		FRESH(a_neighbour_is_asked_for_again_until_its_time_is_up),
		FRESH(the_same_address_on_the_other_side_is_another_neighbour),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
