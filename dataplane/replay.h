/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The anti-replay window of an inbound SA (RFC 4303 3.4.3; rule 9), 128 numbers wide. It lies in the SA
 * store, so every order of stores here is one that a crash may cut: a good packet may then be refused, but
 * none is accepted twice.
 */
#ifndef BGF_DP_REPLAY_H
#define BGF_DP_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "sa.h"

/* Whether a number may still be accepted. Number 0 never is: a sender's first is 1. The owner. */
static inline bool replay_check(const struct sa_in *sa, uint32_t seq)
{
	if (seq > sa->top)
		return true;
	if (seq == 0 || sa->top - seq >= SA_WINDOW)
		return false;
	return (sa->window[seq / 64 % 2] >> seq % 64 & 1) == 0;
}

/* Marks a number whose ICV was good; false when it was seen in the meantime (two copies in one burst). The
 * owner. */
bool replay_update(struct sa_in *sa, uint32_t seq);

#endif
