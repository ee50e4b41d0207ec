/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets that come and go while others carry traffic: one connection that installs a set beside the phones' and
 * releases it, again and again.
 */
#ifndef PKTGEN_CHURN_H
#define PKTGEN_CHURN_H

#include "enlist.h"

enum { CHURN_ROOM = 64 /* sets that the gateway must have room for besides the phones' */ };

struct churn;

/* Starts it in a thread of its own. 0, or a negative errno with the reason in error[]. */
int churn_start(struct enlist *e, struct churn **ret, char *error, unsigned size);

/* Ends it. Returns the sets a second that were installed and released again, or a negative errno with the
 * reason in error[] where the gateway refused one. */
double churn_stop(struct churn *c, char *error, unsigned size);

#endif
