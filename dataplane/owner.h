/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which worker owns a set: the one to whom RSS, symmetric and over the two addresses alone, brings its
 * packets of both directions and both ports. A device without RSS (or with fewer queues) brings them
 * elsewhere, and they are handed over.
 */
#ifndef BGF_DP_OWNER_H
#define BGF_DP_OWNER_H

#include <stdint.h>

#include "bgf_addr.h"

enum {
	OWNER_BUCKETS = 128, /* of the indirection table; entry n leads to worker n % workers */
	OWNER_KEY_MAX = 64,  /* octets of the longest key that a device takes */
};

/* The Toeplitz key: two octets repeated, so that source and destination may change places. */
extern const uint8_t owner_rss_key[OWNER_KEY_MAX];

/* The worker that owns what goes between two addresses of one family; the same for (a, b) and (b, a).
 * Any thread. */
uint8_t owner_of(const struct bgf_addr *a, const struct bgf_addr *b, uint16_t workers);

#endif
