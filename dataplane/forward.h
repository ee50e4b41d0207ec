/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The last stage: next hop, Ethernet header, transmission. The worker only.
 */
#ifndef BGF_DP_FORWARD_H
#define BGF_DP_FORWARD_H

#include "batch.h"

/* Takes finished IP packets and sends them out of `side`. */
void forward(struct worker *w, enum port_side side, const struct batch *in);

/* The transmit queue of a side, where several workers share it: taken for a moment, or not, never waited for.
 * What this worker had left for it is then sent first. */
bool forward_take_queue(struct worker *w, enum port_side side);
void forward_give_queue(struct worker *w, enum port_side side);

/* Takes whole frames from the kernel and sends them out of `side`, whose queue was taken. */
void forward_frames(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n);

#endif
