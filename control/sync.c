/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sync.h"

#include <string.h>

#include "control/audit.h"
#include "control/events.h"
#include "control/life.h"
#include "control/log.h"
#include "control/sets.h"
#include "control/sweep.h"

/* Going through many sets is waiting for memory, so what comes next is fetched, so many sets ahead: */
enum {
	FETCH_KNOWN = 6,  /* one that is compared with what the data plane says; */
	FETCH_SET = 24,	  /* one that is settled, */
	FETCH_PLACE = 16, /* then the place of its registration in the index, */
	FETCH_NODE = 8,	  /* then who is there */
};

static void ask_for(struct control *c, uint64_t from);

/* Another store: nothing that was known here is there any more. */
static void start_anew(struct control *c, uint64_t epoch)
{
	uint32_t count = c->table.count;

	for (uint32_t i = 0; i < c->table.slots; i++)
		if (c->table.slot[i] != NULL)
			sets_forget(c, c->table.slot[i]);
	sets_finish_ending(c, true);
	c->store_epoch = epoch;
	log_line(LOG_LEVEL_WARNING, "the data plane has a new store: %u sets are lost", count);
	events_epoch_lost(c);
}

void sync_up(void *arg, const struct dpl_hello_answer *hello)
{
	struct control *c = arg;

	c->capacity = hello->capacity;
	memcpy(c->boot_id, hello->boot_id, sizeof(c->boot_id));
	log_line(LOG_LEVEL_INFO, "data plane link up: %u of %u sets, %u workers, %u ports", hello->sets,
		 hello->capacity, hello->workers, hello->ports);
	if (c->store_epoch != 0 && c->store_epoch != hello->store_epoch)
		start_anew(c, hello->store_epoch);
	c->store_epoch = hello->store_epoch;
	if (++c->syncs == 0) /* what a set has that was never seen */
		c->syncs = 1;
	sa_table_reserve(&c->table, hello->sets);
	ask_for(c, 0);
}

void sync_down(void *arg)
{
	struct control *c = arg;

	c->serving = false;
	sweep_stop_all(c);
}

void sync_first_used(void *arg, uint64_t set_id)
{
	struct control *c = arg;
	struct sa_set *set = sa_table_by_id(&c->table, set_id);

	if (set == NULL)
		return;
	sets_first_used(c, set);
	if (c->serving) /* else once all sets are known */
		sets_supersede_older(c, set);
}

/* --- learning --- */

static void adopt(struct sa_set *set, const struct dpl_set_state *state)
{
	set->selectors = state->selectors;
	set->name = state->name;
	set->state = state->state;
	set->first_used = state->first_used;
}

/* Nearly always, where only the data plane was started anew. */
static bool is_as_known(const struct sa_set *set, const struct dpl_set_state *state)
{
	return set->expires == state->expires && set->state == state->state &&
	       set->first_used == state->first_used &&
	       memcmp(&set->selectors, &state->selectors, sizeof(set->selectors)) == 0 &&
	       memcmp(&set->name, &state->name, sizeof(set->name)) == 0;
}

/* The strings of a record end where they should. */
static bool is_sound(const struct dpl_set_state *state)
{
	const struct dpl_set_name *name = &state->name;

	return state->set_id != 0 && state->state >= BGF_SET_TEMPORARY && state->state <= BGF_SET_DRAINING &&
	       memchr(name->peer, '\0', sizeof(name->peer)) != NULL && name->peer[0] != '\0' &&
	       memchr(name->subscriber, '\0', sizeof(name->subscriber)) != NULL &&
	       memchr(name->registration_id, '\0', sizeof(name->registration_id)) != NULL;
}

static void learn_new(struct control *c, const struct dpl_set_state *state)
{
	struct sa_set *set = sa_set_new();
	struct peer *peer = peer_get(c, state->name.peer, ZB_ROLE_PEER);

	if (set != NULL && peer != NULL) {
		adopt(set, state);
		set->seen = c->syncs;
		set->id = state->set_id;
		set->expires = state->expires;
		if (sets_enter(c, set, peer) == 0)
			set = NULL;
	}
	if (set != NULL) {
		log_line(LOG_LEVEL_ERROR, "no memory to learn set %llu", (unsigned long long)state->set_id);
		sa_set_free(set);
	}
	peer_unref(peer);
}

static void learn_again(struct control *c, struct sa_set *set, const struct dpl_set_state *state)
{
	const bool news = state->first_used && !set->first_used;

	set->seen = c->syncs;
	if (is_as_known(set, state))
		return;
	adopt(set, state);
	audit_change(set);
	sets_set_expiry(c, set, state->expires);
	if (news) /* while the link was down */
		sets_first_used(c, set);
}

static void learn(struct control *c, const struct dpl_set_state *state)
{
	struct sa_set *ending = sets_find_ending(c, state->set_id);
	struct sa_set *set = sa_table_by_id(&c->table, state->set_id);

	if (state->name.installed > c->last_installed)
		c->last_installed = state->name.installed;
	if (ending != NULL) {
		ending->seen = c->syncs;
	} else if (!is_sound(state)) {
		log_line(LOG_LEVEL_ERROR,
			 "the data plane told a set %llu that makes no sense; it is left alone",
			 (unsigned long long)state->set_id);
	} else if (set != NULL) {
		learn_again(c, set, state);
	} else {
		learn_new(c, state);
	}
}

/* --- after the last one --- */

/* Rule 6, of a set that is not confirmed: has the one whose ports it waits for ended, it sends from now on.
 * That was not told to the data plane if the link was lost then. */
static void inherit(struct control *c, struct sa_set *set)
{
	if (set->name.replaces == 0)
		return;
	const struct sa_set *old = sa_table_by_id(&c->table, set->name.replaces);
	if (old != NULL && old->seen == c->syncs)
		return;
	set->name.replaces = 0;
	sets_update(c, set, true, false, NULL, NULL);
}

static const struct sa_set *ahead(const struct sa_table *t, uint32_t slot)
{
	return slot < t->slots ? t->slot[slot] : NULL;
}

static void fetch_for_settling(const struct sa_table *t, uint32_t slot)
{
	const struct sa_set *set = ahead(t, slot + FETCH_SET);

	if (set != NULL) {
		__builtin_prefetch(&set->name.flags);
		__builtin_prefetch(&set->seen);
		__builtin_prefetch(&set->by_registration);
	}
	set = ahead(t, slot + FETCH_PLACE);
	if (set != NULL)
		hash_prefetch(&t->registration, set->by_registration.hash);
	set = ahead(t, slot + FETCH_NODE);
	if (set != NULL)
		__builtin_prefetch(hash_peek(&t->registration, set->by_registration.hash));
}

/* Whether sets were lost. */
static bool settle_all(struct control *c)
{
	bool lost = false;

	for (uint32_t i = 0; i < c->table.slots; i++) {
		struct sa_set *set = c->table.slot[i];
		fetch_for_settling(&c->table, i);
		if (set == NULL)
			continue;
		if (set->seen != c->syncs) {
			/* Its ADD was answered, and the store without it is still the same one. */
			log_line(LOG_LEVEL_ERROR, "the data plane has lost set %llu",
				 (unsigned long long)set->id);
			peer_set_ended(set->peer);
			sets_forget(c, set);
			lost = true;
		} else if (set->state == BGF_SET_ESTABLISHED || set->state == BGF_SET_SUPERSEDED) {
			/* What a CONFIRM, or a first use, did not come to finish. One that drains may be of
			 * a failed authentication, which harms nothing (rule 22). */
			sets_settle(c, set);
			if (set->first_used)
				sets_supersede_older(c, set);
		} else {
			inherit(c, set);
		}
	}
	return lost;
}

static void finish(struct control *c)
{
	struct peer *peer, *next;

	bool is_gap = settle_all(c) || !c->synced;
	sets_finish_ending(c, false);
	c->serving = c->synced = true;
	/* Who came before the first data plane was told no epoch (0), so nothing else says what became of its
	 * sets. */
	if (is_gap)
		events_gap(c);
	for (peer = TAILQ_FIRST(&c->peers); peer != NULL; peer = next) {
		next = TAILQ_NEXT(peer, next);
		peer_ref(peer);
		sweep_others(peer);
		next = TAILQ_NEXT(peer, next);
		peer_unref(peer);
	}
	if (c->ready != NULL)
		event_active(c->ready, EV_TIMEOUT, 1);
	log_line(LOG_LEVEL_INFO, "in step with the data plane: %u sets", c->table.count);
}

static void on_rows(void *arg, int status, const struct dpl_header *answer)
{
	const struct dpl_set_rows *rows = (const struct dpl_set_rows *)answer;
	struct control *c = arg;

	if (status != 0) {
		if (answer != NULL)
			log_line(LOG_LEVEL_ERROR, "the data plane does not tell its sets: %s",
				 strerror(-status));
		return;
	}
	/* The data plane looks for the next ones while these are learned. */
	if (rows->next != 0) {
		ask_for(c, rows->next);
		dplink_flush(c->link);
	}
	for (uint32_t i = 0; i < rows->count; i++)
		sa_table_prefetch_id(&c->table, rows->set[i].set_id);
	for (uint32_t i = 0; i < rows->count; i++) {
		if (i + FETCH_KNOWN < rows->count)
			sa_table_prefetch_set(&c->table, rows->set[i + FETCH_KNOWN].set_id);
		learn(c, &rows->set[i]);
	}
	if (rows->next == 0)
		finish(c);
}

static void ask_for(struct control *c, uint64_t from)
{
	struct dpl_cursor cursor = {.header = DPLINK_RECORD(DPL_SET_LIST, cursor), .from = from};

	if (dplink_send(c->link, &cursor.header, on_rows, c) != 0)
		log_line(LOG_LEVEL_ERROR, "the data plane cannot be asked for its sets");
}
