/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The processor's own counters of this thread, where the machine lets us read them (perf_event_open).
 */
#ifndef BGF_PERF_EVENTS_H
#define BGF_PERF_EVENTS_H

#include <stdint.h>

struct events {
	int instructions, misses; /* descriptors, -1: not to be had */
};

void events_open(struct events *e);
void events_close(struct events *e);
void events_begin(const struct events *e);
/* What was counted since events_begin, in user space; negative where it cannot be had. */
void events_end(const struct events *e, double *ret_instructions, double *ret_misses);

#endif
