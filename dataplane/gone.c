/* SPDX-License-Identifier: BSD-3-Clause */
#include "gone.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 4, PLACES = GONE_PAIRS / WAYS };

/* A fingerprint, and when it came. */
struct entry {
	uint32_t fingerprint; /* 0: free */
	uint32_t second;
};

struct gone {
	uint64_t secret[2]; /* nobody chooses ports that drive others out */
	/* the newest first, the oldest of a place gives way: a set's two pairs never drive each other out */
	struct entry entry[PLACES][WAYS];
};

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const struct gone *g, const struct reset_pair *pair)
{
	uint64_t word[5] = {0}, h = g->secret[0];

	static_assert(sizeof(*pair) == 36 && sizeof(*pair) <= sizeof(word), "no gaps");
	memcpy(word, pair, sizeof(*pair));
	for (unsigned i = 0; i < 5; i++)
		h = fold(h ^ word[i], g->secret[1]);
	return h;
}

static uint32_t fingerprint(uint64_t h)
{
	return (uint32_t)(h >> 32) | 1;
}

struct gone *gone_new(uint64_t first, uint64_t second)
{
	struct gone *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->secret[0] = first;
	g->secret[1] = second | 1;
	return g;
}

void gone_free(struct gone *g)
{
	free(g);
}

void gone_add(struct gone *g, const struct reset_pair *pair, uint32_t second)
{
	uint64_t h = hash(g, pair);
	struct entry *place = g->entry[h % PLACES];
	unsigned at = 0;

	while (at < WAYS - 1 && place[at].fingerprint != fingerprint(h))
		at++;
	memmove(place + 1, place, at * sizeof(*place));
	place[0] = (struct entry){fingerprint(h), second};
}

bool gone_lately(const struct gone *g, const struct reset_pair *pair, uint32_t second)
{
	uint64_t h = hash(g, pair);
	const struct entry *place = g->entry[h % PLACES];

	for (unsigned i = 0; i < WAYS; i++)
		if (place[i].fingerprint == fingerprint(h))
			return second - place[i].second <= GONE_LATELY_S;
	return false;
}
