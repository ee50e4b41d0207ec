/* SPDX-License-Identifier: BSD-3-Clause
 *
 * INSTALL: rules 4 to 7, 14 and 15.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "control/admit.h"
#include "control/events.h"
#include "control/keys.h"
#include "control/life.h"
#include "control/log.h"
#include "control/op.h"
#include "control/orders.h"
#include "control/sets.h"
#include "control/sweep.h"

#define SECOND UINT64_C(1000000000)

/* When it was installed, for people and for 'older' (rule 21): it never goes back, whatever the clock does.
 */
static uint64_t stamp(struct control *c)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t t = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
	c->last_installed = t > c->last_installed ? t : c->last_installed + 1;
	return c->last_installed;
}

static void fill_set(struct sa_set *set, struct op *op, const struct admission *a)
{
	const struct install *in = op->content;
	struct control *c = op->control;
	uint32_t await_auth_s = in->await_auth_s != 0 ? in->await_auth_s : c->config->control.await_auth_s;
	struct dpl_set_name *name = &set->name;

	set->selectors = in->selectors;
	set->state = BGF_SET_TEMPORARY;
	set->expires = timers_now() + await_auth_s * SECOND; /* rule 14 */
	name->reference = in->reference;
	name->instance_id = op->peer->instance_id;
	name->installed = stamp(c);
	name->replaces = a->replaces != NULL ? a->replaces->id : 0;
	name->alg = in->alg;
	name->ealg = in->ealg;
	name->mod = in->mod;
	name->flags = in->flags;
	memcpy(name->peer, op->peer->name, sizeof(name->peer));
	memcpy(name->subscriber, in->subscriber, sizeof(name->subscriber));
	memcpy(name->registration_id, in->registration_id, sizeof(name->registration_id));
}

static void refuse_clash(struct op *op, const struct dpl_set_state *state)
{
	struct refusal r;

	refuse(&r, ZB_CAUSE_PORT_IN_USE,
	       state->clash == DPL_CLASH_PORT_US ? ZB_ATTR_PORT_US : ZB_ATTR_PORT_UC,
	       "set %llu of this UE address has these ports", (unsigned long long)state->set_id);
	op_answer_refusal(op, &r);
}

static void on_added(void *arg, int status, const struct dpl_header *answer)
{
	struct op *op = arg;
	struct control *c = op->control;
	struct sa_set *set = op->set;
	const struct dpl_set_state *state =
		answer != NULL ? &((const struct dpl_set_row *)answer)->set : NULL;

	if (status == 0) {
		sets_added(c, set, state);
		op_answer_set(op, set);
		sets_added_and_answered(c, set);
		return;
	}
	if (status == -EEXIST)
		refuse_clash(op, state);
	else
		op_answer_status(op, status);
	sets_discard(c, set, status);
}

/* Sends the set to the data plane. 0 or -errno; the key is wiped either way. */
static int send_add(struct op *op, struct sa_set *set)
{
	const struct install *in = op->content;
	struct dpl_set_add add = {.header = DPLINK_RECORD(DPL_SET_ADD, add),
				  .selectors = set->selectors,
				  .expires = set->expires,
				  .state = set->state};
	struct keys keys;
	int error = keys_expand(in->alg, in->ik, &keys);

	if (error != 0)
		return error;
	error = keys_fingerprint(&keys, set->name.fingerprint);
	if (error == 0) {
		add.name = set->name;
		add.key_length = keys.auth_length;
		memcpy(add.auth_key, keys.auth, sizeof(add.auth_key));
		error = dplink_send(op->control->link, &add.header, on_added, op);
	}
	keys_wipe(&keys);
	OPENSSL_cleanse(&add, sizeof(add));
	return error;
}

/* Why a set ends for a new one. */
static unsigned why_it_goes(const struct sa_set *set)
{
	if (set->state == BGF_SET_TEMPORARY)
		return BGF_REMOVED_NEW_CHALLENGE;
	return set->state == BGF_SET_DRAINING ? set->name.removed : BGF_REMOVED_GAVE_WAY;
}

/* What goes for the new set, before it comes: rule 15 is applied first. A challenge on an established set
 * shows that the UE is on it, as its first other packet would (rule 20): one that only ever registers sends
 * no other, and its older sets must not pile up until it is locked out (rule 6). */
static void make_way(struct control *c, const struct admission *a)
{
	for (unsigned i = 0; i < a->go_count; i++)
		sets_end(c, a->go[i], ZB_EVENT_REMOVED, why_it_goes(a->go[i]));
	if (a->via != NULL)
		sets_linger(c, a->via, BGF_REMOVED_NEW_CHALLENGE, LIFE_VIA_DRAIN_S, NULL, NULL);
	if (a->in_use != NULL)
		sets_supersede_older(c, a->in_use);
}

static void create(struct op *op, const struct admission *a, const uint8_t digest[32])
{
	struct control *c = op->control;
	struct sa_set *set = sa_set_new();

	if (set == NULL) {
		op_answer_status(op, -ENOMEM);
		return;
	}
	fill_set(set, op, a);
	memcpy(set->name.content, digest, sizeof(set->name.content));
	op->set = set;
	if (sets_enter(c, set, op->peer) != 0) {
		sa_set_free(set);
		op_answer_status(op, -ENOMEM);
		return;
	}
	if (op->peer->released_all.serial > op->sweeps) /* it waited, and a RELEASE of all was behind it */
		set->doomed = BGF_REMOVED_RELEASED;
	int error = send_add(op, set);
	if (error != 0) {
		op_answer_status(op, error);
		sets_discard(c, set, error);
	}
}

/* The data plane can have another set, now or once those that go are gone: what is refused changes nothing.
 */
static void take(struct op *op, const struct admission *a, const uint8_t digest[32])
{
	struct control *c = op->control;
	struct sa_set *going = a->go_count > 0 ? a->go[0] : NULL;
	bool is_full = c->table.count + c->ending.count >= c->capacity;

	if (is_full && going == NULL) {
		op_answer_status(op, -ENOSPC);
		return;
	}
	make_way(c, a);
	if (!is_full)
		create(op, a, digest);
	else if (going->removing)
		op_wait(op, going);
	else
		op_answer_status(op, -ENOTCONN);
}

/* The same reference: the same answer, or a clash. */
static void repeat(struct op *op, struct sa_set *set, const uint8_t digest[32])
{
	struct refusal r;

	if (set->id == 0) {
		op_wait(op, set);
	} else if (CRYPTO_memcmp(set->name.content, digest, sizeof(set->name.content)) == 0) {
		op_answer_set(op, set);
	} else {
		refuse(&r, ZB_CAUSE_REFERENCE_CLASH, ZB_ATTR_REFERENCE, "set %llu has this reference",
		       (unsigned long long)set->id);
		op_answer_refusal(op, &r);
	}
}

void orders_look_at_load(struct control *c)
{
	struct overload *o = &c->overload;

	o->limit = c->config->control.overload_delay_ms * UINT64_C(1000000);
	if (o->limit == 0)
		return;
	uint64_t now = timers_now(), delay = dplink_delay(c->link, now);
	uint64_t turn = turn_age(&c->turn, now); /* so long has who comes now waited for it */
	switch (overload_note(o, turn > delay ? turn : delay, dplink_under_way(c->link), now)) {
	case OVERLOAD_BEGINS:
		log_line(LOG_LEVEL_WARNING,
			 "overloaded: %u requests are under way, and wait %llu ms; new registrations are "
			 "refused "
			 "until it is better",
			 dplink_under_way(c->link), (unsigned long long)(delay / 1000000));
		events_overload(c);
		break;
	case OVERLOAD_ENDS:
		log_line(LOG_LEVEL_WARNING,
			 "no more overloaded; it took %.1f s, and %llu new registrations were refused",
			 (double)(now - o->since) / SECOND, (unsigned long long)o->refused);
		events_overload(c);
		break;
	case OVERLOAD_SAME:
		break;
	}
}

/* Whose turn it is. A registration that begins unprotected is new, whatever is there (rule 26). */
static enum overload_rank rank_of(const struct op *op)
{
	const struct install *in = op->content;
	struct hash_node *at = NULL;
	const struct sa_set *set;

	if (in->flags & BGF_SET_EMERGENCY)
		return OVERLOAD_EMERGENCY;
	if (in->flags & BGF_SET_BEGAN_UNPROTECTED)
		return OVERLOAD_NEW;
	while ((set = sa_table_of_registration(&op->control->table, op->peer, in->subscriber,
					       in->registration_id, &at)) != NULL)
		if (set->state == BGF_SET_ESTABLISHED || set->state == BGF_SET_SUPERSEDED)
			return OVERLOAD_REGISTERED;
	return OVERLOAD_NEW;
}

static bool is_too_much(struct op *op, struct refusal *r)
{
	struct control *c = op->control;

	orders_look_at_load(c);
	if (!c->overload.shedding || overload_admits(&c->overload, rank_of(op)))
		return false;
	/* The reference is the client's: to spread the returns by it needs no randomness of ours. */
	uint64_t reference = ((const struct install *)op->content)->reference;
	refuse(r, ZB_CAUSE_OVERLOAD, 0, "the gateway is overloaded; registered subscribers come first");
	r->fault.retry_after_ms = overload_retry_ms(c->config->control.overload_retry_s,
						    (uint32_t)hash_octets(&reference, sizeof(reference)));
	return true;
}

static void run_install(struct op *op)
{
	const struct install *in = op->content;
	struct control *c = op->control;
	struct admission a;
	struct refusal r;
	uint8_t digest[32];

	if (!c->serving) {
		op_answer_status(op, -ENOTCONN);
		return;
	}
	sa_table_prefetch(&c->table, op->peer, in->reference, in->subscriber, in->registration_id,
			  &in->selectors);
	if (install_digest(in, digest) != 0) {
		op_answer_status(op, -EIO);
		return;
	}
	sweep_ahead(op->peer, in);
	struct sa_set *same = sa_table_by_reference(&c->table, op->peer, in->reference);
	if (same != NULL)
		repeat(op, same, digest);
	else if (!op->waited && is_too_much(op, &r))
		op_answer_refusal(op, &r);
	else if (admit(&c->table, op->peer, in, &a, &r) != 0)
		op_answer_refusal(op, &r);
	else if (a.wait != NULL)
		op_wait(op, a.wait);
	else
		take(op, &a, digest);
	OPENSSL_cleanse(digest, sizeof(digest));
}

void orders_install(struct session *s, const struct zb_message_in *m)
{
	struct op *op = op_new(s, &m->header, sizeof(struct install), 1);
	struct refusal r;

	if (op == NULL) {
		session_close(s, "no memory for a request");
		return;
	}
	install_get(&m->attrs, op->content);
	if (install_check(op->content, s->control->config, &r) != 0) {
		op_answer_refusal(op, &r);
		return;
	}
	op->run = run_install;
	run_install(op);
}
