/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets that come and go while others carry traffic: one connection over which sets beside the phones' are
 * installed at a steady rate, many requests under way, and each is released as soon as it is there.
 */
#ifndef PKTGEN_CHURN_H
#define PKTGEN_CHURN_H

#include "enlist.h"

enum {
	CHURN_ROOM = 512,   /* sets that the gateway must have room for besides the phones' */
	CHURN_RATE = 12000, /* a second */
};

struct churn;

struct churn_result {
	double rate;	       /* sets a second that were installed and released again */
	double p50_ms, p99_ms; /* of INSTALL, from when it was due to its answer */
	uint64_t refused;      /* for overload */
};

/* Starts it in a thread of its own. 0, or a negative errno with the reason in error[]. */
int churn_start(struct enlist *e, struct churn **ret, char *error, unsigned size);

/* Ends it. 0, or a negative errno with the reason in error[] where the gateway refused one for another cause.
 */
int churn_stop(struct churn *c, struct churn_result *ret, char *error, unsigned size);

#endif
