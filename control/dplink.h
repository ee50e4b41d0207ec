/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The client's end of the data plane link (bgf_dplink.h): connects and reconnects by itself, says HELLO, and
 * gives each request exactly one outcome: an answer, or that the link died. One thread; runs in the event
 * loop.
 */
#ifndef CONTROL_DPLINK_H
#define CONTROL_DPLINK_H

#include <event2/event.h>
#include <stdbool.h>

#include "bgf_dplink.h"

struct dplink;

/* `status` is 0 or what the data plane said (-errno); then `answer` is its record. -ENOTCONN: the link died,
 * it is not known whether the request was carried out, and `answer` is NULL. */
typedef void (*dplink_done)(void *arg, int status, const struct dpl_header *answer);

struct dplink_handlers {
	void (*up)(void *arg, const struct dpl_hello_answer *hello);
	void (*down)(void *arg); /* after all outstanding requests had their outcome */
	void (*first_used)(void *arg, uint64_t set_id);
	void (*trouble)(void *arg, const struct dpl_trouble *trouble);
	void (*stray)(void *arg, const struct dpl_stray *stray);
	void *arg;
};

/* `path` is copied. NULL when memory is short. The first attempt is made at once. */
struct dplink *dplink_new(struct event_base *base, const char *path, const struct dplink_handlers *handlers);
/* Outstanding requests have the outcome -ENOTCONN; `down` is not told. */
void dplink_free(struct dplink *l);

/* Sends a copy of a record (type and length filled; txn is the link's), which is wiped when it is out.
 * Returns 0, then `done` is called later, never from within; or -ENOTCONN or -ENOMEM, then it is not. */
int dplink_send(struct dplink *l, const struct dpl_header *record, dplink_done done, void *arg);

/* Who looks: P-CSCFs, or those who only watch (observers, operators). */
enum dplink_looker { DPLINK_PEER, DPLINK_WATCHER, DPLINK_LOOKERS };

enum {
	DPLINK_LOOKS = 64,
	DPLINK_WATCHER_LOOKS = 8 /* of these are the watchers' whatever P-CSCFs ask */
};

/* Asks for a record that changes nothing: DPL_SET_GET with a set's id, DPL_COUNTERS or DPL_PORTS with a
 * cursor. `done` as above. At most DPLINK_LOOKS of these are with the data plane at a time, so that what is
 * to be changed never waits behind many; the others wait here, P-CSCFs' before most of the watchers'. One
 * that is not wanted any more when its turn comes, because nobody hears the answer, has the outcome
 * -ECANCELED. */
int dplink_look(struct dplink *l, enum dplink_looker who, unsigned type, uint64_t number, dplink_done done,
		bool (*is_wanted)(const void *arg), void *arg);

/* What was sent goes out now, not at the end of this turn of the loop: for who has more to do in it. */
void dplink_flush(struct dplink *l);

/* How long a request that changes something waits for its answer now, ns, by one that is under way or the
 * last that was; 0: none is under way. And how many are. Who only looks does not count. */
uint64_t dplink_delay(const struct dplink *l, uint64_t now);
uint32_t dplink_under_way(const struct dplink *l);

/* A record of type and size with zeros. */
#define DPLINK_RECORD(record_type, dpl) ((struct dpl_header){.type = (record_type), .length = sizeof(dpl)})

#endif
