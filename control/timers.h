/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When sets end: a heap ordered by their absolute times in CLOCK_BOOTTIME, which neither a change of the wall
 * clock nor a suspend disturbs. Pure; timing itself is the caller's.
 */
#ifndef CONTROL_TIMERS_H
#define CONTROL_TIMERS_H

#include "control/sa_set.h"

struct timers {
	struct sa_set **heap;
	uint32_t count, room;
};

/* Enters a set, or moves it after its `expires` changed. 0, or -ENOMEM (only for a set without a timer). */
int timers_set(struct timers *t, struct sa_set *set);
/* A set without a timer is left alone. */
void timers_clear(struct timers *t, struct sa_set *set);
/* The set that ends first, or NULL. */
struct sa_set *timers_first(const struct timers *t);
void timers_free(struct timers *t);

uint64_t timers_now(void); /* CLOCK_BOOTTIME, ns */

#endif
