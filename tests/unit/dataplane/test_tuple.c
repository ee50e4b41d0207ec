/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The outbound look-up against a naive model, and read while it changes.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "tuple.h"

enum { SETS = 2000, REFS = 2 * SETS, BURST = 64 };

static struct sa_hot *hot;
static struct tuple_table *table;
static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

/* The key of an SA: few values a field, so that keys differ in one field only. */
static struct tuple_key key_of(uint32_t ref)
{
	uint32_t n = ref >> 1;
	struct tuple_key k = {.served = (uint16_t)(n % 2),
			      .port_local = (uint16_t)(6060 + (ref & 1)),
			      .port_ue = (uint16_t)(5000 + n / 2 % 50),
			      .ipv6 = n / 100 % 2};
	k.ue[k.ipv6 ? 15 : 3] = (uint8_t)(n / 200);
	return k;
}

/* The look-up as esp_out takes it: all of a burst's first steps, then the second ones, then the compare. */
static void find_in_steps(const struct tuple_key *keys, uint32_t *ret_ref)
{
	struct tuple_place place[BURST];

	for (uint32_t i = 0; i < BURST; i++) {
		struct tuple_words words;
		memcpy(&words, &keys[i], sizeof(words));
		place[i] = tuple_place(table, words);
		tuple_fetch(table, place[i].bucket);
	}
	for (uint32_t i = 0; i < BURST; i++)
		ret_ref[i] = tuple_candidate(table, place[i]);
	for (uint32_t i = 0; i < BURST; i++) {
		const struct tuple_key has = key_of(ret_ref[i]);
		if (ret_ref[i] == TUPLE_NONE || memcmp(&has, &keys[i], sizeof(has)) != 0)
			ret_ref[i] = tuple_find(table, &keys[i]);
	}
}

static int setup_small(void **state)
{
	(void)state;
	hot = aligned_alloc(64, 64 * ((sizeof(*hot) + 63) / 64));
	memset(hot, 0, sizeof(*hot));
	table = tuple_table_new(hot, 1, 0);
	return table == NULL;
}

static int setup(void **state)
{
	(void)state;
	hot = aligned_alloc(64, SETS * sizeof(*hot));
	memset(hot, 0, SETS * sizeof(*hot));
	for (uint32_t ref = 0; ref < REFS; ref++) {
		struct tuple_key k = key_of(ref);
		struct sa_hot *h = &hot[ref >> 1];
		memcpy(h->shared.ue, k.ue, sizeof(k.ue));
		h->shared.served = k.served;
		h->shared.flags = k.ipv6 ? SA_IPV6 : 0;
		h->out[ref & 1].port_local = k.port_local;
		h->out[ref & 1].port_ue = k.port_ue;
	}
	table = tuple_table_new(hot, SETS, 0);
	return table == NULL;
}

static int teardown(void **state)
{
	(void)state;
	tuple_table_free(table);
	free(hot);
	return 0;
}

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	static uint8_t in[REFS];

	memset(in, 0, sizeof(in));
	for (unsigned turn = 0; turn < 400000; turn++) {
		/* phases fill it up and empty it, so that chains grow and shrink */
		bool filling = turn / 40000 % 2 == 0;
		uint32_t ref = random_below(REFS);
		struct tuple_key k = key_of(ref);
		assert_int_equal(tuple_find(table, &k), in[ref] ? ref : TUPLE_NONE);
		if (random_below(8) < (filling ? 7 : 1)) {
			assert_int_equal(tuple_add(table, &k, ref), in[ref] ? -EEXIST : 0);
			in[ref] = 1;
		} else {
			assert_int_equal(tuple_remove(table, &k, ref), in[ref] ? 0 : -ENOENT);
			in[ref] = 0;
		}
	}
	for (uint32_t from = 0; from + BURST <= REFS; from += BURST) {
		struct tuple_key keys[BURST];
		uint32_t found[BURST];
		for (uint32_t i = 0; i < BURST; i++)
			keys[i] = key_of(from + i);
		find_in_steps(keys, found);
		for (uint32_t i = 0; i < BURST; i++)
			assert_int_equal(found[i], in[from + i] ? from + i : TUPLE_NONE);
	}
}

static void is_never_full_below_capacity(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		for (uint32_t ref = 0; ref < REFS; ref++) {
			struct tuple_key k = key_of(ref);
			assert_int_equal(tuple_add(table, &k, ref), 0);
		}
		for (uint32_t ref = 0; ref < REFS; ref++) {
			struct tuple_key k = key_of((ref * 7919) % REFS);
			assert_int_equal(tuple_remove(table, &k, ref * 7919 % REFS), 0);
		}
	}
}

/* Phones behind few addresses, with ports in rows, as many as there may be: the hash is keyed, so that no
 * choice of ports fills a bucket. What lies behind a full one costs a packet several hundred cycles. */
static void few_are_behind_a_full_bucket(void **state)
{
	(void)state;
	enum { PHONES = 100000, ADDRESSES = 4 };
	struct sa_hot *many = aligned_alloc(64, PHONES * sizeof(*many));
	struct tuple_table *full = tuple_table_new(many, PHONES, 0);
	uint32_t behind = 0;

	assert_true(many != NULL && full != NULL);
	memset(many, 0, PHONES * sizeof(*many));
	for (uint32_t n = 0; n < PHONES; n++)
		for (uint32_t which = 0; which < 2; which++) {
			struct tuple_key k = {.ue = {10, 0, 0, (uint8_t)(n % ADDRESSES)},
					      .port_local = (uint16_t)(6060 + which),
					      .port_ue = (uint16_t)(n / ADDRESSES * 2 + which)};
			memcpy(many[n].shared.ue, k.ue, sizeof(k.ue));
			many[n].out[which].port_local = k.port_local;
			many[n].out[which].port_ue = k.port_ue;
			assert_int_equal(tuple_add(full, &k, tuple_ref(n, which)), 0);
		}
	for (uint32_t i = 0; i < full->mains; i++)
		for (uint32_t next = full->bucket[i].next; next != 0; next = full->bucket[next].next)
			for (uint32_t e = 0; e < TUPLE_ENTRIES; e++)
				behind += full->bucket[next].tag[e] != 0;
	assert_in_range(behind, 1, 2 * PHONES / 100);
	tuple_table_free(full);
	free(many);
}

/* Rule 6: a set that replaces another on the same ports takes over its tuple at once. */
static void rule_6_a_tuple_moves_to_the_new_set(void **state)
{
	(void)state;
	struct tuple_key k = key_of(2);

	memcpy(&hot[1000], &hot[1], sizeof(hot[1])); /* the new set, with the ports of the old */
	assert_int_equal(tuple_replace(table, &k, tuple_ref(1000, 0)), -ENOENT);
	assert_int_equal(tuple_add(table, &k, 2), 0);
	assert_int_equal(tuple_add(table, &k, tuple_ref(1000, 0)), -EEXIST);
	assert_int_equal(tuple_replace(table, &k, tuple_ref(1000, 0)), 0);
	assert_int_equal(tuple_find(table, &k), tuple_ref(1000, 0));
	assert_int_equal(tuple_remove(table, &k, 2), -ENOENT);
	assert_int_equal(tuple_remove(table, &k, tuple_ref(1000, 0)), 0);
	assert_int_equal(tuple_find(table, &k), TUPLE_NONE);
}

/* A bucket's tag has 16 bits: where two keys share it, every field of the whole key tells them apart. */
static void keys_that_differ_in_one_field_are_never_mistaken(void **state)
{
	(void)state;
	const struct tuple_key zero = {0};

	for (unsigned turn = 0; turn < 300000; turn++) {
		struct tuple_key k = zero, other[5];
		tuple_table_free(
			table); /* another secret: the same difference gives the same tags otherwise */
		table = tuple_table_new(hot, 1, 0);
		assert_non_null(table);
		uint32_t number = random_below(UINT32_MAX);
		memcpy(k.ue, &number, sizeof(number));
		memcpy(hot[0].shared.ue, k.ue, sizeof(k.ue));
		hot[0].shared.flags = 0;
		k.served = hot[0].shared.served = (uint16_t)random_below(64);
		k.port_local = hot[0].out[0].port_local = (uint16_t)random_below(65535);
		k.port_ue = hot[0].out[0].port_ue = (uint16_t)random_below(65535);
		assert_int_equal(tuple_add(table, &k, 0), 0);
		for (int i = 0; i < 5; i++)
			other[i] = k;
		other[0].ipv6 = 1;
		other[1].served ^= 1;
		other[2].port_local ^= 1;
		other[3].port_ue ^= 1;
		other[4].ue[15] ^= 1;
		for (int i = 0; i < 5; i++)
			assert_int_equal(tuple_find(table, &other[i]), TUPLE_NONE);
		assert_int_equal(tuple_remove(table, &k, 0), 0);
	}
}

/* One chain of a full bucket and one behind it. A reader on its way down it would miss what moves up, or walk
 * on in a bucket that is another chain's: it looks again, because the version stepped. */
static void the_version_steps_with_each_move(void **state)
{
	(void)state;
	enum { ENTRIES = TUPLE_ENTRIES + 2 };
	struct tuple_key k;

	tuple_table_free(table);
	table = tuple_table_new(hot, 1, 0); /* one main bucket */
	assert_non_null(table);
	for (uint32_t ref = 0; ref < ENTRIES; ref++) {
		k = key_of(ref);
		assert_int_equal(tuple_add(table, &k, ref), 0);
	}
	assert_int_equal(table->bucket[0].next, 1);
	static const struct {
		uint32_t bucket; /* whose first entry goes */
		bool is_chained; /* afterwards */
	} rows[] = {
		{0, true},  /* the last one, in the second bucket, takes its place */
		{1, false}, /* the second bucket leaves the chain */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const uint32_t before = table->version, ref = table->bucket[rows[i].bucket].ref[0];
		k = key_of(ref);
		assert_int_equal(tuple_remove(table, &k, ref), 0);
		assert_int_equal(table->version, before + 1);
		assert_int_equal(table->bucket[0].next != 0, rows[i].is_chained);
	}
}

static struct {
	int stop;
	uint64_t looked, wrong;
} reader;

/* Refs that are multiples of 4 stay in the table: they must be found at every moment. */
static void *read_steady(void *arg)
{
	(void)arg;
	uint32_t at = 0;

	while (!__atomic_load_n(&reader.stop, __ATOMIC_ACQUIRE)) {
		struct tuple_key keys[BURST];
		uint32_t found[BURST];
		for (uint32_t i = 0; i < BURST; i++)
			keys[i] = key_of((at + 4 * i) % REFS);
		find_in_steps(keys, found);
		for (uint32_t i = 0; i < BURST; i++)
			reader.wrong += found[i] != (at + 4 * i) % REFS;
		__atomic_fetch_add(&reader.looked, BURST, __ATOMIC_RELAXED);
		at = (at + 4 * BURST) % REFS;
	}
	return NULL;
}

static void a_reader_never_misses_what_stays(void **state)
{
	(void)state;
	static uint8_t in[REFS];
	pthread_t thread;

	memset(in, 0, sizeof(in));
	for (uint32_t ref = 0; ref < REFS; ref++) {
		struct tuple_key k = key_of(ref);
		assert_int_equal(tuple_add(table, &k, ref), 0);
		in[ref] = 1;
	}
	reader.stop = 0, reader.looked = 0, reader.wrong = 0;
	assert_int_equal(pthread_create(&thread, NULL, read_steady, NULL), 0);
	for (unsigned turn = 0;
	     turn < 2000000 && (turn < 300000 || __atomic_load_n(&reader.looked, __ATOMIC_RELAXED) < 500000);
	     turn++) {
		uint32_t ref = random_below(REFS);
		struct tuple_key k = key_of(ref);
		if (ref % 4 == 0)
			continue;
		assert_int_equal(in[ref] ? tuple_remove(table, &k, ref) : tuple_add(table, &k, ref), 0);
		in[ref] ^= 1;
	}
	__atomic_store_n(&reader.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(reader.looked > 0);
	assert_int_equal(reader.wrong, 0);
}

int main(void)
{
	static char prefix[32];
	snprintf(prefix, sizeof(prefix), "--file-prefix=tuple%d", getpid());
	char *args[] = {"test_tuple",	  "--no-huge",	       "-m",   "64", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", prefix, NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(agrees_with_a_naive_model, setup, teardown),
		cmocka_unit_test_setup_teardown(is_never_full_below_capacity, setup, teardown),
		cmocka_unit_test(few_are_behind_a_full_bucket),
		cmocka_unit_test_setup_teardown(rule_6_a_tuple_moves_to_the_new_set, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_differ_in_one_field_are_never_mistaken, setup_small,
						teardown),
		cmocka_unit_test_setup_teardown(the_version_steps_with_each_move, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_never_misses_what_stays, setup, teardown),
	};

	if (rte_eal_init(9, args) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
