/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A lawful phone is never locked out and never loses the set that it is on, however often it registers again,
 * whatever gets lost, and whatever it sends or does not send in between (rules 6, 7, 15 and 20 to 22).
 */
#include <stdio.h>
#include <stdlib.h>

#include "control/life.h"
#include "orders.h"

enum act { ACT_TALKS, ACT_ONLY_REGISTERS, ACT_LOSES_THE_200, ACT_FAILS, ACT_REBOOTS, ACT_COUNT };

struct phone {
	struct harness *h;
	uint64_t held; /* the set that it is on; 0: none */
	uint64_t reference;
	unsigned round;
};

static struct install challenge(struct phone *p)
{
	struct install in = nth(++p->round);

	in.selectors.port_us = 20000; /* rule 7: it stays, the others change */
	in.selectors.port_pc = 6064;
	in.selectors.port_ps = 6062;
	in.via_set = p->held;
	in.flags = p->held == 0 ? BGF_SET_BEGAN_UNPROTECTED : 0;
	return in;
}

static unsigned sets_of_phone(struct phone *p)
{
	struct hash_node *at = NULL;
	unsigned count = 0;

	while (sa_table_of_subscriber(&p->h->control.table, sample_install().subscriber, &at) != NULL)
		count++;
	return count;
}

/* The P-CSCF has as many port_pc as there may be sets, and takes the first that is free. */
static uint64_t chosen_port(struct install *in)
{
	unsigned cause = client_install(&client, in);

	for (unsigned i = 1; i < LIFE_SETS_MAX && cause == ZB_CAUSE_PORT_IN_USE; i++) {
		assert_int_equal(client_bad_attribute(&client), ZB_ATTR_PORT_US);
		in->selectors.port_pc += 2;
		cause = client_install(&client, in);
	}
	assert_int_equal(cause, ZB_CAUSE_DONE);
	return client_set(&client).set_id;
}

static bool is_used(void *arg)
{
	const struct phone *p = arg;

	return sa_table_by_id(&p->h->control.table, p->held)->first_used;
}

static void registers(struct phone *p, enum act act)
{
	if (act == ACT_REBOOTS)
		p->held = 0;
	struct install in = challenge(p);
	uint64_t new = chosen_port(&in);
	assert_in_range(sets_of_phone(p), 1, LIFE_SETS_MAX);
	if (act == ACT_FAILS) { /* rule 22: the 403 travels on it */
		assert_int_equal(client_release(&client, new, ++p->reference, 64), ZB_CAUSE_DONE);
	} else {
		assert_int_equal(client_confirm(&client, new, ++p->reference, 600), ZB_CAUSE_DONE);
		if (act != ACT_LOSES_THE_200)
			p->held = new;
	}
	if (act == ACT_TALKS) {
		fake_tell_first_used(&p->h->fake, new);
		harness_run(p->h, is_used, p, "the first use to be known");
	}
	const struct sa_set *set = p->held != 0 ? sa_table_by_id(&p->h->control.table, p->held) : NULL;
	assert_true(p->held == 0 || (set != NULL && set->state == BGF_SET_ESTABLISHED));
}

/* Each way, and each pair of ways by turns, ten times within the 128 s. */
static void rule_6_a_phone_that_registers_again_and_again_is_never_refused(void **state)
{
	for (unsigned pair = 0; pair < ACT_COUNT * ACT_COUNT; pair++) {
		if (pair > 0)
			assert_int_equal(harness_setup(state), 0);
		struct phone p = {.h = *state};
		hello(p.h);
		registers(&p, ACT_TALKS);
		for (unsigned i = 0; i < 10; i++)
			registers(&p, i % 2 == 0 ? pair / ACT_COUNT : pair % ACT_COUNT);
		client_close(&client);
		if (pair < ACT_COUNT * ACT_COUNT - 1)
			harness_teardown(state);
	}
}

static void rule_6_no_order_of_what_happens_locks_a_phone_out(void **state)
{
	struct phone p = {.h = *state};
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	hello(p.h);
	registers(&p, ACT_TALKS);
	for (unsigned i = 0; i < 500; i++)
		registers(&p, (enum act)((unsigned)rand_r(&seed) / 7 % ACT_COUNT));
	client_close(&client);
}

static const struct sa_set *known(struct harness *h, uint64_t set_id)
{
	return sa_table_by_id(&h->control.table, set_id);
}

/* What a superseded set carries still may be under way, so its P-CSCF hears that it is gone, and why. */
static void rule_6_the_oldest_superseded_set_gives_way_and_is_told(void **state)
{
	struct phone p = {.h = *state};
	uint64_t id[3];

	hello(p.h);
	for (unsigned i = 0; i < 3; i++) {
		registers(&p, ACT_TALKS);
		id[i] = p.held;
	}
	assert_int_equal(known(p.h, id[0])->state, BGF_SET_SUPERSEDED);
	assert_int_equal(known(p.h, id[1])->state, BGF_SET_SUPERSEDED);
	struct install in = challenge(&p);
	chosen_port(&in);
	client_wait_event(&client, ZB_MSG_REMOVED);
	assert_int_equal(why(), BGF_REMOVED_GAVE_WAY);
	assert_null(known(p.h, id[0]));
	assert_int_equal(known(p.h, id[1])->state, BGF_SET_SUPERSEDED);
	assert_int_equal(known(p.h, id[2])->state, BGF_SET_ESTABLISHED);
	client_close(&client);
}

/* A phone that only ever registers sends nothing that its set's worker takes for a first use. */
static void rule_20_a_challenge_on_a_set_supersedes_the_older_ones(void **state)
{
	struct phone p = {.h = *state};
	uint64_t old;

	hello(p.h);
	registers(&p, ACT_ONLY_REGISTERS);
	old = p.held;
	registers(&p, ACT_ONLY_REGISTERS);
	assert_int_equal(known(p.h, old)->state, BGF_SET_ESTABLISHED); /* the 200 OK may be lost yet */
	struct install in = challenge(&p);
	in.selectors.port_uc = in.selectors.port_us; /* what is refused changes nothing */
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_BAD_PORT);
	assert_int_equal(known(p.h, old)->state, BGF_SET_ESTABLISHED);
	in = challenge(&p);
	chosen_port(&in);
	client_wait_event(&client, ZB_MSG_SUPERSEDED);
	assert_int_equal(known(p.h, old)->state, BGF_SET_SUPERSEDED);
	assert_in_range(known(p.h, old)->expires, p.h->begun + 128 * SECOND, timers_now() + 128 * SECOND);
	assert_int_equal(known(p.h, p.held)->state, BGF_SET_ESTABLISHED);
	client_close(&client);
}

/* A phone whose 200 OK was lost goes on from the set before: the one in between is nobody's. */
static void rule_20_a_set_whose_200_ok_was_lost_is_superseded_by_the_next(void **state)
{
	struct phone p = {.h = *state};

	hello(p.h);
	registers(&p, ACT_TALKS);
	struct install in = challenge(&p);
	uint64_t lost = chosen_port(&in);
	assert_int_equal(client_confirm(&client, lost, 1001, 600), ZB_CAUSE_DONE);
	in = challenge(&p);
	uint64_t next = chosen_port(&in);
	assert_int_equal(known(p.h, lost)->state, BGF_SET_ESTABLISHED); /* this one may fail yet */
	assert_int_equal(client_confirm(&client, next, 1002, 600), ZB_CAUSE_DONE);
	assert_int_equal(known(p.h, lost)->state, BGF_SET_SUPERSEDED);
	assert_int_equal(known(p.h, p.held)->state, BGF_SET_ESTABLISHED);
	assert_int_equal(known(p.h, next)->state, BGF_SET_ESTABLISHED);
	harness_restart(p.h); /* all of it is in the store */
	assert_int_equal(known(p.h, lost)->state, BGF_SET_SUPERSEDED);
	assert_int_equal(known(p.h, p.held)->state, BGF_SET_ESTABLISHED);
	client_close(&client);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(rule_6_a_phone_that_registers_again_and_again_is_never_refused),
		T(rule_6_no_order_of_what_happens_locks_a_phone_out),
		T(rule_6_the_oldest_superseded_set_gives_way_and_is_told),
		T(rule_20_a_challenge_on_a_set_supersedes_the_older_ones),
		T(rule_20_a_set_whose_200_ok_was_lost_is_superseded_by_the_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
