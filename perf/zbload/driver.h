/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests of many subscribers over some connections, in one thread: what a subscriber does is a chain of
 * requests (a `plan`), each started when the one before was answered. As many chains are under way as the
 * window allows, or as many begin as a rate asks for; what is refused for overload, or lost with a
 * connection, is repeated as the gateway's protocol says. The gateway's process is looked at from outside.
 */
#ifndef ZBLOAD_DRIVER_H
#define ZBLOAD_DRIVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "../pktgen/histogram.h"
#include "crowd.h"

enum { DRIVER_CONNECTIONS = 64 };

/* What a subscriber does; in this order. */
enum plan {
	PLAN_INSTALL = 1,     /* a challenge: a temporary set */
	PLAN_CONFIRM = 2,     /* its 200 OK: the subscriber's newest set */
	PLAN_RELEASE_OLD = 4, /* what it had before goes */
	PLAN_RELEASE = 8,     /* its newest set goes */
	PLAN_INITIAL =
		16, /* INSTALL is of a registration that began unprotected, and takes its own ports back */
};

struct phase {
	const char *name;
	unsigned plan;
	unsigned window; /* chains under way at once on one connection */
	unsigned connections;
	double rate;	       /* chains a second; 0: as fast as they go */
	double seconds;	       /* 0: until each subscriber was asked once */
	uint32_t first, count; /* of the subscribers; with `seconds` they take turns */
	uint32_t expires_s;
	uint16_t await_auth_s; /* of INSTALL; 0: as the gateway is configured */
};

/* What came of it. */
struct outcome {
	uint64_t begun, done; /* chains */
	uint64_t overload;    /* refused with OVERLOAD, and repeated */
	uint64_t repeated;    /* after a lost connection or a time that was up */
	uint64_t refused;     /* for another cause: given up */
	double seconds;
	double control_cpu;	  /* of bgf-control, s */
	struct histogram install; /* ns from when it was due to its answer */
	struct histogram chain;	  /* the same of the whole chain */
	struct histogram late;	  /* ns between the end of a life and its EXPIRED */
	uint64_t expired;
	bool gap; /* events were lost: this program read too slowly, or the gateway's data plane was away */
	struct zb_error why; /* of the last refusal */
};

struct driver;

/* Connects; the crowd is the caller's. 0 or a negative errno with ret_error. */
int driver_new(const char *path, const char *name, unsigned connections, struct crowd *crowd,
	       struct driver **ret, struct zb_error *ret_error);
void driver_free(struct driver *d);

/* Runs a phase; `progress` is called in every turn. 0, -EINTR (`progress` said false), or what
 * ended it with ret->why. */
int driver_run(struct driver *d, const struct phase *phase, bool (*progress)(const struct outcome *o),
	       struct outcome *ret);
/* Which events the first connection gets. */
int driver_subscribe(struct driver *d, uint32_t events, struct zb_error *ret_error);
/* Answers heartbeats and waits a little. */
void driver_idle(struct driver *d);
/* Waits until the events EXPIRED of so many sets came, or the time is over: -ETIMEDOUT, or 0 when the gateway
 * said that events were lost (ret->gap). */
int driver_await_expiry(struct driver *d, uint64_t count, double seconds, struct outcome *ret);

/* One request at a time, waited for by the library's own call: INSTALL, for so long. */
int driver_single(struct driver *d, uint32_t first, uint32_t count, double seconds, struct outcome *ret);
int driver_release_all(struct driver *d, uint32_t *ret_count, struct zb_error *ret_error);

/* The process that serves the connection, and what it takes; 0: it cannot be seen from here. */
pid_t driver_gateway(const struct driver *d);
uint64_t process_resident(pid_t pid); /* octets */
double process_cpu_seconds(pid_t pid);

double driver_now(void); /* CLOCK_MONOTONIC, s */

#endif
