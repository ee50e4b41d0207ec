/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which worker owns a set: the one to whom RSS, symmetric and over the two addresses alone, brings its
 * packets of both directions and both ports. A device without RSS (or with fewer queues) brings them
 * elsewhere, and they are handed over.
 */
#ifndef BGF_DP_OWNER_H
#define BGF_DP_OWNER_H

#include <stdint.h>
#include <string.h>

#include "bgf_addr.h"

enum {
	OWNER_BUCKETS = 128,  /* of the indirection table; entry n leads to worker n % workers */
	OWNER_KEY_LEAST = 40, /* octets that the hash over two IPv6 addresses takes, and more */
	OWNER_KEY_MAX = 64,   /* octets of the longest key that a device takes */
};

/* The Toeplitz key: two octets repeated, so that source and destination may change places. */
extern const uint8_t owner_rss_key[OWNER_KEY_MAX];

/* The worker that owns what goes between two addresses of one family; the same for (a, b) and (b, a).
 * Any thread. */
uint8_t owner_of(const struct bgf_addr *a, const struct bgf_addr *b, uint16_t workers);

/* The same for the packet path. The key repeats after two octets, so an octet's part of the hash depends only
 * on whether it is the first or the second of a pair: all pairs may be added up (XOR) before anything is
 * looked up, and what is left are two octets. The buckets' bits alone are kept. Read only once filled. */
struct owner_map {
	uint8_t first[256], second[256]; /* an octet's part of the bucket */
	uint8_t worker[OWNER_BUCKETS];
};

void owner_map_fill(struct owner_map *ret, uint16_t workers);

/* `pairs`: source and destination in pieces of two octets, as they lie in the packet, added up. */
static inline uint8_t owner_find(const struct owner_map *map, uint16_t pairs)
{
	uint8_t octet[2];

	memcpy(octet, &pairs, sizeof(octet));
	return map->worker[map->first[octet[0]] ^ map->second[octet[1]]];
}

#endif
