/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checks what comes in: plain packets at the core side, ESP at the access side.
 */
#ifndef PKTGEN_SINK_H
#define PKTGEN_SINK_H

#include <stdint.h>

#include "traffic.h"

struct rte_mbuf;

struct sink {
	struct fleet *fleet;
	struct hmac *hmac;
	uint32_t trial, icv_every, icv_turn;
	double ns_per_cycle;
	struct traffic_counts *counts;
};

/* Checks and counts a burst of at most HMAC_BURST packets; the buffers stay the caller's. `now` is the TSC
 * when they came. */
void sink_core(struct sink *s, struct rte_mbuf *const *m, unsigned n, uint64_t now);
void sink_access(struct sink *s, struct rte_mbuf *const *m, unsigned n, uint64_t now);

#endif
