/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connections of sets that went lately: only their segments are answered by a reset (reset.h). What a
 * gateway never had it must not end: a route that leads to the wrong gateway for a moment would cut live
 * connections. A table of fixed size that forgets; what it forgot hangs until TCP gives up. Main lcore.
 */
#ifndef BGF_DP_GONE_H
#define BGF_DP_GONE_H

#include <stdbool.h>
#include <stdint.h>

#include "reset.h"

struct gone;

enum {
	GONE_PAIRS = 1 << 16,
	GONE_LATELY_S = 2 * 3600 + 600, /* TCP looks after an idle connection after two hours at the soonest
					   (RFC 9293 3.8.4), if at all */
};

/* The secret, two random numbers, decides a pair's place. NULL when memory is short. */
struct gone *gone_new(uint64_t first, uint64_t second);
void gone_free(struct gone *g);

/* `second` is of a clock that only rises. */
void gone_add(struct gone *g, const struct reset_pair *pair, uint32_t second);
bool gone_lately(const struct gone *g, const struct reset_pair *pair, uint32_t second);

#endif
