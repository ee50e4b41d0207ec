/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker: one lcore that only moves packets. worker.c is the fast path's contents page.
 */
#ifndef BGF_DP_WORKER_H
#define BGF_DP_WORKER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_spinlock.h>

#include "counters.h"
#include "owner.h"
#include "poll_gap.h"
#include "port.h"

struct crypto;
struct nexthop_table;
struct policer;
struct rte_mbuf;
struct rte_rcu_qsbr;
struct rte_ring;
struct sa_hot;
struct served_table;
struct store;
struct strays;
struct tuple_table;

enum { WORKER_BURST = 64, WORKER_MAX = 64, TX_WAIT = 512 };

/* What a worker is made of; the tables, rings and ports are the caller's and outlive it. */
struct worker_args {
	uint16_t id, count;
	unsigned lcore;
	int socket;
	uint32_t idle_sleep_us;
	uint32_t clear_rate, clear_burst; /* clear packets a second from one source; how many at once */
	const struct port *port[PORT_SIDES];
	struct store *store;
	const struct tuple_table *tuples;
	const struct served_table *served;
	const struct nexthop_table *nexthops[PORT_SIDES];
	struct rte_rcu_qsbr *rcu; /* the worker registers as thread `id` */
	struct rte_ring *to_kernel;
	int to_kernel_wake;
	struct rte_ring *from_kernel[PORT_SIDES]; /* NULL but for the worker that the main lcore sends by */
	struct rte_ring *handover;		  /* NULL with one worker */
	struct rte_ring *const *peers;		  /* NULL with one worker */
	rte_spinlock_t *tx_lock[PORT_SIDES]; /* of the transmit queue; NULL where it is this worker's alone */
	struct rte_ring *notices;
	volatile int *stop;
};

/* Written by the worker once a turn, read by the main lcore; only ever upwards. */
struct worker_load {
	uint64_t turns, busy_turns, busy_packets;
	uint64_t busy_cycles;	       /* TSC */
	uint64_t rx_queue[PORT_SIDES]; /* packets that waited when it last looked; UINT64_MAX: the port does
					  not tell, or it has no queue there. Rises and falls */
};

/* Packets for one other worker, on their way into its ring with one step a burst. */
struct handover_batch {
	uint16_t n;
	struct rte_mbuf *m[WORKER_BURST];
};

/* Packets that leave on one side, as soon as nobody else sends by the queue. */
struct tx_wait {
	uint16_t n;
	struct rte_mbuf *m[TX_WAIT];
};

/* Made by worker_new on the main lcore; then the fields belong to the worker, but for those marked otherwise.
 */
struct worker {
	uint16_t id;	/* index among the workers */
	uint16_t count; /* of workers */
	unsigned lcore;
	int socket;
	uint32_t idle_sleep_us;

	/* read only */
	const struct port *port[PORT_SIDES];
	uint16_t rx_queue[PORT_SIDES]; /* QUEUE_NONE: others receive for this one */
	uint16_t tx_queue[PORT_SIDES];
	bool steers[PORT_SIDES]; /* what the port brings is not sorted by owner: steer.h */
	struct owner_map owners;
	struct store *store;
	struct sa_hot *hot;
	uint32_t capacity;
	const struct tuple_table *tuples;
	const struct served_table *served;
	const struct nexthop_table *nexthops[PORT_SIDES];
	struct rte_rcu_qsbr *rcu;

	struct crypto *crypto;	 /* its own */
	struct policer *policer; /* of clear sources, its own */
	struct strays *strays;	 /* sources of ESP that no SA takes, its own; the main lcore reads it */

	struct rte_ring *to_kernel;		  /* of exceptions, to the main lcore; any worker produces */
	int to_kernel_wake;			  /* eventfd written after a turn put something into it */
	struct rte_ring *from_kernel[PORT_SIDES]; /* from the main lcore: whole frames to send on that port */
	struct rte_ring *handover;     /* from the other workers: frames that this one owns, as they came in,
					  mbuf->port says where; NULL with one worker */
	struct rte_ring *const *peers; /* the handover rings of all workers, by id */
	rte_spinlock_t *tx_lock[PORT_SIDES]; /* of a transmit queue that several workers send by, or NULL */
	struct tx_wait *tx_wait[PORT_SIDES]; /* finished while another had it; NULL without a lock */
	struct rte_ring
		*notices; /* set slots of which the main lcore must hear (first use), as (void *)(slot + 1) */

	uint64_t tsc_hz;
	uint64_t now;	    /* TSC at the begin of this turn */
	volatile int *stop; /* set by the main lcore */

	struct poll_gaps gaps;
	struct worker_load load;

	/* collected during a turn: freed, and sent to the main lcore, at once */
	uint16_t dead_count, exception_count, answer_count;
	struct rte_mbuf *dead[WORKER_BURST];
	struct rte_mbuf *exception[WORKER_BURST];
	struct rte_mbuf *answer[WORKER_BURST]; /* counted as dropped; their senders are to be told */
	struct handover_batch *to_peer;	       /* by worker */
	uint64_t to_peer_waits;		       /* bit n: to_peer[n] is not empty */

	struct counters
		counters[PORT_SIDES]; /* by the port that a packet came in on; tx by the one it leaves on */
};

/* Main lcore. 0, -ENOMEM, -ENOTSUP (crypto.h), -EINVAL (a ring is missing that several workers, or ports with
 * fewer queues, need). */
int worker_new(const struct worker_args *args, struct worker **ret);
void worker_free(struct worker *w);

/* Runs until *w->stop: for rte_eal_remote_launch. Returns 0. Registers with RCU, goes offline whenever it
 * sleeps. */
int worker_run(void *worker);

/* One turn of the loop: everything that waits is taken, moved on and sent. Returns the packets taken. Tests
 * and benchmarks drive it without a lcore of its own. */
unsigned worker_turn(struct worker *w);

#endif
