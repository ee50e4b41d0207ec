/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finds sets of which their P-CSCF should hear: sequence numbers that run out, ICV failures, replays. The
 * workers only count, as they do anyway; the main lcore looks at some sets a tick, all of them in turn, so
 * that neither the packet path nor an attack costs more for it. Main lcore only.
 *
 * Bounds: of ICV failures and of replays each set is told once in a minute (of the clock's minutes), with the
 * number of packets since it was told last; and TROUBLE_TOLD_MAX a look, whatever an attacker has found. What
 * is not told now is told later, with its count.
 */
#ifndef BGF_DP_TROUBLE_H
#define BGF_DP_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_dplink.h"

struct store;
struct trouble;

enum {
	TROUBLE_SLOTS = 2048,  /* looked at at once: at ten looks a second a million sets in 50 s */
	TROUBLE_TOLD_MAX = 20, /* at once */
	TROUBLE_PACKETS = 8,   /* bad packets of one kind: fewer in a minute are noise, and are forgotten */
	TROUBLE_MINUTE_S = 60,
	/* Sequence numbers left when it is told: at a million packets a second on one SA 268 s before the
	 * end, again 16 s before it, and when none is left. */
	TROUBLE_LEFT_FIRST = 1 << 28,
	TROUBLE_LEFT_SECOND = 1 << 24,
};

/* Gives a record to the link's client; false: it could not be taken, and is told later. */
typedef bool (*trouble_tell)(void *context, const struct dpl_trouble *record);

/* NULL when memory is short: 16 octets a set. */
struct trouble *trouble_new(struct store *store, trouble_tell tell, void *context);
void trouble_free(struct trouble *t);

/* Looks at the next sets. `second` is of a clock that only rises; `client` tells the link's clients apart: a
 * new one hears of low sequence numbers again. */
void trouble_look(struct trouble *t, uint64_t second, uint32_t client);

#endif
