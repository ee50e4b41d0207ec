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

/* The processor keeps the order of stores (x86); the compiler must too. */
#define REPLAY_ORDERED() __asm__ volatile("" ::: "memory")

/* replay_update for every number, in 128-bit arithmetic. */
bool replay_update_any(struct sa_in *sa, uint32_t seq);

/* Marks a number whose ICV was good; false when it was seen in the meantime (two copies in one burst). The
 * owner. Numbers nearly always come one after the other: then the window moves by the one bit that is set. */
static inline bool replay_update(struct sa_in *sa, uint32_t seq)
{
	if (__builtin_expect(seq != sa->top + 1 || seq == 0, 0))
		return replay_update_any(sa, seq);
	sa->top = seq;
	REPLAY_ORDERED();
	sa->window[seq / 64 % 2] |= UINT64_C(1) << seq % 64;
	REPLAY_ORDERED();
	return true;
}

#endif
