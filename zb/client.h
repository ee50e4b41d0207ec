/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inside of libzb: one association, its connection and the call that is under way.
 *
 *	DOWN → (connect, HELLO sent) GREETING → (SUBSCRIBE sent, if events are wanted) RENEWING → UP → DOWN
 *
 * Calls drive it with a deadline, zb_process without waiting; both through client_pump.
 */
#ifndef ZB_CLIENT_H
#define ZB_CLIENT_H

#include <stdarg.h>
#include <stdbool.h>
#include <sys/types.h>

#include "zb.h"
#include "zb/box.h"
#include "zb/codec.h"
#include "zb/frame.h"
#include "zb/pipeline.h"

enum {
	CLIENT_REQUEST_MAX = 1024,    /* octets of the largest request */
	CLIENT_EVENTS_MAX = 1024,     /* kept until zb_process; then a gap */
	CLIENT_RECONNECT_MS = 1000,   /* zb_process connects at most so often */
	CLIENT_HEARTBEAT_MS = 10000,  /* a gateway that is silent so long is asked */
	CLIENT_HEARTBEAT_PATIENCE = 2 /* times as long for it to answer */
};

enum client_state { CLIENT_DOWN, CLIENT_GREETING, CLIENT_RENEWING, CLIENT_UP };

/* Events that wait for zb_process: a ring that grows as needed. */
struct event_queue {
	struct zb_event *ring;
	size_t size, first, count;
	bool gap; /* more came than could be kept */
};

struct zb {
	pid_t pid; /* that opened it; any other process keeps its hands off */
	char *path;
	char name[BGF_PEER_NAME_MAX + 1];
	uint64_t instance_id;
	enum zb_role role;
	bool release_former;
	int wait_ms;

	int fd; /* -1 in DOWN */
	enum client_state state;
	bool was_up; /* an association ended: events may have been lost */
	struct zb_stream in;
	struct box outbox;	/* what the stream has not taken yet, of this connection */
	uint32_t txn;		/* the last one used; never 0, below PIPELINE_TXN */
	uint32_t handshake_txn; /* of HELLO or SUBSCRIBE while GREETING or RENEWING */
	uint32_t subscribed;	/* bit mask that is asked for after each HELLO */
	/* CLOCK_MONOTONIC, ms */
	int64_t handshake_until, connect_after, heard, asked /* HEARTBEAT; 0: not */;
	int64_t stuck; /* since when the gateway takes nothing of what waits to be sent; 0: it does */
	struct zb_gateway gateway;
	struct zb_error why; /* the last connection ended, or could not be made */
	int why_errno;

	struct zb_frame request; /* the call under way, in `out` */
	uint32_t request_txn;
	uint32_t call_txn; /* 0: no answer is waited for */
	int64_t call_until;
	struct zb_message_in answer;
	uint8_t out[CLIENT_REQUEST_MAX];

	struct event_queue queue;
	bool events_first;  /* client_pump stopped within zb_process: events must go on before more is read */
	bool reads_no_more; /* client_pump only looks at what was read before */
	struct pipeline pipeline;
};

int64_t client_now_ms(void);

/* A transaction id of its own for a request that is not of the pipeline. */
uint32_t client_next_txn(struct zb *zb);

/* Fills *ret_error (may be NULL) with a sentence and returns `error`. */
int client_error(struct zb_error *ret_error, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The cause of an answer that refuses, as the caller gets it. Returns -EREMOTEIO. */
int client_refused(struct zb_error *ret_error, const struct zb_attrs *attrs);

/* Connects and sends HELLO. 0, or a negative errno with zb->why filled. */
int client_connect(struct zb *zb);

/* Reads what is there and acts on it without waiting. 1: the answer to the call is in zb->answer, valid until
 * the next call of this function; 0: nothing more; negative: the connection was lost (zb->why). */
int client_pump(struct zb *zb);

/* Ends the connection for the reason given. Returns `error`. */
int client_lose(struct zb *zb, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts a whole frame behind what waits to be sent, or loses the connection; and sends what can be sent now.
 */
int client_send_now(struct zb *zb, struct zb_frame *frame);
int client_flush(struct zb *zb);

/* Until the association is UP or the call's time is over. */
int client_wait_up(struct zb *zb, struct zb_error *ret_error);

/* A call: begins the request in zb->request (0, -ECHILD), then exchanges it for the answer in zb->answer. The
 * request is sent once more when the connection breaks under it: its reference makes that harmless. */
int client_begin(struct zb *zb, enum zb_message type, struct zb_error *ret_error);
/* The length of the request in zb->out, or -EINVAL with the attribute that is wrong; then it is wiped. */
int client_finish(struct zb *zb, struct zb_error *ret_error);
int client_exchange(struct zb *zb, struct zb_error *ret_error);

void queue_event(struct event_queue *q, const struct zb_event *event);
/* Takes the oldest. */
bool queue_take(struct event_queue *q, struct zb_event *ret_event);
void queue_free(struct event_queue *q);
/* An event as a frame brings it. */
void event_from_message(const struct zb_message_in *m, struct zb_event *ret_event);

#endif
