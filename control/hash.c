/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "zb/siphash.h"

enum { HASH_BUCKETS_MIN = 256 };

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
	*h = (struct hash){0};
}

static void grow(struct hash *h)
{
	size_t mask = h->mask * 2 + 1;
	struct hash_node **bucket = calloc(mask + 1, sizeof(*bucket));

	if (bucket == NULL)
		return;
	for (size_t i = 0; i <= h->mask; i++) {
		struct hash_node *node = h->bucket[i];
		while (node != NULL) {
			struct hash_node *next = node->next;
			node->next = bucket[node->hash & mask];
			bucket[node->hash & mask] = node;
			node = next;
		}
	}
	free(h->bucket);
	h->bucket = bucket;
	h->mask = mask;
}

void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash, void *owner)
{
	if (h->count > h->mask)
		grow(h);
	*node = (struct hash_node){.next = h->bucket[hash & h->mask], .hash = hash, .owner = owner};
	h->bucket[hash & h->mask] = node;
	h->count++;
}

void hash_remove(struct hash *h, struct hash_node *node)
{
	if (node->owner == NULL)
		return;
	struct hash_node **at = &h->bucket[node->hash & h->mask];
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	*node = (struct hash_node){0};
	h->count--;
}

struct hash_node *hash_first(const struct hash *h, uint64_t hash)
{
	struct hash_node *node = h->bucket[hash & h->mask];

	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hash_next(const struct hash_node *from)
{
	struct hash_node *node = from->next;

	while (node != NULL && node->hash != from->hash)
		node = node->next;
	return node;
}
