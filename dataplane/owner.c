/* SPDX-License-Identifier: BSD-3-Clause */
#include "owner.h"

#include <rte_byteorder.h>
#include <rte_thash.h>

#define KEY_8 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a

const uint8_t owner_rss_key[OWNER_KEY_MAX] = {KEY_8, KEY_8, KEY_8, KEY_8, KEY_8, KEY_8, KEY_8, KEY_8};

uint8_t owner_of(const struct bgf_addr *a, const struct bgf_addr *b, uint16_t workers)
{
	uint32_t tuple[8]; /* both addresses, as rte_softrss wants them: words in host order */
	uint32_t words = bgf_addr_len(a) / 4;

	memcpy(tuple, a->octet, words * 4);
	memcpy(tuple + words, b->octet, words * 4);
	for (uint32_t i = 0; i < 2 * words; i++)
		tuple[i] = rte_be_to_cpu_32(tuple[i]);
	return (uint8_t)(rte_softrss(tuple, 2 * words, owner_rss_key) % OWNER_BUCKETS % workers);
}

/* An octet's part of the hash when it is the first or the second of a pair. */
static uint32_t part_of(uint8_t octet, unsigned place)
{
	uint32_t word = (uint32_t)octet << (place == 0 ? 24 : 16);

	return rte_softrss(&word, 1, owner_rss_key);
}

void owner_map_fill(struct owner_map *ret, uint16_t workers)
{
	for (unsigned octet = 0; octet < 256; octet++) {
		ret->first[octet] = (uint8_t)(part_of((uint8_t)octet, 0) % OWNER_BUCKETS);
		ret->second[octet] = (uint8_t)(part_of((uint8_t)octet, 1) % OWNER_BUCKETS);
	}
	for (unsigned bucket = 0; bucket < OWNER_BUCKETS; bucket++)
		ret->worker[bucket] = (uint8_t)(bucket % workers);
}
