/* SPDX-License-Identifier: BSD-3-Clause */
#include "groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = GROUPS_TURNS * GROUPS_TURN_MAX };

static struct groups *points; /* those with a turn behind or before them */

static void drop(struct groups *g)
{
	struct groups **at = &points;

	while (*at != NULL && *at != g)
		at = &(*at)->next;
	if (*at == g)
		*at = g->next;
	for (unsigned i = 0; i < GROUPS_CONTENDERS; i++)
		free(g->cycles[i]);
	free(g->disturbed);
	free(g);
}

static struct groups *make(const char *point, unsigned contenders)
{
	struct groups *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	snprintf(g->point, sizeof(g->point), "%s", point);
	g->contenders = contenders;
	g->disturbed = calloc(MAX, sizeof(*g->disturbed));
	bool whole = g->disturbed != NULL;
	for (unsigned i = 0; i < contenders; i++) {
		g->cycles[i] = calloc(MAX, sizeof(*g->cycles[i]));
		whole = whole && g->cycles[i] != NULL;
	}
	if (!whole) {
		drop(g);
		return NULL;
	}
	g->next = points;
	points = g;
	return g;
}

struct groups *groups_begin(const char *point, unsigned contenders)
{
	struct groups *g = points;

	while (g != NULL && strcmp(g->point, point) != 0)
		g = g->next;
	if (g != NULL && (g->turns == GROUPS_TURNS || g->contenders != contenders)) {
		drop(g);
		g = NULL;
	}
	if (g == NULL)
		g = make(point, contenders);
	if (g != NULL)
		g->begin[g->turns++] = g->n;
	return g;
}

void groups_end(struct groups *g, bool failed, bool last)
{
	if (failed)
		g->n = g->begin[--g->turns];
	if (last)
		drop(g);
}

bool groups_add(struct groups *g, const double *cycles, bool disturbed)
{
	if (g->n - g->begin[g->turns - 1] == GROUPS_TURN_MAX)
		return false;
	for (unsigned i = 0; i < g->contenders; i++)
		g->cycles[i][g->n] = cycles[i];
	g->disturbed[g->n++] = disturbed;
	return true;
}

struct groups_span groups_turn(const struct groups *g, unsigned turn)
{
	return (struct groups_span){.from = g->begin[turn],
				    .to = turn + 1 < g->turns ? g->begin[turn + 1] : g->n};
}

struct groups_span groups_all(const struct groups *g)
{
	return (struct groups_span){.from = 0, .to = g->n};
}

unsigned groups_clean(const struct groups *g, struct groups_span span)
{
	unsigned clean = 0;

	for (unsigned k = span.from; k < span.to; k++)
		clean += !g->disturbed[k];
	return clean;
}

struct groups_figures groups_figures(const struct groups *g, struct groups_span span, unsigned i)
{
	static double cycles[MAX], ratio[MAX], surplus[MAX];
	const bool clean_alone = groups_clean(g, span) >= GROUPS_CLEAN_LEAST;
	unsigned n = 0;

	for (unsigned k = span.from; k < span.to; k++) {
		if (clean_alone && g->disturbed[k])
			continue;
		cycles[n] = g->cycles[i][k];
		ratio[n] = g->cycles[0][k] / g->cycles[i][k];
		surplus[n] = g->cycles[0][k] - g->cycles[i][k];
		n++;
	}
	return (struct groups_figures){.cycles = figure_of(cycles, n),
				       .ratio = figure_of(ratio, n),
				       .surplus = figure_of(surplus, n)};
}
