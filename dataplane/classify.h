/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The first stage: reads what came in on a port, drops what nobody wants, and sorts the rest by the stage
 * that is next. Fills the packets' metadata (pkt.h). The worker only.
 */
#ifndef BGF_DP_CLASSIFY_H
#define BGF_DP_CLASSIFY_H

#include "batch.h"
#include "bgf_drop.h"

struct classified {
	struct batch esp;   /* access: ESP to a served address; core: from a protected port of one */
	struct batch clear; /* all else to a served address; from an unprotected port of one */
};

/* Takes n frames, up to WORKER_BURST, that came in on `side`. */
void classify(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n,
	      struct classified *ret);

/* Takes packets that have no business on `side` unless they are for the port's own address: these go to the
 * kernel, the others are dropped for the reason in their `ref`. */
void classify_strays(struct worker *w, enum port_side side, const struct batch *strays);

#endif
