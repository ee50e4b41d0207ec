/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records of a store that were damaged while no process had it: each is wiped whole and never served, and its
 * neighbours are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_fixture.h"

enum { VICTIM = 1, SETS = 3 };

static void nobody_asked(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context, (void)ticket, (void)set;
}

static void install(struct state *s, unsigned n)
{
	struct dpl_set_add add = order(2 * n);
	struct sets_ticket ticket = {.client = 1, .type = DPL_SET_ADD};
	struct dpl_set_state clash;

	assert_int_equal(sets_add(s->sets, &add, &ticket, &clash), 0);
	while (sets_poll(s->sets) > 0)
		;
}

/* One octet is another one: the checksum shows it. */
#define FLIP(field)                                                                       \
	{                                                                                 \
		"an octet of " #field, offsetof(struct store_cold, field), 1, 0x40, false \
	}
/* The whole record is as somebody made it, checksum and all, and yet makes no sense here. */
#define FORGE(field, octets, value)                                                          \
	{                                                                                    \
#field " = " #value, offsetof(struct store_cold, field), octets, value, true \
	}

static const struct damage {
	const char *name;
	size_t at;
	unsigned octets;
	uint32_t value; /* is xored in; or written, of a forged one */
	bool is_forged;
} damages[] = {
	FLIP(set_id),
	FLIP(generation),
	FLIP(key_length),
	FLIP(auth_key[0]),
	FLIP(auth_key[19]),
	FLIP(auth_key[31]),
	FLIP(selectors.ue.octet[3]),
	FLIP(selectors.ue.family),
	FLIP(selectors.served.octet[0]),
	FLIP(selectors.port_uc),
	FLIP(selectors.port_ps),
	FLIP(selectors.spi_us),
	FLIP(selectors.spi_ps),
	FLIP(checksum),
	FORGE(set_id, 4, 0), /* another slot's */
	FORGE(generation, 4, 0),
	FORGE(generation, 4, 0xffffffff),
	FORGE(key_length, 1, 0),
	FORGE(key_length, 1, 33),
	FORGE(key_length, 1, 16), /* of another algorithm */
	FORGE(state, 1, 0),
	FORGE(state, 1, 9),
	FORGE(name.alg, 1, 77),
	FORGE(name.peer, 1, 0), /* nobody's */
	FORGE(name.subscriber, 1, 0),
	FORGE(selectors.spi_pc, 4, 77),
	FORGE(selectors.spi_uc, 4, 255), /* reserved */
	FORGE(selectors.port_us, 2, 0),
	FORGE(selectors.ue.family, 1, 6), /* and the served address is IPv4 */
	FORGE(record, 1, STORE_FILLING),
	FORGE(record, 1, STORE_DYING),
	FORGE(record, 1, 77),
};

static void inflict(struct store_cold *c, const struct damage *d)
{
	uint8_t *at = (uint8_t *)c + d->at;

	if (d->is_forged)
		memcpy(at, &d->value, d->octets);
	else
		at[0] ^= (uint8_t)d->value;
	if (d->is_forged)
		store_seal(c);
}

static bool is_wiped(struct store_cold c)
{
	static const struct store_cold zeros;

	c.generation = 0; /* it outlives the set */
	return memcmp(&c, &zeros, sizeof(c)) == 0;
}

static void a_damaged_record_is_wiped_whole_and_its_neighbours_serve(void **state)
{
	static const struct sa_hot zeros;

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		struct state s = {.done = nobody_asked};
		state_new(&s);
		for (unsigned n = 0; n < SETS; n++)
			install(&s, n);
		inflict(store_cold(s.store, VICTIM), &damages[i]);
		state_close(&s);
		state_open(&s);
		if (sets_live(s.sets) != SETS - 1 || !is_wiped(*store_cold(s.store, VICTIM)) ||
		    memcmp(&store_hot(s.store)[VICTIM], &zeros, sizeof(zeros)) != 0)
			fail_msg("%s: %u sets live, wiped %d", damages[i].name, sets_live(s.sets),
				 is_wiped(*store_cold(s.store, VICTIM)));
		install(&s, SETS); /* the place is free again */
		assert_int_equal(sets_live(s.sets), SETS);
		state_free(&s);
	}
}

/* A name whose end was overwritten would be read beyond it. */
static void a_name_without_its_end_is_wiped(void **state)
{
	static const size_t at[] = {offsetof(struct store_cold, name.peer),
				    offsetof(struct store_cold, name.subscriber),
				    offsetof(struct store_cold, name.registration_id)};
	static const size_t length[] = {BGF_PEER_NAME_MAX + 1, BGF_SUBSCRIBER_MAX + 1,
					BGF_REGISTRATION_ID_MAX + 1};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct state s = {.done = nobody_asked};
		state_new(&s);
		install(&s, 0);
		memset((uint8_t *)store_cold(s.store, 0) + at[i], 'a', length[i]);
		state_close(&s);
		state_open(&s);
		assert_int_equal(sets_live(s.sets), 0);
		assert_true(is_wiped(*store_cold(s.store, 0)));
		state_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_record_is_wiped_whole_and_its_neighbours_serve),
		cmocka_unit_test(a_name_without_its_end_is_wiped),
	};

	return eal_up() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
