/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For which sets rule 16 applies, as they change and when they are recovered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_fixture.h"

static struct state s;
static struct dpl_set_state answered;

static void note(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context;
	(void)ticket;
	answered = *set;
}

static const struct {
	uint8_t added, becomes, flags;
} cases[] = {
	{BGF_SET_TEMPORARY, BGF_SET_TEMPORARY, SA_TEMPORARY},
	{BGF_SET_TEMPORARY, BGF_SET_ESTABLISHED, 0},
	{BGF_SET_TEMPORARY, BGF_SET_DRAINING, SA_TEMPORARY}, /* its authentication failed (rule 22) */
	{BGF_SET_ESTABLISHED, BGF_SET_SUPERSEDED, 0},
	{BGF_SET_ESTABLISHED, BGF_SET_DRAINING, 0},
	{BGF_SET_SUPERSEDED, BGF_SET_DRAINING, 0},
};

static uint8_t flags_of(uint32_t slot)
{
	return store_hot(s.store)[slot].shared.flags;
}

static void rule_16_applies_until_a_set_is_confirmed_also_while_it_drains(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dpl_set_add add = order(0);
		struct dpl_set_state clash;
		memset(&s, 0, sizeof(s));
		s.done = note;
		state_new(&s);
		add.state = cases[i].added;
		assert_int_equal(sets_add(s.sets, &add,
					  &(struct sets_ticket){.client = 1, .type = DPL_SET_ADD}, &clash),
				 0);
		sets_poll(s.sets);
		uint32_t slot = bgf_spi_slot(answered.selectors.spi_ps);
		struct dpl_set_update update = {
			.set_id = answered.set_id, .state = cases[i].becomes, .name = add.name};
		assert_int_equal(sets_update(s.sets, &update,
					     &(struct sets_ticket){.client = 1, .type = DPL_SET_UPDATE}),
				 0);
		sets_poll(s.sets);
		assert_int_equal(flags_of(slot), cases[i].flags);
		state_close(&s);
		state_open(&s);
		assert_int_equal(flags_of(slot), cases[i].flags);
		state_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_16_applies_until_a_set_is_confirmed_also_while_it_drains),
	};

	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests_name("temporary", tests, NULL, NULL);
}
