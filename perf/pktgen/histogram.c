/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

#include <math.h>
#include <string.h>

enum { FINE = 1 << HISTOGRAM_FINE };

unsigned histogram_bucket(uint64_t value)
{
	if (value < FINE)
		return (unsigned)value;
	const unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_FINE;
	const unsigned bucket = (shift << HISTOGRAM_FINE) + (unsigned)(value >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

uint64_t histogram_upper(unsigned bucket)
{
	if (bucket < 2 * FINE)
		return bucket;
	const unsigned shift = (bucket >> HISTOGRAM_FINE) - 1;
	return ((uint64_t)(bucket % FINE + FINE + 1) << shift) - 1;
}

void histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->least = UINT64_MAX;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->bucket[histogram_bucket(value)]++;
	h->count++;
	h->sum += value;
	h->least = value < h->least ? value : h->least;
	h->most = value > h->most ? value : h->most;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	const uint64_t wanted = (uint64_t)ceil((double)h->count * percent / 100);
	uint64_t seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->count > 0; i++) {
		seen += h->bucket[i];
		if (seen >= wanted && seen > 0)
			return histogram_upper(i) < h->most ? histogram_upper(i) : h->most;
	}
	return h->most;
}

uint64_t histogram_mean(const struct histogram *h)
{
	return h->count > 0 ? h->sum / h->count : 0;
}
