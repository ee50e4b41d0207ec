/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The link's sockets: one that listens, one client, and the records that it has not taken yet. For ctl.c.
 */
#ifndef BGF_DP_CTL_LINK_H
#define BGF_DP_CTL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "bgf_dplink.h"

struct ctl_link_packet;

struct ctl_link {
	int epoll, listener;
	int client;	  /* -1: none */
	uint32_t serial;  /* of the client; steps with each: answers to a former one go nowhere */
	uint32_t watched; /* events that epoll reports for the client */
	size_t queued;	  /* octets */
	TAILQ_HEAD(ctl_link_queue, ctl_link_packet) queue;
	/* the packet that is being read: records from `at` to `end`; wiped behind them, for keys are in it */
	size_t at, end;
	uint8_t packet[DPL_PACKET_MAX] __attribute__((aligned(8)));
};

/* 0 or a negative errno with a sentence in error[]. */
int ctl_link_listen(struct ctl_link *l, const char *path, char *error, size_t error_size);
void ctl_link_stop(struct ctl_link *l, const char *path);

/* Takes those who wait: the first one becomes the client if there is none and it may; others are closed, with
 * the answer -EBUSY to their HELLO. */
void ctl_link_accept(struct ctl_link *l);
void ctl_link_close(struct ctl_link *l);
bool ctl_link_open(const struct ctl_link *l);

/* The next record's octets (at most size; the length of a longer one, or of what is none, is returned), or
 * -EAGAIN; an end or an error closes the client: -ECONNRESET. */
ssize_t ctl_link_receive(struct ctl_link *l, void *record, size_t size);

/* Whether records wait that no descriptor tells of any more. */
static inline bool ctl_link_holds(const struct ctl_link *l)
{
	return l->client >= 0 && l->at < l->end;
}

/* Queues a record; sends what is queued, several records a packet. */
void ctl_link_send(struct ctl_link *l, const struct dpl_header *record);
void ctl_link_flush(struct ctl_link *l);
/* The client does not take its answers: read no more requests. */
bool ctl_link_congested(const struct ctl_link *l);

/* Tells epoll what to report: requests, if `ready` and not congested; room, if records are queued. */
void ctl_link_watch(struct ctl_link *l, bool ready);

#endif
