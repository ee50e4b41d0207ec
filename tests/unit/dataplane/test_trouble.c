/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the main lcore finds amiss with sets: nothing is told twice in vain, and no attack makes it tell much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_fixture.h"
#include "trouble.h"

enum { TOLD_MAX = 64, NOON = 43200 /* s; begins a minute */ };

static struct state s;
static struct trouble *trouble;
static struct {
	unsigned count, limit;
	struct dpl_trouble record[TOLD_MAX];
} told;

static void nobody_asked(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context, (void)ticket, (void)set;
}

static bool take(void *context, const struct dpl_trouble *record)
{
	(void)context;
	if (told.count >= told.limit)
		return false;
	told.record[told.count++] = *record;
	return true;
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.done = nobody_asked;
	state_new(&s);
	trouble = trouble_new(s.store, take, NULL);
	assert_non_null(trouble);
	told.limit = TOLD_MAX;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	trouble_free(trouble);
	state_free(&s);
	return 0;
}

/* How many records a look (at every slot: they are few) tells. */
static unsigned look_of(uint64_t second, uint32_t client)
{
	told.count = 0;
	trouble_look(trouble, second, client);
	return told.count;
}

static unsigned look(uint64_t second)
{
	return look_of(second, 1);
}

/* The slot of a new set of the nth UE, which was looked at. */
static uint32_t install(unsigned n)
{
	struct dpl_set_add add = order(n);
	struct sets_ticket ticket = {.client = 1, .type = DPL_SET_ADD};
	struct dpl_set_state clash;

	assert_int_equal(sets_add(s.sets, &add, &ticket, &clash), 0);
	while (sets_poll(s.sets) > 0)
		;
	assert_int_equal(look(NOON - 1), 0);
	return n; /* a new store's slots are taken in their order */
}

static uint32_t *drops_of(uint32_t slot, enum bgf_drop reason)
{
	return &store_cold(s.store, slot)->drops[reason];
}

static const struct {
	enum bgf_drop reason;
	enum dpl_trouble_kind kind;
} kinds[] = {{BGF_DROP_ICV, DPL_TROUBLE_ICV}, {BGF_DROP_REPLAY, DPL_TROUBLE_REPLAY}};

static void bad_packets_are_told_once_a_minute_with_their_number(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++, teardown(NULL), setup(NULL)) {
		uint32_t *drops = drops_of(install(0), kinds[k].reason);
		*drops = TROUBLE_PACKETS - 1;
		assert_int_equal(look(NOON), 0);
		*drops += TROUBLE_PACKETS - 1; /* the new minute has forgotten what the last one counted */
		assert_int_equal(look(NOON + 1), 0);
		*drops += 1;
		assert_int_equal(look(NOON + 2), 1);
		assert_int_equal(told.record[0].kind, kinds[k].kind);
		assert_int_equal(told.record[0].number, TROUBLE_PACKETS);
		*drops += 100;
		assert_int_equal(look(NOON + 3), 0);
		assert_int_equal(look(NOON + TROUBLE_MINUTE_S), 1);
		assert_int_equal(told.record[0].number, 100);
	}
}

static void a_bad_packet_now_and_then_is_noise(void **state)
{
	uint32_t *drops = drops_of(install(0), BGF_DROP_ICV);

	(void)state;
	for (unsigned minute = 0; minute < 100; minute++) {
		*drops += TROUBLE_PACKETS - 1;
		assert_int_equal(look(NOON + minute * TROUBLE_MINUTE_S), 0);
	}
}

static void an_attack_on_a_set_is_told_once_in_a_minute_and_nothing_is_left_out(void **state)
{
	uint32_t slot = install(0), *drops = drops_of(slot, BGF_DROP_REPLAY);
	uint64_t sum = 0;
	unsigned records = 0;

	(void)state;
	for (unsigned second = 0; second < 5 * TROUBLE_MINUTE_S; second++) {
		*drops += 1000;
		if (look(NOON + second) == 0)
			continue;
		assert_int_equal(told.count, 1);
		assert_true(told.record[0].set_id == store_cold(s.store, slot)->set_id);
		sum += told.record[0].number;
		records++;
	}
	assert_int_equal(records, 5);
	look(NOON + 5 * TROUBLE_MINUTE_S);
	assert_int_equal(sum + told.record[0].number, *drops);
}

static void what_was_counted_before_the_process_started_is_not_told(void **state)
{
	uint32_t *drops = drops_of(install(0), BGF_DROP_ICV);

	(void)state;
	*drops = 5000;
	trouble_free(trouble);
	trouble = trouble_new(s.store, take, NULL);
	assert_int_equal(look(NOON), 0);
	*drops += TROUBLE_PACKETS;
	assert_int_equal(look(NOON + 1), 1);
	assert_int_equal(told.record[0].number, TROUBLE_PACKETS);
}

static void what_is_not_taken_is_told_later(void **state)
{
	uint32_t slot = install(0), *drops = drops_of(slot, BGF_DROP_ICV);

	(void)state;
	told.limit = 0;
	*drops = 100;
	store_hot(s.store)[slot].out[1].last = UINT32_MAX;
	assert_int_equal(look(NOON), 0);
	told.limit = TOLD_MAX;
	*drops = 101;
	assert_int_equal(look(NOON + 1), 2);
	assert_int_equal(told.record[0].number, 101);
	assert_int_equal(told.record[1].kind, DPL_TROUBLE_SEQUENCE);
	assert_int_equal(look(NOON + 2), 0);
}

static void another_set_in_the_slot_starts_anew(void **state)
{
	uint32_t slot = install(0), *drops = drops_of(slot, BGF_DROP_ICV);

	(void)state;
	*drops = 100;
	store_hot(s.store)[slot].in[0].top = UINT32_MAX;
	assert_int_equal(look(NOON), 2);
	store_cold(s.store, slot)->set_id += 1ull << BGF_SPI_SLOT_BITS;
	*drops = TROUBLE_PACKETS;
	assert_int_equal(look(NOON + 1), 2);
	assert_int_equal(told.record[0].number, TROUBLE_PACKETS);
	store_cold(s.store, slot)->record = STORE_DYING;
	*drops = 1000;
	assert_int_equal(look(NOON + TROUBLE_MINUTE_S), 0);
	store_cold(s.store, slot)->record = STORE_LIVE;
}

static void sequence_numbers_that_run_out_are_told_at_three_marks(void **state)
{
	static const struct {
		uint32_t sequence;
		bool is_told;
	} steps[] = {
		{UINT32_MAX - TROUBLE_LEFT_FIRST, false},
		{UINT32_MAX - TROUBLE_LEFT_FIRST + 1, true},
		{UINT32_MAX - TROUBLE_LEFT_SECOND, false},
		{UINT32_MAX - TROUBLE_LEFT_SECOND + 1, true},
		{UINT32_MAX - 1, false},
		{UINT32_MAX, true},
		{UINT32_MAX, false},
	};

	(void)state;
	for (unsigned sa = 0; sa < DPL_SA_COUNT; sa++, teardown(NULL), setup(NULL)) {
		struct sa_hot *hot = &store_hot(s.store)[install(0)];
		uint32_t *at[] = {&hot->in[0].top, &hot->in[1].top, &hot->out[0].last, &hot->out[1].last};
		for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
			*at[sa] = steps[i].sequence;
			assert_int_equal(look(NOON + i), steps[i].is_told);
			if (!steps[i].is_told)
				continue;
			assert_int_equal(told.record[0].kind, DPL_TROUBLE_SEQUENCE);
			assert_int_equal(told.record[0].sa, sa);
			assert_int_equal(told.record[0].number, steps[i].sequence);
		}
		assert_int_equal(look_of(NOON + 60, 2), 1); /* a control that was restarted */
		assert_int_equal(look_of(NOON + 61, 2), 0);
	}
}

static void one_look_tells_no_more_than_its_share_and_the_next_the_rest(void **state)
{
	(void)state;
	for (unsigned n = 0; n < CAPACITY; n++)
		install(n);
	for (uint32_t slot = 0; slot < CAPACITY; slot++) {
		struct sa_hot *hot = &store_hot(s.store)[slot];
		hot->in[0].top = hot->in[1].top = hot->out[0].last = hot->out[1].last = UINT32_MAX;
	}
	assert_int_equal(look(NOON), TROUBLE_TOLD_MAX);
	assert_int_equal(look(NOON), 4 * CAPACITY - TROUBLE_TOLD_MAX);
	assert_int_equal(look(NOON), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bad_packets_are_told_once_a_minute_with_their_number),
		T(a_bad_packet_now_and_then_is_noise),
		T(an_attack_on_a_set_is_told_once_in_a_minute_and_nothing_is_left_out),
		T(what_was_counted_before_the_process_started_is_not_told),
		T(what_is_not_taken_is_told_later),
		T(another_set_in_the_slot_starts_anew),
		T(sequence_numbers_that_run_out_are_told_at_three_marks),
		T(one_look_tells_no_more_than_its_share_and_the_next_the_rest),
	};

	return eal_up() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
