/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One association: frames in, frames out, and the bounds that keep a slow, silent or hostile one from harming
 * the others. It knows a descriptor and an origin, not what kind of socket that is: a transport makes those.
 * Its life: session_new, HELLO, requests, session_close (or the other end's), and it is freed from the loop.
 * One thread.
 */
#ifndef CONTROL_SESSION_H
#define CONTROL_SESSION_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "control/control.h"
#include "control/peer.h"
#include "zb/codec.h"
#include "zb/frame.h"

enum {
	SESSION_OPS_MAX = 512,		/* weight of requests under way: then no more is read */
	SESSION_OUT_PAUSE = 256 << 10,	/* octets of answers not taken: then no more is read */
	SESSION_OUT_EVENTS = 512 << 10, /* octets not taken: then events are lost, and a GAP says so */
	SESSION_OUT_MAX = 8 << 20,	/* octets not taken: then it is closed */
	SESSION_TURN_US = 4000,		/* requests of one connection in a turn of the loop: for so long, */
	SESSION_WATCH_US = 1000, /* and those of all observers and operators together, after the P-CSCFs' */
	SESSION_BEATS = 3, /* heartbeats' time in which a client that says or reads nothing is given up */
};

struct op;

struct session {
	struct control *control;
	int fd;
	struct origin origin;
	struct event *readable, *writable;
	struct zb_stream in;
	struct evbuffer *out;
	struct peer *peer; /* NULL before HELLO */
	uint32_t events;   /* ZB_EVENT_BIT mask */
	LIST_HEAD(, op) ops;
	unsigned ops_weight;
	bool paused;  /* nothing is read */
	bool running; /* its frames are being looked at */
	bool waits;   /* for its next turn: nothing is read */
	bool greeted; /* the answer to HELLO is out */
	bool closing; /* when the output is out */
	bool dead;    /* freed by the loop */
	bool writing; /* on_writable will be called, at the end of this turn or when there is room */
	uint32_t events_lost;
	/* CLOCK_BOOTTIME, ns */
	uint64_t heard;	   /* when the last frame was whole */
	uint64_t frame_at; /* when the part of a frame that waits for the rest began; 0: none does */
	uint64_t asked;	   /* when HEARTBEAT was sent since `heard`; 0: it was not */
	uint64_t taken;	   /* when the output last moved, or was empty */
	LIST_ENTRY(session) next;
	TAILQ_ENTRY(session) of_waiters;
};

/* Takes over a connected, non-blocking stream descriptor. 0 or -errno; then the descriptor is still the
 * caller's. */
int session_new(struct control *c, int fd, const struct origin *origin);
void session_free_all(struct control *c);

/* Its peer's name, for people. */
const char *session_name(const struct session *s);

/* A whole frame. Never frees the session. */
void session_send(struct session *s, const void *frame, size_t length);
void session_send_event(struct session *s, const void *frame, size_t length);
void session_refuse(struct session *s, const struct zb_header *request, const struct refusal *r);
/* Whether it subscribed to this kind of event about a set of this peer (NULL: about all). */
bool session_wants(const struct session *s, unsigned kind, const struct peer *owner);
/* Ends it, with a line in the log; NULL: without. */
void session_close(struct session *s, const char *why);
/* Ends it at once, with a BYE if it takes one now. */
void session_dismiss(struct session *s, unsigned cause, const char *text);
/* Ends it when what was sent is out. */
void session_finish(struct session *s);

void session_op_begins(struct session *s, struct op *op);
void session_op_ends(struct session *s, struct op *op);

/* Heartbeats and time limits of all, and of peers without any; call it twice a second. */
void session_tick_all(struct control *c);

#endif
