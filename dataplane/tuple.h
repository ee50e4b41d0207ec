/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Outbound look-up: (served address, local port, UE address, UE port) → SA. Buckets of short tags and
 * references; the whole key is compared in the SA's own hot lines. One writer (main lcore), many readers
 * without locks; a removed entry's set is freed only after an RCU grace period, so that a reader that found
 * it may go on.
 */
#ifndef BGF_DP_TUPLE_H
#define BGF_DP_TUPLE_H

#include <stdint.h>

#include "sa.h"

struct tuple_table;

enum { TUPLE_NONE = UINT32_MAX, TUPLE_BURST = 64 };

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

/* n up to TUPLE_BURST keys at once, with prefetch: ret_ref[i] is the reference or TUPLE_NONE; the hot lines
 * of what was found (shared, and the out line) are in the cache or on their way. Any worker. */
void tuple_find_bulk(const struct tuple_table *t, const struct tuple_key *keys, uint16_t n,
		     uint32_t *ret_ref);

#endif
