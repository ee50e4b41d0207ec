/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/peer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/control.h"
#include "control/log.h"
#include "control/sets.h"
#include "control/sweep.h"
#include "zb/digest.h"

#define SECOND UINT64_C(1000000000)

enum { REMEMBERED_MAX = 256 }; /* peers whose sets ended while they were away */

static struct log_gate gate = {.rate = 20};

struct peer *peer_get(struct control *c, const char *name, enum zb_role role)
{
	struct peer *p;

	TAILQ_FOREACH (p, &c->peers, next)
		if (p->role == role && strcmp(p->name, name) == 0)
			return peer_ref(p);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	if (role == ZB_ROLE_PEER && (p->digests = calloc(DIGEST_BUCKETS, sizeof(*p->digests))) == NULL) {
		free(p);
		return NULL;
	}
	p->control = c;
	p->role = role;
	p->gone_at = timers_now();
	p->ended_away = role == ZB_ROLE_PEER && c->has_forgotten; /* it may be one of those */
	memcpy(p->name, name, strnlen(name, BGF_PEER_NAME_MAX));
	TAILQ_INIT(&p->sets);
	TAILQ_INIT(&p->sweeps);
	TAILQ_INSERT_TAIL(&c->peers, p, next);
	return peer_ref(p);
}

struct peer *peer_ref(struct peer *p)
{
	p->refs++;
	return p;
}

void peer_unref(struct peer *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	TAILQ_REMOVE(&p->control->peers, p, next);
	free(p->digests);
	free(p);
}

static void forget(struct peer *p)
{
	if (!p->is_remembered)
		return;
	p->is_remembered = false;
	p->control->remembered--;
	peer_unref(p);
}

static bool is_own_user(const struct origin *origin)
{
	return origin->is_local && (origin->uid == 0 || origin->uid == geteuid());
}

static bool is_name(const char *name)
{
	for (; *name != '\0'; name++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *name) ==
		    NULL)
			return false;
	return true;
}

/* Whoever may open the socket may observe: its mode and group decide that. */
int peer_allow(const struct bgf_config *config, const struct origin *origin, const char *name,
	       enum zb_role role, struct refusal *r)
{
	const struct config_control *control = &config->control;

	if (!is_name(name))
		return refuse(r, ZB_CAUSE_BAD_VALUE, ZB_ATTR_NAME,
			      "a name consists of letters, digits, '.', '_', '-'");
	if (role == ZB_ROLE_OBSERVER)
		return 0;
	if (role == ZB_ROLE_OPERATOR)
		return is_own_user(origin)
			       ? 0
			       : refuse(r, ZB_CAUSE_NOT_ALLOWED, ZB_ATTR_ROLE,
					"only root and the gateway's own user may be an operator");
	if (control->peer_count == 0)
		return 0;
	for (uint32_t i = 0; i < control->peer_count; i++) {
		const struct config_peer *allowed = &control->peers[i];
		if (strcmp(allowed->name, name) != 0)
			continue;
		if (allowed->uid < 0 ? is_own_user(origin)
				     : origin->is_local && (int64_t)origin->uid == allowed->uid)
			return 0;
		return refuse(r, ZB_CAUSE_NOT_ALLOWED, ZB_ATTR_NAME,
			      "user %u may not be peer %s (control.peers)", origin->uid, name);
	}
	return refuse(r, ZB_CAUSE_NOT_ALLOWED, ZB_ATTR_NAME, "%s is not among control.peers", name);
}

int peer_connect(struct peer *p, uint64_t instance_id, bool restart, struct refusal *r)
{
	/* Only a P-CSCF owns sets, so only its instances can harm each other. */
	if (p->role == ZB_ROLE_PEER && p->connections > 0 && p->instance_id != instance_id)
		return refuse(r, ZB_CAUSE_INSTANCE_CLASH, ZB_ATTR_INSTANCE_ID,
			      "instance %llx of %s is connected", (unsigned long long)p->instance_id,
			      p->name);
	p->connections++;
	p->gone_at = 0;
	if (p->instance_id != instance_id) { /* only the first HELLO of an instance says what it wants */
		p->instance_id = instance_id;
		p->restart = restart;
		sweep_others(p);
	}
	return 0;
}

void peer_disconnect(struct peer *p)
{
	if (--p->connections > 0)
		return;
	p->gone_at = timers_now();
	if (p->knows)
		p->ended_away = 0;
	p->knows = false;
}

void peer_knows(struct peer *p)
{
	p->knows = true;
	forget(p);
}

/* --- peers that are away --- */

void peer_set_ended(struct peer *p)
{
	if (p->role != ZB_ROLE_PEER || p->knows)
		return;
	p->ended_away++;
	if (p->is_remembered)
		return;
	if (p->control->remembered == REMEMBERED_MAX) {
		p->control->has_forgotten = true;
		return;
	}
	p->is_remembered = true;
	p->control->remembered++;
	peer_ref(p);
}

static void release_gone(struct peer *p)
{
	if (TAILQ_EMPTY(&p->sets) || !TAILQ_EMPTY(&p->sweeps))
		return; /* what is under way is awaited */
	log_gated(&gate, LOG_LEVEL_WARNING, "%s has had no connection for %u s: its %u sets are released",
		  p->name, p->control->config->control.peer_gone_s, p->set_count);
	sweep_gone(p);
}

void peer_tick_all(struct control *c)
{
	const uint64_t limit = c->config->control.peer_gone_s * SECOND;
	struct peer *p, *next;

	for (p = TAILQ_FIRST(&c->peers); p != NULL && limit > 0 && c->serving; p = next) {
		peer_ref(p);
		if (p->role == ZB_ROLE_PEER && p->gone_at != 0 && timers_now() >= p->gone_at + limit)
			release_gone(p);
		next = TAILQ_NEXT(p, next);
		peer_unref(p);
	}
}

void peer_forget_all(struct control *c)
{
	struct peer *p, *next;

	for (p = TAILQ_FIRST(&c->peers); p != NULL; p = next) {
		next = TAILQ_NEXT(p, next);
		forget(p);
	}
}
