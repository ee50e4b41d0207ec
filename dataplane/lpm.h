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

#include <stddef.h>
#include <stdint.h>

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

/* The id of a destination of 4 or 16 octets. */
uint16_t lpm_find4(const struct lpm *l, const uint8_t *octets);
uint16_t lpm_find6(const struct lpm *l, const uint8_t *octets);

#endif
