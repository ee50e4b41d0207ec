/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/life.h"

#define SECOND UINT64_C(1000000000)

/* A draining set stays as it is, whatever the subscriber does: it is there for a last answer. One that was
 * superseded only runs out (rule 20). */
static const struct life_step steps[BGF_SET_DRAINING + 1][LIFE_EVENT_COUNT] = {
	[BGF_SET_TEMPORARY] = {[LIFE_CONFIRM] = {LIFE_ESTABLISH, BGF_SET_ESTABLISHED},
			       [LIFE_RELEASE] = {LIFE_END, 0},
			       [LIFE_DRAIN] = {LIFE_LINGER, BGF_SET_DRAINING},
			       [LIFE_CHALLENGE] = {LIFE_END, 0},
			       [LIFE_CHALLENGE_VIA] = {LIFE_LINGER, BGF_SET_DRAINING},
			       [LIFE_SUPERSEDE] = {LIFE_KEEP, BGF_SET_TEMPORARY},
			       [LIFE_EXPIRE] = {LIFE_END_EXPIRED, 0}},
	[BGF_SET_ESTABLISHED] = {[LIFE_CONFIRM] = {LIFE_EXTEND, BGF_SET_ESTABLISHED},
				 [LIFE_RELEASE] = {LIFE_END, 0},
				 [LIFE_DRAIN] = {LIFE_LINGER, BGF_SET_DRAINING},
				 [LIFE_CHALLENGE] = {LIFE_KEEP, BGF_SET_ESTABLISHED},
				 [LIFE_CHALLENGE_VIA] = {LIFE_KEEP, BGF_SET_ESTABLISHED},
				 [LIFE_SUPERSEDE] = {LIFE_CUT, BGF_SET_SUPERSEDED},
				 [LIFE_EXPIRE] = {LIFE_END_EXPIRED, 0}},
	[BGF_SET_SUPERSEDED] = {[LIFE_CONFIRM] = {LIFE_REFUSE, BGF_SET_SUPERSEDED},
				[LIFE_RELEASE] = {LIFE_END, 0},
				[LIFE_DRAIN] = {LIFE_LINGER, BGF_SET_DRAINING},
				[LIFE_CHALLENGE] = {LIFE_KEEP, BGF_SET_SUPERSEDED},
				[LIFE_CHALLENGE_VIA] = {LIFE_KEEP, BGF_SET_SUPERSEDED},
				[LIFE_SUPERSEDE] = {LIFE_KEEP, BGF_SET_SUPERSEDED},
				[LIFE_EXPIRE] = {LIFE_END_EXPIRED, 0}},
	[BGF_SET_DRAINING] = {[LIFE_CONFIRM] = {LIFE_REFUSE, BGF_SET_DRAINING},
			      [LIFE_RELEASE] = {LIFE_END, 0},
			      [LIFE_DRAIN] = {LIFE_LINGER, BGF_SET_DRAINING},
			      [LIFE_CHALLENGE] = {LIFE_KEEP, BGF_SET_DRAINING},
			      [LIFE_CHALLENGE_VIA] = {LIFE_KEEP, BGF_SET_DRAINING},
			      [LIFE_SUPERSEDE] = {LIFE_KEEP, BGF_SET_DRAINING},
			      [LIFE_EXPIRE] = {LIFE_END, 0}},
};

struct life_step life_step(enum bgf_set_state state, enum life_event event)
{
	return steps[state][event];
}

uint64_t life_confirmed_until(uint64_t now, uint32_t expires_s, uint64_t floor)
{
	uint64_t until = now + ((uint64_t)expires_s + LIFE_GRACE_S) * SECOND;

	return until > floor ? until : floor;
}

uint64_t life_superseded_until(uint64_t now, uint32_t cut_s, uint64_t expires)
{
	uint64_t until = now + cut_s * SECOND;

	return until < expires ? until : expires;
}
