/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a new set may exist beside those that are there (rules 4, 6, 15), and which of them go for it. It
 * only looks: what it decides is carried out by orders.c, or nothing is when it refuses. No scan over the
 * table: a subscriber has few sets, a pair of ports at most two.
 */
#ifndef CONTROL_ADMIT_H
#define CONTROL_ADMIT_H

#include "control/install.h"
#include "control/sa_set.h"

enum { ADMIT_GO_MAX = 8 };

struct admission {
	struct sa_set *wait; /* judge again when the data plane has answered this one's ADD; or NULL */
	/* Those that end for it: temporary ones (rule 15), and who gives way to a fourth set (rule 6). */
	struct sa_set *go[ADMIT_GO_MAX];
	unsigned go_count;
	struct sa_set *via; /* the temporary set on which the 401 travels: it drains (rule 15); or NULL */
	/* The established set on which the 401 travels: the UE is on it, and has left the older ones (rule
	 * 20); or NULL */
	struct sa_set *in_use;
	struct sa_set *replaces; /* whose ports the new set takes at CONFIRM (rule 6); or NULL */
};

/* `in` has passed install_check. Returns 0 with *ret, or -EREMOTEIO with *ret_refusal. */
int admit(const struct sa_table *table, const struct peer *peer, const struct install *in,
	  struct admission *ret, struct refusal *ret_refusal);

#endif
