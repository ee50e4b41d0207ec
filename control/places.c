/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/places.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/log.h"
#include "control/quota.h"

enum kind { NAMELESS, PCSCF, WATCHER };

static const char *const kinds[] = {[NAMELESS] = "without a HELLO",
				    [PCSCF] = "of P-CSCFs (control.connections_max)",
				    [WATCHER] = "of observers and operators"};

static enum kind kind_of(const struct peer *peer)
{
	if (peer == NULL)
		return NAMELESS;
	return peer->role == ZB_ROLE_PEER ? PCSCF : WATCHER;
}

/* All that may be associated may come at once. */
static uint32_t limit_of(const struct config_control *config, enum kind kind)
{
	if (kind == WATCHER)
		return PLACES_WATCHERS;
	return config->connections_max + (kind == NAMELESS ? PLACES_WATCHERS : 0);
}

uint32_t places_all(const struct config_control *config)
{
	return limit_of(config, NAMELESS) + limit_of(config, PCSCF) + limit_of(config, WATCHER);
}

/* What is over already goes first, and what waits for an answer last. */
static uint64_t heard_of(const struct session *s)
{
	if (s->closing)
		return 0;
	return s->ops_weight > 0 ? UINT64_MAX : s->heard;
}

static struct claim claim_of(struct session *s, const struct peer *peer)
{
	return (struct claim){
		.uid = s->origin.uid, .pid = s->origin.pid, .peer = peer, .heard = heard_of(s), .session = s};
}

/* Those of the kind that the newcomer is to be of, itself among them. With NULL they are only counted. */
static size_t claims_of(struct session *newcomer, const struct peer *peer, struct claim *ret_claims)
{
	size_t count = 0;
	struct session *s;

	LIST_FOREACH (s, &newcomer->control->sessions, next) {
		const struct peer *as = s == newcomer ? peer : s->peer;
		if (s->dead || kind_of(as) != kind_of(peer))
			continue;
		if (ret_claims != NULL)
			ret_claims[count] = claim_of(s, as);
		count++;
	}
	return count;
}

int places_find(struct session *s, const struct peer *peer, struct session **ret_other,
		struct refusal *ret_refusal)
{
	struct control *c = s->control;
	uint32_t limit = limit_of(&c->config->control, kind_of(peer));
	size_t count = claims_of(s, peer, NULL);
	bool is_own;

	*ret_other = NULL;
	if (count <= limit)
		return 0;
	struct claim *claims = calloc(count, sizeof(*claims));
	if (claims == NULL)
		return refuse(ret_refusal, ZB_CAUSE_INTERNAL, 0, "no memory");
	claims_of(s, peer, claims);
	struct session *other = quota_pick(claims, count, s, &is_own)->session;
	free(claims);
	if (is_own && kind_of(peer) == PCSCF)
		return refuse(
			ret_refusal, ZB_CAUSE_TOO_MANY_CONNECTIONS, 0,
			"all %u connections %s are open, and %s (user %u) has its share; %llu refused so far",
			limit, kinds[PCSCF], peer->name, s->origin.uid, (unsigned long long)++c->no_place);
	*ret_other = other;
	return 0;
}

void places_give(struct session *other, const struct session *to)
{
	static struct log_gate gates[] = {
		[NAMELESS] = {.rate = 1}, [PCSCF] = {.rate = 2}, [WATCHER] = {.rate = 1}};
	char text[256];

	if (other == NULL)
		return;
	enum kind kind = kind_of(other->peer);
	snprintf(text, sizeof(text),
		 "it gave way to %s (pid %d, user %u): all %u connections %s are open, and nobody has more",
		 session_name(to), to->origin.pid, to->origin.uid,
		 limit_of(&other->control->config->control, kind), kinds[kind]);
	other->control->gave_way++;
	log_gated(&gates[kind], LOG_LEVEL_WARNING,
		  "association of %s (pid %d, uid %u) closed: %s; %llu did so far", session_name(other),
		  other->origin.pid, other->origin.uid, text, (unsigned long long)other->control->gave_way);
	session_dismiss(other, ZB_CAUSE_TOO_MANY_CONNECTIONS, text);
}
