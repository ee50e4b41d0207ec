/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zb/client.h"
#include "zb/records.h"

enum { SLOT_BITS = 16, SLOT_MASK = 0xffff, GENERATION_MASK = 0x7fff, NO_SLOT = UINT32_MAX };

struct pending {
	zb_on_answer on_answer; /* NULL: free */
	void *arg;
	uint64_t reference;
	int64_t until; /* CLOCK_MONOTONIC, ms */
	uint32_t before, after;
	uint32_t connection; /* that it went over, as pipeline.connection counts them */
	uint16_t generation; /* of the slot: a late answer to a former one is told apart */
	bool is_answered;    /* its answer waits to be told */
	uint8_t type;
};

static uint32_t txn_of(const struct pipeline *p, uint32_t slot)
{
	return PIPELINE_TXN | (uint32_t)p->slot[slot].generation << SLOT_BITS | slot;
}

static int make_slots(struct pipeline *p)
{
	if (p->slot != NULL)
		return 0;
	struct pending *slot = calloc(p->most, sizeof(*slot));
	struct zb_set *rows = calloc(ZB_ANSWER_SETS, sizeof(*rows));
	if (slot == NULL || rows == NULL) {
		free(slot);
		free(rows);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < p->most; i++)
		slot[i].after = i + 1 < p->most ? i + 1 : NO_SLOT;
	p->slot = slot;
	p->rows = rows;
	p->free = 0;
	p->oldest = p->newest = p->lost = p->lost_last = NO_SLOT;
	return 0;
}

/* Takes a slot out of the list of those under way. */
static void unlink_slot(struct pipeline *p, uint32_t slot)
{
	const struct pending *e = &p->slot[slot];

	*(e->before != NO_SLOT ? &p->slot[e->before].after : &p->oldest) = e->after;
	*(e->after != NO_SLOT ? &p->slot[e->after].before : &p->newest) = e->before;
}

static struct pending release_slot(struct pipeline *p, uint32_t slot)
{
	struct pending was = p->slot[slot];

	p->slot[slot] =
		(struct pending){.generation = (was.generation + 1) & GENERATION_MASK, .after = p->free};
	p->free = slot;
	p->count--;
	return was;
}

int pipeline_begin(struct zb *zb, enum zb_message type, struct zb_error *ret_error)
{
	struct pipeline *p = &zb->pipeline;
	int r = client_begin(zb, type, ret_error);

	if (r < 0)
		return r;
	if (make_slots(p) != 0)
		return client_error(ret_error, -ENOMEM, "no memory");
	if (p->count == p->most)
		return client_error(ret_error, -EAGAIN,
				    "%u requests are under way: process their answers first", p->count);
	zb_frame_begin(&zb->request, zb->out, sizeof(zb->out), type, 0, txn_of(p, p->free));
	return 0;
}

int pipeline_start(struct zb *zb, uint64_t reference, zb_on_answer on_answer, void *arg,
		   struct zb_error *ret_error)
{
	struct pipeline *p = &zb->pipeline;
	int length = client_finish(zb, ret_error);

	if (length < 0)
		return length;
	const uint8_t type = zb->out[1]; /* of the header */
	int r = box_add(zb->state == CLIENT_UP ? &zb->outbox : &p->waiting, zb->out, (size_t)length);
	explicit_bzero(zb->out, (size_t)length);
	if (r < 0)
		return client_error(ret_error, r, "no memory");
	uint32_t slot = p->free;
	struct pending *e = &p->slot[slot];
	p->free = e->after;
	p->count++;
	*e = (struct pending){.on_answer = on_answer,
			      .arg = arg,
			      .reference = reference,
			      .until = client_now_ms() + zb->wait_ms,
			      .before = p->newest,
			      .after = NO_SLOT,
			      .connection = p->connection,
			      .generation = e->generation,
			      .type = type};
	*(p->newest != NO_SLOT ? &p->slot[p->newest].after : &p->oldest) = slot;
	p->newest = slot;
	return 0;
}

/* --- answers --- */

static void tell(struct zb *zb, const struct pending *e, struct zb_answer *answer)
{
	answer->reference = e->reference;
	zb->pipeline.told++;
	e->on_answer(answer, e->arg);
}

static void take_rows(struct pipeline *p, const struct zb_attrs *attrs, struct zb_answer *answer)
{
	struct zb_attrs group;
	size_t position = 0, count = 0;

	while (count < ZB_ANSWER_SETS && zb_group_next(attrs, ZB_ATTR_SET, &position, &group))
		zb_get_set(&group, &p->rows[count++]);
	answer->sets = p->rows;
	answer->set_count = count;
}

static void tell_answer(struct zb *zb, uint32_t slot, const struct zb_message_in *m)
{
	struct pipeline *p = &zb->pipeline;
	struct zb_answer answer;

	memset(&answer, 0, offsetof(struct zb_answer, error));
	answer.error.cause = answer.error.attribute = 0;
	answer.error.text[0] = '\0';
	struct pending e = release_slot(p, slot);
	if (zb_get_number(&m->attrs, ZB_ATTR_CAUSE, ZB_CAUSE_DONE) != ZB_CAUSE_DONE) {
		answer.status = client_refused(&answer.error, &m->attrs);
	} else if (e.type == ZB_MSG_RELEASE) {
		answer.released = (uint32_t)zb_get_number(&m->attrs, ZB_ATTR_SET_COUNT, 0);
	} else {
		take_rows(p, &m->attrs, &answer);
		if (e.type == ZB_MSG_QUERY)
			answer.cursor = zb_get_number(&m->attrs, ZB_ATTR_CURSOR, 0);
	}
	tell(zb, &e, &answer);
}

void pipeline_take(struct zb *zb, const struct zb_message_in *m, const uint8_t *frame)
{
	struct pipeline *p = &zb->pipeline;
	uint32_t slot = m->header.txn & SLOT_MASK;

	/* That of a request whose time was up is late, and thrown away; so is what a gateway says twice, or
	 * of a request that this connection did not bring. */
	if (p->slot == NULL || slot >= p->most || p->slot[slot].on_answer == NULL ||
	    txn_of(p, slot) != m->header.txn || p->slot[slot].type != m->header.type ||
	    p->slot[slot].is_answered || p->slot[slot].connection != p->connection)
		return;
	/* Without memory to keep it, its time will be up. */
	if (!p->telling && box_add(&p->late, frame, m->header.length) != 0)
		return;
	unlink_slot(p, slot); /* it is answered: not lost any more, nor too late */
	p->slot[slot].is_answered = true;
	if (p->telling)
		tell_answer(zb, slot, m);
}

/* Answers that came while a call of another kind waited for its own. */
static void tell_late(struct zb *zb)
{
	struct box late = zb->pipeline.late;
	struct zb_message_in m;
	struct zb_fault fault;

	zb->pipeline.late = (struct box){0};
	while (box_waiting(&late) > 0) {
		const uint8_t *frame = late.data + late.start;
		zb_header_decode(frame, &m.header);
		size_t length = m.header.length;
		if (zb_message_parse(frame, length, &m, &fault) == 0) /* as it did when it came */
			tell_answer(zb, m.header.txn & SLOT_MASK, &m);
		box_take(&late, length);
	}
	box_clear(&late);
}

/* --- what gets no answer --- */

int pipeline_up(struct zb *zb)
{
	struct box *waiting = &zb->pipeline.waiting;
	int r = box_add(&zb->outbox, waiting->data + waiting->start, box_waiting(waiting));

	box_clear(waiting);
	return r;
}

void pipeline_lose(struct zb *zb, int status, const struct zb_error *why)
{
	struct pipeline *p = &zb->pipeline;

	box_clear(&p->waiting);
	p->connection++;
	if (p->slot == NULL || p->oldest == NO_SLOT)
		return;
	*(p->lost_last != NO_SLOT ? &p->slot[p->lost_last].after : &p->lost) = p->oldest;
	p->lost_last = p->newest;
	p->oldest = p->newest = NO_SLOT;
	p->lost_status = status;
	p->lost_why = *why;
}

static void tell_lost(struct zb *zb)
{
	struct pipeline *p = &zb->pipeline;
	uint32_t slot = p->lost;

	p->lost = p->lost_last = NO_SLOT;
	while (slot != NO_SLOT) {
		struct zb_answer answer = {.status = p->lost_status, .error = p->lost_why};
		struct pending e = release_slot(p, slot);
		slot = e.after;
		tell(zb, &e, &answer);
	}
}

static void tell_overdue(struct zb *zb, int64_t now)
{
	struct pipeline *p = &zb->pipeline;

	while (p->oldest != NO_SLOT && p->slot[p->oldest].until <= now) {
		uint32_t slot = p->oldest;
		struct zb_answer answer = {0};
		unlink_slot(p, slot);
		struct pending e = release_slot(p, slot);
		answer.status =
			client_error(&answer.error, -ETIMEDOUT, "no answer within %d ms", zb->wait_ms);
		tell(zb, &e, &answer);
	}
}

void pipeline_tell(struct zb *zb, int64_t now)
{
	if (zb->pipeline.slot == NULL)
		return;
	tell_late(zb);
	tell_lost(zb);
	tell_overdue(zb, now);
}

unsigned zb_pending(const struct zb *zb)
{
	return zb->pipeline.count;
}

void pipeline_free(struct pipeline *p)
{
	box_clear(&p->waiting);
	box_clear(&p->late);
	free(p->slot);
	free(p->rows);
	*p = (struct pipeline){0};
}
