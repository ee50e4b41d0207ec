/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libzb: the client side of Zb for a P-CSCF. zb/PROTOCOL.md has the protocol; this header is all that a
 * program needs besides -lzb.
 *
 * Threads and fork: a `struct zb` belongs to one thread at a time; different ones are independent. A process
 * that forks opens its own after the fork (calls on one inherited from the parent return -ECHILD and touch
 * nothing). Several processes of one P-CSCF each open one, under the same name and instance id.
 *
 * Errors: calls return 0 or a negative errno and fill `struct zb_error` where the caller gave one:
 *   -EREMOTEIO  the gateway answered with a cause (error.cause, error.attribute, error.text). It has changed
 *               nothing, or may have with DATAPLANE_DOWN and INTERNAL
 *   -ETIMEDOUT  no answer within the wait: it may have been carried out; repeat with the same reference
 *   -ENOTCONN   not connected, or the connection broke under the request twice: it may have been carried out;
 *               the next call, or zb_process, connects again
 *   -EPROTO     what the gateway sends cannot be read
 *   -EINVAL     an argument; error.text says which
 * The library never logs, never blocks beyond the wait, never raises SIGPIPE, and wipes keys from its
 * buffers.
 */
#ifndef ZB_H
#define ZB_H

#include <stddef.h>
#include <stdint.h>

#include "bgf_addr.h"
#include "bgf_sa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ZB_DEFAULT_PATH	   "/run/bgf/zb.sock"
#define ZB_DEFAULT_WAIT_MS 2000
#define ZB_DEFAULT_PENDING 1024
#define ZB_PENDING_MOST	   65536

struct zb; /* one association */

enum zb_role {
	ZB_ROLE_PEER = 0,     /* a P-CSCF: owns sets */
	ZB_ROLE_OBSERVER = 1, /* queries and events of all peers, changes nothing */
	ZB_ROLE_OPERATOR = 2, /* may also release any set; only for the gateway's own user and root */
};

struct zb_options {
	const char *path;     /* unix socket; NULL: ZB_DEFAULT_PATH */
	const char *name;     /* the P-CSCF's name, 1 to BGF_PEER_NAME_MAX octets of [A-Za-z0-9._-] */
	uint64_t instance_id; /* new at each start of the P-CSCF, the same in all its processes; not 0 */
	enum zb_role role;
	int wait_ms;	    /* how long a call may take; 0: ZB_DEFAULT_WAIT_MS */
	int release_former; /* not 0: this new instance releases every set of the former; 0: it keeps them */
	unsigned pending_max; /* requests without waiting that may be under way at once, to ZB_PENDING_MOST;
				 0: ZB_DEFAULT_PENDING */
};

struct zb_error {
	uint16_t cause;		 /* enum zb_cause (zb_cause_name, zb_cause_text); 0: not from the gateway */
	uint16_t attribute;	 /* the offending attribute (zb_attribute_name); 0: none */
	uint32_t retry_after_ms; /* with OVERLOAD: not before that again; 0: nothing was said */
	char text[256];		 /* a sentence for people, never with a key in it */
};

struct zb_install {
	uint64_t
		reference; /* not 0; the same with the same content has one effect and gets the same answer */
	const char *subscriber;		    /* IMPI, 1 to BGF_SUBSCRIBER_MAX octets */
	const char *registration_id;	    /* "" for the normal registration */
	struct bgf_set_selectors selectors; /* spi_pc and spi_ps are ignored: the answer gives them */
	uint8_t alg, ealg, mod;		    /* enum bgf_alg, bgf_ealg, bgf_mod */
	uint8_t flags;			    /* enum bgf_set_flag */
	uint8_t ik[BGF_IK_LEN];
	uint8_t ck[BGF_CK_LEN];
	uint8_t has_ck;
	uint16_t await_auth_s; /* reg-await-auth; 0: as the gateway is configured (4 minutes) */
	uint64_t via_set;      /* the set on which this challenge's 401 travels (rule 15); 0: in the clear */
};

enum { ZB_SET_DROPS = 16 };

/* A set as QUERY, INSTALL, CONFIRM and RELEASE report it. No key; a fingerprint. */
struct zb_set {
	uint64_t set_id;
	uint64_t reference;
	char peer[BGF_PEER_NAME_MAX + 1];
	char subscriber[BGF_SUBSCRIBER_MAX + 1];
	char registration_id[BGF_REGISTRATION_ID_MAX + 1];
	struct bgf_set_selectors selectors;
	uint8_t alg, ealg, mod, flags;
	uint8_t state;	    /* enum bgf_set_state */
	uint8_t first_used; /* a good inbound payload came since it was confirmed */
	uint8_t fingerprint[8];
	uint64_t remaining_ms;			     /* to live */
	uint64_t packets[4], octets[4], sequence[4]; /* by SPI: ps, pc (inbound), uc, us (outbound) */
	struct {
		uint16_t reason; /* enum bgf_drop by number; zb_drop_name */
		uint64_t count;
	} drops[ZB_SET_DROPS]; /* those that are not 0 */
	uint8_t drop_count;
};

enum zb_event_kind {
	ZB_EVENT_EXPIRED = 1,
	ZB_EVENT_FIRST_USED = 2,
	ZB_EVENT_REMOVED = 3,
	ZB_EVENT_EPOCH_LOST = 4,   /* the store is another one: every set is gone */
	ZB_EVENT_GAP = 5,	   /* events were lost, or may have been: query again */
	ZB_EVENT_SUPERSEDED = 6,   /* a newer set of the registration is used: this one ends soon */
	ZB_EVENT_SEQUENCE_LOW = 7, /* an SA (spi) has used `sequence` of its 2^32 - 1 numbers: authenticate
				      again before they end, for nothing is sent after them */
	ZB_EVENT_ICV_FAILURES = 8, /* `count` packets on a set failed their integrity check */
	ZB_EVENT_REPLAYS = 9,	   /* `count` packets on a set were replays */
	ZB_EVENT_UNKNOWN_SPI = 10, /* `count` packets came from selectors.ue, which has sets, with SPIs that
				      no SA has (the first: spi): the phone holds SAs that are gone here */
	ZB_EVENT_OVERLOAD = 11,	   /* `overloaded`: new registrations may be refused, or are not any more */
};
#define ZB_EVENT_BIT(kind) (1u << (kind))
#define ZB_EVENTS_ALL	   0xffffffffu

struct zb_event {
	uint16_t kind;	 /* enum zb_event_kind */
	uint8_t why;	 /* REMOVED: enum bgf_removed */
	uint64_t set_id; /* 0 where no set is meant */
	uint64_t reference;
	char peer[BGF_PEER_NAME_MAX + 1];
	char subscriber[BGF_SUBSCRIBER_MAX + 1];
	char registration_id[BGF_REGISTRATION_ID_MAX + 1];
	struct bgf_set_selectors selectors; /* UNKNOWN_SPI: ue and served alone */
	uint32_t spi;			    /* SEQUENCE_LOW, UNKNOWN_SPI */
	uint64_t sequence;		    /* SEQUENCE_LOW: the highest one that was used */
	uint64_t count;	    /* ICV_FAILURES, REPLAYS, UNKNOWN_SPI: packets since the last such event */
	uint8_t overloaded; /* OVERLOAD */
	uint64_t packets[4], octets[4]; /* EXPIRED, REMOVED: the last counters, as in zb_set */
};

/* What the gateway said in its answer to HELLO. */
struct zb_gateway {
	char name[BGF_PEER_NAME_MAX + 1];
	uint16_t version;
	uint64_t store_epoch;
	uint8_t boot_id[16];
	uint32_t capacity, sets;
	uint8_t dataplane_up;
	uint8_t overloaded;  /* new registrations may be refused; also as OVERLOAD told since */
	uint32_t ended_away; /* sets of this peer that ended while none of its processes was connected */
};

/* Makes an association. Does not fail because the gateway is away: connecting happens in the first call and
 * again whenever needed. *ret is the caller's, to be ended with zb_close. -EINVAL, -ENOMEM. */
int zb_open(const struct zb_options *options, struct zb **ret, struct zb_error *ret_error);
/* Says BYE where it can (bounded by the wait) and frees; in a child only frees. NULL is fine. */
void zb_close(struct zb *zb);

/* Connects now if need be and tells who answers. */
int zb_gateway(struct zb *zb, struct zb_gateway *ret, struct zb_error *ret_error);

/* Installs a temporary set (rules 1 to 7, 14, 15). On return every worker sees it and ret->selectors has the
 * gateway's SPIs. The key octets of *install are the caller's to wipe. */
int zb_install(struct zb *zb, const struct zb_install *install, struct zb_set *ret,
	       struct zb_error *ret_error);

/* The 200 OK is about to go: the set is established for expires_s + 30 s or what the set it follows had left,
 * the longer (rules 18, 19). `reference` as in INSTALL, new for each 200 OK. */
int zb_confirm(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t expires_s, struct zb_set *ret,
	       struct zb_error *ret_error);

/* Ends a set after drain_s seconds in which it still works (rules 22, 23); 0: at once. */
int zb_release(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t drain_s,
	       struct zb_error *ret_error);
/* The same for all sets of this peer. *ret_count: how many. The answer comes when all are gone, or drain: a
 * million take some ten seconds, so let wait_ms be long enough. */
int zb_release_all(struct zb *zb, uint64_t reference, uint32_t drain_s, uint32_t *ret_count,
		   struct zb_error *ret_error);

/* What to look for; what is 0, NULL or of no family does not restrict. */
struct zb_query {
	uint64_t set_id;
	const char *subscriber;
	const char *registration_id; /* only with subscriber */
	struct bgf_addr ue;
	uint16_t port_ue;    /* port_uc or port_us */
	uint16_t port_local; /* port_ps or port_pc */
	uint64_t cursor;     /* 0 at first; then what the last call left here */
};

/* Fills at most `room` rows (one exchange, so fewer may come) and *ret_count; query->cursor is 0 after the
 * last. */
int zb_query(struct zb *zb, struct zb_query *query, struct zb_set *rows, size_t room, size_t *ret_count,
	     struct zb_error *ret_error);

/* --- audit: does the gateway hold what I hold? ---
 *
 * For after ZB_EVENT_GAP, or now and then. Both ends make a digest of each set and compare sums of them by
 * bucket, so that a million sets with ten differences cost some 100 kB and three exchanges. A program that
 * keeps its sets in any way of its own only gives each set's id and digest; it may make the digest when the
 * set changes (zb_set_digest of what INSTALL, CONFIRM or QUERY gave it, `state` brought up to date as events
 * tell) and keep the 8 octets. */

/* Of what both ends know of a set: ids, state, algorithms, flags, selectors, subscriber. No key, no counter,
 * no time (PROTOCOL.md has its definition). Pure; any thread. */
uint64_t zb_set_digest(const struct zb_set *set);

enum zb_difference_kind {
	ZB_DIFFERENCE_MISSING_HERE = 1,	 /* the gateway has the set, the caller does not */
	ZB_DIFFERENCE_MISSING_THERE = 2, /* the caller has it, the gateway does not */
	ZB_DIFFERENCE_DIFFERENT = 3,	 /* both have it, and something in it is not the same */
};

struct zb_difference {
	uint64_t set_id;
	uint8_t kind; /* enum zb_difference_kind */
};

typedef void (*zb_audit_add)(void *to, uint64_t set_id, uint64_t digest);

struct zb_audit {
	/* Calls add(to, id, digest) for each of the caller's sets. Called once, and a second time if there
	 * are differences. */
	void (*each)(void *own, zb_audit_add add, void *to);
	void *own;
	/* Called for each difference when everything has been exchanged: it may use the same zb, for example
	 * zb_query with the set's id, or zb_release. */
	void (*on_difference)(const struct zb_difference *difference, void *arg);
	void *arg;
};

/* Compares. 0, with *ret_count differences told, or an error, then none was. A set that is changing while
 * this runs (another process of the P-CSCF confirms it, an event is on its way) may show as a difference:
 * process the events, and look at the set (zb_query) before acting on it. Observers compare with the sets of
 * all peers. */
int zb_audit(struct zb *zb, const struct zb_audit *audit, size_t *ret_count, struct zb_error *ret_error);

/* Counters and ports of the gateway, as rows of text names and numbers, for programs that show them. */
struct zb_stat {
	uint16_t port, worker; /* 0xffff: the sum or not per port */
	char name[32];	       /* a drop reason's name, or rx_packets, tx_packets, ... */
	uint64_t value;
};
int zb_counters(struct zb *zb, uint64_t *cursor, struct zb_stat *rows, size_t room, size_t *ret_count,
		struct zb_error *ret_error);

struct zb_port {
	uint16_t port;
	uint8_t access, up;
	uint16_t mtu, neighbours, routes;
	uint8_t mac[6];
	char device[64], tap[16];
	uint64_t rx_packets, tx_packets, rx_missed, rx_errors, tx_errors;
};
/* Ports and peers come in one answer: -ENOSPC, with `room` rows filled, if there are more. */
int zb_ports(struct zb *zb, struct zb_port *rows, size_t room, size_t *ret_count, struct zb_error *ret_error);

struct zb_peer {
	char name[BGF_PEER_NAME_MAX + 1];
	uint64_t instance_id;
	uint32_t connections, sets;
	uint8_t role;
};
int zb_peers(struct zb *zb, struct zb_peer *rows, size_t room, size_t *ret_count, struct zb_error *ret_error);

/* Which events this association wants: ZB_EVENT_BIT(kind) | ...; repeated by itself after a reconnect.
 * Remembered, and asked for once there is a connection, also when the call fails for another reason than
 * -EREMOTEIO. After a reconnect, and where sets ended
 * while the peer was away, ZB_EVENT_GAP tells that events may have been lost. */
int zb_subscribe(struct zb *zb, uint32_t events, struct zb_error *ret_error);

/* For a loop of one's own: the descriptor to poll (it changes with a reconnect: ask each time; -1 while not
 * connected), what to poll it for (POLLIN, and POLLOUT while something waits to be sent), and the call that
 * sends what waits and reads what is there without blocking, answers heartbeats, connects and reconnects (at
 * most once a second), hands every event to `on_event` (NULL: nobody) and tells the answers to requests that
 * were started (below). Call it when the descriptor is ready, after requests were started, and once a second.
 * Events and answers that arrive during another call are kept for the next zb_process (events: at most 1,024;
 * then ZB_EVENT_GAP). `on_event` must not call the library with the same zb. Returns the number of events and
 * answers, or a negative errno if there are none and there is no connection. */
typedef void (*zb_on_event)(const struct zb_event *event, void *arg);
int zb_fd(const struct zb *zb);
int zb_poll_events(const struct zb *zb);
int zb_process(struct zb *zb, zb_on_event on_event, void *arg);

/* --- requests without waiting ---
 *
 * Many requests under way at once over one connection, in one thread, none waited for. zb_start_... only
 * takes a copy of the request (the caller wipes its keys at once): the next zb_process sends it, and a later
 * one calls `on_answer` with `arg`, exactly once for each request that was started, unless zb_close comes
 * first. Answers may come in another order than the requests: what needs another's answer is started from
 * there. Order between requests about one set is kept by the gateway. `on_answer` may start further requests,
 * and must not call anything else with the same zb. zb_start_... returns 0, or a negative errno, then nothing
 * was started: -EAGAIN: as many as zb_options.pending_max are under way; process their answers first.
 *
 * answer->status is 0 or as calls return it. -ENOTCONN: the connection was lost under it, or could not be
 * made; -ETIMEDOUT: no answer within the wait. In both cases it may have been carried out: the same request
 * with the same reference has no second effect, and its answer says what came of the first. A request that is
 * started while there is no connection waits for one, as long as the wait. -EREMOTEIO with
 * error.retry_after_ms (the cause OVERLOAD, to an INSTALL of a new registration alone; zb_install has it
 * too): not before that again. */
enum { ZB_ANSWER_SETS = 16 };
struct zb_answer {
	int status;
	uint64_t reference;	   /* of the request; 0: QUERY */
	const struct zb_set *sets; /* INSTALL, CONFIRM: the set; QUERY: at most ZB_ANSWER_SETS of them */
	size_t set_count;	   /* valid until on_answer returns */
	uint64_t cursor;	   /* QUERY: for the next request; 0 after the last */
	uint32_t released;	   /* RELEASE: how many sets */
	struct zb_error error;	   /* of a status that is not 0 */
};
typedef void (*zb_on_answer)(const struct zb_answer *answer, void *arg);

int zb_start_install(struct zb *zb, const struct zb_install *install, zb_on_answer on_answer, void *arg,
		     struct zb_error *ret_error);
int zb_start_confirm(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t expires_s,
		     zb_on_answer on_answer, void *arg, struct zb_error *ret_error);
int zb_start_release(struct zb *zb, uint64_t set_id, uint64_t reference, uint32_t drain_s,
		     zb_on_answer on_answer, void *arg, struct zb_error *ret_error);
int zb_start_query(struct zb *zb, const struct zb_query *query, zb_on_answer on_answer, void *arg,
		   struct zb_error *ret_error);
/* Requests that were started and whose answer was not told yet. */
unsigned zb_pending(const struct zb *zb);

/* Names and sentences of numbers; "?" for an unknown one. Static storage. */
const char *zb_cause_name(unsigned cause);
const char *zb_cause_text(unsigned cause);
const char *zb_attribute_name(unsigned attribute);
const char *zb_event_name(unsigned kind);
const char *zb_drop_name(unsigned reason);

#ifdef __cplusplus
}
#endif
#endif
