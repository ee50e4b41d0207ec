/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "control/hash.h"

enum { NODES = 5000 };

static size_t count_of(const struct hash *h, uint64_t hash)
{
	size_t count = 0;

	for (struct hash_node *n = hash_first(h, hash); n != NULL; n = hash_next(n))
		count++;
	return count;
}

/* Few keys, many nodes, over several growths: each key finds exactly its own. */
static void equal_keys_are_all_found_while_the_index_grows_and_shrinks(void **state)
{
	static struct hash_node nodes[NODES];
	struct hash h;

	(void)state;
	assert_int_equal(hash_init(&h), 0);
	for (size_t i = 0; i < NODES; i++)
		hash_insert(&h, &nodes[i], i % 7 * 1000003, &nodes[i]);
	assert_int_equal(h.count, NODES);
	for (size_t k = 0; k < 7; k++)
		assert_int_equal(count_of(&h, k * 1000003), (NODES - k + 6) / 7);
	for (size_t i = 0; i < NODES; i++)
		if (i % 7 != 3)
			hash_remove(&h, &nodes[i]);
	assert_int_equal(count_of(&h, 3 * 1000003), (NODES - 3 + 6) / 7);
	assert_int_equal(count_of(&h, 0), 0);
	hash_remove(&h, &nodes[0]); /* it is out already */
	assert_int_equal(h.count, (NODES - 3 + 6) / 7);
	hash_free(&h);
}

/* All that is there is found, and nothing else, at each step of a growth. */
static void nothing_is_lost_while_it_grows(void **state)
{
	static struct hash_node nodes[NODES];
	struct hash h;
	unsigned growths = 0;

	(void)state;
	assert_int_equal(hash_init(&h), 0);
	for (size_t i = 0; i < NODES; i++) {
		size_t mask = h.mask;
		hash_insert(&h, &nodes[i], i * 0x9e3779b97f4a7c15, &nodes[i]);
		growths += h.mask != mask;
		if (i % 5 == 4) /* out again, from the former place or the new one */
			hash_remove(&h, &nodes[i - i % 3]);
		for (size_t k = i < 40 ? 0 : i - 40; k <= i; k++)
			assert_int_equal(count_of(&h, k * 0x9e3779b97f4a7c15), nodes[k].owner != NULL);
	}
	assert_true(growths >= 3);
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(count_of(&h, i * 0x9e3779b97f4a7c15), nodes[i].owner != NULL);
	hash_settle(&h);
	assert_null(h.old);
	size_t count = 0;
	for (size_t i = 0; i <= h.mask; i++)
		for (struct hash_node *n = h.bucket[i]; n != NULL; n = n->next)
			count++;
	assert_int_equal(count, h.count);
	hash_free(&h);
}

/* Each time all of one rest are found, each once, and nobody else's growth is ended for it: with a million
 * that would take tens of milliseconds at once. */
static void those_of_one_rest_are_found_while_it_grows_which_they_do_not_hurry(void **state)
{
	static const size_t steps[] = {16, 256, 4096}; /* fewer than the buckets at first, and more */
	static struct hash_node nodes[NODES];
	static unsigned found[NODES];
	struct hash h;
	unsigned while_growing = 0;

	(void)state;
	assert_int_equal(hash_init(&h), 0);
	for (size_t i = 0; i < NODES; i++) {
		hash_insert(&h, &nodes[i], i * 3, &nodes[i]);
		if (i % 11 == 10)
			hash_remove(&h, &nodes[i / 2]);
		if (i % 17 != 0)
			continue;
		const size_t step = steps[i % 3], rest = i * 3 % step, left = h.moved;
		const bool is_growing = h.old != NULL;
		struct hash_walk walk = {0};
		memset(found, 0, sizeof(found));
		for (struct hash_node *n; (n = hash_next_of(&h, step, rest, &walk)) != NULL;)
			found[n - nodes]++;
		for (size_t k = 0; k < NODES; k++)
			assert_int_equal(found[k], nodes[k].owner != NULL && nodes[k].hash % step == rest);
		assert_int_equal(h.old != NULL, is_growing);
		assert_int_equal(h.moved, left);
		while_growing += is_growing;
	}
	assert_true(while_growing > 10);
	hash_free(&h);
}

/* A table with room from the start has as many places as one that grew, and does not grow. */
static void room_that_is_reserved_is_as_much_as_growth_would_make(void **state)
{
	static const size_t counts[] = {1, 255, 256, 257, 1000, 4096, NODES};
	static struct hash_node nodes[NODES], others[NODES];

	(void)state;
	for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++) {
		struct hash grown, reserved;
		assert_int_equal(hash_init(&grown), 0);
		assert_int_equal(hash_init(&reserved), 0);
		hash_reserve(&reserved, counts[k]);
		const size_t mask = reserved.mask;
		for (size_t i = 0; i < counts[k]; i++) {
			hash_insert(&grown, &nodes[i], i * 0x9e3779b97f4a7c15, &nodes[i]);
			hash_insert(&reserved, &others[i], i * 0x9e3779b97f4a7c15, &others[i]);
			assert_null(reserved.old);
		}
		assert_int_equal(reserved.mask, mask);
		assert_int_equal(reserved.mask, grown.mask);
		for (size_t i = 0; i < counts[k]; i++)
			assert_ptr_equal(hash_first(&reserved, i * 0x9e3779b97f4a7c15), &others[i]);
		hash_reserve(&reserved, 2 * NODES); /* it has some: they stay where they are */
		assert_int_equal(reserved.mask, mask);
		hash_free(&grown);
		hash_free(&reserved);
	}
}

static void a_node_is_alone_when_no_other_has_its_hash(void **state)
{
	struct hash_node node[4] = {0};
	struct hash h;

	(void)state;
	assert_int_equal(hash_init(&h), 0);
	hash_insert(&h, &node[0], 5, &node[0]);
	assert_true(hash_is_alone(&h, &node[0]));
	hash_insert(&h, &node[1], 5 + (h.mask + 1) * 3, &node[1]); /* in the same place */
	assert_true(hash_is_alone(&h, &node[0]));
	assert_true(hash_is_alone(&h, &node[1]));
	hash_insert(&h, &node[2], 5, &node[2]);
	assert_false(hash_is_alone(&h, &node[0]));
	assert_false(hash_is_alone(&h, &node[2]));
	assert_true(hash_is_alone(&h, &node[1]));
	hash_remove(&h, &node[0]);
	assert_true(hash_is_alone(&h, &node[2]));
	assert_false(hash_is_alone(&h, &node[0])); /* it is out: nothing is known of it */
	hash_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_keys_are_all_found_while_the_index_grows_and_shrinks),
		cmocka_unit_test(nothing_is_lost_while_it_grows),
		cmocka_unit_test(those_of_one_rest_are_found_while_it_grows_which_they_do_not_hurry),
		cmocka_unit_test(room_that_is_reserved_is_as_much_as_growth_would_make),
		cmocka_unit_test(a_node_is_alone_when_no_other_has_its_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
