/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets that wait until the kernel has found out their neighbour's MAC address: few a neighbour, bounded in
 * all, a second at most. Main lcore only. It owns what it holds.
 */
#ifndef BGF_DP_HOLD_H
#define BGF_DP_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_addr.h"

enum {
	HOLD_NEIGHBOURS = 128, /* that are waited for at once */
	HOLD_EACH = 8,	       /* packets a neighbour: a SIP request's fragments and its repetition */
	HOLD_MS = 1000,
};

struct hold;
struct rte_mbuf;

struct hold_key {
	struct bgf_addr neighbour;
	uint8_t side; /* enum port_side that it is on */
};

/* NULL when memory is short. Ends with free(), once nothing is held. */
struct hold *hold_new(void);

/* Takes m; *ret_first: none for this neighbour was held before, so it must be asked for. false: no room, m is
 * still the caller's. */
bool hold_put(struct hold *h, uint8_t side, const struct bgf_addr *neighbour, struct rte_mbuf *m,
	      uint64_t now, bool *ret_first);

/* The neighbours that are waited for, one by one; *cursor is 0 at first. *ret_late: its time is up. */
bool hold_next(const struct hold *h, uint32_t *cursor, uint64_t now, struct hold_key *ret_key,
	       bool *ret_late);
/* Gives back, oldest first, what was held for the neighbour that hold_next just told; how many. */
unsigned hold_take(struct hold *h, uint32_t cursor, struct rte_mbuf *ret_m[HOLD_EACH]);

#endif
