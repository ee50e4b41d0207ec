/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a set in the data plane: a slot is taken and filled, its SPIs are drawn, it is published, it
 * changes, it is unlinked and, when no worker can hold it any more, wiped and freed. Main lcore only.
 *
 * What changes a set is done at once, but it is *answered* when every worker has passed a quiescent point;
 * sets_poll says when. Nothing here waits.
 */
#ifndef BGF_DP_SETS_H
#define BGF_DP_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_dplink.h"
#include "served.h"
#include "store.h"
#include "tuple.h"

struct rte_rcu_qsbr;
struct sets;

enum { SETS_PENDING = 1024 /* changes that wait for the workers, at most */ };

/* Who asked, to be given back with the answer. */
struct sets_ticket {
	uint32_t client; /* 0: nobody, no answer */
	uint16_t type;	 /* enum dpl_type */
	uint64_t txn;
};

struct sets_args {
	struct store *store;
	struct tuple_table *tuples;
	const struct served_table *served;
	struct rte_rcu_qsbr *rcu;
	uint16_t workers;
	/* Every worker has seen a change: answer it. For a removal, `set` is what it was at last. */
	void (*done)(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set);
	void *context;
	/* A set that carried TCP is gone, and nothing finds its outbound SA `which` (sa_hot.out[]) any more
	 * (rule 24). NULL: nobody asks. */
	void (*tcp_gone)(void *tcp_context, const struct bgf_set_selectors *selectors, unsigned which);
	void *tcp_context;
};

/* Takes over what the store holds: every LIVE record is checked, its HMAC states, owner and tuples are made
 * anew, its windows, sequence numbers and counters stay. What cannot be served any more is wiped, with a line
 * in the log. Before workers run. 0 or -ENOMEM. */
int sets_new(const struct sets_args *args, struct sets **ret_sets);
void sets_free(struct sets *s);

uint32_t sets_live(const struct sets *s);

struct sets_counts {
	uint32_t capacity, live, pending;
	uint32_t state[BGF_SET_DRAINING + 1]; /* by enum bgf_set_state */
};
/* Goes through all records, which takes milliseconds. Any thread: what changes meanwhile is counted as it was
 * or as it is. */
struct sets_counts sets_count(const struct sets *s);
/* Whether another change can be taken now. */
bool sets_ready(const struct sets *s);

/* bgf_dplink.h says what they do and their errors; besides, -EAGAIN when !sets_ready. Only after 0 will
 * `done` be called. ret_clash is filled with -EEXIST. */
int sets_add(struct sets *s, const struct dpl_set_add *add, const struct sets_ticket *ticket,
	     struct dpl_set_state *ret_clash);
int sets_update(struct sets *s, const struct dpl_set_update *update, const struct sets_ticket *ticket);
int sets_remove(struct sets *s, uint64_t set_id, const struct sets_ticket *ticket);

/* 0 or -ENOENT. */
int sets_get(const struct sets *s, uint64_t set_id, struct dpl_set_state *ret_set);
/* Rows from a slot on, at most `room`; how many. *ret_next: where to go on, 0 after the last. */
uint32_t sets_list(const struct sets *s, uint64_t from, struct dpl_set_state *rows, uint32_t room,
		   uint64_t *ret_next);

/* A worker's notice of the first good packet on the set in a slot, whose sender therefore has its keys: if it
 * is to replace another, what the P-CSCF sends from port_ps to port_uc leaves on it from now on (rule 6). */
void sets_proven(struct sets *s, uint32_t slot);

/* A worker's notice that the set in a slot was used first (rule 20). Returns its id, or 0 when that set is
 * gone or was not watched. */
uint64_t sets_first_used(struct sets *s, uint32_t slot);

/* Answers and frees what every worker has passed. Returns how many changes still wait: call again soon. */
uint32_t sets_poll(struct sets *s);

#endif
