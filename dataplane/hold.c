/* SPDX-License-Identifier: BSD-3-Clause */
#include "hold.h"

#include <stdlib.h>

struct entry {
	struct hold_key key;
	uint8_t count; /* 0: free */
	uint64_t since, asked;
	struct rte_mbuf *m[HOLD_EACH];
};

struct hold {
	uint32_t used;	 /* entries: usually none, and then nothing is searched */
	uint32_t shared; /* packets beyond HOLD_SURE of their neighbour */
	struct entry entry[HOLD_NEIGHBOURS];
};

struct hold *hold_new(void)
{
	return calloc(1, sizeof(struct hold));
}

static struct entry *find(struct hold *h, uint8_t side, const struct bgf_addr *neighbour)
{
	struct entry *room = NULL;

	for (struct entry *e = h->entry; e < h->entry + HOLD_NEIGHBOURS; e++) {
		if (e->count == 0)
			room = room ? room : e;
		else if (e->key.side == side && bgf_addr_equal(&e->key.neighbour, neighbour))
			return e;
	}
	return room;
}

bool hold_put(struct hold *h, uint8_t side, const struct bgf_addr *neighbour, struct rte_mbuf *m,
	      uint64_t now, bool *ret_first)
{
	struct entry *e = find(h, side, neighbour);

	if (!e || e->count == HOLD_EACH || (e->count >= HOLD_SURE && h->shared == HOLD_SHARED))
		return false;
	*ret_first = e->count == 0;
	if (e->count == 0) {
		e->key = (struct hold_key){.neighbour = *neighbour, .side = side};
		e->since = e->asked = now;
		h->used++;
	}
	h->shared += e->count >= HOLD_SURE;
	e->m[e->count++] = m;
	return true;
}

bool hold_next(const struct hold *h, uint32_t *cursor, uint64_t now, struct hold_key *ret_key, bool *ret_late)
{
	for (uint32_t i = *cursor; h->used > 0 && i < HOLD_NEIGHBOURS; i++) {
		const struct entry *e = &h->entry[i];
		if (e->count == 0)
			continue;
		*ret_key = e->key;
		*ret_late = now - e->since >= HOLD_MS;
		*cursor = i + 1;
		return true;
	}
	return false;
}

bool hold_ask(struct hold *h, uint32_t cursor, uint64_t now)
{
	struct entry *e = &h->entry[cursor - 1];

	if (now - e->asked < HOLD_ASK_MS)
		return false;
	e->asked = now;
	return true;
}

unsigned hold_take(struct hold *h, uint32_t cursor, struct rte_mbuf *ret_m[HOLD_EACH])
{
	struct entry *e = &h->entry[cursor - 1];
	unsigned n = e->count;

	for (unsigned i = 0; i < n; i++)
		ret_m[i] = e->m[i];
	h->shared -= n > HOLD_SURE ? n - HOLD_SURE : 0;
	e->count = 0;
	h->used--;
	return n;
}
