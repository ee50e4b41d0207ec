/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The phones' sets over Zb: installed and confirmed, many under way at once, and released at the end. What a
 * former generator of the same name left behind goes at the first HELLO.
 */
#ifndef PKTGEN_ENLIST_H
#define PKTGEN_ENLIST_H

#include <sched.h>
#include <stdint.h>

#include "fleet.h"
#include "zb.h"

enum { ENLIST_CONNECTIONS_MAX = 128 };

struct enlist {
	const char *path, *name; /* of the socket, of this peer */
	uint64_t instance_id;
	unsigned connections;
	uint32_t expires_s;
	cpu_set_t cores; /* where the thread of sets that come and go may run */
	struct fleet *fleet;
	uint64_t reference;	      /* the last one used besides those of the phones */
	void (*meanwhile)(void *arg); /* called now and then while they install */
	void *arg;
};

/* Installs and confirms every phone's set; a line a second says how far it is. 0, or a negative errno with
 * the reason in error[]; -EINTR: stop was asked. Some sets may then be there: release. */
int enlist_all(struct enlist *e, char *error, unsigned size);

/* Releases whatever this peer has. Returns the sets released, or a negative errno. */
int64_t enlist_release(const struct enlist *e, char *error, unsigned size);

/* A connection with this peer's name. */
int enlist_open(const struct enlist *e, struct zb **ret, struct zb_error *ret_error);

/* A phone's addresses, ports and SPIs; also of numbers behind the last one's. */
struct bgf_set_selectors enlist_selectors(const struct fleet_plan *plan, uint32_t number);

#endif
