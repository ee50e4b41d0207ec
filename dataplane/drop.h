/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a packet ends that is not kept: counted under its name and freed with the others of the turn. The
 * worker only.
 */
#ifndef BGF_DP_DROP_H
#define BGF_DP_DROP_H

#include "bgf_drop.h"
#include "worker.h"

struct rte_mbuf;

/* Takes m; counts `reason` on the port that m came in on. */
void drop(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason);

/* The same, and a reason of scope SA also on the set in `slot`. */
void drop_of_set(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason, uint32_t slot);

/* Counts as drop does, but leaves m to the caller. */
void drop_count(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason);

/* Takes m, which is counted already. */
void drop_silently(struct worker *w, struct rte_mbuf *m);

/* Frees what was dropped: once a turn. */
void drop_flush(struct worker *w);

#endif
