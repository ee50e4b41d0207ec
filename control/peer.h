/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A peer: a P-CSCF (or an observer, an operator) by its name, with any number of connections. Sets belong to
 * it, not to a connection, so it lives as long as it has either. One thread.
 */
#ifndef CONTROL_PEER_H
#define CONTROL_PEER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "control/install.h"
#include "control/sa_set.h"
#include "zb.h"

struct control;
struct sweep;

/* A peer's last RELEASE of all its sets. */
struct released_all {
	uint64_t reference; /* 0: none since this daemon started */
	uint64_t until;	    /* dpl_set_name.installed of the last set that it meant */
	uint32_t serial;    /* of its first sweep: sets with it or a later one were counted */
	uint32_t drain_s, count;
};

struct peer {
	struct control *control;
	char name[BGF_PEER_NAME_MAX + 1];
	enum zb_role role;
	uint64_t instance_id; /* of the connections; 0: none came since this daemon started */
	bool restart;	      /* that instance said: release what other instances installed */
	struct released_all released_all;
	uint32_t connections;
	uint32_t refs; /* sets, sessions and requests that point here */
	uint32_t set_count;
	uint64_t gone_at;	   /* when the last connection ended, CLOCK_BOOTTIME, ns; 0: one is there */
	uint32_t ended_away;	   /* sets that ended since then; told to those that connect */
	bool knows;		   /* one of those that are connected has shown that it was told */
	bool is_remembered;	   /* a reference is held for the sake of ended_away */
	TAILQ_HEAD(, sa_set) sets; /* those in the table */
	TAILQ_ENTRY(peer) next;
	TAILQ_HEAD(, sweep) sweeps; /* one after another */
	struct sa_set *sweep_at;    /* where the first one goes on */
	bool is_sweeping;	    /* it runs */
	TAILQ_ENTRY(peer) of_sweeping;
	uint64_t *digests; /* sums of those of its sets, by bucket (audit.h); NULL: its role owns none */
};

TAILQ_HEAD(peer_list, peer);

/* Who is at the other end of a connection, as its transport knows it. */
struct origin {
	bool is_local; /* the next two are known (SO_PEERCRED) */
	uint32_t uid;
	int32_t pid;
};

/* The peer of a name and role, made if need be, with one reference for the caller. NULL when memory is short.
 */
struct peer *peer_get(struct control *c, const char *name, enum zb_role role);
struct peer *peer_ref(struct peer *p);
void peer_unref(struct peer *p); /* frees it with the last one */

/* Whether the configuration lets this origin be that peer. 0 or -EREMOTEIO. */
int peer_allow(const struct bgf_config *config, const struct origin *origin, const char *name,
	       enum zb_role role, struct refusal *ret_refusal);

/* A connection of an instance comes and goes. Another instance while one is connected is refused
 * (INSTANCE_CLASH, -EREMOTEIO). */
int peer_connect(struct peer *p, uint64_t instance_id, bool restart, struct refusal *ret_refusal);
void peer_disconnect(struct peer *p);
/* One of its connections has the answer to its HELLO: what was told there counts no more once all are gone.
 */
void peer_knows(struct peer *p);

/* A set of the peer ended. Nobody may have heard of it unless peer_knows came before. */
void peer_set_ended(struct peer *p);
/* Releases the sets of those that have been gone for too long (control.peer_gone_s): call it twice a second.
 */
void peer_tick_all(struct control *c);
/* Lets go of those that are only remembered: before the daemon ends. */
void peer_forget_all(struct control *c);

#endif
