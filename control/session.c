/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/dispatch.h"
#include "control/log.h"
#include "control/op.h"
#include "control/places.h"

#define SECOND UINT64_C(1000000000)
#define US     UINT64_C(1000)

static struct log_gate gate = {.rate = 20};

const char *session_name(const struct session *s)
{
	return s->peer != NULL ? s->peer->name : "(no HELLO yet)";
}

/* P-CSCFs are served before those who only watch. */
static bool is_watcher(const struct session *s)
{
	return s->peer != NULL && s->peer->role != ZB_ROLE_PEER;
}

static struct session_queue *queue_of(const struct session *s)
{
	return &s->control->waiters[is_watcher(s)];
}

/* --- end --- */

static void free_session(struct session *s)
{
	struct op *op;

	if (s->waits)
		TAILQ_REMOVE(queue_of(s), s, of_waiters);
	while ((op = LIST_FIRST(&s->ops)) != NULL)
		session_op_ends(s, op);
	if (s->peer != NULL) {
		peer_disconnect(s->peer);
		peer_unref(s->peer);
	}
	LIST_REMOVE(s, next);
	s->control->session_count--;
	event_free(s->readable);
	event_free(s->writable);
	evbuffer_free(s->out);
	zb_stream_clear(&s->in);
	close(s->fd);
	free(s);
}

void session_close(struct session *s, const char *why)
{
	if (s->dead)
		return;
	if (why != NULL)
		log_gated(&gate, LOG_LEVEL_INFO, "association of %s (pid %d, uid %u) closed: %s",
			  session_name(s), s->origin.pid, s->origin.uid, why);
	s->dead = true;
	event_del(s->readable);
	event_active(s->writable, EV_WRITE, 1); /* freed there, when nobody holds it any more */
}

void session_dismiss(struct session *s, unsigned cause, const char *text)
{
	uint8_t buffer[512];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_BYE, 0, 0);
	zb_put_number(&f, ZB_ATTR_CAUSE, cause);
	zb_put_string(&f, ZB_ATTR_TEXT, text);
	int length = zb_frame_finish(&f);
	if (length > 0)
		session_send(s, buffer, (size_t)length);
	if (!s->dead)
		evbuffer_write(s->out, s->fd); /* what is not taken at once is not waited for */
	session_close(s, NULL);
}

/* All answers of this turn of the loop go out together, at its end. */
static void write_soon(struct session *s)
{
	if (s->writing)
		return;
	s->writing = true;
	event_active(s->writable, EV_WRITE, 1);
}

void session_finish(struct session *s)
{
	s->closing = true;
	s->heard = timers_now();
	event_del(s->readable);
	write_soon(s);
}

void session_free_all(struct control *c)
{
	while (!LIST_EMPTY(&c->sessions))
		free_session(LIST_FIRST(&c->sessions));
	if (c->waiter != NULL)
		event_free(c->waiter);
	c->waiter = NULL;
}

/* --- out --- */

void session_send(struct session *s, const void *frame, size_t length)
{
	if (s->dead)
		return;
	if (evbuffer_get_length(s->out) == 0)
		s->taken = timers_now();
	if (evbuffer_add(s->out, frame, length) != 0 || evbuffer_get_length(s->out) > SESSION_OUT_MAX) {
		session_close(s, "it does not read what it asked for");
		return;
	}
	write_soon(s);
}

void session_send_event(struct session *s, const void *frame, size_t length)
{
	if (evbuffer_get_length(s->out) > SESSION_OUT_EVENTS) {
		s->events_lost++;
		return;
	}
	session_send(s, frame, length);
}

void session_refuse(struct session *s, const struct zb_header *request, const struct refusal *r)
{
	uint8_t buffer[1024];
	char plain[128];
	struct zb_frame f;
	bool named = r->fault.attribute != 0 && strcmp(zb_attribute_name(r->fault.attribute), "?") != 0;

	/* What the decoder refused has no sentence of its own yet. */
	snprintf(plain, sizeof(plain), "%s%s%s", named ? zb_attribute_name(r->fault.attribute) : "",
		 named ? ": " : "", zb_cause_text(r->fault.cause));
	zb_answer_refuse(&f, buffer, sizeof(buffer), request, r->fault, r->text[0] != '\0' ? r->text : plain);
	int length = zb_frame_finish(&f);
	if (length > 0)
		session_send(s, buffer, (size_t)length);
}

static void send_bare(struct session *s, enum zb_message type, uint16_t flags)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), type, flags, 0);
	int length = zb_frame_finish(&f);
	if (length > 0)
		session_send(s, buffer, (size_t)length);
}

bool session_wants(const struct session *s, unsigned kind, const struct peer *owner)
{
	if (s->dead || s->closing || s->peer == NULL || !(s->events & ZB_EVENT_BIT(kind)))
		return false;
	return owner == NULL || s->peer->role != ZB_ROLE_PEER || s->peer == owner;
}

static void look_at_frames(struct session *s);

/* Unless something else keeps it from being listened to. */
static void listen_to(struct session *s)
{
	if (!s->dead && !s->closing && !s->paused && !s->waits)
		event_add(s->readable, NULL);
}

static void resume(struct session *s)
{
	if (!s->paused || s->dead || s->closing || s->ops_weight >= SESSION_OPS_MAX ||
	    evbuffer_get_length(s->out) > SESSION_OUT_PAUSE)
		return;
	s->paused = false;
	listen_to(s);
	look_at_frames(s); /* what is in the buffer already makes no descriptor readable */
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)what;
	if (s->dead) {
		free_session(s);
		return;
	}
	s->writing = false;
	int n = evbuffer_get_length(s->out) > 0 ? evbuffer_write(s->out, fd) : 0;
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		session_close(s, s->closing ? NULL : strerror(errno));
		return;
	}
	if (n > 0)
		s->taken = timers_now();
	s->greeted = s->peer != NULL && (s->greeted || evbuffer_get_length(s->out) == 0);
	if (s->events_lost > 0 && evbuffer_get_length(s->out) < SESSION_OUT_PAUSE) {
		log_gated(&gate, LOG_LEVEL_WARNING, "%s (pid %d) reads too slowly: %u events lost",
			  session_name(s), s->origin.pid, s->events_lost);
		s->events_lost = 0;
		if (s->events & ZB_EVENT_BIT(ZB_EVENT_GAP))
			send_bare(s, ZB_MSG_GAP, ZB_FLAG_EVENT);
	}
	if (evbuffer_get_length(s->out) > 0) {
		event_add(s->writable, NULL);
		s->writing = true;
	} else if (s->closing) {
		session_close(s, NULL);
	}
	resume(s);
}

/* --- in --- */

static void look_at_frame(struct session *s, const uint8_t *frame, const struct zb_header *header)
{
	struct zb_message_in m;
	struct refusal r = {0};

	if (s->peer != NULL) /* before HELLO the time runs from the connection on, whatever comes */
		s->heard = timers_now();
	if (s->greeted)
		peer_knows(s->peer);
	s->asked = 0;
	s->frame_at = 0; /* the time limit is one frame's, however many come */
	if (zb_message_parse(frame, header->length, &m, &r.fault) == 0) {
		dispatch(s, &m);
		return;
	}
	install_refine_fault(&r);
	if (!(header->flags & (ZB_FLAG_ANSWER | ZB_FLAG_EVENT)))
		session_refuse(s, header, &r);
	if (r.fault.cause == ZB_CAUSE_MALFORMED || r.fault.cause == ZB_CAUSE_BAD_VERSION)
		session_finish(s);
}

/* --- turns --- */

/* Not event_active: that would be this turn's yet. And not again when it is due: that would put it off, and
 * who comes in every turn would keep all others waiting. */
static void next_turn(struct control *c)
{
	static const struct timeval at_once = {0};

	if (!evtimer_pending(c->waiter, NULL))
		evtimer_add(c->waiter, &at_once);
}

static bool is_turn_over(const struct session *s, uint64_t begun)
{
	uint64_t now = timers_now();

	return is_watcher(s) ? now >= s->control->watch_until : now >= begun + SESSION_TURN_US * US;
}

static void wait_for_turn(struct session *s)
{
	s->waits = true;
	event_del(s->readable);
	TAILQ_INSERT_TAIL(queue_of(s), s, of_waiters);
	next_turn(s->control);
}

/* Those that wait now, not those that wait again afterwards. */
static void serve_waiters(struct control *c, struct session_queue *queue, uint64_t until)
{
	const struct session *last = TAILQ_LAST(queue, session_queue);
	struct session *s = NULL;

	while (last != NULL && s != last && timers_now() < until) {
		s = TAILQ_FIRST(queue);
		TAILQ_REMOVE(queue, s, of_waiters);
		s->waits = false;
		listen_to(s);
		look_at_frames(s);
	}
	if (!TAILQ_EMPTY(queue))
		next_turn(c);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd, (void)what;
	serve_waiters(c, &c->waiters[0], UINT64_MAX);
	c->watch_until = timers_now() + SESSION_WATCH_US * US;
	serve_waiters(c, &c->waiters[1], c->watch_until);
	c->watch_until = 0;
}

static void look_at_frames(struct session *s)
{
	struct zb_header header;
	struct refusal r = {0};
	const uint8_t *frame;
	uint64_t begun = timers_now();
	int got = 0;

	if (s->running || s->waits)
		return; /* an answer that was given at once let it go on: it does already */
	if (is_watcher(s) && s->control->watch_until == 0) {
		wait_for_turn(s);
		return;
	}
	s->running = true;
	turn_work(&s->control->turn);
	while (!s->dead && !s->closing && !s->paused && !s->waits &&
	       (got = zb_stream_next(&s->in, &frame, &header, &r.fault)) == 1) {
		look_at_frame(s, frame, &header);
		if (s->ops_weight >= SESSION_OPS_MAX || evbuffer_get_length(s->out) > SESSION_OUT_PAUSE) {
			s->paused = true;
			event_del(s->readable);
		} else if (zb_stream_is_partial(&s->in) && is_turn_over(s, begun)) {
			wait_for_turn(s);
		}
	}
	s->running = false;
	if (got < 0) {
		log_gated(&gate, LOG_LEVEL_WARNING, "%s (pid %d) sent what is no frame of Zb version %d",
			  session_name(s), s->origin.pid, ZB_VERSION);
		session_refuse(s, &header, &r);
		session_finish(s);
	}
	if (!zb_stream_is_partial(&s->in))
		s->frame_at = 0;
	else if (s->frame_at == 0 && !s->waits)
		s->frame_at = timers_now();
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	size_t room;
	void *into = zb_stream_room(&s->in, &room);

	(void)what;
	if (into == NULL) {
		session_close(s, "no memory for what it sends");
		return;
	}
	ssize_t n = recv(fd, into, room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0 && s->greeted && evbuffer_get_length(s->out) == 0)
		peer_knows(s->peer); /* had it left anything unread, its end would be a reset */
	if (n <= 0) {
		session_close(s,
			      n == 0 ? (s->peer != NULL ? "the other end closed" : NULL) : strerror(errno));
		return;
	}
	zb_stream_add(&s->in, (size_t)n);
	look_at_frames(s);
}

/* --- requests under way --- */

void session_op_begins(struct session *s, struct op *op)
{
	s->ops_weight += op->weight;
	LIST_INSERT_HEAD(&s->ops, op, of_session);
}

void session_op_ends(struct session *s, struct op *op)
{
	s->ops_weight -= op->weight;
	LIST_REMOVE(op, of_session);
	op->session = NULL;
	if (s->paused && !s->dead)
		write_soon(s); /* which resumes, out of the loop */
}

/* --- time --- */

static void tick(struct session *s, uint64_t now)
{
	const struct config_control *config = &s->control->config->control;
	uint64_t frame_limit = config->frame_timeout_s * SECOND, beat = config->heartbeat_s * SECOND;

	if (s->dead)
		return;
	if (s->closing || s->peer == NULL) {
		if (now > s->heard + frame_limit)
			session_close(s, s->closing ? NULL : "no HELLO in time");
	} else if (s->frame_at != 0 && !s->paused && !s->waits && now > s->frame_at + frame_limit) {
		session_close(s, "a frame did not become whole in time");
	} else if (evbuffer_get_length(s->out) > 0 && now > s->taken + SESSION_BEATS * beat) {
		session_close(s, "it does not read");
	} else if (s->paused || s->waits) {
		s->heard = now; /* it is not listened to, so its silence says nothing */
	} else if (now > s->heard + SESSION_BEATS * beat) {
		session_close(s, "it is silent");
	} else if (now > s->heard + beat && (s->asked == 0 || now > s->asked + beat)) {
		s->asked = now;
		send_bare(s, ZB_MSG_HEARTBEAT, 0);
	}
}

void session_tick_all(struct control *c)
{
	uint64_t now = timers_now();
	struct session *s;

	LIST_FOREACH (s, &c->sessions, next)
		tick(s, now);
	peer_tick_all(c);
}

/* --- begin --- */

/* With the first one. */
static int init_turns(struct control *c)
{
	if (c->waiter != NULL)
		return 0;
	TAILQ_INIT(&c->waiters[0]);
	TAILQ_INIT(&c->waiters[1]);
	c->waiter = evtimer_new(c->base, on_turn, c);
	return c->waiter != NULL ? 0 : -ENOMEM;
}

static void take_place(struct session *s)
{
	struct session *other;
	struct refusal r;

	if (places_find(s, NULL, &other, &r) != 0)
		session_close(s, r.text);
	else
		places_give(other, s);
}

int session_new(struct control *c, int fd, const struct origin *origin)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL || init_turns(c) != 0) {
		free(s);
		return -ENOMEM;
	}
	s->control = c;
	s->fd = fd;
	s->origin = *origin;
	s->heard = s->taken = timers_now();
	LIST_INIT(&s->ops);
	s->out = evbuffer_new();
	s->readable = event_new(c->base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->writable = event_new(c->base, fd, EV_WRITE, on_writable, s);
	if (s->out == NULL || s->readable == NULL || s->writable == NULL ||
	    event_add(s->readable, NULL) != 0) {
		if (s->out != NULL)
			evbuffer_free(s->out);
		if (s->readable != NULL)
			event_free(s->readable);
		if (s->writable != NULL)
			event_free(s->writable);
		free(s);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&c->sessions, s, next);
	c->session_count++;
	take_place(s);
	return 0;
}
