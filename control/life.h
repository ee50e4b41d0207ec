/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a set as a table: what each event does in each state (rules 14, 15, 18 to 23). Pure.
 */
#ifndef CONTROL_LIFE_H
#define CONTROL_LIFE_H

#include <stdint.h>

#include "bgf_sa.h"

enum life_event {
	LIFE_CONFIRM,	    /* the 200 OK is about to go (rules 18, 19) */
	LIFE_RELEASE,	    /* at once */
	LIFE_DRAIN,	    /* RELEASE with a drain time (rules 22, 23) */
	LIFE_CHALLENGE,	    /* another 401 to the same subscriber (rule 15) */
	LIFE_CHALLENGE_VIA, /* the same, and that 401 travels on this set (rule 15, second half) */
	LIFE_SUPERSEDE,	    /* a newer set of the registration is used (rule 20) */
	LIFE_EXPIRE,	    /* its time is over */
	LIFE_EVENT_COUNT
};

/* What is to be done with the set. */
enum life_action {
	LIFE_REFUSE,	/* not in this state: BAD_STATE, nothing changes */
	LIFE_KEEP,	/* nothing */
	LIFE_ESTABLISH, /* temporary no more: new lifetime, first use is watched, outbound traffic taken over
			 */
	LIFE_EXTEND,	/* new lifetime */
	LIFE_LINGER,	/* DRAINING for the time that the event names */
	LIFE_CUT,	/* what is left of its life is cut */
	LIFE_END,	/* remove it; its P-CSCF hears REMOVED */
	LIFE_END_EXPIRED, /* remove it; its P-CSCF hears EXPIRED */
};

struct life_step {
	uint8_t action; /* enum life_action */
	uint8_t state;	/* enum bgf_set_state afterwards; 0: gone */
};

/* `state` is one of enum bgf_set_state. */
struct life_step life_step(enum bgf_set_state state, enum life_event event);

enum {
	LIFE_GRACE_S = 30,    /* rule 18: on top of Expires */
	LIFE_VIA_DRAIN_S = 5, /* rule 15: until the 401 that travels on the set has left for sure */
	LIFE_SETS_MAX = 3,    /* rule 6: of one subscriber and registration id */
};

/* When a confirmed set ends: the longer of Expires + 30 s and `floor`, which is what the set it follows, or
 * it itself, had (rules 18, 19). All in ns of CLOCK_BOOTTIME. */
uint64_t life_confirmed_until(uint64_t now, uint32_t expires_s, uint64_t floor);

/* When a superseded set ends: after `cut_s` seconds, or when it would have anyway (rule 20). */
uint64_t life_superseded_until(uint64_t now, uint32_t cut_s, uint64_t expires);

#endif
