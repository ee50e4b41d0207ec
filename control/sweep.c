/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sweep.h"

#include <errno.h>
#include <stdlib.h>

#include "control/sets.h"

/* --- one set --- */

static bool is_meant(const struct sweep *w, const struct sa_set *set)
{
	return set->swept < w->serial && set->name.installed <= w->until &&
	       (w->spared == 0 || set->name.instance_id != w->spared);
}

/* What it is about has changed: a peer that was gone is back. */
static bool is_void(const struct sweep *w)
{
	return w->why == BGF_REMOVED_PEER_GONE && w->peer->connections > 0;
}

static bool is_due(const struct sweep *w, const struct sa_set *set)
{
	return !w->over && !is_void(w) && is_meant(w, set);
}

static void end_one(struct sweep *w, struct sa_set *set)
{
	set->swept = w->serial; /* one that the data plane is just adding stays for a while */
	sets_end(w->peer->control, set, ZB_EVENT_REMOVED, w->why);
}

/* --- turns --- */

static void wake(struct control *c, unsigned ms)
{
	struct timeval tv = {.tv_usec = (suseconds_t)ms * 1000};

	/* Not event_active: that would be this turn's yet. And not again: it would be put off. */
	if (!TAILQ_EMPTY(&c->sweeping) && !evtimer_pending(c->sweeper, NULL))
		evtimer_add(c->sweeper, &tv);
}

/* The peer's first sweep is to run, or it runs no more. */
static void set_running(struct peer *p, bool running)
{
	struct control *c = p->control;

	if (running == p->is_sweeping)
		return;
	p->is_sweeping = running;
	if (running)
		TAILQ_INSERT_TAIL(&c->sweeping, p, of_sweeping);
	else
		TAILQ_REMOVE(&c->sweeping, p, of_sweeping);
}

/* True: it has seen all. */
static bool run(struct sweep *w, unsigned count)
{
	struct peer *p = w->peer;
	uint64_t end = timers_now() + SWEEP_TURN_US * UINT64_C(1000);

	if (!w->begun)
		p->sweep_at = TAILQ_FIRST(&p->sets);
	w->begun = true;
	while (p->sweep_at != NULL && !is_void(w) && count-- > 0 && timers_now() < end) {
		struct sa_set *set = p->sweep_at;
		p->sweep_at = TAILQ_NEXT(set, of_peer);
		if (is_meant(w, set))
			w->each(w, set);
	}
	return p->sweep_at == NULL || is_void(w);
}

static void finish(struct sweep *w, int status)
{
	w->over = true;
	set_running(w->peer, false);
	w->done(w, status);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;
	struct peer *p = TAILQ_FIRST(&c->sweeping);
	uint32_t waiting = dplink_under_way(c->link);

	(void)fd, (void)what;
	if (p == NULL)
		return;
	turn_work(&c->turn);
	struct sweep *w = TAILQ_FIRST(&p->sweeps);
	TAILQ_REMOVE(&c->sweeping, p, of_sweeping); /* the next turn is another peer's */
	TAILQ_INSERT_TAIL(&c->sweeping, p, of_sweeping);
	if (run(w, waiting + SWEEP_LEAST < SWEEP_UNDER_WAY ? SWEEP_UNDER_WAY - waiting : SWEEP_LEAST))
		finish(w, 0);
	wake(c, dplink_under_way(c->link) < SWEEP_UNDER_WAY ? 0 : SWEEP_WAIT_MS);
}

int sweep_init(struct control *c)
{
	TAILQ_INIT(&c->sweeping);
	c->sweeper = evtimer_new(c->base, on_turn, c);
	return c->sweeper != NULL ? 0 : -ENOMEM;
}

void sweep_free(struct control *c)
{
	if (c->sweeper == NULL)
		return;
	sweep_stop_all(c);
	event_free(c->sweeper);
	c->sweeper = NULL;
}

/* --- begin and end --- */

struct sweep *sweep_begin(struct peer *peer, const struct sweep *sweep)
{
	struct control *c = peer->control;
	struct sweep *w = malloc(sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = *sweep;
	w->peer = peer_ref(peer);
	if (w->until == 0)
		w->until = c->last_installed;
	w->serial = ++c->sweeps;
	TAILQ_INSERT_TAIL(&peer->sweeps, w, of_peer);
	if (TAILQ_FIRST(&peer->sweeps) == w)
		set_running(peer, true);
	wake(c, 0);
	return w;
}

void sweep_end(struct sweep *w)
{
	struct peer *p = w->peer;

	if (TAILQ_FIRST(&p->sweeps) == w)
		p->sweep_at = NULL;
	TAILQ_REMOVE(&p->sweeps, w, of_peer);
	struct sweep *next = TAILQ_FIRST(&p->sweeps);
	set_running(p, next != NULL && !next->over);
	wake(p->control, 0);
	free(w);
	peer_unref(p);
}

/* Each is taken from the front of its peer's: whoever is done with one may end others. */
static bool stop_one(struct peer *p)
{
	struct sweep *w;

	TAILQ_FOREACH (w, &p->sweeps, of_peer) {
		if (w->over)
			continue;
		finish(w, -ENOTCONN);
		return true;
	}
	return false;
}

void sweep_stop_all(struct control *c)
{
	struct peer *p, *next;

	for (p = TAILQ_FIRST(&c->peers); p != NULL; p = next) {
		peer_ref(p);
		while (stop_one(p))
			;
		next = TAILQ_NEXT(p, next);
		peer_unref(p);
	}
}

void sweep_forget(struct sa_set *set)
{
	if (set->peer->sweep_at == set)
		set->peer->sweep_at = TAILQ_NEXT(set, of_peer);
}

/* --- ahead of its turn --- */

static bool is_due_of_any(const struct sa_set *set)
{
	const struct sweep *w;

	TAILQ_FOREACH (w, &set->peer->sweeps, of_peer)
		if (is_due(w, set))
			return true;
	return false;
}

bool sweep_ahead_of(struct sa_set *set)
{
	struct peer *p = set->peer;
	const struct sa_table *t = &p->control->table;
	const uint64_t id = set->id;
	struct sweep *w, *next;

	for (w = TAILQ_FIRST(&p->sweeps); w != NULL; w = next) {
		next = TAILQ_NEXT(w, of_peer);
		if (!is_due(w, set))
			continue;
		w->each(w, set);
		if (id != 0 && sa_table_by_id(t, id) == NULL)
			return false;
	}
	return true;
}

/* One that an INSTALL would meet and whose turn has not come; NULL: no other. */
static struct sa_set *next_met(const struct peer *p, const struct install *in)
{
	const struct sa_table *t = &p->control->table;
	struct sa_set *set = sa_table_by_reference(t, p, in->reference);
	struct hash_node *at = NULL;

	if (set != NULL && is_due_of_any(set))
		return set;
	while ((set = sa_table_of_registration(t, p, in->subscriber, in->registration_id, &at)) != NULL)
		if (is_due_of_any(set))
			return set;
	at = NULL;
	while ((set = sa_table_of_ue(t, &in->selectors.ue, &at)) != NULL)
		if (set->peer == p && is_due_of_any(set))
			return set;
	return NULL;
}

void sweep_ahead(struct peer *peer, const struct install *in)
{
	struct sa_set *set;

	if (TAILQ_EMPTY(&peer->sweeps))
		return;
	while ((set = next_met(peer, in)) != NULL)
		sweep_ahead_of(set);
}

/* --- those that nobody asked for --- */

static void done(struct sweep *w, int status)
{
	(void)status; /* once the data plane is back, whoever began it begins it again */
	sweep_end(w);
}

void sweep_others(struct peer *p)
{
	const struct sweep sweep = {
		.why = BGF_REMOVED_NEW_INSTANCE, .spared = p->instance_id, .each = end_one, .done = done};

	if (p->restart && p->control->serving && !TAILQ_EMPTY(&p->sets))
		sweep_begin(p, &sweep);
}

void sweep_gone(struct peer *p)
{
	const struct sweep sweep = {.why = BGF_REMOVED_PEER_GONE, .each = end_one, .done = done};

	sweep_begin(p, &sweep);
}
