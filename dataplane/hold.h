/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets that wait until the kernel has found out their neighbour's MAC address, a second at most: some a
 * neighbour, bounded in all. Main lcore only. It owns what it holds.
 */
#ifndef BGF_DP_HOLD_H
#define BGF_DP_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_addr.h"

enum {
	HOLD_NEIGHBOURS = 128, /* that are waited for at once */
	/* Packets a neighbour. Each has room for a SIP request's fragments. Beyond that it is first come,
	 * first served: the neighbour may be the router to all phones, and a phone with several sets gets
	 * more while it is slow to answer. 64 are as many as a phone's replay window lets come late. */
	HOLD_SURE = 4,
	HOLD_EACH = 64,
	HOLD_SHARED = 512, /* beyond HOLD_SURE, of all neighbours */
	HOLD_MS = 1000,
	HOLD_ASK_MS = 200, /* the kernel is asked again: it may have given up, or its answer was not heard */
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
/* Whether the neighbour that hold_next just told must be asked for again; then it counts as asked for. */
bool hold_ask(struct hold *h, uint32_t cursor, uint64_t now);
/* Gives back, oldest first, what was held for the neighbour that hold_next just told; how many. */
unsigned hold_take(struct hold *h, uint32_t cursor, struct rte_mbuf *ret_m[HOLD_EACH]);

#endif
