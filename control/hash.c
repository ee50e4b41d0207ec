/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { HASH_BUCKETS_MIN = 256 };

static uint8_t secret[16];

int hash_seed(void)
{
	ssize_t n = getrandom(secret, sizeof(secret), 0);

	return n == (ssize_t)sizeof(secret) ? 0 : -EIO;
}

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t hash_siphash(const uint8_t key[static 16], const void *data, size_t length)
{
	const uint8_t *at = data;
	uint64_t k[2], word;

	memcpy(k, key, sizeof(k));
	uint64_t v[4] = {k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261,
			 k[1] ^ 0x7465646279746573};
	for (size_t left = length; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		sip_word(v, word);
	}
	word = 0;
	memcpy(&word, at, length % 8);
	sip_word(v, word | (uint64_t)length << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_octets(const void *data, size_t length)
{
	return hash_siphash(secret, data, length);
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
