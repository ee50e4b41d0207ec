/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether the core was ours alone while something was measured.
 */
#ifndef BGF_PERF_DISTURBANCE_H
#define BGF_PERF_DISTURBANCE_H

#include <stdbool.h>
#include <stdint.h>

/* A short loop whose cycles are known: true if it took visibly longer than ever before on this thread. */
bool disturbance_calibration(void);

/* Whether one of the bursts took so long that something else ran meanwhile. stamp[0..bursts]. */
bool disturbance_gap(const uint64_t *stamp, uint32_t bursts);

/* All bursts together, one in a gap counted as the median burst. */
uint64_t disturbance_cycles(const uint64_t *stamp, uint32_t bursts);

#endif
