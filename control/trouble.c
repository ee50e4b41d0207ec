/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/trouble.h"

#include "control/events.h"
#include "control/log.h"
#include "control/sets.h"

#define SECOND UINT64_C(1000000000)

static struct log_gate gate = {.rate = 20};

static uint32_t spi_of(const struct bgf_set_selectors *s, unsigned sa)
{
	switch (sa) {
	case DPL_SA_PS:
		return s->spi_ps;
	case DPL_SA_PC:
		return s->spi_pc;
	case DPL_SA_UC:
		return s->spi_uc;
	default:
		return s->spi_us;
	}
}

void trouble_of_set(void *arg, const struct dpl_trouble *t)
{
	struct control *c = arg;
	const struct sa_set *set = sa_table_by_id(&c->table, t->set_id);

	if (set == NULL)
		return; /* it is ending, or of a store that is being learned */
	switch (t->kind) {
	case DPL_TROUBLE_SEQUENCE:
		log_gated(&gate, LOG_LEVEL_WARNING,
			  "set %llu of %s: SPI %u has used sequence number %llu of 4294967295",
			  (unsigned long long)set->id, set->name.subscriber, spi_of(&set->selectors, t->sa),
			  (unsigned long long)t->number);
		events_sequence_low(c, set, spi_of(&set->selectors, t->sa), t->number);
		break;
	case DPL_TROUBLE_ICV:
	case DPL_TROUBLE_REPLAY:
		log_gated(&gate, LOG_LEVEL_WARNING, "set %llu of %s: %llu packets %s",
			  (unsigned long long)set->id, set->name.subscriber, (unsigned long long)t->number,
			  t->kind == DPL_TROUBLE_ICV ? "failed their integrity check" : "were replays");
		events_bad_packets(c, t->kind == DPL_TROUBLE_ICV ? ZB_EVENT_ICV_FAILURES : ZB_EVENT_REPLAYS,
				   set, t->number);
		break;
	}
}

/* The peer of the next set of this address, each peer once; NULL after the last. */
static struct peer *next_peer(const struct control *c, const struct bgf_addr *ue, struct hash_node **at)
{
	const struct sa_set *set;

	while ((set = sa_table_of_ue(&c->table, ue, at)) != NULL) {
		struct hash_node *before = NULL;
		const struct sa_set *first;
		do
			first = sa_table_of_ue(&c->table, ue, &before);
		while (first->peer != set->peer);
		if (first == set)
			return set->peer;
	}
	return NULL;
}

/* Whether the peer is to hear now, and how many packets since it heard last, or since its oldest set came:
 * the address's own memory is in its sets, all of which know the same. */
static bool is_due(const struct control *c, const struct peer *peer, const struct dpl_stray *s,
		   uint64_t *ret_count)
{
	uint64_t now = timers_now(), told = 0, count = 0;
	struct hash_node *at = NULL;
	struct sa_set *set;

	while ((set = sa_table_of_ue(&c->table, &s->source, &at)) != NULL) {
		if (set->peer != peer)
			continue;
		told = set->stray_told > told ? set->stray_told : told;
		count = set->strays > count ? set->strays : count;
	}
	count += s->count;
	bool is_due = told == 0 || now >= told + TROUBLE_STRAY_S * SECOND;
	while ((set = sa_table_of_ue(&c->table, &s->source, &at)) != NULL) {
		if (set->peer != peer)
			continue;
		set->stray_told = is_due ? now : told;
		set->strays = is_due ? 0 : count;
	}
	*ret_count = count;
	return is_due;
}

void trouble_of_stray(void *arg, const struct dpl_stray *s)
{
	struct control *c = arg;
	struct hash_node *at = NULL;
	struct peer *peer;
	uint64_t count;
	char ue[BGF_ADDR_STRLEN];

	while ((peer = next_peer(c, &s->source, &at)) != NULL) {
		if (!is_due(c, peer, s, &count))
			continue;
		log_gated(&gate, LOG_LEVEL_WARNING,
			  "%s, a UE of %s, sends ESP with SPI %u, which no SA has: %llu packets",
			  bgf_addr_text(&s->source, ue), peer->name, s->spi, (unsigned long long)count);
		events_unknown_spi(c, peer, s, count);
	}
}
