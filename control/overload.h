/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether more is asked of the gateway than it can do: by how long a change waits for the data plane, or a
 * request for its turn, when many are under way. While it is so, those come first who have a registration to
 * lose: what is released, confirmed, re-authenticated or an emergency is always taken, and a new registration
 * only while the delay is short. Pure; timing is the caller's.
 */
#ifndef CONTROL_OVERLOAD_H
#define CONTROL_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

/* What an INSTALL is for, in the order in which they are served. */
enum overload_rank {
	OVERLOAD_EMERGENCY,
	OVERLOAD_REGISTERED, /* re-authenticates under the protection of a set that it has */
	OVERLOAD_NEW,
};

enum {
	OVERLOAD_LEAST = 256,	/* requests under way: with fewer a delay is somebody else's */
	OVERLOAD_CALM_MS = 1000 /* the delay must be short for so long before it is over */
};

struct overload {
	uint64_t limit;	  /* ns of delay; 0: never */
	bool on;	  /* as it was told */
	bool shedding;	  /* new registrations are refused now */
	uint64_t calm;	  /* since when the delay is short; 0: it is not */
	uint64_t since;	  /* when it began */
	uint64_t refused; /* new registrations since it began */
};

enum overload_news { OVERLOAD_SAME, OVERLOAD_BEGINS, OVERLOAD_ENDS };

/* Takes note of the delay, in ns, that something meets now, with so many requests under way. */
enum overload_news overload_note(struct overload *o, uint64_t delay, uint32_t under_way, uint64_t now);

/* Whether it is taken. */
bool overload_admits(struct overload *o, enum overload_rank rank);

/* When a refused one may come again, in ms: around `retry_s`, spread by a random number, so that those who
 * were refused together do not come back together. */
uint32_t overload_retry_ms(uint32_t retry_s, uint32_t random);

#endif
