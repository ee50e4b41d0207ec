/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How long a worker that polls was kept from polling: a scheduler, a hypervisor or a debugger took its
 * processor away. Who measures the gateway needs it to tell a disturbed trial from a slow gateway; who runs
 * it sees that its cores are not its own. Sleep of its own will is no gap.
 */
#ifndef BGF_DP_POLL_GAP_H
#define BGF_DP_POLL_GAP_H

#include <stdint.h>

#include "bgf_dplink.h"

enum { POLL_GAP_LEAST_US = 250 /* longer than any turn's work */ };

/* Written by its worker alone, only ever upwards, so that a reader takes differences and nobody resets. */
struct poll_gaps {
	uint64_t us;			/* all gaps together */
	uint64_t longer[DPL_POLL_GAPS]; /* gaps of 1 << i ms and more */
};

/* One gap. */
void poll_gap_add(struct poll_gaps *gaps, uint64_t us);

#endif
