/* SPDX-License-Identifier: BSD-3-Clause */
#include "poll_gap.h"

void poll_gap_add(struct poll_gaps *gaps, uint64_t us)
{
	gaps->us += us;
	for (int i = 0; i < DPL_POLL_GAPS; i++)
		gaps->longer[i] += us >= 1000ull << i;
}
