/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a worker gives packets away: to the main lcore, which has the kernel beside it, and to the worker that
 * owns their set. Never blocks. The worker only.
 */
#ifndef BGF_DP_HANDOFF_H
#define BGF_DP_HANDOFF_H

#include "bgf_drop.h"
#include "exception.h"
#include "worker.h"

struct rte_mbuf;

/* Takes m for the main lcore; it goes with handoff_flush. */
void handoff_exception(struct worker *w, struct rte_mbuf *m, enum exception_kind kind);

/* Takes m, counts it as dropped for `reason`, and lets the main lcore tell its sender by ICMP or by a TCP
 * reset, while these do not take more than half of the way there. */
void handoff_dropped(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason, enum exception_kind kind);

/* Drops m, which is larger than the way on: who said 'do not fragment' is told that `mtu` octets would have
 * fitted (RFC 1191, RFC 8201). */
void handoff_too_big(struct worker *w, struct rte_mbuf *m, uint16_t mtu);

/* Sends what was collected, and wakes the main lcore: once a turn. */
void handoff_flush(struct worker *w);

/* Takes m, a frame as it came in on `side`, for another worker; it goes with handoff_peers. */
void handoff_peer(struct worker *w, enum port_side side, struct rte_mbuf *m, uint8_t peer);

/* The same for a classified packet that turns out to be of another's set: there it begins anew. */
void handoff_owner(struct worker *w, struct rte_mbuf *m, uint8_t owner);

/* Puts what was collected for other workers into their rings; what these do not take is dropped by name: once
 * a turn. */
void handoff_peers(struct worker *w);

/* Tells the main lcore that the set in `slot` was first used (rules 6 and 20). False: no room, ask again
 * later. */
bool handoff_notice(struct worker *w, uint32_t slot);

#endif
