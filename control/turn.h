/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A turn of the event loop: what is done from one wait of the loop to the next. Whoever is served late in it
 * has waited since it began. libevent knows when that was, but tells it by the wall clock only, which people
 * set. One thread.
 */
#ifndef CONTROL_TURN_H
#define CONTROL_TURN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct turn {
	struct event *end; /* goes off behind what is to be done in this turn */
	uint64_t begun;	   /* CLOCK_BOOTTIME, ns; 0: nothing was done in it yet */
	bool busy;	   /* something was since `end` went off last */
};

int turn_init(struct turn *t, struct event_base *base); /* 0 or -ENOMEM */
void turn_free(struct turn *t);

/* Something is about to be done that may take its time. */
void turn_work(struct turn *t);
/* How long the turn has taken until now, ns. */
uint64_t turn_age(const struct turn *t, uint64_t now);

#endif
