/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An index over objects that carry their own nodes: nothing is allocated when one is entered, and several
 * objects may have one key. Keys are hashed under a secret of the process, because UEs choose what is in
 * them. One thread.
 */
#ifndef CONTROL_HASH_H
#define CONTROL_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
	void *owner; /* the object; NULL: not entered */
};

struct hash {
	struct hash_node **bucket;
	size_t mask;
	size_t count;
	/* While it grows: the former buckets, of which those below `moved` are empty. A few move with each
	 * object that is entered, so that a table of a million never makes anybody wait. */
	struct hash_node **old;
	size_t old_mask, moved;
};

/* Draws the process's secret. Returns 0 or -errno. Once, before any hash_octets. */
int hash_seed(void);
/* SipHash-2-4 under the secret. */
uint64_t hash_octets(const void *data, size_t length);

int hash_init(struct hash *h); /* 0 or -ENOMEM */
void hash_free(struct hash *h);
/* Enters an object; where memory for a larger table is short the old one serves on, only slower. */
void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash, void *owner);
/* Makes room for `count` objects, so that it does not grow while they are entered. For a table without any;
 * where memory is short it grows as ever. */
void hash_reserve(struct hash *h, size_t count);
/* Ends a growth that is under way: all objects are in `bucket` then. For who goes through all of them. */
void hash_settle(struct hash *h);
/* Fetches what hash_first will look at, if that is a while later. */
static inline void hash_prefetch(const struct hash *h, uint64_t hash)
{
	if (h->old != NULL && (hash & h->old_mask) >= h->moved)
		__builtin_prefetch(&h->old[hash & h->old_mask]);
	else
		__builtin_prefetch(&h->bucket[hash & h->mask]);
}
/* The first node there, which is not looked at, once that place has come; or NULL. */
static inline const struct hash_node *hash_peek(const struct hash *h, uint64_t hash)
{
	return h->old != NULL && (hash & h->old_mask) >= h->moved ? h->old[hash & h->old_mask]
								  : h->bucket[hash & h->mask];
}
/* Whether no other node has this entered node's hash. */
bool hash_is_alone(const struct hash *h, const struct hash_node *node);
/* A node that is not entered is left alone. */
void hash_remove(struct hash *h, struct hash_node *node);
/* Goes through the nodes whose hash, divided by `step` (a power of two), leaves `rest`, without a look at the
 * others where there are more buckets than that, also while it grows: *walk is zero at first. NULL after the
 * last. The index must not change in between. */
struct hash_walk {
	struct hash_node *node;
	size_t place;	   /* of its bucket */
	bool is_in_former; /* buckets; those come last */
};
struct hash_node *hash_next_of(const struct hash *h, size_t step, size_t rest, struct hash_walk *walk);
/* The nodes with this hash, the one entered last first; the caller compares the whole key. */
struct hash_node *hash_first(const struct hash *h, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);

#endif
