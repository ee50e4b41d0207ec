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

struct ctl_link_record;

struct ctl_link {
	int epoll, listener;
	int client;	  /* -1: none */
	uint32_t serial;  /* of the client; steps with each: answers to a former one go nowhere */
	uint32_t watched; /* events that epoll reports for the client */
	size_t queued;	  /* octets */
	STAILQ_HEAD(, ctl_link_record) queue;
};

/* 0 or a negative errno with a sentence in error[]. */
int ctl_link_listen(struct ctl_link *l, const char *path, char *error, size_t error_size);
void ctl_link_stop(struct ctl_link *l, const char *path);

/* Takes those who wait: the first one becomes the client if there is none and it may; others are closed, with
 * the answer -EBUSY to their HELLO. */
void ctl_link_accept(struct ctl_link *l);
void ctl_link_close(struct ctl_link *l);
bool ctl_link_open(const struct ctl_link *l);

/* The next record's octets (at most size; the length of a longer one is returned, more than size), or
 * -EAGAIN; an end or an error closes the client: -ECONNRESET. */
ssize_t ctl_link_receive(struct ctl_link *l, void *record, size_t size);

/* Sends a record or queues it. */
void ctl_link_send(struct ctl_link *l, const struct dpl_header *record);
void ctl_link_flush(struct ctl_link *l);
/* The client does not take its answers: read no more requests. */
bool ctl_link_congested(const struct ctl_link *l);

/* Tells epoll what to report: requests, if `ready` and not congested; room, if records are queued. */
void ctl_link_watch(struct ctl_link *l, bool ready);

#endif
