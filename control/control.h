/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the daemon has: one of each, made by main.c in this order and undone in the reverse. One thread.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <event2/event.h>
#include <sys/queue.h>

#include "config/config.h"
#include "control/dplink.h"
#include "control/overload.h"
#include "control/peer.h"
#include "control/sa_set.h"
#include "control/timers.h"
#include "control/turn.h"

struct session;

enum { RELEASED_MAX = 4096 };

/* A RELEASE that was carried out (orders.h: references). */
struct released {
	uint64_t set_id, reference;
	uint64_t by; /* hash of the peer's name */
	uint32_t drain_s;
};

struct control {
	const struct bgf_config *config;
	struct event_base *base;
	struct turn turn; /* of the event loop */
	struct dplink *link;

	/* the data plane, as its HELLO told it */
	bool serving;	      /* it answers, and its sets are known here: requests are taken */
	bool synced;	      /* it was so once since this daemon started */
	uint64_t store_epoch; /* 0: not known yet */
	uint16_t syncs;	      /* resynchronisations begun: sa_set.seen */
	uint32_t capacity;
	uint8_t boot_id[16];

	/* sets.h */
	struct sa_table table;
	struct hash ending; /* sets that have left the table while the data plane has not yet said that they
			       are gone */
	struct timers timers;
	int timer_fd; /* CLOCK_BOOTTIME */
	struct event *timer;
	uint64_t timer_at; /* when it goes off; 0: it does not */
	uint64_t last_installed;
	struct released released[RELEASED_MAX];

	struct overload overload; /* orders.h */

	/* session.h, peer.h, listener.h */
	LIST_HEAD(, session) sessions;
	uint32_t session_count;
	uint64_t gave_way, no_place; /* places.h: sessions that did, and that got none, so far */
	TAILQ_HEAD(session_queue, session) waiters[2]; /* for their next turn: P-CSCFs; who only watches */
	struct event *waiter;			       /* that turn; NULL: there was no session yet */
	uint64_t watch_until; /* of those who only watch in this turn; 0: it is not theirs */
	struct peer_list peers;
	uint32_t remembered;	   /* peers that are there for their memory alone, or also */
	bool has_forgotten;	   /* there were more of them than are remembered */
	struct peer_list sweeping; /* sweep.h: those whose first sweep runs, in turn */
	struct event *sweeper;	   /* the next turn */
	uint32_t sweeps;	   /* how many there were */
	struct event *tick;
	struct event *ready; /* goes off when the daemon is to say that it serves; once */
};

#endif
