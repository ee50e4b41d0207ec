/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A request that is under way: it outlives its connection if that goes first, and answers exactly once. Its
 * life: op_new, run (perhaps again, after op_wait), one of the answers, which frees it. One thread.
 */
#ifndef CONTROL_OP_H
#define CONTROL_OP_H

#include <sys/queue.h>

#include "control/control.h"
#include "control/install.h"

struct op {
	struct control *control;
	struct session *session; /* NULL: the connection is gone, and nobody hears the answer */
	struct peer *peer;	 /* who asked; a reference is held */
	struct zb_header request;
	unsigned weight; /* what it counts against the connection's bound */
	void (*run)(struct op *op);
	void *content; /* what was asked, parsed; wiped and freed with it */
	size_t content_size;
	struct sa_set *set;		/* INSTALL: the one that is being added */
	uint64_t set_id;		/* CONFIRM, RELEASE: whose answer is awaited */
	uint32_t touched;		/* RELEASE: how many sets */
	uint32_t outstanding;		/* RELEASE: outcomes that are awaited */
	int status;			/* the first failure among them */
	void (*settled)(struct op *op); /* all outcomes are there: before the answer; or NULL */
	struct sweep *sweep;		/* RELEASE of all: over the peer's sets; ends with it */
	uint32_t sweeps;		/* control.sweeps when it came: which RELEASE of all came later */
	bool waited;			/* it was let in before, and waited for another's answer */
	LIST_ENTRY(op) of_session;
	STAILQ_ENTRY(op) waiting;
};

/* A request of a connection, with room for its content. NULL when memory is short. */
struct op *op_new(struct session *session, const struct zb_header *request, size_t content_size,
		  unsigned weight);
/* Runs it again when the data plane has answered this set's ADD, or the REMOVE of one that is ending. */
void op_wait(struct op *op, struct sa_set *set);

/* Who looks where it only does that. */
static inline enum dplink_looker op_looker(const struct op *op)
{
	return op->peer->role == ZB_ROLE_PEER ? DPLINK_PEER : DPLINK_WATCHER;
}

/* Whether somebody hears the answer, still. */
static inline bool op_is_wanted(const void *op)
{
	return ((const struct op *)op)->session != NULL;
}

void op_answer_set(struct op *op, const struct sa_set *set);
void op_answer_count(struct op *op, uint32_t count);
void op_answer_refusal(struct op *op, const struct refusal *r);
/* A frame that the caller began with zb_answer_begin for op->request. */
void op_answer_frame(struct op *op, struct zb_frame *f);
/* The cause that a status of the data plane link means. */
void op_answer_status(struct op *op, int status);
/* One of the records that a RELEASE waits for has its outcome; the last one answers. */
void op_settled(struct op *op, int status);
/* Without an answer. */
void op_free(struct op *op);

#endif
