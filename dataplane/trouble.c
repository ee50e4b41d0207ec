/* SPDX-License-Identifier: BSD-3-Clause */
#include "trouble.h"

#include <stdlib.h>

#include <rte_prefetch.h>

#include "bgf_spi.h"
#include "store.h"

enum { KINDS = 2, AHEAD = 8 /* slots whose memory is fetched before it is looked at */ };

static const struct {
	uint8_t reason; /* enum bgf_drop */
	uint8_t kind;	/* enum dpl_trouble_kind */
} kinds[KINDS] = {{BGF_DROP_ICV, DPL_TROUBLE_ICV}, {BGF_DROP_REPLAY, DPL_TROUBLE_REPLAY}};

/* What is remembered of a slot. */
struct watched {
	uint32_t set;	      /* which one it is about: its id's high bits; 0: none yet */
	uint32_t base[KINDS]; /* packets that were told or forgotten */
	uint8_t minute;	      /* of the last look */
	uint8_t told;	      /* bit k: kind k was, in that minute */
	uint8_t levels;	      /* two bits an SA: how near to its last number it was told to be */
	uint8_t client;	      /* to whom */
};

static_assert(sizeof(struct watched) == 16 && DPL_SA_COUNT == 4, "16 octets a set");

struct trouble {
	struct store *store;
	trouble_tell tell;
	void *context;
	uint32_t capacity;
	uint32_t next;	 /* slot */
	bool first_pass; /* what was counted before this process is old */
	uint8_t minute, client;
	unsigned room; /* records that may be told in this look */
	struct watched *watched;
};

struct trouble *trouble_new(struct store *store, trouble_tell tell, void *context)
{
	struct trouble *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	*t = (struct trouble){.store = store,
			      .tell = tell,
			      .context = context,
			      .capacity = store_capacity(store),
			      .first_pass = true};
	t->watched = calloc(t->capacity, sizeof(*t->watched));
	if (t->watched == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void trouble_free(struct trouble *t)
{
	if (t == NULL)
		return;
	free(t->watched);
	free(t);
}

static bool tell(struct trouble *t, uint64_t set_id, unsigned kind, unsigned sa, uint64_t number)
{
	const struct dpl_trouble record = {.header = {.type = DPL_TROUBLE, .length = sizeof(record)},
					   .set_id = set_id,
					   .kind = (uint8_t)kind,
					   .sa = (uint8_t)sa,
					   .number = number};

	if (t->room == 0 || !t->tell(t->context, &record))
		return false;
	t->room--;
	return true;
}

/* How near an SA is to its last number. */
static unsigned level_of(uint32_t sequence)
{
	const uint32_t left = UINT32_MAX - sequence;

	return left == 0 ? 3 : left < TROUBLE_LEFT_SECOND ? 2 : left < TROUBLE_LEFT_FIRST ? 1 : 0;
}

static void look_at_sequences(struct trouble *t, struct watched *w, uint64_t set_id, const struct sa_hot *hot)
{
	const uint32_t *const at[DPL_SA_COUNT] = {[DPL_SA_PS] = &hot->in[BGF_SPI_PS].top,
						  [DPL_SA_PC] = &hot->in[BGF_SPI_PC].top,
						  [DPL_SA_UC] = &hot->out[0].last,
						  [DPL_SA_US] = &hot->out[1].last};

	if (w->client != t->client)
		w->levels = 0;
	w->client = t->client;
	for (unsigned sa = 0; sa < DPL_SA_COUNT; sa++) {
		const uint32_t sequence = __atomic_load_n(at[sa], __ATOMIC_RELAXED);
		const unsigned level = level_of(sequence), shift = 2 * sa;
		if (level > (w->levels >> shift & 3u) && tell(t, set_id, DPL_TROUBLE_SEQUENCE, sa, sequence))
			w->levels = (uint8_t)((w->levels & ~(3u << shift)) | level << shift);
	}
}

static void look_at_drops(struct trouble *t, struct watched *w, const struct store_cold *c)
{
	const bool is_new_minute = w->minute != t->minute;

	w->minute = t->minute;
	if (is_new_minute)
		w->told = 0;
	for (unsigned k = 0; k < KINDS; k++) {
		const uint32_t now = __atomic_load_n(&c->drops[kinds[k].reason], __ATOMIC_RELAXED);
		const uint32_t count = now - w->base[k];
		if (count >= TROUBLE_PACKETS) {
			if (w->told & 1u << k || !tell(t, c->set_id, kinds[k].kind, 0, count))
				continue;
			w->told |= (uint8_t)(1u << k);
			w->base[k] = now;
		} else if (is_new_minute) {
			w->base[k] = now;
		}
	}
}

static void look_at(struct trouble *t, uint32_t slot)
{
	const struct store_cold *c = store_cold(t->store, slot);
	struct watched *w = &t->watched[slot];

	if (c->record != STORE_LIVE)
		return;
	const uint32_t set = (uint32_t)(c->set_id >> BGF_SPI_SLOT_BITS);
	if (w->set != set) {
		*w = (struct watched){.set = set, .minute = t->minute, .client = t->client};
		for (unsigned k = 0; k < KINDS && t->first_pass; k++)
			w->base[k] = c->drops[kinds[k].reason];
	}
	look_at_drops(t, w, c);
	look_at_sequences(t, w, c->set_id, &store_hot(t->store)[slot]);
}

static void fetch(const struct trouble *t, uint32_t slot)
{
	if (slot >= t->capacity)
		return;
	const struct store_cold *c = store_cold(t->store, slot);
	const struct sa_hot *hot = &store_hot(t->store)[slot];
	rte_prefetch0(c);
	rte_prefetch0(&c->drops[BGF_DROP_ICV]);
	for (unsigned i = 0; i < 2; i++) {
		rte_prefetch0(&hot->in[i]);
		rte_prefetch0(&hot->out[i]);
	}
}

void trouble_look(struct trouble *t, uint64_t second, uint32_t client)
{
	const uint32_t slots = t->capacity < TROUBLE_SLOTS ? t->capacity : TROUBLE_SLOTS;

	t->minute = (uint8_t)(second / TROUBLE_MINUTE_S);
	t->client = (uint8_t)client;
	t->room = TROUBLE_TOLD_MAX;
	for (uint32_t i = 0; i < slots; i++) {
		fetch(t, t->next + AHEAD);
		look_at(t, t->next);
		if (++t->next == t->capacity) {
			t->next = 0;
			t->first_pass = false;
		}
	}
}
