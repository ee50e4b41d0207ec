/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CONFIRM and RELEASE: rules 18, 19 and 21 to 23.
 */
#include <errno.h>
#include <string.h>

#include "control/life.h"
#include "control/op.h"
#include "control/orders.h"
#include "control/sets.h"
#include "control/sweep.h"

enum { ALL_WEIGHT = 16 }; /* of a RELEASE of all: one connection is not to have hundreds under way */

struct change {
	uint64_t reference, set_id;
	uint32_t expires_s, drain_s;
};

static struct op *begin(struct session *s, const struct zb_message_in *m, unsigned weight)
{
	struct op *op = op_new(s, &m->header, sizeof(struct change), weight);

	if (op == NULL) {
		session_close(s, "no memory for a request");
		return NULL;
	}
	*(struct change *)op->content =
		(struct change){.reference = zb_get_number(&m->attrs, ZB_ATTR_REFERENCE, 0),
				.set_id = zb_get_number(&m->attrs, ZB_ATTR_SET_ID, 0),
				.expires_s = (uint32_t)zb_get_number(&m->attrs, ZB_ATTR_EXPIRES, 0),
				.drain_s = (uint32_t)zb_get_number(&m->attrs, ZB_ATTR_DRAIN, 0)};
	if (!s->control->serving) {
		op_answer_status(op, -ENOTCONN);
		return NULL;
	}
	return op;
}

static void refuse_op(struct op *op, unsigned cause, unsigned attribute, const char *text)
{
	struct refusal r;

	refuse(&r, cause, attribute, "%s", text);
	op_answer_refusal(op, &r);
}

static void refuse_reference(struct op *op)
{
	refuse_op(op, ZB_CAUSE_REFERENCE_CLASH, ZB_ATTR_REFERENCE,
		  "the set's last request had this reference and another content");
}

/* The set that a request names, as the peer's earlier requests left it. */
static struct sa_set *find_own(const struct op *op)
{
	const struct change *in = op->content;
	struct sa_set *set = sa_table_by_id(&op->control->table, in->set_id);

	if (set != NULL && set->peer == op->peer && !sweep_ahead_of(set))
		set = NULL;
	return set;
}

/* --- CONFIRM --- */

static void on_confirmed(void *arg, int status, const struct dpl_header *answer)
{
	struct op *op = arg;
	struct control *c = op->control;
	struct sa_set *set = sa_table_by_id(&c->table, op->set_id);

	(void)answer;
	if (status == 0 && set == NULL)
		status = -ENOENT;
	if (status != 0) {
		op_answer_status(op, status);
		return;
	}
	op_answer_set(op, set);
	sets_settle(c, set);
}

/* Rule 18: what the established sets of the same registration have left; rule 19: what it has itself. */
static uint64_t lifetime_floor(const struct control *c, const struct sa_set *confirmed)
{
	const struct dpl_set_name *name = &confirmed->name;
	struct hash_node *at = NULL;
	const struct sa_set *set;
	uint64_t floor = 0;

	while ((set = sa_table_of_registration(&c->table, confirmed->peer, name->subscriber,
					       name->registration_id, &at)) != NULL)
		if (set->state == BGF_SET_ESTABLISHED && set->expires > floor)
			floor = set->expires;
	return floor;
}

static void confirm(struct op *op, struct sa_set *set)
{
	const struct change *in = op->content;
	struct control *c = op->control;
	bool is_first = set->state == BGF_SET_TEMPORARY;
	uint64_t floor = lifetime_floor(c, set);
	struct life_step step = life_step(set->state, LIFE_CONFIRM);

	if (step.action == LIFE_REFUSE) {
		refuse_op(op, ZB_CAUSE_BAD_STATE, ZB_ATTR_SET_ID,
			  set->state == BGF_SET_DRAINING ? "the set was released" : "the set was superseded");
		return;
	}
	set->state = step.state;
	set->name.expires_s = in->expires_s;
	set->name.last_reference = in->reference;
	sets_set_expiry(c, set, life_confirmed_until(timers_now(), in->expires_s, floor));
	sets_log(is_first ? "confirmed" : "extended", set);
	int error = sets_update(c, set, is_first && set->name.replaces != 0, is_first, on_confirmed, op);
	if (error != 0)
		op_answer_status(op, error);
}

void orders_confirm(struct session *s, const struct zb_message_in *m)
{
	struct op *op = begin(s, m, 1);

	if (op == NULL)
		return;
	const struct change *in = op->content;
	struct sa_set *set = find_own(op);
	if (set == NULL || set->peer != op->peer) {
		refuse_op(op, ZB_CAUSE_UNKNOWN_SET, ZB_ATTR_SET_ID, "no such set of this peer");
		return;
	}
	op->set_id = set->id;
	if (set->name.last_reference != in->reference) {
		confirm(op, set);
		return;
	}
	if (set->state == BGF_SET_DRAINING || set->name.expires_s != in->expires_s) {
		refuse_reference(op);
		return;
	}
	/* Repeated: nothing changes, and the answer still waits until every worker sees what the first one
	 * changed. */
	int error = sets_update(s->control, set, false, false, on_confirmed, op);
	if (error != 0)
		op_answer_status(op, error);
}

/* --- RELEASE --- */

static void on_drained(void *arg, int status, const struct dpl_header *answer)
{
	(void)answer;
	op_settled(arg, status);
}

/* Where the last releases are remembered, so that one whose set is gone is known when it is repeated. */
static struct released *memory_of(struct control *c, uint64_t set_id)
{
	return &c->released[hash_octets(&set_id, sizeof(set_id)) % RELEASED_MAX];
}

static void release_set(struct op *op, struct sa_set *set)
{
	const struct change *in = op->content;
	struct control *c = op->control;
	bool is_operator = op->peer->role == ZB_ROLE_OPERATOR;
	unsigned why = is_operator ? BGF_REMOVED_OPERATOR : BGF_REMOVED_RELEASED;
	enum life_event event = in->drain_s > 0 ? LIFE_DRAIN : LIFE_RELEASE;

	op->touched++;
	if (set->id != 0)
		*memory_of(c, set->id) =
			(struct released){.set_id = set->id,
					  .reference = in->reference,
					  .by = hash_octets(op->peer->name, strlen(op->peer->name)),
					  .drain_s = in->drain_s};
	set->name.last_reference = in->reference;
	if (set->id == 0 || life_step(set->state, event).action == LIFE_END) {
		/* Also one that the data plane is just adding: it may die before it has answered, and have
		 * the set when it comes back. */
		if (set->ender ==
		    NULL) { /* else an earlier RELEASE waits, and this one's answer comes later */
			op->outstanding++;
			set->ender = op;
		}
		sets_end(c, set, ZB_EVENT_REMOVED, why);
		return;
	}
	op->outstanding++;
	if (sets_linger(c, set, why, in->drain_s, on_drained, op) != 0)
		op_settled(op, -ENOTCONN);
}

static bool is_repeated(const struct op *op, const struct sa_set *set)
{
	const struct change *in = op->content;

	return set->state == BGF_SET_DRAINING && set->name.last_reference == in->reference &&
	       set->name.drain_s == in->drain_s;
}

/* Its request is the peer's last RELEASE of all. */
static bool is_last(const struct op *op)
{
	return op->peer->released_all.reference == ((const struct change *)op->content)->reference;
}

static void release_one(struct op *op)
{
	const struct change *in = op->content;
	struct control *c = op->control;
	struct sa_set *set = find_own(op);
	const struct released *was = memory_of(c, in->set_id);

	if (set == NULL && was->set_id == in->set_id && was->reference == in->reference &&
	    was->drain_s == in->drain_s && was->by == hash_octets(op->peer->name, strlen(op->peer->name))) {
		op->touched = 1;
	} else if (set == NULL || (set->peer != op->peer && op->peer->role != ZB_ROLE_OPERATOR)) {
		op->status = -ENOENT;
	} else if (is_repeated(op, set)) {
		op->touched = 1;
		op->outstanding++;
		if (sets_update(c, set, false, false, on_drained, op) != 0)
			op_settled(op, -ENOTCONN);
	} else if (set->name.last_reference == in->reference) {
		op->status = -EEXIST;
	} else {
		release_set(op, set);
	}
}

/* --- RELEASE of all --- */

static void sweep_release(struct sweep *w, struct sa_set *set)
{
	struct op *op = w->op;
	uint32_t counted = op->peer->released_all.serial, before = set->swept;

	set->swept = w->serial;
	if (is_repeated(op, set))
		op->touched++;
	else
		release_set(op, set);
	if (before >= counted && is_last(op)) /* by this one's first try */
		op->touched--;
}

/* All of its tries together have the first answer. */
static void count_all(struct op *op)
{
	struct released_all *last = &op->peer->released_all;

	if (is_last(op))
		op->touched = last->count += op->touched;
}

static void on_swept(struct sweep *w, int status)
{
	op_settled(w->op, status);
}

static void release_all(struct op *op)
{
	const struct change *in = op->content;
	struct released_all *last = &op->peer->released_all;
	struct sweep sweep = {.op = op, .each = sweep_release, .done = on_swept};

	if (is_last(op) && last->drain_s != in->drain_s) {
		refuse_reference(op);
		return;
	}
	if (is_last(op))
		sweep.until = last->until; /* a repetition does not mean what came since */
	op->settled = count_all;
	op->outstanding = 1; /* the sweep's own, so that no outcome answers too early */
	op->sweep = sweep_begin(op->peer, &sweep);
	if (op->sweep == NULL)
		op_answer_status(op, -ENOMEM);
	else if (!is_last(op))
		*last = (struct released_all){in->reference, op->sweep->until, op->sweep->serial, in->drain_s,
					      0};
}

void orders_release(struct session *s, const struct zb_message_in *m)
{
	bool all = zb_has(&m->attrs, ZB_ATTR_ALL_SETS), one = zb_has(&m->attrs, ZB_ATTR_SET_ID);
	struct op *op = begin(s, m, all ? ALL_WEIGHT : 1);

	if (op == NULL)
		return;
	if (!all && !one) {
		refuse_op(op, ZB_CAUSE_MISSING_ATTRIBUTE, ZB_ATTR_SET_ID, "RELEASE needs SET_ID or ALL_SETS");
		return;
	}
	if (all && one) {
		refuse_op(op, ZB_CAUSE_BAD_VALUE, ZB_ATTR_ALL_SETS, "RELEASE has either SET_ID or ALL_SETS");
		return;
	}
	if (all && op->peer->role == ZB_ROLE_OPERATOR) {
		refuse_op(op, ZB_CAUSE_NOT_ALLOWED, ZB_ATTR_ALL_SETS, "an operator has no sets of its own");
		return;
	}
	if (all) {
		release_all(op);
		return;
	}
	op->outstanding = 1; /* this function's own, so that no outcome answers too early */
	release_one(op);
	if (op->status == -ENOENT)
		refuse_op(op, ZB_CAUSE_UNKNOWN_SET, ZB_ATTR_SET_ID,
			  op->peer->role == ZB_ROLE_OPERATOR ? "no such set" : "no such set of this peer");
	else if (op->status == -EEXIST)
		refuse_reference(op);
	else
		op_settled(op, 0);
}
