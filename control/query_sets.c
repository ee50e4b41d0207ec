/* SPDX-License-Identifier: BSD-3-Clause
 *
 * QUERY. Its order is that of the table's places, which a set keeps as long as it lives: going on behind a
 * cursor shows each set that was there all along exactly once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/op.h"
#include "control/query.h"
#include "control/sets.h"
#include "zb/records.h"

enum {
	ROWS_MAX = 64,			      /* in one answer */
	SCAN_MAX = 16384,		      /* places looked at for one answer: others wait so long */
	QUERY_WEIGHT = 16,		      /* its answer is large */
	SET_ROOM = 2048 + ZB_ATTR_HEADER_LEN, /* the greatest row */
	CURSOR_ROOM = ZB_ATTR_HEADER_LEN + 8,
};

struct filter {
	uint64_t set_id;
	char subscriber[BGF_SUBSCRIBER_MAX + 1];
	char registration_id[BGF_REGISTRATION_ID_MAX + 1];
	bool has_subscriber, has_registration_id;
	struct bgf_addr ue;
	uint16_t port_ue, port_local;
	uint32_t from;	/* the first place that is wanted */
	uint32_t limit; /* rows */
};

struct row {
	uint32_t slot;
	bool is_there; /* the data plane has told it */
	struct zb_set set;
};

struct query {
	struct filter filter;
	struct row *rows;
	uint32_t count;
	uint32_t next; /* the place where the next answer goes on; 0: there is none */
	uint32_t outstanding;
	bool failed;
};

static struct filter get_filter(const struct zb_attrs *attrs)
{
	struct filter f = {.set_id = zb_get_number(attrs, ZB_ATTR_SET_ID, 0),
			   .has_subscriber = zb_has(attrs, ZB_ATTR_SUBSCRIBER),
			   .has_registration_id = zb_has(attrs, ZB_ATTR_REGISTRATION_ID),
			   .port_ue = (uint16_t)zb_get_number(attrs, ZB_ATTR_PORT_UE, 0),
			   .port_local = (uint16_t)zb_get_number(attrs, ZB_ATTR_PORT_LOCAL, 0),
			   .from = (uint32_t)zb_get_number(attrs, ZB_ATTR_CURSOR, 0),
			   .limit = (uint32_t)zb_get_number(attrs, ZB_ATTR_LIMIT, ROWS_MAX)};

	if (f.limit > ROWS_MAX)
		f.limit = ROWS_MAX;
	zb_get_string(attrs, ZB_ATTR_SUBSCRIBER, f.subscriber, sizeof(f.subscriber));
	zb_get_string(attrs, ZB_ATTR_REGISTRATION_ID, f.registration_id, sizeof(f.registration_id));
	zb_get_addr(attrs, ZB_ATTR_UE_ADDRESS, &f.ue);
	return f;
}

static bool matches(const struct op *op, const struct filter *f, const struct sa_set *set)
{
	const struct bgf_set_selectors *s = &set->selectors;

	if (set->id == 0 || set->slot < f->from)
		return false;
	if (op->peer->role == ZB_ROLE_PEER && set->peer != op->peer)
		return false;
	if ((f->set_id != 0 && set->id != f->set_id) ||
	    (f->ue.family != 0 && !bgf_addr_equal(&s->ue, &f->ue)))
		return false;
	if (f->has_subscriber && strcmp(set->name.subscriber, f->subscriber) != 0)
		return false;
	if (f->has_registration_id && strcmp(set->name.registration_id, f->registration_id) != 0)
		return false;
	if (f->port_ue != 0 && s->port_uc != f->port_ue && s->port_us != f->port_ue)
		return false;
	return f->port_local == 0 || s->port_ps == f->port_local || s->port_pc == f->port_local;
}

/* Keeps the rows with the lowest places, in their order; what does not fit goes on in the next answer. */
static void keep(struct query *q, const struct sa_set *set, uint64_t now)
{
	uint32_t at = q->count;

	while (at > 0 && q->rows[at - 1].slot > set->slot)
		at--;
	if (at == q->filter.limit) {
		if (q->next == 0 || set->slot < q->next)
			q->next = set->slot;
		return;
	}
	if (q->count == q->filter.limit)
		q->next = q->rows[--q->count].slot;
	memmove(&q->rows[at + 1], &q->rows[at], (q->count - at) * sizeof(q->rows[0]));
	q->rows[at] = (struct row){.slot = set->slot};
	sets_show(set, now, &q->rows[at].set);
	q->count++;
}

static void collect(const struct op *op, struct query *q)
{
	const struct sa_table *t = &op->control->table;
	const struct filter *f = &q->filter;
	uint64_t now = timers_now();
	struct hash_node *at = NULL;
	struct sa_set *set;

	if (f->set_id != 0) {
		if ((set = sa_table_by_id(t, f->set_id)) != NULL && matches(op, f, set))
			keep(q, set, now);
	} else if (f->has_subscriber) {
		while ((set = sa_table_of_subscriber(t, f->subscriber, &at)) != NULL)
			if (matches(op, f, set))
				keep(q, set, now);
	} else if (f->ue.family != 0) {
		while ((set = sa_table_of_ue(t, &f->ue, &at)) != NULL)
			if (matches(op, f, set))
				keep(q, set, now);
	} else {
		uint32_t slot = f->from;
		for (uint32_t seen = 0; slot < t->slots && seen < SCAN_MAX && q->next == 0; slot++, seen++)
			if (t->slot[slot] != NULL && matches(op, f, t->slot[slot]))
				keep(q, t->slot[slot], now);
		if (slot < t->slots && q->next == 0)
			q->next = slot;
	}
}

static void answer(struct op *op)
{
	struct query *q = op->content;
	uint8_t *buffer = malloc(ZB_FRAME_MAX);
	struct row *rows = q->rows;
	struct zb_frame f;

	if (q->failed || buffer == NULL) {
		op_answer_status(op, q->failed ? -ENOTCONN : -ENOMEM);
	} else {
		zb_answer_begin(&f, buffer, ZB_FRAME_MAX, &op->request);
		for (uint32_t i = 0; i < q->count; i++) {
			if (zb_frame_room(&f) < SET_ROOM + CURSOR_ROOM) {
				q->next = rows[i].slot;
				break;
			}
			if (rows[i].is_there)
				zb_put_set(&f, &rows[i].set);
		}
		if (q->next != 0)
			zb_put_number(&f, ZB_ATTR_CURSOR, q->next);
		op_answer_frame(op, &f);
	}
	free(buffer);
	free(rows);
}

/* One row's outcome. A set that ended meanwhile is no row. */
static void on_row(void *arg, int status, const struct dpl_header *record)
{
	struct op *op = arg;
	struct query *q = op->content;

	if (status == 0) {
		const struct dpl_set_state *state = &((const struct dpl_set_row *)record)->set;
		for (uint32_t i = 0; i < q->count; i++) {
			if (q->rows[i].set.set_id != state->set_id)
				continue;
			q->rows[i].is_there = true;
			sets_show_counters(state, &q->rows[i].set);
		}
	} else if (status != -ENOENT) {
		q->failed = true;
	}
	if (--q->outstanding == 0)
		answer(op);
}

static void ask(struct op *op)
{
	struct query *q = op->content;

	q->outstanding = 1; /* this function's own, so that no outcome answers too early */
	for (uint32_t i = 0; i < q->count; i++) {
		if (dplink_look(op->control->link, op_looker(op), DPL_SET_GET, q->rows[i].set.set_id, on_row,
				op_is_wanted, op) == 0)
			q->outstanding++;
		else
			q->failed = true;
	}
	if (--q->outstanding == 0)
		answer(op);
}

void query_sets(struct session *s, const struct zb_message_in *m)
{
	struct op *op = op_new(s, &m->header, sizeof(struct query), QUERY_WEIGHT);

	if (op == NULL) {
		session_close(s, "no memory for a request");
		return;
	}
	struct query *q = op->content;
	q->filter = get_filter(&m->attrs);
	if (!s->control->serving) {
		op_answer_status(op, -ENOTCONN);
		return;
	}
	q->rows = calloc(q->filter.limit + 1, sizeof(*q->rows));
	if (q->rows == NULL) {
		op_answer_status(op, -ENOMEM);
		return;
	}
	collect(op, q);
	ask(op);
}
