/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Outbound look-up: (served address, local port, UE address, UE port) → SA. Buckets of short tags and
 * references; the whole key is compared in the SA's own hot lines. One writer (main lcore), many readers
 * without locks; a removed entry's set is freed only after an RCU grace period, so that a reader that found
 * it may go on.
 */
#ifndef BGF_DP_TUPLE_H
#define BGF_DP_TUPLE_H

#include <assert.h>
#include <emmintrin.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "sa.h"

enum { TUPLE_NONE = UINT32_MAX, TUPLE_ENTRIES = 10 };

/* One line: ten short tags that SSE2 compares at once, ten references, the bucket that follows. */
struct tuple_bucket {
	alignas(64) uint16_t tag[TUPLE_ENTRIES]; /* 0: empty */
	uint32_t ref[TUPLE_ENTRIES];
	uint32_t next; /* bucket, 0: none (bucket 0 is always a main one) */
};
static_assert(sizeof(struct tuple_bucket) == SA_LINE, "one line");

/* Laid open for the steps of the look-up that are inline; the fields are tuple.c's alone. */
struct tuple_table {
	const struct sa_hot *hot;
	uint64_t secret[3]; /* no one can choose addresses and ports that share a bucket */
	uint32_t mains;
	struct tuple_bucket *bucket; /* mains, then overflow buckets */
	/* a line of its own: what the main lcore writes would take the above from the workers */
	alignas(64) uint32_t version; /* steps when an entry moved or an overflow bucket left its chain */
	uint32_t free_buckets;	      /* of the overflow buckets, linked by next */
};

struct tuple_key {
	uint8_t ue[16];	     /* as bgf_addr.octet: IPv4 in the first four, rest zero */
	uint16_t served;     /* index of the served address */
	uint16_t port_local; /* network order */
	uint16_t port_ue;    /* network order */
	uint8_t ipv6;	     /* 0 or 1 */
	uint8_t zero;
};

/* hot: the store's array. Main lcore. NULL when memory is short. */
struct tuple_table *tuple_table_new(const struct sa_hot *hot, uint32_t capacity, int socket);
void tuple_table_free(struct tuple_table *t);

/* An SA reference: slot << 1 | which of sa_hot.out[]. */
static inline uint32_t tuple_ref(uint32_t slot, uint32_t which)
{
	return slot << 1 | which;
}

/* Adds, moves or removes; the hot lines of `ref` are filled already. 0, -EEXIST (another ref has the key),
 * -ENOSPC, -ENOENT. replace: the key's ref is exchanged with one store, so that no reader ever misses it. */
int tuple_add(struct tuple_table *t, const struct tuple_key *key, uint32_t ref);
int tuple_replace(struct tuple_table *t, const struct tuple_key *key, uint32_t ref);
int tuple_remove(struct tuple_table *t, const struct tuple_key *key, uint32_t ref);
/* The ref of a key, or TUPLE_NONE. */
uint32_t tuple_find(const struct tuple_table *t, const struct tuple_key *key);

/* A key's bucket on its way into the cache, for who looks for it a while later. Main lcore. */
void tuple_fetch_key(const struct tuple_table *t, const struct tuple_key *key);

/* ---- the same in steps, inline: a line is asked for in one and read in the next, and in between the caller
 * does other work, so that a burst waits for none of its three lines a packet. Any worker. ---- */

/* A key as words: what was written in smaller pieces just before would have to reach the cache first. */
struct tuple_words {
	uint64_t word[3];
};
static_assert(sizeof(struct tuple_words) == sizeof(struct tuple_key), "all of the key, no padding");

/* Where a key is, if it is in the table. */
struct tuple_place {
	uint32_t bucket;
	uint16_t tag;
};

/* Both halves of a 128-bit product, folded. */
static inline uint64_t tuple_fold(uint64_t a, uint64_t b)
{
	const unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last fold scatters ports in rows: without it an unlucky secret laid a tenth of them behind full
 * buckets. */
static inline struct tuple_place tuple_place(const struct tuple_table *t, struct tuple_words key)
{
	const uint64_t *word = key.word, *secret = t->secret;
	const uint64_t h = tuple_fold(
		tuple_fold(tuple_fold(word[0] ^ secret[0], word[1] ^ secret[1]) ^ word[2], secret[2]),
		secret[1]);
	const uint16_t tag = (uint16_t)(h >> 48);

	return (struct tuple_place){(uint32_t)((h & UINT32_MAX) * t->mains >> 32), tag != 0 ? tag : 1};
}

/* Step 1: the bucket of a place on its way into the cache. */
static inline void tuple_fetch(const struct tuple_table *t, uint32_t bucket)
{
	__builtin_prefetch(&t->bucket[bucket]);
}

/* A bit for each entry of the bucket with this tag, which is not 0. */
static inline unsigned tuple_matches(const struct tuple_bucket *b, uint16_t tag)
{
	const __m128i wanted = _mm_set1_epi16((short)tag);
	const __m128i first = _mm_load_si128((const __m128i *)(const void *)b->tag);
	int two;

	static_assert(TUPLE_ENTRIES == 10, "eight and two");
	memcpy(&two, b->tag + 8, sizeof(two));
	const __m128i rest = _mm_cvtsi32_si128(two); /* and six of 0 */
	return (unsigned)_mm_movemask_epi8(
		_mm_packs_epi16(_mm_cmpeq_epi16(first, wanted), _mm_cmpeq_epi16(rest, wanted)));
}

/* The reference of entry i, read after its tag. */
static inline uint32_t tuple_ref_at(const struct tuple_bucket *b, unsigned i)
{
	__atomic_signal_fence(__ATOMIC_ACQUIRE); /* x86 keeps loads in order; the compiler must too */
	return __atomic_load_n(&b->ref[i], __ATOMIC_ACQUIRE);
}

/* Step 2: the first entry with the tag is nearly always the one. Its SA's lines are on their way into the
 * cache; step 3, the caller's, compares them with the packet. TUPLE_NONE, or another SA: ask tuple_find. */
static inline uint32_t tuple_candidate(const struct tuple_table *t, struct tuple_place at)
{
	const struct tuple_bucket *b = &t->bucket[at.bucket];
	const unsigned match = tuple_matches(b, at.tag);

	if (__builtin_expect(match == 0, 0)) {
		__builtin_prefetch(&t->bucket[b->next]); /* where tuple_find will look */
		return TUPLE_NONE;
	}
	const uint32_t ref = tuple_ref_at(b, (unsigned)__builtin_ctz(match));
	__builtin_prefetch(&t->hot[ref >> 1].shared);
	__builtin_prefetch(&t->hot[ref >> 1].out[ref & 1]);
	return ref;
}

#endif
