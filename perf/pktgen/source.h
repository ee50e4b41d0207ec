/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes the packets of both ways: the next phone, its pair, its length and kind, and bursts of ICVs.
 */
#ifndef PKTGEN_SOURCE_H
#define PKTGEN_SOURCE_H

#include <stdint.h>

#include "hmac.h"
#include "load.h"

struct rte_mbuf;
struct rte_mempool;

enum { SOURCE_BURST = HMAC_BURST, SOURCE_ETHERNET = 14 };

/* Where a way is in its round of the phones: all of them, in an order that no cache foresees, before any is
 * visited again; then the same with the other pair. */
struct round {
	uint32_t at, left;
	uint8_t which;
};

struct source {
	struct fleet *fleet;
	struct hmac *hmac;
	struct rte_mempool *pool;
	const struct load *load;
	uint32_t trial, stride;
	uint64_t draw; /* xorshift64 */
	struct round round[WAYS];
	uint8_t mac[WAYS][12]; /* destination and source of the frames of a way */
};

struct made {
	struct rte_mbuf *m[SOURCE_BURST];
	uint8_t kind[SOURCE_BURST];    /* enum load_kind */
	uint16_t length[SOURCE_BURST]; /* of IP */
	unsigned n, sent;
};

void source_init(struct source *s);

/* Makes up to n packets of a way, as many as there are buffers for, into *ret. */
void source_make(struct source *s, enum way way, unsigned n, struct made *ret);

#endif
