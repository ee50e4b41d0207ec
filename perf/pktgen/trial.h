/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A trial: one load, what the generator saw of it and what the gateway counted, put together.
 */
#ifndef PKTGEN_TRIAL_H
#define PKTGEN_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic.h"
#include "watch.h"

struct enlist;

struct bench {
	struct traffic *traffic;
	struct watch watch;
	struct load base; /* what the options say */
	uint32_t ring;
	struct enlist *enlist; /* for sets that come and go */
	uint32_t phones;
	uint32_t repeats;   /* of a disturbed trial at most */
	uint32_t disturbed; /* trials that were repeated so far */
};

/* What kept a trial from going faster. X(NAME, text) */
#define TRIAL_LIMIT_LIST(X)                                                       \
	X(NONE, "none: all that was due was offered")                             \
	X(GATEWAY, "gateway: the generator waited for it or found its ring full") \
	X(GENERATOR, "generator: it could not keep up")
#define TRIAL_LIMIT_ENUM(NAME, text) TRIAL_##NAME,
enum trial_limit { TRIAL_LIMIT_LIST(TRIAL_LIMIT_ENUM) };
const char *trial_limit_text(enum trial_limit limit);

struct trial {
	struct traffic_counts sent;
	struct watch_counters gateway;
	bool disturbed;
	enum trial_limit limit;
	int64_t unaccounted; /* accepted, and neither sent nor dropped by name */
	uint64_t full;	     /* good packets that were dropped by name for want of room */
	double offered;	     /* packets a second that went out, both ways */
};

/* Runs one trial. 0, or a negative errno with the reason in error[]. */
int trial_run(struct bench *b, const struct load *load, struct trial *ret, char *error, unsigned size);

/* Repeats it while either process was kept from polling for more than half of the ring's time, so often at
 * most; the last one counts, and says if it was disturbed too. `latency`: also while gaps were more than half
 * a per cent of the time, which would be the tail of the latency and not the gateway. */
int trial_undisturbed(struct bench *b, const struct load *load, bool latency, struct trial *ret, char *error,
		      unsigned size);

/* Puts the gateway's counters and the judgement in for traffic that ran between `then` and now. */
int trial_judge(struct bench *b, const struct watch_counters *then, struct trial *trial, char *error,
		unsigned size);

/* Lost as PERFORMANCE.md counts it, and what the gateway had no room for. */
uint64_t trial_lost(const struct trial *t);

#endif
