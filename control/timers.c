/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* A set's `heap` is its index + 1, so that index 0 is told from 'none'. */
static void put(struct timers *t, uint32_t index, struct sa_set *set)
{
	t->heap[index] = set;
	set->heap = index + 1;
}

static void sift_up(struct timers *t, uint32_t index)
{
	struct sa_set *set = t->heap[index];

	while (index > 0 && t->heap[(index - 1) / 2]->expires > set->expires) {
		put(t, index, t->heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put(t, index, set);
}

static void sift_down(struct timers *t, uint32_t index)
{
	struct sa_set *set = t->heap[index];

	for (;;) {
		uint32_t child = index * 2 + 1;
		if (child >= t->count)
			break;
		if (child + 1 < t->count && t->heap[child + 1]->expires < t->heap[child]->expires)
			child++;
		if (t->heap[child]->expires >= set->expires)
			break;
		put(t, index, t->heap[child]);
		index = child;
	}
	put(t, index, set);
}

int timers_set(struct timers *t, struct sa_set *set)
{
	if (set->heap == 0) {
		if (t->count == t->room) {
			uint32_t room = t->room == 0 ? 256 : t->room * 2;
			struct sa_set **heap = realloc(t->heap, room * sizeof(*heap));
			if (heap == NULL)
				return -ENOMEM;
			t->heap = heap;
			t->room = room;
		}
		put(t, t->count++, set);
	}
	sift_up(t, set->heap - 1);
	sift_down(t, set->heap - 1);
	return 0;
}

void timers_clear(struct timers *t, struct sa_set *set)
{
	if (set->heap == 0)
		return;
	uint32_t index = set->heap - 1;
	struct sa_set *last = t->heap[--t->count];

	set->heap = 0;
	if (last == set)
		return;
	put(t, index, last);
	sift_up(t, index);
	sift_down(t, last->heap - 1);
}

struct sa_set *timers_first(const struct timers *t)
{
	return t->count > 0 ? t->heap[0] : NULL;
}

void timers_free(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){0};
}

uint64_t timers_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
