/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is to happen to every set that a peer had at one time: RELEASE of all, a new instance that releases
 * what the former had, a P-CSCF that does not come back. A million of them take seconds, so some are taken in
 * each turn of the loop, and no more than the data plane link soon carries, while everybody is served. The
 * peer itself notices nothing of that: a set that one of its later requests meets is taken first
 * (sweep_ahead), so that the order of its requests is kept, and what it installs meanwhile is not meant.
 *
 * A sweep's life: sweep_begin, its peer's former ones, `each` for every set, `done`, sweep_end. One thread.
 */
#ifndef CONTROL_SWEEP_H
#define CONTROL_SWEEP_H

#include "control/control.h"

struct install;
struct op;

enum {
	SWEEP_UNDER_WAY =
		256, /* requests that wait for the data plane: so many sets a turn of the loop at most, */
	SWEEP_TURN_US = 1000, /* for so long at most; */
	SWEEP_LEAST = 16,     /* when others have as many under way: a few, */
	SWEEP_WAIT_MS = 1,    /* and the next turn is after this time */
};

struct sweep {
	struct peer *peer; /* a reference is held */
	uint64_t until;	   /* dpl_set_name.installed of the last set that it means */
	uint32_t serial;   /* sa_set.swept of those that it has seen to */
	bool begun;	   /* the peer's sweep_at is its */
	bool over;	   /* it has seen all */
	struct op *op;	   /* the RELEASE that it is of; or NULL */
	unsigned why;	   /* else: enum bgf_removed, */
	uint64_t spared;   /* and the instance whose sets are not meant; 0: all are */
	TAILQ_ENTRY(sweep) of_peer;
	/* Sees to one set: afterwards it has left, or its `swept` is this sweep's. */
	void (*each)(struct sweep *w, struct sa_set *set);
	/* All are seen to, or (-ENOTCONN) the data plane went away: ends the sweep, at once or later. */
	void (*done)(struct sweep *w, int status);
};

int sweep_init(struct control *c); /* 0 or -ENOMEM */
void sweep_free(struct control *c);

/* Sets out with a filled sweep, whose `until` and `serial` are given here unless they are. NULL when memory
 * is short. */
struct sweep *sweep_begin(struct peer *peer, const struct sweep *sweep);
/* The peer's next one may begin. */
void sweep_end(struct sweep *w);
/* The data plane is gone: each that is not over is done with -ENOTCONN. */
void sweep_stop_all(struct control *c);

/* A set is about to leave the table. */
void sweep_forget(struct sa_set *set);

/* Takes what an INSTALL of the peer would meet before its turn; and one set: whether it is still there. */
void sweep_ahead(struct peer *peer, const struct install *in);
bool sweep_ahead_of(struct sa_set *set);

/* Ends what earlier instances installed, if the present one said so. */
void sweep_others(struct peer *p);
/* Ends the sets of a peer that is gone, until it is back. */
void sweep_gone(struct peer *p);

#endif
