/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The last stage: next hop, Ethernet header, transmission. The worker only.
 */
#ifndef BGF_DP_FORWARD_H
#define BGF_DP_FORWARD_H

#include "batch.h"

/* Takes finished IP packets and sends them out of `side`. */
void forward(struct worker *w, enum port_side side, const struct batch *in);

/* Takes what another worker, which has no transmit queue on `side`, has finished, and sends it. */
void forward_finished(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n);

/* Takes whole frames from the kernel and sends them out of `side`. */
void forward_frames(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n);

#endif
