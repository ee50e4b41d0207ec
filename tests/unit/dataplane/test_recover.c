/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A store of more records than one lcore takes at a time: whoever took over a record, all are served again,
 * and damaged ones are wiped wherever they lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "owner.h"
#include "recover.h"
#include "state_fixture.h"

enum { SETS = 3 * RECOVER_CHUNK + 7, FREE_BEHIND = RECOVER_CHUNK + 1 };

/* The first and last of a chunk, and of all. */
static const uint32_t damaged[] = {0, 1, RECOVER_CHUNK - 1, RECOVER_CHUNK, 2 * RECOVER_CHUNK + 77, SETS - 1};

static void nobody_asked(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context, (void)ticket, (void)set;
}

static struct dpl_set_add nth(uint32_t n)
{
	struct dpl_set_add add = order(0);

	add.selectors.ue.octet[2] = (uint8_t)(n >> 8);
	add.selectors.ue.octet[3] = (uint8_t)n;
	memcpy(add.auth_key, &n, sizeof(n));
	return add;
}

static void install_all(struct state *s)
{
	for (uint32_t n = 0; n < SETS; n++) {
		struct dpl_set_add add = nth(n);
		struct dpl_set_state clash;
		assert_int_equal(sets_add(s->sets, &add, &(struct sets_ticket){.type = DPL_SET_ADD}, &clash),
				 0);
		while (!sets_ready(s->sets))
			sets_poll(s->sets);
	}
	while (sets_poll(s->sets) > 0)
		;
}

static bool is_damaged(uint32_t slot)
{
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++)
		if (damaged[i] == slot)
			return true;
	return false;
}

/* All that a start makes again is as it was made for the set of this slot, for which there is one worker now.
 */
static void expect_served(const struct state *s, uint32_t slot)
{
	const struct dpl_set_add add = nth(slot);
	const struct sa_hot *hot = &store_hot(s->store)[slot];
	uint8_t inner[SA_HMAC_STATE], outer[SA_HMAC_STATE];

	assert_int_equal(crypto_precompute(add.auth_key, add.key_length, inner, outer), 0);
	assert_memory_equal(hot->shared.inner, inner, sizeof(inner));
	assert_memory_equal(hot->shared.outer, outer, sizeof(outer));
	assert_memory_equal(hot->shared.ue, add.selectors.ue.octet, sizeof(hot->shared.ue));
	assert_int_equal(hot->shared.owner, owner_of(&add.selectors.ue, &add.selectors.served, 1));
	for (uint32_t which = 0; which < 2; which++) {
		const uint16_t local = which == 0 ? add.selectors.port_ps : add.selectors.port_pc;
		const uint16_t ue = which == 0 ? add.selectors.port_uc : add.selectors.port_us;
		struct tuple_key key = {.port_local = __builtin_bswap16(local),
					.port_ue = __builtin_bswap16(ue)};
		memcpy(key.ue, add.selectors.ue.octet, sizeof(key.ue));
		assert_int_equal(tuple_find(s->tuples, &key), tuple_ref(slot, which));
		assert_int_not_equal(hot->in[which].spi, 0);
	}
}

static void a_large_store_is_taken_over_whole(void **state)
{
	static const struct sa_hot zeros;
	struct state s = {.done = nobody_asked, .capacity = SETS + FREE_BEHIND};

	(void)state;
	state_new(&s);
	install_all(&s);
	assert_int_equal(sets_live(s.sets), SETS);
	for (uint32_t slot = 0; slot < SETS; slot++) { /* as another processor, or more workers, left them */
		memset(store_hot(s.store)[slot].shared.inner, 0xaa, SA_HMAC_STATE);
		store_hot(s.store)[slot].shared.owner = 9;
		if (is_damaged(slot))
			store_cold(s.store, slot)->auth_key[3] ^= 1;
	}
	state_close(&s);
	s.workers = 1;
	state_open(&s);
	assert_int_equal(sets_live(s.sets), SETS - sizeof(damaged) / sizeof(*damaged));
	for (uint32_t slot = 0; slot < SETS + FREE_BEHIND; slot++) {
		if (slot < SETS && !is_damaged(slot)) {
			expect_served(&s, slot);
			continue;
		}
		assert_int_equal(store_cold(s.store, slot)->record, STORE_FREE);
		assert_memory_equal(&store_hot(s.store)[slot], &zeros, sizeof(zeros));
		assert_int_equal(store_cold(s.store, slot)->auth_key[0], 0);
	}
	state_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_large_store_is_taken_over_whole)};

	return eal_up() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
