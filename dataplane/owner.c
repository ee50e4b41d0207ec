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
