/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "zb/transport.h"

/* Reads in one go, so that a gateway that never stops sending does not hold the caller for good. */
enum { PUMP_READS = 64 };

int64_t client_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int client_error(struct zb_error *ret_error, int error, const char *format, ...)
{
	va_list args;

	if (ret_error == NULL)
		return error;
	memset(ret_error, 0, sizeof(*ret_error));
	va_start(args, format);
	vsnprintf(ret_error->text, sizeof(ret_error->text), format, args);
	va_end(args);
	return error;
}

/* The cause of an answer, as the caller gets it. */
int client_refused(struct zb_error *ret_error, const struct zb_attrs *attrs)
{
	if (ret_error == NULL)
		return -EREMOTEIO;
	memset(ret_error, 0, sizeof(*ret_error));
	ret_error->cause = (uint16_t)zb_get_number(attrs, ZB_ATTR_CAUSE, ZB_CAUSE_INTERNAL);
	ret_error->attribute = (uint16_t)zb_get_number(attrs, ZB_ATTR_BAD_ATTRIBUTE, 0);
	ret_error->retry_after_ms = (uint32_t)zb_get_number(attrs, ZB_ATTR_RETRY_AFTER, 0);
	zb_get_string(attrs, ZB_ATTR_TEXT, ret_error->text, sizeof(ret_error->text));
	if (ret_error->text[0] == '\0')
		snprintf(ret_error->text, sizeof(ret_error->text), "%s", zb_cause_text(ret_error->cause));
	return -EREMOTEIO;
}

static void disconnect(struct zb *zb)
{
	if (zb->state == CLIENT_UP)
		zb->was_up = true;
	if (zb->fd >= 0)
		close(zb->fd);
	zb->fd = -1;
	zb->state = CLIENT_DOWN;
	zb_stream_clear(&zb->in);
	box_clear(&zb->outbox);
	pipeline_lose(zb, zb->why_errno, &zb->why);
}

int client_lose(struct zb *zb, int error, const char *format, ...)
{
	va_list args;

	memset(&zb->why, 0, sizeof(zb->why));
	va_start(args, format);
	vsnprintf(zb->why.text, sizeof(zb->why.text), format, args);
	va_end(args);
	zb->why_errno = error;
	disconnect(zb);
	return error;
}

static int lose_refused(struct zb *zb, const struct zb_attrs *attrs)
{
	client_refused(&zb->why, attrs);
	zb->why_errno = -EREMOTEIO;
	disconnect(zb);
	return -EREMOTEIO;
}

uint32_t client_next_txn(struct zb *zb)
{
	if (++zb->txn == PIPELINE_TXN)
		zb->txn = 1;
	return zb->txn;
}

int client_flush(struct zb *zb)
{
	size_t before = box_waiting(&zb->outbox);
	int r = box_write(&zb->outbox, zb->fd);

	if (box_waiting(&zb->outbox) == 0 || box_waiting(&zb->outbox) < before)
		zb->stuck = 0;
	else if (zb->stuck == 0)
		zb->stuck = client_now_ms();
	return r < 0 ? client_lose(zb, -ENOTCONN, "the connection broke: %s", strerror(-r)) : 0;
}

int client_send_now(struct zb *zb, struct zb_frame *frame)
{
	int length = zb_frame_finish(frame);

	if (length < 0 || box_add(&zb->outbox, frame->w.data, (size_t)length) < 0)
		return client_lose(zb, -ENOTCONN, "no memory for what the gateway is to be told");
	return client_flush(zb);
}

static int send_hello(struct zb *zb)
{
	uint8_t buffer[128];
	struct zb_frame f;

	zb->handshake_txn = client_next_txn(zb);
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_HELLO, 0, zb->handshake_txn);
	zb_put_string(&f, ZB_ATTR_NAME, zb->name);
	zb_put_number(&f, ZB_ATTR_INSTANCE_ID, zb->instance_id);
	zb_put_number(&f, ZB_ATTR_ROLE, zb->role);
	zb_put_number(&f, ZB_ATTR_RESTART, zb->release_former);
	return client_send_now(zb, &f);
}

static int send_subscribe(struct zb *zb)
{
	uint8_t buffer[32];
	struct zb_frame f;

	zb->state = CLIENT_RENEWING;
	zb->handshake_txn = client_next_txn(zb);
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_SUBSCRIBE, 0, zb->handshake_txn);
	zb_put_number(&f, ZB_ATTR_EVENTS, zb->subscribed);
	return client_send_now(zb, &f);
}

int client_connect(struct zb *zb)
{
	int fd = transport_open(zb->path);

	zb->connect_after = client_now_ms() + CLIENT_RECONNECT_MS;
	if (fd < 0)
		return client_lose(zb, -ENOTCONN, "cannot connect to %s: %s", zb->path, strerror(-fd));
	zb->fd = fd;
	zb->state = CLIENT_GREETING;
	zb->asked = zb->stuck = 0;
	zb->heard = client_now_ms();
	zb->handshake_until = zb->heard + zb->wait_ms;
	return send_hello(zb);
}

/* --- what comes in --- */

static void queue_kind(struct zb *zb, unsigned kind)
{
	struct zb_event event = {.kind = (uint16_t)kind};

	if (zb->subscribed & ZB_EVENT_BIT(kind))
		queue_event(&zb->queue, &event);
}

static int now_up(struct zb *zb)
{
	zb->state = CLIENT_UP;
	zb->handshake_txn = 0;
	if (zb->was_up || zb->gateway.ended_away > 0)
		queue_kind(zb, ZB_EVENT_GAP);
	zb->was_up = false;
	return pipeline_up(zb) < 0 ? client_lose(zb, -ENOTCONN, "no memory for what waits to be sent") : 0;
}

static void learn_gateway(struct zb *zb, const struct zb_attrs *a)
{
	uint64_t former = zb->gateway.store_epoch;

	memset(&zb->gateway, 0, sizeof(zb->gateway));
	zb_get_string(a, ZB_ATTR_NAME, zb->gateway.name, sizeof(zb->gateway.name));
	zb->gateway.version = ZB_VERSION;
	zb->gateway.store_epoch = zb_get_number(a, ZB_ATTR_STORE_EPOCH, 0);
	zb_get_octets(a, ZB_ATTR_BOOT_ID, zb->gateway.boot_id, sizeof(zb->gateway.boot_id));
	zb->gateway.capacity = (uint32_t)zb_get_number(a, ZB_ATTR_CAPACITY, 0);
	zb->gateway.sets = (uint32_t)zb_get_number(a, ZB_ATTR_SET_COUNT, 0);
	zb->gateway.dataplane_up = (uint8_t)zb_get_number(a, ZB_ATTR_DATAPLANE_UP, 0);
	zb->gateway.overloaded = (uint8_t)zb_get_number(a, ZB_ATTR_OVERLOADED, 0);
	zb->gateway.ended_away = (uint32_t)zb_get_number(a, ZB_ATTR_ENDED_AWAY, 0);
	/* 0: no data plane was ever seen. An epoch that changed while we were away is no event of theirs. */
	if (zb->gateway.store_epoch == 0)
		zb->gateway.store_epoch = former;
	else if (former != 0 && former != zb->gateway.store_epoch)
		queue_kind(zb, ZB_EVENT_EPOCH_LOST);
}

static int on_handshake(struct zb *zb, const struct zb_message_in *m)
{
	if (zb_get_number(&m->attrs, ZB_ATTR_CAUSE, 0) != ZB_CAUSE_DONE)
		return lose_refused(zb, &m->attrs);
	if (zb->state == CLIENT_GREETING) {
		learn_gateway(zb, &m->attrs);
		if (zb->subscribed != 0)
			return send_subscribe(zb);
	}
	return now_up(zb);
}

/* Its cause is the association's: it answers no request that is under way. */
static int on_bye(struct zb *zb, const struct zb_message_in *m)
{
	char text[sizeof(zb->why.text)];

	zb_get_string(&m->attrs, ZB_ATTR_TEXT, text, sizeof(text));
	return client_lose(zb, -ENOTCONN, "the gateway closed the association%s%s",
			   text[0] != '\0' ? ": " : "", text);
}

static int on_request(struct zb *zb, const struct zb_message_in *m)
{
	uint8_t buffer[64];
	struct zb_frame f;

	if (m->header.type == ZB_MSG_BYE)
		return on_bye(zb, m);
	if (m->header.type == ZB_MSG_HEARTBEAT)
		zb_answer_begin(&f, buffer, sizeof(buffer), &m->header);
	else
		zb_answer_refuse(&f, buffer, sizeof(buffer), &m->header,
				 (struct zb_fault){.cause = ZB_CAUSE_UNKNOWN_MESSAGE}, NULL);
	return client_send_now(zb, &f);
}

static void on_event(struct zb *zb, const struct zb_message_in *m)
{
	struct zb_event event;

	event_from_message(m, &event);
	if (event.kind == ZB_EVENT_EPOCH_LOST)
		zb->gateway.store_epoch = zb_get_number(&m->attrs, ZB_ATTR_STORE_EPOCH, 0);
	if (event.kind == ZB_EVENT_OVERLOAD)
		zb->gateway.overloaded = event.overloaded;
	queue_event(&zb->queue, &event);
}

static bool is_answer_to(const struct zb_message_in *m, uint32_t txn)
{
	return (m->header.flags & ZB_FLAG_ANSWER) != 0 && txn != 0 && m->header.txn == txn;
}

/* A frame that does not parse: what is of no use to us is passed over, so that newer gateways may say more;
 * an answer that we wait for is not. */
static int on_fault(struct zb *zb, const struct zb_message_in *m, struct zb_fault fault)
{
	bool ours = is_answer_to(m, zb->handshake_txn) || is_answer_to(m, zb->call_txn);

	if (fault.cause == ZB_CAUSE_MALFORMED || ours)
		return client_lose(zb, -EPROTO, "the gateway's %s cannot be read: %s %s",
				   zb_message_name(m->header.type), zb_cause_text(fault.cause),
				   fault.attribute != 0 ? zb_attribute_name(fault.attribute) : "");
	return m->header.flags == 0 ? on_request(zb, m) : 0;
}

/* 1: zb->answer is what the call waits for; 0: go on; negative: the connection was lost. */
static int dispatch(struct zb *zb, const uint8_t *frame, size_t length)
{
	struct zb_message_in *m = &zb->answer;
	struct zb_fault fault;

	if (zb_message_parse(frame, length, m, &fault) < 0)
		return on_fault(zb, m, fault);
	if (m->header.flags & ZB_FLAG_EVENT) {
		on_event(zb, m);
		return 0;
	}
	if ((m->header.flags & ZB_FLAG_ANSWER) == 0)
		return on_request(zb, m);
	if (is_answer_to(m, zb->handshake_txn))
		return on_handshake(zb, m);
	if (m->header.txn & PIPELINE_TXN)
		pipeline_take(zb, m, frame);
	/* Any other answer is late, or a heartbeat's: that something came is all it tells. */
	return is_answer_to(m, zb->call_txn) ? 1 : 0;
}

static int read_more(struct zb *zb)
{
	size_t room;
	void *to = zb_stream_room(&zb->in, &room);

	if (to == NULL)
		return client_lose(zb, -ENOTCONN, "no memory to read what the gateway sends");
	ssize_t n = transport_read(zb->fd, to, room);
	if (n == -EAGAIN)
		return 0;
	if (n == 0)
		return client_lose(zb, -ENOTCONN, "the gateway closed the connection");
	if (n < 0)
		return client_lose(zb, -ENOTCONN, "the connection broke: %s", strerror((int)-n));
	zb_stream_add(&zb->in, (size_t)n);
	zb->heard = client_now_ms();
	zb->asked = 0;
	return 1;
}

/* Within zb_process no event is lost for want of room: they are handed on, and then it reads on. */
static bool events_must_go(struct zb *zb)
{
	zb->events_first = zb->pipeline.telling && zb->queue.count == CLIENT_EVENTS_MAX;
	return zb->events_first;
}

int client_pump(struct zb *zb)
{
	struct zb_header header;
	struct zb_fault fault;
	const uint8_t *frame;
	int r;

	/* What was read is looked at before it ends: no descriptor becomes readable for it any more. */
	for (int reads = 0;; reads++) {
		while ((r = zb_stream_next(&zb->in, &frame, &header, &fault)) == 1)
			if ((r = dispatch(zb, frame, header.length)) != 0 || events_must_go(zb))
				return r;
		if (r < 0)
			return client_lose(zb, -EPROTO, "what comes is no frame of Zb version %d: %s",
					   ZB_VERSION, zb_cause_text(fault.cause));
		if (zb->reads_no_more || reads == PUMP_READS || (r = read_more(zb)) <= 0)
			return r;
	}
}

/* --- a call --- */

/* Waits until there is something to read, or room for what is to be sent; 0 or -ETIMEDOUT. */
static int wait_ready(struct zb *zb)
{
	struct pollfd p = {.fd = zb->fd, .events = (short)zb_poll_events(zb)};
	int64_t left = zb->call_until - client_now_ms();

	if (left <= 0 || (poll(&p, 1, (int)left) == 0 && client_now_ms() >= zb->call_until))
		return -ETIMEDOUT;
	return 0;
}

int client_wait_up(struct zb *zb, struct zb_error *ret_error)
{
	int r = zb->state == CLIENT_DOWN ? client_connect(zb) : 0;

	while (r >= 0 && zb->state != CLIENT_UP) {
		r = client_pump(zb);
		if (r == 0 && zb->state != CLIENT_UP)
			r = wait_ready(zb);
	}
	if (r == -ETIMEDOUT)
		r = client_lose(zb, -ETIMEDOUT, "no answer to HELLO within %d ms", zb->wait_ms);
	if (r < 0 && ret_error != NULL)
		*ret_error = zb->why;
	return r < 0 ? r : 0;
}

int client_begin(struct zb *zb, enum zb_message type, struct zb_error *ret_error)
{
	if (zb->pid != getpid())
		return client_error(ret_error, -ECHILD,
				    "this association belongs to the parent process: open one of your own");
	zb->request_txn = client_next_txn(zb);
	zb_frame_begin(&zb->request, zb->out, sizeof(zb->out), type, 0, zb->request_txn);
	return 0;
}

/* One way there and back. 0: zb->answer; -ETIMEDOUT; other: the connection was lost. It reads also while it
 * cannot write: a gateway that waits for us to take its answers takes no requests. */
static int exchange_once(struct zb *zb, size_t length, struct zb_error *ret_error)
{
	int r = client_wait_up(zb, ret_error);

	if (r == 0 && box_add(&zb->outbox, zb->out, length) < 0)
		r = client_lose(zb, -ENOTCONN, "no memory for the request");
	while (r == 0) {
		r = client_flush(zb);
		if (r == 0)
			r = client_pump(zb);
		if (r == 1)
			return 0;
		if (r == 0)
			r = wait_ready(zb);
	}
	/* A frame cut in the middle is the end of a stream. */
	if (r == -ETIMEDOUT && zb->state == CLIENT_UP && box_waiting(&zb->outbox) > 0)
		r = client_lose(zb, -ETIMEDOUT, "the gateway read nothing for %d ms", zb->wait_ms);
	if (r == -ETIMEDOUT && zb->state == CLIENT_UP)
		return client_error(ret_error, r, "no answer within %d ms", zb->wait_ms);
	if (ret_error != NULL)
		*ret_error = zb->why;
	return r;
}

int client_finish(struct zb *zb, struct zb_error *ret_error)
{
	int length = zb_frame_finish(&zb->request);

	if (length > 0)
		return length;
	explicit_bzero(zb->out, sizeof(zb->out));
	client_error(ret_error, -EINVAL, "%s is missing or out of its bounds",
		     zb_attribute_name(zb->request.error_attr));
	if (ret_error != NULL)
		ret_error->attribute = zb->request.error_attr;
	return -EINVAL;
}

int client_exchange(struct zb *zb, struct zb_error *ret_error)
{
	int length = client_finish(zb, ret_error);
	int r = 0;

	if (length < 0)
		return length;
	zb->call_until = client_now_ms() + zb->wait_ms;
	/* A gateway that went since the last call is noticed before anything is sent to it. */
	if (zb->state != CLIENT_DOWN)
		client_pump(zb);
	zb->call_txn = zb->request_txn;
	for (int attempt = 0; attempt < 2; attempt++) {
		bool had = zb->state == CLIENT_UP;
		r = exchange_once(zb, (size_t)length, ret_error);
		if (r != -ENOTCONN || !had)
			break;
	}
	zb->call_txn = 0;
	explicit_bzero(zb->out, sizeof(zb->out));
	if (r == 0 && zb_get_number(&zb->answer.attrs, ZB_ATTR_CAUSE, ZB_CAUSE_DONE) != ZB_CAUSE_DONE)
		r = client_refused(ret_error, &zb->answer.attrs);
	return r;
}
