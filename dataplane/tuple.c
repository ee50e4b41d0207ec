/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A bucket is one cache line: eight short tags that one SSE2 instruction compares, eight references and the
 * overflow bucket that follows. Entries never move into another main bucket; a chain is kept dense, so that
 * overflow buckets exist only behind full ones: a quarter of `capacity` of them is enough for the worst
 * distribution, and adding fails only when there are more than 2 * capacity entries.
 *
 * Readers take no lock. A tag is published after its reference; a match is believed only after the whole key
 * was compared in the SA's hot lines. What a reader may see wrongly is a miss, when an entry moved behind its
 * back: `version` steps with each move, and a reader that missed looks again if it changed meanwhile.
 */
#include "tuple.h"

#include <assert.h>
#include <emmintrin.h>
#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

enum { BUCKET_ENTRIES = 8 };

struct bucket {
	alignas(64) uint16_t tag[BUCKET_ENTRIES]; /* 0: empty */
	uint32_t ref[BUCKET_ENTRIES];
	uint32_t next; /* bucket, 0: none (bucket 0 is always a main one) */
	uint32_t spare[3];
};
static_assert(sizeof(struct bucket) == 64, "one line");

struct tuple_table {
	const struct sa_hot *hot;
	uint64_t secret[3]; /* no one can choose addresses and ports that share a bucket */
	uint32_t mains;
	uint32_t version;      /* steps when an entry moved or an overflow bucket left its chain */
	uint32_t free_buckets; /* of the overflow buckets, linked by next */
	struct bucket *bucket; /* mains, then overflow buckets */
};

/* Both halves of a 128-bit product, folded. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash(const struct tuple_table *t, const struct tuple_key *key)
{
	uint64_t word[3];

	static_assert(sizeof(*key) == sizeof(word), "all of the key, no padding");
	memcpy(word, key, sizeof(word));
	return fold(fold(word[0] ^ t->secret[0], word[1] ^ t->secret[1]) ^ word[2], t->secret[2]);
}

static inline uint32_t hash_bucket(const struct tuple_table *t, uint64_t h)
{
	return (uint32_t)((h & UINT32_MAX) * t->mains >> 32);
}

static inline uint16_t hash_tag(uint64_t h)
{
	uint16_t tag = (uint16_t)(h >> 48);

	return tag != 0 ? tag : 1;
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

/* A bit pair for each entry of the bucket with this tag. */
static inline unsigned matches(const struct bucket *b, uint16_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tag);

	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag)));
}

/* The reference of entry i, read after its tag. */
static inline uint32_t ref_at(const struct bucket *b, unsigned i)
{
	__atomic_signal_fence(__ATOMIC_ACQUIRE); /* x86 keeps loads in order; the compiler must too */
	return __atomic_load_n(&b->ref[i], __ATOMIC_ACQUIRE);
}

static uint32_t chain_find(const struct tuple_table *t, const struct bucket *b, uint16_t tag,
			   const struct tuple_key *key)
{
	for (;;) {
		for (unsigned m = matches(b, tag); m != 0; m &= m - 1, m &= m - 1) {
			uint32_t ref = ref_at(b, (unsigned)__builtin_ctz(m) / 2);
			if (is_of(t, ref, key))
				return ref;
		}
		uint32_t next = __atomic_load_n(&b->next, __ATOMIC_ACQUIRE);
		if (next == 0)
			return TUPLE_NONE;
		b = &t->bucket[next];
	}
}

static uint32_t find_hashed(const struct tuple_table *t, uint64_t h, const struct tuple_key *key)
{
	for (;;) {
		uint32_t version = __atomic_load_n(&t->version, __ATOMIC_ACQUIRE);
		uint32_t ref = chain_find(t, &t->bucket[hash_bucket(t, h)], hash_tag(h), key);
		if (ref != TUPLE_NONE)
			return ref;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (likely(version == __atomic_load_n(&t->version, __ATOMIC_RELAXED)))
			return TUPLE_NONE;
	}
}

uint32_t tuple_find(const struct tuple_table *t, const struct tuple_key *key)
{
	return find_hashed(t, hash(t, key), key);
}

void tuple_find_bulk(const struct tuple_table *t, const struct tuple_key *keys, uint16_t n, uint32_t *ret_ref)
{
	uint64_t h[TUPLE_BURST];

	for (uint16_t i = 0; i < n; i++) {
		h[i] = hash(t, &keys[i]);
		rte_prefetch0(&t->bucket[hash_bucket(t, h[i])]);
	}
	/* the first entry with the tag is nearly always the one: fetch its lines */
	for (uint16_t i = 0; i < n; i++) {
		const struct bucket *b = &t->bucket[hash_bucket(t, h[i])];
		unsigned m = matches(b, hash_tag(h[i]));
		ret_ref[i] = TUPLE_NONE;
		if (m == 0)
			continue;
		ret_ref[i] = ref_at(b, (unsigned)__builtin_ctz(m) / 2);
		rte_prefetch0(&t->hot[ret_ref[i] >> 1].shared);
		rte_prefetch0(&t->hot[ret_ref[i] >> 1].out[ret_ref[i] & 1]);
	}
	for (uint16_t i = 0; i < n; i++)
		if (unlikely(ret_ref[i] == TUPLE_NONE || !is_of(t, ret_ref[i], &keys[i])))
			ret_ref[i] = find_hashed(t, h[i], &keys[i]);
}

struct tuple_table *tuple_table_new(const struct sa_hot *hot, uint32_t capacity, int socket)
{
	uint32_t mains = capacity / 2 + 1; /* four of eight entries used when full */
	uint32_t overflow = capacity / 4 + 1;
	struct tuple_table *t = rte_zmalloc_socket("tuples", sizeof(*t), 64, socket);

	if (t == NULL)
		return NULL;
	t->hot = hot;
	t->mains = mains;
	t->bucket = rte_zmalloc_socket("tuple buckets", ((size_t)mains + overflow) * sizeof(struct bucket),
				       64, socket);
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
struct place {
	struct bucket *bucket;
	unsigned entry;
};

static bool locate(const struct tuple_table *t, const struct tuple_key *key, struct place *ret_place)
{
	uint64_t h = hash(t, key);

	for (struct bucket *b = &t->bucket[hash_bucket(t, h)];; b = &t->bucket[b->next]) {
		for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
			if (b->tag[i] == hash_tag(h) && is_of(t, b->ref[i], key)) {
				*ret_place = (struct place){b, i};
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

static void put(struct bucket *b, unsigned entry, uint16_t tag, uint32_t ref)
{
	__atomic_store_n(&b->ref[entry], ref, __ATOMIC_RELAXED);
	__atomic_store_n(&b->tag[entry], tag, __ATOMIC_RELEASE);
}

int tuple_add(struct tuple_table *t, const struct tuple_key *key, uint32_t ref)
{
	uint64_t h = hash(t, key);
	struct bucket *b = &t->bucket[hash_bucket(t, h)];

	if (tuple_find(t, key) != TUPLE_NONE)
		return -EEXIST;
	for (;; b = &t->bucket[b->next]) {
		for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
			if (b->tag[i] == 0) {
				put(b, i, hash_tag(h), ref);
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
	put(&t->bucket[fresh], 0, hash_tag(h), ref);
	__atomic_store_n(&b->next, fresh, __ATOMIC_RELEASE);
	return 0;
}

int tuple_replace(struct tuple_table *t, const struct tuple_key *key, uint32_t ref)
{
	struct place at;

	if (!locate(t, key, &at))
		return -ENOENT;
	__atomic_store_n(&at.bucket->ref[at.entry], ref, __ATOMIC_RELEASE);
	return 0;
}

/* Fills the hole with the last entry of the chain, and gives back a bucket that this empties. */
static void close_hole(struct tuple_table *t, struct bucket *main, struct place hole)
{
	struct bucket *before = NULL, *last = main;
	unsigned entry = BUCKET_ENTRIES;

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
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
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
	struct place at;

	if (!locate(t, key, &at) || at.bucket->ref[at.entry] != ref)
		return -ENOENT;
	close_hole(t, &t->bucket[hash_bucket(t, hash(t, key))], at);
	return 0;
}
