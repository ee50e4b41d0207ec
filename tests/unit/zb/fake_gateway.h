/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A gateway for tests of the client: a thread on a unix socket in a folder of its own, over the real codec.
 * It serves one connection at a time and misbehaves when told.
 */
#ifndef FAKE_GATEWAY_H
#define FAKE_GATEWAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_row {
	uint64_t set_id, digest;
};

struct fake {
	char dir[64], path[80];
	int listener;
	pthread_t thread;
	atomic_int stop, connection /* -1: none */;
	/* what to do with the next requests after HELLO */
	atomic_int ignore;	 /* as many are not answered */
	atomic_int hold;	 /* as many answers wait until the next one goes */
	atomic_int hang_up;	 /* as many times the connection is closed instead */
	atomic_int hello_cause;	 /* HELLO is refused with it */
	atomic_int twice;	 /* each answer goes twice */
	atomic_int deaf;	 /* nothing is read */
	atomic_int events_first; /* as many events go before each answer */
	atomic_int ask;		 /* a HEARTBEAT of the gateway's goes before each answer */
	atomic_ullong store_epoch;
	atomic_uint ended_away;
	atomic_uint
		leaving; /* sets of its peer in PEERS: with each answer one less. 0: three, and they stay */
	/* of AUDIT: what it holds; NULL: the three sets of QUERY. Not while a request is under way */
	struct fake_row *audit;
	size_t audit_count;
	bool audit_is_bare; /* its answers have neither digests nor rows */
	/* what came */
	atomic_uint audits;
	atomic_uint hellos, subscribes, installs, byes, heartbeat_answers, restarts;
	atomic_uint events; /* of the last SUBSCRIBE */
};

void fake_start(struct fake *f);
void fake_stop(struct fake *f);
/* Closes the listening socket and the connection: the gateway is gone. */
void fake_vanish(struct fake *f);
void fake_return(struct fake *f);
/* Sends `count` events FIRST_USED, their set ids from 1 on. */
void fake_send_events(struct fake *f, unsigned count);
/* Octets as they are. */
void fake_send_raw(struct fake *f, const void *data, size_t length);

#endif
