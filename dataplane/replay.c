/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

/* n ones from bit `from` on, upwards and around, of the window's 128. */
static unsigned __int128 ring_mask(uint32_t from, uint32_t n)
{
	const unsigned __int128 ones =
		n >= SA_WINDOW ? ~(unsigned __int128)0 : ((unsigned __int128)1 << n) - 1;
	const uint32_t turn = from % SA_WINDOW;
	return turn == 0 ? ones : ones << turn | ones >> (SA_WINDOW - turn);
}

/* Bits of numbers that the new top leaves unseen are cleared after the top is stored: until then they hold
 * what was 128 numbers before, which can only refuse. */
static void advance(struct sa_in *sa, uint32_t seq)
{
	const unsigned __int128 unseen = ring_mask(sa->top + 1, seq - sa->top);

	sa->top = seq;
	REPLAY_ORDERED();
	sa->window[0] &= ~(uint64_t)unseen;
	sa->window[1] &= ~(uint64_t)(unseen >> 64);
	REPLAY_ORDERED();
}

bool replay_update_any(struct sa_in *sa, uint32_t seq)
{
	if (!replay_check(sa, seq))
		return false;
	if (seq > sa->top)
		advance(sa, seq);
	sa->window[seq / 64 % 2] |= UINT64_C(1) << seq % 64;
	REPLAY_ORDERED();
	return true;
}
