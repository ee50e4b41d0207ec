/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A log-linear histogram: each power of two is divided into 32 buckets, so that every value is told to 3 % or
 * better, whatever its size, in memory that never grows.
 */
#ifndef PKTGEN_HISTOGRAM_H
#define PKTGEN_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_FINE = 5, /* bits: buckets of a power of two */
	HISTOGRAM_TOP = 40, /* bits: what is larger is counted in the last bucket */
	HISTOGRAM_BUCKETS = (HISTOGRAM_TOP - HISTOGRAM_FINE + 1) << HISTOGRAM_FINE,
};

struct histogram {
	uint64_t count, sum, least, most;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);

/* The value that `percent` of all are not above: the upper end of its bucket, but never more than the largest
 * value that was added. 0 of an empty histogram. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
uint64_t histogram_mean(const struct histogram *h);

/* The bucket of a value, and the largest value that a bucket holds. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_upper(unsigned bucket);

#endif
