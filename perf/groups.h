/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The groups of rounds of a point, and what they say together. A point that is measured in several turns,
 * some other points between them, has all its turns' groups here.
 */
#ifndef BGF_PERF_GROUPS_H
#define BGF_PERF_GROUPS_H

#include <stdbool.h>

#include "figure.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	GROUPS_CONTENDERS = 6,
	GROUPS_TURNS = 3,
	GROUPS_TURN_MAX = 4096,	 /* a turn */
	GROUPS_CLEAN_LEAST = 15, /* so many without a disturbed round, and the others do not count */
};

struct groups {
	char point[32];
	unsigned contenders, n;
	double *cycles[GROUPS_CONTENDERS]; /* a packet, by group */
	bool *disturbed;		   /* by group: one of its rounds was, and was taken all the same */
	unsigned turns, begin[GROUPS_TURNS];
	struct groups *next;
};

/* A part of them: one turn's, or all. */
struct groups_span {
	unsigned from, to;
};

/* Another turn of a point begins: with the groups of its former turns, if it has any. NULL: no memory. */
struct groups *groups_begin(const char *point, unsigned contenders);
/* The turn is over. A `failed` one leaves no groups; after the `last` one all are forgotten. */
void groups_end(struct groups *g, bool failed, bool last);

/* Adds a group to the current turn; false: there is no room. */
bool groups_add(struct groups *g, const double *cycles, bool disturbed);

struct groups_span groups_turn(const struct groups *g, unsigned turn);
struct groups_span groups_all(const struct groups *g);
/* How many were not disturbed. */
unsigned groups_clean(const struct groups *g, struct groups_span span);

/* Contender i's cycles; the first one's cycles over its, and minus its, group by group. Of the clean groups
 * alone, unless they are too few. The span is not empty. */
struct groups_figures {
	struct figure cycles, ratio, surplus;
};
struct groups_figures groups_figures(const struct groups *g, struct groups_span span, unsigned i);

#ifdef __cplusplus
}
#endif

#endif
