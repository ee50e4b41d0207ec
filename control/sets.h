/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens to sets, whoever causes it: the daemon's table and timers and the data plane are moved
 * together here, and the P-CSCF hears of it. One thread.
 */
#ifndef CONTROL_SETS_H
#define CONTROL_SETS_H

#include "control/control.h"

int sets_init(struct control *c); /* 0 or -errno */
void sets_free(struct control *c);

/* Enters a new set, which takes a reference of its peer, into table and timers. 0 or -ENOMEM; then it is
 * still the caller's. */
int sets_enter(struct control *c, struct sa_set *set, struct peer *peer);
/* Takes a set out again, tells nobody and frees it: the data plane does not have it, or (status -ENOTCONN) it
 * is not known whether it has. Requests that waited for it are judged again. */
void sets_discard(struct control *c, struct sa_set *set, int status);

/* The data plane has answered the set's ADD; and then, when the request has its answer: those that waited are
 * judged again, and a set that was doomed meanwhile ends. */
void sets_added(struct control *c, struct sa_set *set, const struct dpl_set_state *state);
void sets_added_and_answered(struct control *c, struct sa_set *set);

/* Another end of life; the timer follows. */
void sets_set_expiry(struct control *c, struct sa_set *set, uint64_t expires);

/* Stores the intended state in the data plane. `done` as in dplink_send; NULL: nobody asked for it. */
int sets_update(struct control *c, struct sa_set *set, bool takes_over, bool watch, dplink_done done,
		void *arg);

/* Ends a set: it leaves at once (one that the data plane is just adding, when it has answered), and the event
 * `kind` (ZB_EVENT_REMOVED with `why`, an enum bgf_removed, or ZB_EVENT_EXPIRED) is told when the data plane
 * has removed it, after a loss of the link if need be. */
void sets_end(struct control *c, struct sa_set *set, unsigned kind, unsigned why);
/* The same for one that lingers first: DRAINING until then. */
int sets_linger(struct control *c, struct sa_set *set, unsigned why, uint32_t drain_s, dplink_done done,
		void *arg);

/* What becomes of the other sets when one is confirmed: the one that it replaces ends (rule 6), and the older
 * ones, if it began unprotected (rule 21); else those that the UE never came to use are superseded. */
void sets_settle(struct control *c, struct sa_set *confirmed);

/* What is left to do after the data plane's sets were learned again (sync.c): `lost`: they are of another
 * store, so whatever is ending has ended with the old one. */
void sets_finish_ending(struct control *c, bool lost);
/* Lets go of a set that the data plane does not have any more; no event. */
void sets_forget(struct control *c, struct sa_set *set);
/* The set among those ending, or NULL. */
struct sa_set *sets_find_ending(const struct control *c, uint64_t set_id);

/* A confirmed set was used for the first time: its P-CSCF hears it. */
void sets_first_used(struct control *c, struct sa_set *set);
/* Rule 20, of a set that the UE uses: what is older of its registration is cut to 64*T1. Again it changes
 * nothing. */
void sets_supersede_older(struct control *c, const struct sa_set *used);

/* How Zb shows a set; counters are 0. */
void sets_show(const struct sa_set *set, uint64_t now, struct zb_set *ret);
/* And with what the data plane counted. */
void sets_show_counters(const struct dpl_set_state *state, struct zb_set *row);
/* One line for the log. */
void sets_log(const char *what, const struct sa_set *set);

#endif
