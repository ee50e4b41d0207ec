/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Events that wait for zb_process, and zb_process itself.
 */
#include "zb/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zb/records.h"

enum {
	RING_FIRST = 16,
	ROUNDS_MAX = 16, /* of full queues in one zb_process, then what was read is the last: the caller has
			    other things to do */
};

/* Doubles the ring, its events in order from the start. */
static bool ring_grow(struct event_queue *q)
{
	size_t size = q->size == 0 ? RING_FIRST : q->size * 2;
	struct zb_event *ring = calloc(size, sizeof(*ring));

	if (ring == NULL)
		return false;
	for (size_t i = 0; i < q->count; i++)
		ring[i] = q->ring[(q->first + i) % q->size];
	free(q->ring);
	q->ring = ring;
	q->size = size;
	q->first = 0;
	return true;
}

void queue_event(struct event_queue *q, const struct zb_event *event)
{
	if (q->count == CLIENT_EVENTS_MAX || (q->count == q->size && !ring_grow(q))) {
		q->gap = true;
		return;
	}
	q->ring[(q->first + q->count++) % q->size] = *event;
}

bool queue_take(struct event_queue *q, struct zb_event *ret_event)
{
	if (q->count > 0) {
		*ret_event = q->ring[q->first];
		q->first = (q->first + 1) % q->size;
		q->count--;
		return true;
	}
	if (!q->gap)
		return false;
	q->gap = false;
	*ret_event = (struct zb_event){.kind = ZB_EVENT_GAP};
	return true;
}

void queue_free(struct event_queue *q)
{
	free(q->ring);
	*q = (struct event_queue){0};
}

void event_from_message(const struct zb_message_in *m, struct zb_event *ret_event)
{
	struct zb_attrs group;
	struct zb_set set;
	size_t position = 0;

	memset(ret_event, 0, sizeof(*ret_event));
	ret_event->kind = (uint16_t)(m->header.type - ZB_EVENT_FIRST + 1);
	ret_event->why = (uint8_t)zb_get_number(&m->attrs, ZB_ATTR_WHY, 0);
	ret_event->overloaded = (uint8_t)zb_get_number(&m->attrs, ZB_ATTR_OVERLOADED, 0);
	ret_event->spi = (uint32_t)zb_get_number(&m->attrs, ZB_ATTR_SPI, 0);
	ret_event->sequence = zb_get_number(&m->attrs, ZB_ATTR_SEQUENCE, 0);
	ret_event->count = zb_get_number(&m->attrs, ZB_ATTR_COUNT, 0);
	zb_get_string(&m->attrs, ZB_ATTR_NAME, ret_event->peer, sizeof(ret_event->peer));
	zb_get_addr(&m->attrs, ZB_ATTR_UE_ADDRESS, &ret_event->selectors.ue);
	zb_get_addr(&m->attrs, ZB_ATTR_SERVED_ADDRESS, &ret_event->selectors.served);
	if (!zb_group_next(&m->attrs, ZB_ATTR_SET, &position, &group))
		return;
	zb_get_set(&group, &set);
	ret_event->set_id = set.set_id;
	ret_event->reference = set.reference;
	memcpy(ret_event->peer, set.peer, sizeof(set.peer));
	memcpy(ret_event->subscriber, set.subscriber, sizeof(set.subscriber));
	memcpy(ret_event->registration_id, set.registration_id, sizeof(set.registration_id));
	ret_event->selectors = set.selectors;
	memcpy(ret_event->packets, set.packets, sizeof(set.packets));
	memcpy(ret_event->octets, set.octets, sizeof(set.octets));
}

int zb_poll_events(const struct zb *zb)
{
	return POLLIN | (box_waiting(&zb->outbox) > 0 ? POLLOUT : 0);
}

int zb_fd(const struct zb *zb)
{
	return zb->pid == getpid() ? zb->fd : -1;
}

/* A gateway that says nothing for long is asked, and left if it does not answer even that. */
static int keep_alive(struct zb *zb, int64_t now)
{
	uint8_t buffer[ZB_HEADER_LEN];
	struct zb_frame f;

	if (zb->state != CLIENT_UP) {
		if (now < zb->handshake_until)
			return 0;
		return client_lose(zb, -ETIMEDOUT, "no answer to HELLO within %d ms", zb->wait_ms);
	}
	/* Else what is started and given up, again and again, piles up for a gateway that has stopped. */
	if (zb->stuck != 0 && now - zb->stuck >= zb->wait_ms)
		return client_lose(zb, -ETIMEDOUT, "the gateway read nothing for %d ms", zb->wait_ms);
	if (zb->asked != 0 && now - zb->asked >= CLIENT_HEARTBEAT_MS * CLIENT_HEARTBEAT_PATIENCE)
		return client_lose(zb, -ETIMEDOUT, "the gateway does not answer heartbeats");
	if (zb->asked != 0 || now - zb->heard < CLIENT_HEARTBEAT_MS)
		return 0;
	zb->asked = now;
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_HEARTBEAT, 0, client_next_txn(zb));
	return client_send_now(zb, &f);
}

static int progress(struct zb *zb)
{
	int64_t now = client_now_ms();
	int r = 0;

	if (zb->state == CLIENT_DOWN) {
		if (now < zb->connect_after)
			return zb->why_errno;
		r = client_connect(zb);
	}
	if (r == 0)
		r = client_pump(zb);
	return r < 0 ? r : keep_alive(zb, client_now_ms());
}

static int tell_events(struct zb *zb, zb_on_event on_event, void *arg)
{
	struct zb_event event;
	int count = 0;

	for (; queue_take(&zb->queue, &event); count++)
		if (on_event != NULL)
			on_event(&event, arg);
	return count;
}

int zb_process(struct zb *zb, zb_on_event on_event, void *arg)
{
	int count = 0, r, rounds = 0;

	if (zb->pid != getpid())
		return -ECHILD;
	zb->pipeline.telling = true;
	zb->pipeline.told = 0;
	do {
		zb->events_first = false;
		r = progress(zb);
		count += tell_events(zb, on_event, arg);
		zb->reads_no_more = ++rounds >= ROUNDS_MAX;
	} while (zb->events_first && r == 0);
	zb->reads_no_more = false;
	pipeline_tell(zb, client_now_ms());
	/* What was started before, and by those who were told. */
	if (zb->state == CLIENT_UP && box_waiting(&zb->outbox) > 0 && client_flush(zb) < 0)
		pipeline_tell(zb, client_now_ms());
	zb->pipeline.telling = false;
	count += tell_events(zb, on_event, arg) + zb->pipeline.told;
	return count > 0 ? count : r;
}
