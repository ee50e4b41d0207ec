/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "zb/siphash.h"

enum {
	HASH_BUCKETS_MIN = 256,
	MOVE_WITH_EACH = 4, /* buckets: growth ends long before the next one begins */
};

static uint8_t secret[16];

int hash_seed(void)
{
	ssize_t n = getrandom(secret, sizeof(secret), 0);

	return n == (ssize_t)sizeof(secret) ? 0 : -EIO;
}

uint64_t hash_octets(const void *data, size_t length)
{
	return siphash(secret, data, length);
}

int hash_init(struct hash *h)
{
	*h = (struct hash){.bucket = calloc(HASH_BUCKETS_MIN, sizeof(*h->bucket)),
			   .mask = HASH_BUCKETS_MIN - 1};
	return h->bucket != NULL ? 0 : -ENOMEM;
}

void hash_free(struct hash *h)
{
	free(h->bucket);
	free(h->old);
	*h = (struct hash){0};
}

/* Where the objects of a hash are: while the table grows, in the former place until that has moved. */
static struct hash_node **place_of(const struct hash *h, uint64_t hash)
{
	if (h->old != NULL && (hash & h->old_mask) >= h->moved)
		return &h->old[hash & h->old_mask];
	return &h->bucket[hash & h->mask];
}

/* Moves a few of the former buckets. */
static void move_some(struct hash *h, size_t count)
{
	for (; count > 0 && h->moved <= h->old_mask; count--, h->moved++) {
		struct hash_node *node = h->old[h->moved];
		while (node != NULL) {
			struct hash_node *next = node->next;
			node->next = h->bucket[node->hash & h->mask];
			h->bucket[node->hash & h->mask] = node;
			node = next;
		}
	}
	if (h->moved <= h->old_mask)
		return;
	free(h->old);
	h->old = NULL;
}

void hash_settle(struct hash *h)
{
	if (h->old != NULL)
		move_some(h, SIZE_MAX);
}

static void grow(struct hash *h)
{
	size_t mask = h->mask * 2 + 1;
	struct hash_node **bucket = calloc(mask + 1, sizeof(*bucket));

	if (bucket == NULL)
		return;
	hash_settle(h); /* it has ended long ago, unless memory was short */
	h->old = h->bucket;
	h->old_mask = h->mask;
	h->moved = 0;
	h->bucket = bucket;
	h->mask = mask;
}

void hash_reserve(struct hash *h, size_t count)
{
	size_t buckets = h->mask + 1;

	while (buckets < count)
		buckets *= 2;
	if (h->count > 0 || h->old != NULL || buckets == h->mask + 1)
		return;
	struct hash_node **bucket = calloc(buckets, sizeof(*bucket));
	if (bucket == NULL)
		return;
	free(h->bucket);
	h->bucket = bucket;
	h->mask = buckets - 1;
}

void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash, void *owner)
{
	if (h->count > h->mask)
		grow(h);
	if (h->old != NULL)
		move_some(h, MOVE_WITH_EACH);
	struct hash_node **place = place_of(h, hash);
	*node = (struct hash_node){.next = *place, .hash = hash, .owner = owner};
	*place = node;
	h->count++;
}

void hash_remove(struct hash *h, struct hash_node *node)
{
	if (node->owner == NULL)
		return;
	struct hash_node **at = place_of(h, node->hash);
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	*node = (struct hash_node){0};
	h->count--;
}

static struct hash_node *bucket_at(const struct hash *h, const struct hash_walk *walk)
{
	if (!walk->is_in_former)
		return h->bucket[walk->place];
	return walk->place >= h->moved ? h->old[walk->place] : NULL; /* what has moved is in a new one */
}

/* The next bucket that may have some, or false. */
static bool next_place(const struct hash *h, size_t step, size_t rest, struct hash_walk *walk)
{
	walk->place += step;
	if (walk->place <= (walk->is_in_former ? h->old_mask : h->mask))
		return true;
	if (walk->is_in_former || h->old == NULL)
		return false;
	walk->is_in_former = true;
	walk->place = rest & h->old_mask;
	return true;
}

struct hash_node *hash_next_of(const struct hash *h, size_t step, size_t rest, struct hash_walk *walk)
{
	struct hash_node *node;

	if (walk->node == NULL) {
		walk->place = rest & h->mask;
		node = bucket_at(h, walk);
	} else {
		node = walk->node->next;
	}
	for (;; node = bucket_at(h, walk)) {
		for (; node != NULL; node = node->next) {
			if ((node->hash & (step - 1)) != rest)
				continue;
			walk->node = node;
			return node;
		}
		if (!next_place(h, step, rest, walk))
			return NULL;
	}
}

struct hash_node *hash_first(const struct hash *h, uint64_t hash)
{
	struct hash_node *node = *place_of(h, hash);

	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

bool hash_is_alone(const struct hash *h, const struct hash_node *node)
{
	return hash_first(h, node->hash) == node && hash_next(node) == NULL;
}

struct hash_node *hash_next(const struct hash_node *from)
{
	struct hash_node *node = from->next;

	while (node != NULL && node->hash != from->hash)
		node = node->next;
	return node;
}
