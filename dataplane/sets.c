/* SPDX-License-Identifier: BSD-3-Clause */
#include "sets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_rcu_qsbr.h>

#include "bgf_spi.h"
#include "claim.h"
#include "log.h"
#include "recover.h"
#include "set_check.h"
#include "set_fill.h"

enum {
	LIST_SCAN = 4096,  /* slots that one SET_LIST looks at: the main lcore is never away for long */
	FAULTS_SHOWN = 20, /* removed sets that the log tells at start; all when a served address went */
	FETCH_RECORD = 12, /* at start: sets whose lines, */
	FETCH_BUCKETS = 6, /* and then buckets, are fetched before their turn */
};

/* A change that the workers have not all passed. */
struct pending {
	uint64_t token; /* 0: not started */
	uint32_t slot;
	struct sets_ticket ticket;
};

struct sets {
	struct sets_args args;
	struct sa_hot *hot;
	uint32_t capacity;
	uint32_t live;
	/* free slots, first in first out: a slot rests as long as possible before it is used again */
	uint32_t *free;
	uint32_t free_head, free_count;
	/* changes in the order they were made, so that their tokens never fall */
	struct pending pending[SETS_PENDING];
	uint32_t pending_head, pending_count, pending_started;
};

static struct store_cold *cold_of(const struct sets *s, uint32_t slot)
{
	return store_cold(s->args.store, slot);
}

static void slot_give(struct sets *s, uint32_t slot)
{
	s->free[(s->free_head + s->free_count++) % s->capacity] = slot;
}

static uint32_t slot_take(struct sets *s)
{
	uint32_t slot = s->free[s->free_head];

	s->free_head = (s->free_head + 1) % s->capacity;
	s->free_count--;
	return slot;
}

/* The slot of a LIVE set, or -ENOENT. */
static int64_t slot_of(const struct sets *s, uint64_t set_id)
{
	uint32_t slot = (uint32_t)set_id & (BGF_SPI_SLOTS - 1);

	if (slot >= s->capacity)
		return -ENOENT;
	const struct store_cold *c = cold_of(s, slot);
	return c->record == STORE_LIVE && c->set_id == set_id ? (int64_t)slot : -ENOENT;
}

/* ---- what packets see of a set ---- */

static void inbound_publish(struct sets *s, uint32_t slot)
{
	const struct bgf_set_selectors *sel = &cold_of(s, slot)->selectors;

	__atomic_store_n(&s->hot[slot].in[BGF_SPI_PS].spi, sel->spi_ps, __ATOMIC_RELEASE);
	__atomic_store_n(&s->hot[slot].in[BGF_SPI_PC].spi, sel->spi_pc, __ATOMIC_RELEASE);
}

static void unlink_set(struct sets *s, uint32_t slot)
{
	for (uint32_t which = 0; which < 2; which++) {
		__atomic_store_n(&s->hot[slot].in[which].spi, 0, __ATOMIC_RELEASE);
		claim_drop(s->args.store, s->args.tuples, slot, which);
	}
}

/* ---- changes that wait for the workers ---- */

bool sets_ready(const struct sets *s)
{
	return s->pending_count < SETS_PENDING;
}

static void await(struct sets *s, uint32_t slot, const struct sets_ticket *ticket)
{
	s->pending[(s->pending_head + s->pending_count++) % SETS_PENDING] =
		(struct pending){.slot = slot, .ticket = *ticket};
}

static void state_fill(const struct sets *s, uint32_t slot, struct dpl_set_state *ret)
{
	const struct store_cold *c = cold_of(s, slot);
	const struct sa_hot *h = &s->hot[slot];

	*ret = (struct dpl_set_state){.set_id = c->set_id,
				      .selectors = c->selectors,
				      .name = c->name,
				      .expires = c->expires,
				      .state = c->state,
				      .first_used = c->first_used,
				      .owner = h->shared.owner};
	for (int i = 0; i < 2; i++) {
		ret->sa[DPL_SA_PS + i] =
			(struct dpl_sa_counters){h->in[i].packets, h->in[i].octets, h->in[i].top};
		ret->sa[DPL_SA_UC + i] =
			(struct dpl_sa_counters){h->out[i].packets, h->out[i].octets, h->out[i].last};
	}
	for (int i = 0; i < BGF_DROP_COUNT; i++)
		ret->drops[i] = c->drops[i];
}

/* Of its two pairs of ports one may be a newer set's by now (rule 6), and its connections too. */
static void tell_tcp_gone(const struct sets *s, uint32_t slot, const struct dpl_set_state *set)
{
	if (s->args.tcp_gone == NULL || !(s->hot[slot].shared.flags & SA_TCP))
		return;
	for (uint32_t which = 0; which < 2; which++) {
		struct tuple_key key = claim_key(s->args.store, slot, which);
		if (tuple_find(s->args.tuples, &key) == TUPLE_NONE)
			s->args.tcp_gone(s->args.tcp_context, &set->selectors, which);
	}
}

static void complete(struct sets *s, const struct pending *p)
{
	struct dpl_set_state set;

	state_fill(s, p->slot, &set);
	if (p->ticket.type == DPL_SET_REMOVE) {
		tell_tcp_gone(s, p->slot, &set);
		store_wipe(s->args.store, p->slot);
		slot_give(s, p->slot);
	}
	if (p->ticket.client != 0)
		s->args.done(s->args.context, &p->ticket, &set);
}

uint32_t sets_poll(struct sets *s)
{
	/* one token for all that was changed since the last call */
	if (s->pending_started < s->pending_count) {
		uint64_t token = rte_rcu_qsbr_start(s->args.rcu);
		for (; s->pending_started < s->pending_count; s->pending_started++)
			s->pending[(s->pending_head + s->pending_started) % SETS_PENDING].token = token;
	}
	uint64_t passed = 0;
	while (s->pending_started > 0) {
		struct pending p = s->pending[s->pending_head];
		if (p.token != passed && rte_rcu_qsbr_check(s->args.rcu, p.token, false) != 1)
			break;
		passed = p.token;
		s->pending_head = (s->pending_head + 1) % SETS_PENDING;
		s->pending_count--;
		s->pending_started--;
		complete(s, &p);
	}
	return s->pending_count;
}

/* ---- a set's life ---- */

/* Draws a slot's SPIs: the generation steps, and steps on past one that meets an SPI of the UE's, so that a
 * packet reflected at its sender never matches (rule 4); it is never 0, so no SPI is reserved (rule 5). */
static void spi_draw(uint32_t slot, struct store_cold *c)
{
	struct bgf_set_selectors *sel = &c->selectors;

	if (c->generation == 0) { /* random at first: another store's SPIs are unknown here */
		uint32_t number = 0;
		while (getrandom(&number, sizeof(number), 0) != sizeof(number))
			;
		c->generation = number % BGF_SPI_GENERATION_MAX + 1;
	}
	do {
		c->generation = bgf_spi_generation_next(c->generation);
		sel->spi_ps = bgf_spi_make(c->generation, slot, BGF_SPI_PS);
		sel->spi_pc = bgf_spi_make(c->generation, slot, BGF_SPI_PC);
	} while (sel->spi_ps == sel->spi_uc || sel->spi_ps == sel->spi_us || sel->spi_pc == sel->spi_uc ||
		 sel->spi_pc == sel->spi_us);
}

/* Whether the UE has shown that it has the keys of a set that is to replace another. */
static bool is_proven(const struct sets *s, uint32_t slot)
{
	const struct store_cold *c = cold_of(s, slot);
	uint8_t flags = __atomic_load_n(&s->hot[slot].shared.flags, __ATOMIC_ACQUIRE);

	/* a notice of the slot's former set finds the new one's watch still on */
	return c->record == STORE_LIVE && c->watch_keys &&
	       (flags & (SA_TEMPORARY | SA_WATCH_KEYS)) == SA_TEMPORARY;
}

/* Rule 6: a set that has to wait for the outbound tuple of port_uc gets it when the UE shows that it has the
 * keys. The flag is set before `watch_keys`, or recovery after a crash in between took the UE to have shown
 * it. */
static void watch_keys(struct sets *s, uint32_t slot)
{
	struct store_cold *c = cold_of(s, slot);

	if (c->tuples & 1 || !(s->hot[slot].shared.flags & SA_TEMPORARY))
		return;
	__atomic_fetch_or(&s->hot[slot].shared.flags, SA_WATCH_KEYS, __ATOMIC_SEQ_CST);
	__atomic_store_n(&c->watch_keys, 1, __ATOMIC_RELEASE);
}

/* Fills a record that nobody can find yet. A crash before LIVE wipes it. */
static int record_fill(struct sets *s, uint32_t slot, const struct dpl_set_add *add, uint16_t served)
{
	struct store_cold *c = cold_of(s, slot);

	__atomic_store_n(&c->record, STORE_FILLING, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* no key lies in a record that recovery takes for free */
	c->state = add->state;
	c->key_length = add->key_length;
	c->set_id = store_set_id_next(s->args.store, slot);
	c->expires = add->expires;
	c->selectors = add->selectors;
	c->name = add->name;
	memcpy(c->auth_key, add->auth_key, add->key_length);
	spi_draw(slot, c);
	int rc = set_fill(c, served, s->args.workers, &s->hot[slot]);
	if (rc != 0)
		return rc;
	store_seal(c);
	__atomic_store_n(&c->record, STORE_LIVE, __ATOMIC_RELEASE);
	return 0;
}

/* The set that has one of the tuples already (rule 6), or false. */
static bool find_clash(const struct sets *s, const struct dpl_set_add *add, uint16_t served,
		       struct dpl_set_state *ret_clash)
{
	const struct bgf_set_selectors *sel = &add->selectors;
	const struct {
		uint16_t local, ue;
	} ports[2] = {{sel->port_ps, sel->port_uc}, {sel->port_pc, sel->port_us}};

	for (int i = 0; i < 2; i++) {
		struct tuple_key key = {.served = served,
					.port_local = htons(ports[i].local),
					.port_ue = htons(ports[i].ue),
					.ipv6 = sel->ue.family == 6};
		memcpy(key.ue, sel->ue.octet, sizeof(key.ue));
		uint32_t ref = tuple_find(s->args.tuples, &key);
		if (ref == TUPLE_NONE)
			continue;
		state_fill(s, ref >> 1, ret_clash);
		ret_clash->clash = i == 0 ? DPL_CLASH_PORT_UC : DPL_CLASH_PORT_US;
		return true;
	}
	return false;
}

static int add_check(const struct sets *s, const struct dpl_set_add *add, uint16_t *ret_served)
{
	int rc = set_check_selectors(&add->selectors, s->args.served, ret_served);

	if (rc != 0)
		return rc;
	if (add->selectors.spi_pc != 0 || add->selectors.spi_ps != 0 || set_check_name(&add->name) != 0 ||
	    set_check_state(add->state) != 0 || set_check_key(&add->name, add->key_length) != 0)
		return -EINVAL;
	return 0;
}

int sets_add(struct sets *s, const struct dpl_set_add *add, const struct sets_ticket *ticket,
	     struct dpl_set_state *ret_clash)
{
	uint16_t served;
	struct dpl_set_state clash;
	int rc = add_check(s, add, &served);

	if (rc != 0)
		return rc;
	if (!(add->name.flags & BGF_SET_REPLACE) && find_clash(s, add, served, &clash)) {
		*ret_clash = clash;
		return -EEXIST;
	}
	if (!sets_ready(s))
		return -EAGAIN;
	if (s->free_count == 0)
		return -ENOSPC;
	uint32_t slot = slot_take(s);
	rc = record_fill(s, slot, add, served);
	if (rc == 0)
		rc = claim_both(s->args.store, s->args.tuples, slot, false);
	if (rc != 0) {
		/* its first tuple may have led to it until the second found no room: wiping waits for the
		 * workers as any removal does */
		cold_of(s, slot)->record = STORE_DYING;
		await(s, slot, &(struct sets_ticket){.type = DPL_SET_REMOVE});
		return rc;
	}
	watch_keys(s, slot);
	inbound_publish(s, slot);
	s->live++;
	await(s, slot, ticket);
	return 0;
}

/* Makes a change; again, it changes nothing more. 0, or -errno and nothing is changed. */
static int change_make(struct sets *s, uint32_t slot, const struct dpl_set_update *u)
{
	int rc = claim_both(s->args.store, s->args.tuples, slot, u->takes_over);
	if (rc != 0)
		return rc;
	struct store_cold *c = cold_of(s, slot);
	uint8_t *flags = &s->hot[slot].shared.flags;
	c->name = u->name;
	c->expires = u->expires;
	c->state = u->state;
	if (u->watch_first_use) {
		c->first_used = 0;
		/* The owner clears it meanwhile, perhaps: change bits, not the octet. It is set before
		 * `watch`, or recovery after a crash in between took the set for used. */
		__atomic_fetch_or(flags, SA_WATCH_FIRST, __ATOMIC_SEQ_CST);
		__atomic_store_n(&c->watch, 1, __ATOMIC_RELEASE);
	}
	if (set_temporary(u->state, *flags))
		__atomic_fetch_or(flags, SA_TEMPORARY, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(flags, (uint8_t)~SA_TEMPORARY, __ATOMIC_RELEASE);
	return 0;
}

int sets_update(struct sets *s, const struct dpl_set_update *u, const struct sets_ticket *ticket)
{
	struct dpl_set_update *change = store_change(s->args.store);
	int64_t slot = slot_of(s, u->set_id);

	if (slot < 0)
		return -ENOENT;
	if (set_check_state(u->state) != 0 || set_check_name(&u->name) != 0 || u->takes_over > 1 ||
	    u->watch_first_use > 1)
		return -EINVAL;
	if (!sets_ready(s))
		return -EAGAIN;
	struct dpl_set_update begun = *u;
	begun.set_id = 0;
	*change = begun;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the id comes last, and goes last */
	__atomic_store_n(&change->set_id, u->set_id, __ATOMIC_SEQ_CST);
	int rc = change_make(s, (uint32_t)slot, u);
	__atomic_store_n(&change->set_id, 0, __ATOMIC_SEQ_CST);
	if (rc == 0)
		await(s, (uint32_t)slot, ticket);
	return rc;
}

int sets_remove(struct sets *s, uint64_t set_id, const struct sets_ticket *ticket)
{
	int64_t slot = slot_of(s, set_id);

	if (slot < 0)
		return -ENOENT;
	if (!sets_ready(s))
		return -EAGAIN;
	__atomic_store_n(&cold_of(s, (uint32_t)slot)->record, STORE_DYING, __ATOMIC_RELEASE);
	unlink_set(s, (uint32_t)slot);
	s->live--;
	await(s, (uint32_t)slot, ticket);
	return 0;
}

/* ---- questions ---- */

uint32_t sets_live(const struct sets *s)
{
	return s->live;
}

struct sets_counts sets_count(const struct sets *s)
{
	struct sets_counts n = {.capacity = s->capacity,
				.live = __atomic_load_n(&s->live, __ATOMIC_RELAXED),
				.pending = __atomic_load_n(&s->pending_count, __ATOMIC_RELAXED)};

	for (uint32_t slot = 0; slot < s->capacity; slot++) {
		const struct store_cold *c = cold_of(s, slot);
		const uint8_t state = __atomic_load_n(&c->state, __ATOMIC_RELAXED);
		if (__atomic_load_n(&c->record, __ATOMIC_RELAXED) == STORE_LIVE && state <= BGF_SET_DRAINING)
			n.state[state]++;
	}
	return n;
}

int sets_get(const struct sets *s, uint64_t set_id, struct dpl_set_state *ret_set)
{
	int64_t slot = slot_of(s, set_id);

	if (slot < 0)
		return -ENOENT;
	state_fill(s, (uint32_t)slot, ret_set);
	return 0;
}

uint32_t sets_list(const struct sets *s, uint64_t from, struct dpl_set_state *rows, uint32_t room,
		   uint64_t *ret_next)
{
	uint32_t n = 0;
	uint64_t slot = from;

	for (; slot < s->capacity && slot < from + LIST_SCAN && n < room; slot++)
		if (cold_of(s, (uint32_t)slot)->record == STORE_LIVE)
			state_fill(s, (uint32_t)slot, &rows[n++]);
	*ret_next = slot < s->capacity ? slot : 0;
	return n;
}

void sets_proven(struct sets *s, uint32_t slot)
{
	if (slot < s->capacity && is_proven(s, slot))
		claim_borrow(s->args.store, s->args.tuples, slot);
}

uint64_t sets_first_used(struct sets *s, uint32_t slot)
{
	if (slot >= s->capacity)
		return 0;
	struct store_cold *c = cold_of(s, slot);
	uint8_t flags = __atomic_load_n(&s->hot[slot].shared.flags, __ATOMIC_ACQUIRE);
	/* a notice of the slot's former set finds the new one not watched, or its watch still on */
	if (c->record != STORE_LIVE || !c->watch || c->first_used || flags & SA_WATCH_FIRST)
		return 0;
	c->first_used = 1;
	return c->set_id;
}

/* ---- at start ---- */

/* A record of a million is in no cache; nor is a bucket, of which its hot lines tell. */
static void fetch(const struct sets *s, uint32_t slot)
{
	if (slot >= s->capacity)
		return;
	__builtin_prefetch(cold_of(s, slot));
	__builtin_prefetch(&cold_of(s, slot)->tuples);
	for (unsigned i = 0; i < 2; i++) {
		__builtin_prefetch(&s->hot[slot].in[i]);
		__builtin_prefetch(&s->hot[slot].out[i]);
	}
	__builtin_prefetch(&s->hot[slot].shared);
}

static void fetch_buckets(const struct sets *s, uint32_t slot)
{
	for (uint32_t which = 0; which < 2 && slot < s->capacity; which++) {
		struct tuple_key key = claim_key(s->args.store, slot, which);
		tuple_fetch_key(s->args.tuples, &key);
	}
}

/* Publishes a record whose hot lines are filled again. */
static const char *recover_one(struct sets *s, uint32_t slot)
{
	struct store_cold *c = cold_of(s, slot);

	for (uint32_t which = 0; which < 2; which++) {
		if (!(c->tuples & 1 << which))
			continue;
		/* both claim it after a crash in a take-over: the younger has it (its set id is higher) */
		struct tuple_key key = claim_key(s->args.store, slot, which);
		uint32_t other = tuple_find(s->args.tuples, &key);
		bool younger = other == TUPLE_NONE || cold_of(s, other >> 1)->set_id < c->set_id;
		if (!younger)
			c->tuples &= (uint8_t) ~(1 << which);
		else if (claim_one(s->args.store, s->args.tuples, slot, which, true) != 0)
			return "the look-up table is full";
	}
	if (c->watch && !(s->hot[slot].shared.flags & SA_WATCH_FIRST))
		c->first_used = 1; /* its notice may have been on the way */
	inbound_publish(s, slot);
	return NULL;
}

/* Rule 6, of a set without the tuple of port_uc: its UE has shown its keys, and the notice may have been on
 * the way; or has to show them still, for which a crash left no watch perhaps. */
static void recover_watch(struct sets *s, uint32_t slot)
{
	if (!cold_of(s, slot)->watch_keys)
		watch_keys(s, slot);
	else
		sets_proven(s, slot);
}

/* A crash between a record's becoming LIVE and its tuples leaves a set that nothing could be sent on: what no
 * other set has is its own, as it is for every update. Once all that was claimed is. */
static void recover_unclaimed(struct sets *s)
{
	for (uint32_t slot = 0; slot < s->capacity; slot++) {
		fetch(s, slot + FETCH_RECORD);
		const struct store_cold *c = cold_of(s, slot);
		for (uint32_t which = 0; which < 2 && c->record == STORE_LIVE; which++)
			if (!(c->tuples & 1 << which) &&
			    claim_one(s->args.store, s->args.tuples, slot, which, false) != 0)
				dp_log(DP_WARNING,
				       "set %llu (slot %u) has no outbound SA: the look-up table is full",
				       (unsigned long long)c->set_id, slot);
		if (c->record == STORE_LIVE && !(c->tuples & 1))
			recover_watch(s, slot);
	}
}

/* A change that a crash cut in half is made whole. */
static void recover_change(struct sets *s)
{
	struct dpl_set_update *change = store_change(s->args.store);
	int64_t slot = change->set_id == 0 ? -ENOENT : slot_of(s, change->set_id);

	if (slot >= 0) {
		/* all that it does comes before `watch` or does not depend on it: a use since then stays
		 * known */
		if (cold_of(s, (uint32_t)slot)->watch)
			change->watch_first_use = 0;
		change_make(s, (uint32_t)slot, change);
	}
	change->set_id = 0;
}

static void recover(struct sets *s, const char *const *faults)
{
	uint32_t lost = 0;

	for (uint32_t slot = 0; slot < s->capacity; slot++) {
		fetch(s, slot + FETCH_RECORD);
		fetch_buckets(s, slot + FETCH_BUCKETS);
		const struct store_cold *c = cold_of(s, slot);
		const char *fault = faults[slot];
		if (fault == NULL && c->record == STORE_LIVE)
			fault = recover_one(s, slot);
		if (fault != NULL) {
			if (lost++ < FAULTS_SHOWN)
				dp_log(DP_WARNING, "set %llu (slot %u) is removed: %s",
				       (unsigned long long)c->set_id, slot, fault);
			unlink_set(s, slot);
			store_wipe(s->args.store, slot);
		}
		if (c->record == STORE_LIVE)
			s->live++;
		else
			slot_give(s, slot);
	}
	recover_unclaimed(s);
	recover_change(s);
	dp_log(DP_INFO, "store: %u sets recovered, %u removed, %u slots free", s->live, lost, s->free_count);
}

int sets_new(const struct sets_args *args, struct sets **ret_sets)
{
	uint32_t capacity = store_capacity(args->store);
	struct sets *s = calloc(1, sizeof(*s));
	uint32_t *free_slots = calloc(capacity, sizeof(*free_slots));
	const char **faults = calloc(capacity, sizeof(*faults));

	if (s == NULL || free_slots == NULL || faults == NULL) {
		free(s);
		free(free_slots);
		free(faults);
		return -ENOMEM;
	}
	s->args = *args;
	s->hot = store_hot(args->store);
	s->capacity = capacity;
	s->free = free_slots;
	recover_records(args->store, args->served, args->workers, faults);
	recover(s, faults);
	free(faults);
	*ret_sets = s;
	return 0;
}

void sets_free(struct sets *s)
{
	if (s == NULL)
		return;
	free(s->free);
	free(s);
}
