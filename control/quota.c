/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/quota.h"

#include <stdlib.h>

/* The user comes first: only that cannot be chosen by who connects. */
enum level { BY_USER, BY_PEER, BY_PROCESS };

/* Claims that lie one behind the other. */
struct run {
	const struct claim *first;
	size_t count;
	bool is_own; /* the newcomer's is among them */
};

static int compare(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->peer != b->peer)
		return (uintptr_t)a->peer < (uintptr_t)b->peer ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static bool is_same(const struct claim *a, const struct claim *b, enum level level)
{
	return a->uid == b->uid && (level < BY_PEER || a->peer == b->peer) &&
	       (level < BY_PROCESS || a->pid == b->pid);
}

/* Of those with equal shares the newcomer's comes first, or two would take places from each other for ever;
 * then the higher user id: root's last. */
static struct run largest_of(struct run all, enum level level, const void *newcomer)
{
	struct run best = {0}, r;

	for (size_t at = 0; at < all.count; at += r.count) {
		r = (struct run){.first = all.first + at};
		do
			r.is_own = r.is_own || r.first[r.count].session == newcomer;
		while (++r.count < all.count - at && is_same(r.first, r.first + r.count, level));
		if (r.count > best.count || (r.count == best.count && !best.is_own))
			best = r;
	}
	return best;
}

const struct claim *quota_pick(struct claim *claims, size_t count, const void *newcomer, bool *ret_is_own)
{
	struct run run = {.first = claims, .count = count, .is_own = true};
	const struct claim *pick = NULL;

	qsort(claims, count, sizeof(*claims), compare);
	for (enum level level = BY_USER; level <= BY_PROCESS; level++) {
		struct run part = largest_of(run, level, newcomer);
		if (part.count < 2)
			break; /* they have one each: none has more than the others */
		run = part;
	}
	for (size_t i = 0; i < run.count; i++)
		if (run.first[i].session != newcomer && (pick == NULL || run.first[i].heard < pick->heard))
			pick = &run.first[i];
	*ret_is_own = run.is_own;
	return pick;
}
