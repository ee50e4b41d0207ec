/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A data plane that is an array: it serves include/bgf_dplink.h over a seqpacket socket in the test's event
 * loop. It can die, come back with or without its sets, and keep its answers to itself.
 */
#ifndef FAKE_DATAPLANE_H
#define FAKE_DATAPLANE_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>

#include "bgf_dplink.h"

enum { FAKE_CAPACITY = 64, FAKE_ROOM = 4096, FAKE_GETS = 256 };

struct fake_dataplane {
	struct event_base *base;
	char path[108];
	int listener, client;
	struct event *accepting, *reading, *writing;
	struct evbuffer *answers; /* records that the socket has no room for yet */
	uint64_t epoch, next_id;
	uint8_t boot_id[16];
	bool wipes_late; /* as workers make it: the place of a REMOVE is free when nothing more has come */
	struct dpl_header late;
	struct dpl_set_state *late_set;
	bool is_busy;			     /* it serves another */
	bool is_mute;			     /* it takes requests and answers none */
	bool is_deaf_after;		     /* it carries out the next request and dies before it answers */
	uint32_t capacity;		     /* FAKE_CAPACITY, or what the test wants up to FAKE_ROOM */
	struct dpl_set_state set[FAKE_ROOM]; /* set_id 0: free */
	struct dpl_set_update last_update;
	uint8_t last_key[BGF_AUTH_KEY_MAX];
	uint8_t last_key_length;
	unsigned adds, updates, removes, gets;
	uint64_t got[FAKE_GETS]; /* whose counters were asked for first */
};

void fake_start(struct fake_dataplane *f, struct event_base *base, const char *path);
void fake_stop(struct fake_dataplane *f); /* it dies; its sets stay in the array */
unsigned fake_count(const struct fake_dataplane *f);
void fake_tell(struct fake_dataplane *f, const struct dpl_header *event);
void fake_tell_first_used(struct fake_dataplane *f, uint64_t set_id);

#endif
