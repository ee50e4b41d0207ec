/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The requests of a client that nobody waits for: a table of those whose answer is due, found by transaction
 * id, in the order in which their time is up. Their transaction ids have the top bit set, those of other
 * requests do not. Answers are told by pipeline_process alone, so that no callback runs inside another call.
 */
#ifndef ZB_PIPELINE_H
#define ZB_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "zb.h"
#include "zb/box.h"
#include "zb/codec.h"

struct zb;

#define PIPELINE_TXN UINT32_C(0x80000000)

struct pending;

struct pipeline {
	struct pending *slot; /* room for `most`, made with the first request */
	uint32_t most, count;
	uint32_t free;		 /* list of free slots */
	uint32_t oldest, newest; /* list of those under way */
	uint32_t lost;		 /* list of those whose connection was lost, oldest first */
	uint32_t lost_last;
	uint32_t connection; /* counts those that were lost */
	int lost_status;     /* why, for all of them */
	struct zb_error lost_why;
	struct box waiting;  /* requests that were started while the association was not up */
	struct box late;     /* answers that came during a call of another kind, whole frames */
	bool telling;	     /* pipeline_process runs: answers are told at once */
	int told;	     /* answers since it began */
	struct zb_set *rows; /* of a QUERY's answer: ZB_ANSWER_SETS */
};

/* Begins a request in zb->request: 0, -ECHILD, -EAGAIN (as many as may be are under way), -ENOMEM. */
int pipeline_begin(struct zb *zb, enum zb_message type, struct zb_error *ret_error);
/* Puts it on its way: 0; -EINVAL, -ENOMEM: nothing was started. */
int pipeline_start(struct zb *zb, uint64_t reference, zb_on_answer on_answer, void *arg,
		   struct zb_error *ret_error);

/* An answer with a transaction id of ours has come. */
void pipeline_take(struct zb *zb, const struct zb_message_in *m, const uint8_t *frame);
/* The association is up: what waited for it goes. 0 or -ENOMEM. */
int pipeline_up(struct zb *zb);
/* The connection was lost: all that are under way are. */
void pipeline_lose(struct zb *zb, int status, const struct zb_error *why);
/* Tells what came meanwhile, what was lost and whose time is up. */
void pipeline_tell(struct zb *zb, int64_t now);
void pipeline_free(struct pipeline *p);

#endif
