/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Longest prefix match over one sorted vector a family. Nested prefixes are flattened into ranges that do not
 * overlap, so that a look-up is one binary search. Made once and never changed: who wants other routes makes
 * another one and publishes it. Pure.
 *
 * Why not rte_fib: its tables take 128 MB for two ports, whatever they hold; a gateway has a handful of
 * routes, which here stay in the first-level cache. Its groups of entries pass to other prefixes without an
 * RCU grace period. And both its families (22.11) refuse additions for want of room after some thousand
 * changes among 48 live routes.
 */
#ifndef BGF_DP_LPM_H
#define BGF_DP_LPM_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bgf_addr.h"

struct lpm;

struct lpm_prefix {
	struct bgf_addr prefix; /* host bits are 0 */
	uint8_t length;		/* bits */
	uint16_t id;
};

/* Octets for n prefixes. */
size_t lpm_size(uint32_t n);
/* Fills memory of lpm_size(n), aligned to 16. Sorts p[]; no prefix is in it twice. What nothing covers has id
 * 0. */
void lpm_build(struct lpm *ret, struct lpm_prefix *p, uint32_t n);

/* Destinations next to each other, as numbers, that all have one id: `first` and the `span` behind it. */
struct lpm_range {
	unsigned __int128 first, span;
};

/* The id of a destination, and the range that it is in. */
uint16_t lpm_range(const struct lpm *l, const uint8_t *octets, bool ipv6, struct lpm_range *ret);

static inline bool lpm_in_range(const struct lpm_range *r, const uint8_t *octets, bool ipv6)
{
	uint64_t half[2];
	uint32_t word;

	if (!ipv6) {
		memcpy(&word, octets, sizeof(word));
		return be32toh(word) - (uint32_t)r->first <= (uint32_t)r->span;
	}
	memcpy(half, octets, sizeof(half));
	return ((unsigned __int128)be64toh(half[0]) << 64 | be64toh(half[1])) - r->first <= r->span;
}

/* The id of a destination of 4 or 16 octets. */
uint16_t lpm_find4(const struct lpm *l, const uint8_t *octets);
uint16_t lpm_find6(const struct lpm *l, const uint8_t *octets);

#endif
