/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What stages pass to each other: packets of one burst.
 */
#ifndef BGF_DP_BATCH_H
#define BGF_DP_BATCH_H

#include <rte_mbuf.h>

#include "ip.h"
#include "worker.h"

struct batch {
	uint16_t n;
	struct rte_mbuf *m[WORKER_BURST];
};

static inline void batch_add(struct batch *b, struct rte_mbuf *m)
{
	b->m[b->n++] = m;
}

/* The IP header of a frame, and what follows it. */
static inline uint8_t *batch_ip(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, ETH_HEADER);
}

#endif
