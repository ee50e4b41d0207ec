/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/op.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "control/log.h"
#include "control/session.h"
#include "control/sets.h"
#include "control/sweep.h"
#include "zb/records.h"

enum { ANSWER_ROOM = 4096 };

struct op *op_new(struct session *session, const struct zb_header *request, size_t content_size,
		  unsigned weight)
{
	struct op *op = calloc(1, sizeof(*op));
	void *content = calloc(1, content_size > 0 ? content_size : 1);

	if (op == NULL || content == NULL) {
		free(op);
		free(content);
		return NULL;
	}
	op->control = session->control;
	op->session = session;
	op->peer = peer_ref(session->peer);
	op->request = *request;
	op->weight = weight;
	op->sweeps = session->control->sweeps;
	op->content = content;
	op->content_size = content_size;
	session_op_begins(session, op);
	return op;
}

void op_free(struct op *op)
{
	if (op->session != NULL)
		session_op_ends(op->session, op);
	if (op->sweep != NULL)
		sweep_end(op->sweep);
	OPENSSL_cleanse(op->content, op->content_size);
	free(op->content);
	peer_unref(op->peer);
	free(op);
}

void op_wait(struct op *op, struct sa_set *set)
{
	op->waited = true;
	STAILQ_INSERT_TAIL(&set->waiting, op, waiting);
}

void op_answer_frame(struct op *op, struct zb_frame *f)
{
	int length = zb_frame_finish(f);

	if (length < 0) {
		log_line(LOG_LEVEL_ERROR, "an answer to %s could not be encoded (%d)",
			 zb_message_name(op->request.type), length);
		zb_answer_refuse(f, f->w.data, f->w.room, &op->request,
				 (struct zb_fault){.cause = ZB_CAUSE_INTERNAL},
				 "the answer could not be encoded");
		length = zb_frame_finish(f);
	}
	if (op->session != NULL)
		session_send(op->session, f->w.data, (size_t)length);
	op_free(op);
}

void op_answer_set(struct op *op, const struct sa_set *set)
{
	uint8_t buffer[ANSWER_ROOM];
	struct zb_frame f;
	struct zb_set row;

	zb_answer_begin(&f, buffer, sizeof(buffer), &op->request);
	sets_show(set, timers_now(), &row);
	zb_put_set(&f, &row);
	op_answer_frame(op, &f);
}

void op_answer_count(struct op *op, uint32_t count)
{
	uint8_t buffer[ANSWER_ROOM];
	struct zb_frame f;

	zb_answer_begin(&f, buffer, sizeof(buffer), &op->request);
	zb_put_number(&f, ZB_ATTR_SET_COUNT, count);
	op_answer_frame(op, &f);
}

void op_answer_refusal(struct op *op, const struct refusal *r)
{
	uint8_t buffer[ANSWER_ROOM];
	struct zb_frame f;

	zb_answer_refuse(&f, buffer, sizeof(buffer), &op->request, r->fault,
			 r->text[0] != '\0' ? r->text : NULL);
	op_answer_frame(op, &f);
}

void op_answer_status(struct op *op, int status)
{
	struct refusal r;

	switch (status) {
	case -ENOTCONN:
		refuse(&r, ZB_CAUSE_DATAPLANE_DOWN, 0,
		       "the data plane does not answer; repeat with the same reference");
		break;
	case -ENOSPC:
		refuse(&r, ZB_CAUSE_TABLE_FULL, 0, "the gateway has its %u sets", op->control->capacity);
		break;
	case -EADDRNOTAVAIL:
		refuse(&r, ZB_CAUSE_NOT_SERVED, ZB_ATTR_SERVED_ADDRESS,
		       "the data plane does not serve this address");
		break;
	case -ENOENT:
		refuse(&r, ZB_CAUSE_UNKNOWN_SET, ZB_ATTR_SET_ID, "the set has ended");
		break;
	default:
		log_line(LOG_LEVEL_ERROR, "%s failed: %s", zb_message_name(op->request.type),
			 strerror(-status));
		refuse(&r, ZB_CAUSE_INTERNAL, 0, "%s", strerror(-status));
	}
	op_answer_refusal(op, &r);
}

void op_settled(struct op *op, int status)
{
	if (status != 0 && status != -ENOENT && op->status == 0)
		op->status = status;
	if (--op->outstanding > 0)
		return;
	if (op->settled != NULL)
		op->settled(op);
	if (op->status != 0)
		op_answer_status(op, op->status);
	else
		op_answer_count(op, op->touched);
}
