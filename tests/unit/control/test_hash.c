/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <stdlib.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_keys_are_all_found_while_the_index_grows_and_shrinks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
