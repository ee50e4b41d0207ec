/* SPDX-License-Identifier: BSD-3-Clause */
#include "disturbance.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

enum {
	LOOP = 2000,	    /* some 3 us */
	GAP_CYCLES = 10000, /* 4 us: longer than a timer tick, shorter than a slice of another program */
	BURSTS_MAX = 4096,
};

/* Chains that keep all of the core's units busy, so that another thread of the same core shows as well as one
 * that takes the core away, or another clock. The least of many runs is what it takes undisturbed. */
bool disturbance_calibration(void)
{
	static __thread uint64_t least = UINT64_MAX;
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;
	const uint64_t start = rte_rdtsc();

	for (int i = 0; i < LOOP; i++)
		__asm__ volatile("add %6, %0\n\tadd %6, %1\n\tadd %6, %2\n\tadd %6, %3\n\timul %4, %4\n\t"
				 "add %6, %5\n\txor %6, %0\n\txor %6, %1\n\txor %6, %2\n\txor %6, %3"
				 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f)
				 : "r"(start));
	const uint64_t cycles = rte_rdtsc() - start;
	if (cycles < least)
		least = cycles;
	if (cycles <= least + least / 8)
		return false;
	least += least / 2000; /* a clock that stays lower is the clock */
	return true;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* The longest that a burst may take: half as much again as the median one, and a timer tick. */
static uint64_t longest(const uint64_t *stamp, uint32_t bursts, uint64_t *ret_median)
{
	static __thread uint64_t took[BURSTS_MAX];

	for (uint32_t i = 0; i < bursts; i++)
		took[i] = stamp[i + 1] - stamp[i];
	qsort(took, bursts, sizeof(*took), compare);
	*ret_median = took[bursts / 2];
	return *ret_median + *ret_median / 2 + GAP_CYCLES;
}

bool disturbance_gap(const uint64_t *stamp, uint32_t bursts)
{
	uint64_t median;
	const uint64_t most = longest(stamp, bursts, &median);

	for (uint32_t i = 0; i < bursts; i++)
		if (stamp[i + 1] - stamp[i] > most)
			return true;
	return false;
}

uint64_t disturbance_cycles(const uint64_t *stamp, uint32_t bursts)
{
	uint64_t median, sum = 0;
	const uint64_t most = longest(stamp, bursts, &median);

	for (uint32_t i = 0; i < bursts; i++) {
		const uint64_t took = stamp[i + 1] - stamp[i];
		sum += took > most ? median : took;
	}
	return sum;
}
