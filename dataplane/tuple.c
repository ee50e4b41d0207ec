/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entries never move into another main bucket; a chain is kept dense, so that overflow buckets exist only
 * behind full ones: 2 * capacity / TUPLE_ENTRIES of them are enough for the worst distribution, and adding
 * fails only when there are more than 2 * capacity entries. How many main buckets is a choice: with fewer,
 * more entries are behind full ones (what they cost a packet is in perf/NOTES.md), with more, there are more
 * pages to be translated.
 *
 * Readers take no lock. A tag is published after its reference; a match is believed only after the whole key
 * was compared in the SA's hot lines. What a reader may see wrongly is a miss, when an entry moved behind its
 * back: `version` steps with each move, and a reader that missed looks again if it changed meanwhile.
 */
#include "tuple.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>

static struct tuple_place place_of(const struct tuple_table *t, const struct tuple_key *key)
{
	struct tuple_words words;

	memcpy(&words, key, sizeof(words));
	return tuple_place(t, words);
}

/* Whether the SA of a reference has this key. */
static inline bool is_of(const struct tuple_table *t, uint32_t ref, const struct tuple_key *key)
{
	const struct sa_hot *hot = &t->hot[ref >> 1];
	const struct sa_out *out = &hot->out[ref & 1];

	return out->port_local == key->port_local && out->port_ue == key->port_ue &&
	       hot->shared.served == key->served && !(hot->shared.flags & SA_IPV6) == !key->ipv6 &&
	       memcmp(hot->shared.ue, key->ue, sizeof(key->ue)) == 0;
}

static uint32_t chain_find(const struct tuple_table *t, const struct tuple_bucket *b, uint16_t tag,
			   const struct tuple_key *key)
{
	for (;;) {
		for (unsigned m = tuple_matches(b, tag); m != 0; m &= m - 1) {
			uint32_t ref = tuple_ref_at(b, (unsigned)__builtin_ctz(m));
			if (is_of(t, ref, key))
				return ref;
		}
		uint32_t next = __atomic_load_n(&b->next, __ATOMIC_ACQUIRE);
		if (next == 0)
			return TUPLE_NONE;
		b = &t->bucket[next];
	}
}

uint32_t tuple_find(const struct tuple_table *t, const struct tuple_key *key)
{
	const struct tuple_place at = place_of(t, key);

	for (;;) {
		uint32_t version = __atomic_load_n(&t->version, __ATOMIC_ACQUIRE);
		uint32_t ref = chain_find(t, &t->bucket[at.bucket], at.tag, key);
		if (ref != TUPLE_NONE)
			return ref;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (likely(version == __atomic_load_n(&t->version, __ATOMIC_RELAXED)))
			return TUPLE_NONE;
	}
}

void tuple_fetch_key(const struct tuple_table *t, const struct tuple_key *key)
{
	tuple_fetch(t, place_of(t, key).bucket);
}

struct tuple_table *tuple_table_new(const struct sa_hot *hot, uint32_t capacity, int socket)
{
	uint32_t mains = capacity / 5 * 2 + 1; /* five of ten entries used when full */
	uint32_t overflow = 2 * capacity / TUPLE_ENTRIES + 1;
	struct tuple_table *t = rte_zmalloc_socket("tuples", sizeof(*t), 64, socket);

	if (t == NULL)
		return NULL;
	t->hot = hot;
	t->mains = mains;
	t->bucket = rte_zmalloc_socket("tuple buckets",
				       ((size_t)mains + overflow) * sizeof(struct tuple_bucket), 64, socket);
	if (t->bucket == NULL || getrandom(t->secret, sizeof(t->secret), 0) != (ssize_t)sizeof(t->secret)) {
		tuple_table_free(t);
		return NULL;
	}
	for (uint32_t i = 0; i < overflow; i++) {
		t->bucket[mains + i].next = t->free_buckets;
		t->free_buckets = mains + i;
	}
	return t;
}

void tuple_table_free(struct tuple_table *t)
{
	if (t == NULL)
		return;
	rte_free(t->bucket);
	rte_free(t);
}

/* An entry as the writer finds it. */
struct spot {
	struct tuple_bucket *bucket;
	unsigned entry;
};

static bool locate(const struct tuple_table *t, const struct tuple_key *key, struct spot *ret_spot)
{
	const struct tuple_place place = place_of(t, key);

	for (struct tuple_bucket *b = &t->bucket[place.bucket];; b = &t->bucket[b->next]) {
		for (unsigned i = 0; i < TUPLE_ENTRIES; i++)
			if (b->tag[i] == place.tag && is_of(t, b->ref[i], key)) {
				*ret_spot = (struct spot){b, i};
				return true;
			}
		if (b->next == 0)
			return false;
	}
}

static void version_step(struct tuple_table *t)
{
	__atomic_store_n(&t->version, t->version + 1, __ATOMIC_RELEASE);
}

static void put(struct tuple_bucket *b, unsigned entry, uint16_t tag, uint32_t ref)
{
	__atomic_store_n(&b->ref[entry], ref, __ATOMIC_RELAXED);
	__atomic_store_n(&b->tag[entry], tag, __ATOMIC_RELEASE);
}

int tuple_add(struct tuple_table *t, const struct tuple_key *key, uint32_t ref)
{
	const struct tuple_place place = place_of(t, key);
	struct tuple_bucket *b = &t->bucket[place.bucket];

	if (tuple_find(t, key) != TUPLE_NONE)
		return -EEXIST;
	for (;; b = &t->bucket[b->next]) {
		for (unsigned i = 0; i < TUPLE_ENTRIES; i++)
			if (b->tag[i] == 0) {
				put(b, i, place.tag, ref);
				return 0;
			}
		if (b->next == 0)
			break;
	}
	uint32_t fresh = t->free_buckets;
	if (fresh == 0)
		return -ENOSPC;
	t->free_buckets = t->bucket[fresh].next;
	/* a reader that still walks where this bucket was before ends here and finds the version changed */
	__atomic_store_n(&t->bucket[fresh].next, 0, __ATOMIC_RELEASE);
	put(&t->bucket[fresh], 0, place.tag, ref);
	__atomic_store_n(&b->next, fresh, __ATOMIC_RELEASE);
	return 0;
}

int tuple_replace(struct tuple_table *t, const struct tuple_key *key, uint32_t ref)
{
	struct spot at;

	if (!locate(t, key, &at))
		return -ENOENT;
	__atomic_store_n(&at.bucket->ref[at.entry], ref, __ATOMIC_RELEASE);
	return 0;
}

/* Fills the hole with the last entry of the chain, and gives back a bucket that this empties. */
static void close_hole(struct tuple_table *t, struct tuple_bucket *main, struct spot hole)
{
	struct tuple_bucket *before = NULL, *last = main;
	unsigned entry = TUPLE_ENTRIES;

	while (last->next != 0) {
		before = last;
		last = &t->bucket[last->next];
	}
	while (entry > 0 && last->tag[entry - 1] == 0)
		entry--;
	entry--; /* the hole itself is still tagged: there is one at least */
	if (last != hole.bucket) {
		/* the new place first, then the step, then the old one goes: a reader that saw neither sees
		 * the step. The hole's old entry is not found meanwhile: it is being removed. */
		__atomic_store_n(&hole.bucket->tag[hole.entry], 0, __ATOMIC_RELEASE);
		put(hole.bucket, hole.entry, last->tag[entry], last->ref[entry]);
		version_step(t);
		__atomic_store_n(&last->tag[entry], 0, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&hole.bucket->tag[hole.entry], 0, __ATOMIC_RELEASE);
	}
	for (unsigned i = 0; i < TUPLE_ENTRIES; i++)
		if (last->tag[i] != 0)
			return;
	if (before == NULL)
		return;
	uint32_t emptied = before->next;
	__atomic_store_n(&before->next, 0, __ATOMIC_RELEASE);
	version_step(t);
	last->next = t->free_buckets;
	t->free_buckets = emptied;
}

int tuple_remove(struct tuple_table *t, const struct tuple_key *key, uint32_t ref)
{
	struct spot at;

	if (!locate(t, key, &at) || at.bucket->ref[at.entry] != ref)
		return -ENOENT;
	close_hole(t, &t->bucket[place_of(t, key).bucket], at);
	return 0;
}
