/* SPDX-License-Identifier: BSD-3-Clause
 *
 * RSS in software, for ports that have none or fewer queues than there are workers: before anything else is
 * done with a burst, each frame goes to the worker that owns what passes between its two addresses. Nothing
 * but the frame is read for it: an SA's lines are its owner's, and would travel between the cores with every
 * packet. What is in the clear is spread over the workers in the same way. The worker only.
 */
#ifndef BGF_DP_STEER_H
#define BGF_DP_STEER_H

#include "worker.h"

struct rte_mbuf;

/* Keeps in m[] what is for this worker, or for any; the rest is collected for the others (handoff.h). Returns
 * how many are left of n. */
uint16_t steer(struct worker *w, enum port_side side, struct rte_mbuf **m, uint16_t n);

#endif
