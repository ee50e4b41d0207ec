/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include "sample.h"

static void each_index_finds_a_set_until_it_leaves(void **state)
{
	struct peer peer = {.name = "p"}, stranger = {.name = "q"};
	struct install in = sample_install();
	struct bgf_set_selectors other = in.selectors;
	struct hash_node *at = NULL;
	struct sa_table t;

	(void)state;
	assert_int_equal(sa_table_init(&t), 0);
	struct sa_set *set = sample_enter(&t, &peer, &in, 42, BGF_SET_TEMPORARY);

	assert_ptr_equal(sa_table_by_id(&t, 42), set);
	assert_null(sa_table_by_id(&t, 43));
	assert_ptr_equal(sa_table_by_reference(&t, &peer, in.reference), set);
	assert_null(sa_table_by_reference(&t, &stranger, in.reference));
	assert_ptr_equal(sa_table_of_registration(&t, &peer, in.subscriber, "", &at), set);
	assert_null(sa_table_of_registration(&t, &peer, in.subscriber, "", &at));
	assert_null((at = NULL, sa_table_of_registration(&t, &peer, in.subscriber, "emergency", &at)));
	assert_ptr_equal((at = NULL, sa_table_of_subscriber(&t, in.subscriber, &at)), set);
	assert_ptr_equal((at = NULL, sa_table_of_ue(&t, &in.selectors.ue, &at)), set);
	assert_ptr_equal((at = NULL, sa_table_of_uc(&t, &in.selectors, &at)), set);
	assert_ptr_equal((at = NULL, sa_table_of_us(&t, &in.selectors, &at)), set);
	assert_ptr_equal((at = NULL, sa_table_of_spi(&t, &in.selectors.ue, 1000, &at)), set);
	assert_ptr_equal((at = NULL, sa_table_of_spi(&t, &in.selectors.ue, 1001, &at)), set);
	assert_null((at = NULL, sa_table_of_spi(&t, &in.selectors.ue, 1002, &at)));
	other.port_ps = 1;
	assert_null((at = NULL, sa_table_of_uc(&t, &other, &at)));

	sa_table_leave(&t, set);
	sa_set_free(set);
	assert_null(sa_table_by_id(&t, 42));
	assert_null(sa_table_by_reference(&t, &peer, in.reference));
	assert_null((at = NULL, sa_table_of_subscriber(&t, in.subscriber, &at)));
	assert_null((at = NULL, sa_table_of_ue(&t, &in.selectors.ue, &at)));
	assert_null((at = NULL, sa_table_of_us(&t, &in.selectors, &at)));
	assert_null((at = NULL, sa_table_of_spi(&t, &in.selectors.ue, 1001, &at)));
	assert_int_equal(t.count, 0);
	sa_table_free(&t);
}

static void ten_thousand_sets_come_and_go(void **state)
{
	enum { SETS = 10000 };
	struct peer peer = {.name = "p"};
	struct install in = sample_install();
	struct sa_table t;

	(void)state;
	assert_int_equal(sa_table_init(&t), 0);
	for (uint32_t i = 0; i < SETS; i++) {
		in.reference = i + 1;
		in.selectors.ue.octet[2] = (uint8_t)(i >> 8);
		in.selectors.ue.octet[3] = (uint8_t)i;
		sample_enter(&t, &peer, &in, i + 1, BGF_SET_ESTABLISHED);
	}
	assert_int_equal(t.count, SETS);
	for (uint32_t i = 0; i < SETS; i += 2) {
		struct sa_set *set = sa_table_by_id(&t, i + 1);
		assert_non_null(set);
		sa_table_leave(&t, set);
		sa_set_free(set);
	}
	assert_int_equal(t.count, SETS / 2);
	for (uint32_t i = 0; i < SETS; i++)
		assert_int_equal(sa_table_by_reference(&t, &peer, i + 1) != NULL, i % 2);
	sample_free_all(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_index_finds_a_set_until_it_leaves),
		cmocka_unit_test(ten_thousand_sets_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
