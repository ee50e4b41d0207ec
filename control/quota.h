/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whose connection gives way when there are too many of a kind: one of the user who has the most, of that
 * user's peer that has the most, of that peer's process that has the most. So nobody keeps all places, and
 * who has no more than others loses none to them. Pure.
 */
#ifndef CONTROL_QUOTA_H
#define CONTROL_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection's claim to its place. */
struct claim {
	uint32_t uid;
	int32_t pid;
	const void *peer; /* what it is connected as; only compared */
	uint64_t heard;	  /* when it said something last */
	void *session;	  /* whose claim it is */
};

/* Of all claims, the newcomer's and at least one other among them, the one that gives way: never the
 * newcomer's; of those who have the same share the one that was silent for the longest. They are put into
 * another order. `ret_is_own`: the newcomer is among those who have the most itself. */
const struct claim *quota_pick(struct claim *claims, size_t count, const void *newcomer, bool *ret_is_own);

#endif
