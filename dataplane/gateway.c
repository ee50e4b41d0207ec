/* SPDX-License-Identifier: BSD-3-Clause */
#include "gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "config/config.h"
#include "crypto.h"
#include "ctl.h"
#include "eal.h"
#include "exception.h"
#include "log.h"
#include "loop.h"
#include "nexthop.h"
#include "numa.h"
#include "pkt.h"
#include "queues.h"
#include "served.h"
#include "sets.h"
#include "show.h"
#include "store.h"
#include "telemetry.h"
#include "trouble.h"
#include "tuple.h"
#include "worker.h"

enum {
	POOL_CACHE = 256, /* mbufs that a lcore keeps hot */
	NOTICES_RING = 16384,
	/* Frames that wait for another worker: as many as wait in a receive queue. What is longer adds to the
	 * delay, and lets the sets of one overloaded worker take the buffers from all others. */
	HANDOVER_RING = CONFIG_HANDOVER,
};

struct gateway {
	const struct bgf_config *config;
	const struct config_dataplane *dp;
	char *error;
	size_t error_size;

	struct store *store;
	struct rte_mempool *pool[PORT_SIDES]; /* of each port's socket; the same where they share it */
	struct port port[PORT_SIDES];
	uint16_t workers;
	struct rte_rcu_qsbr *rcu;
	struct rte_ring *to_kernel, *from_kernel[PORT_SIDES], *notices, *handover[WORKER_MAX];
	rte_spinlock_t tx_lock[PORT_SIDES][WORKER_MAX]; /* by queue; of those that workers share */
	int wake;
	struct served_table served;
	struct tuple_table *tuples;
	struct nexthop_table *nexthops[PORT_SIDES];
	struct exceptions *exceptions;
	struct worker *worker[WORKER_MAX];
	struct show show;
	struct ctl *ctl;
	struct sets *sets;
	struct trouble *trouble;
	volatile int stop;
};

__attribute__((format(printf, 3, 4))) static int fault(struct gateway *g, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(g->error, g->error_size, format, args);
	va_end(args);
	return rc;
}

static const struct config_port *port_config(const struct gateway *g, int side)
{
	return side == PORT_ACCESS ? &g->dp->access : &g->dp->core;
}

static int store_start(struct gateway *g)
{
	numa_near(g->dp->worker_cores, g->dp->worker_count);
	int rc = store_open(g->dp->store, g->dp->capacity, &g->store, g->error, g->error_size);
	numa_any();

	if (rc == STORE_REFUSED)
		dp_log(DP_ERROR, "%s; all former SA sets are lost", g->error);
	return rc < 0 ? rc : 0;
}

static int devices_find(struct gateway *g)
{
	const struct config_port *const config[PORT_SIDES] = {port_config(g, PORT_ACCESS),
							      port_config(g, PORT_CORE)};

	g->workers = (uint16_t)g->dp->worker_count;
	return port_find_both(config, g->workers, g->port, g->error, (unsigned)g->error_size);
}

static int pool_new(struct gateway *g, int side, uint32_t mbufs)
{
	const uint16_t mtu = RTE_MAX(g->dp->access.mtu, g->dp->core.mtu);
	const uint32_t room = RTE_ALIGN(RTE_MAX(mtu + 64u, 2048u), 64u) + RTE_PKTMBUF_HEADROOM;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "packets%d", side);
	g->pool[side] =
		rte_pktmbuf_pool_create(name, mbufs, POOL_CACHE, 0, (uint16_t)room, g->port[side].socket);
	if (g->pool[side] == NULL)
		return fault(g, -rte_errno,
			     "%u packet buffers of %u octets on NUMA node %d: %s; raise memory_mb (%u), or "
			     "have fewer (mbufs)",
			     mbufs, room, g->port[side].socket, rte_strerror(rte_errno), g->dp->memory_mb);
	dp_log(DP_INFO, "%u packet buffers of %u octets on NUMA node %d%s", mbufs, room, g->port[side].socket,
	       g->dp->mbufs == 0 ? ", as many as the queues and rings need" : "");
	return 0;
}

static void pools_stop(struct gateway *g)
{
	if (g->pool[PORT_CORE] != g->pool[PORT_ACCESS])
		rte_mempool_free(g->pool[PORT_CORE]);
	rte_mempool_free(g->pool[PORT_ACCESS]);
}

/* One for both ports, or one on the socket of each: with half of the buffers that were asked for, or with as
 * many as all queues and rings need where the number is ours, for a ring may hold those of one port. */
static int pools_start(struct gateway *g)
{
	const bool shared = g->port[PORT_ACCESS].socket == g->port[PORT_CORE].socket;
	const uint32_t all = config_mbufs(g->dp), mbufs = shared || g->dp->mbufs == 0 ? all : all / 2;
	int rc = pkt_register();

	if (rc != 0)
		return fault(g, rc, "no room for packet metadata in DPDK's buffers: %s", strerror(-rc));
	rc = pool_new(g, PORT_ACCESS, mbufs);
	if (rc == 0 && !shared)
		rc = pool_new(g, PORT_CORE, mbufs);
	if (rc != 0)
		pools_stop(g);
	else if (shared)
		g->pool[PORT_CORE] = g->pool[PORT_ACCESS];
	return rc;
}

static int devices_start(struct gateway *g)
{
	const struct config_port *const config[PORT_SIDES] = {port_config(g, PORT_ACCESS),
							      port_config(g, PORT_CORE)};
	int rc = port_start_both(config, g->workers, g->pool, g->port, g->error, (unsigned)g->error_size);

	for (int side = 0; side < PORT_SIDES && rc == 0 && g->workers > 1; side++)
		dp_log(DP_INFO, "port %s: %u receive and %u transmit queues for %u workers; %s",
		       side == PORT_ACCESS ? "access" : "core", g->port[side].rx_queues,
		       g->port[side].tx_queues, g->workers,
		       g->port[side].rss ? "the device brings packets to their owners"
					 : "packets are handed over to their owners");
	return rc;
}

static struct rte_ring *ring_new(const char *name, unsigned n, unsigned size, unsigned flags)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s%u", name, n);
	return rte_ring_create(full, size, (int)rte_socket_id(), flags);
}

static void rings_stop(struct gateway *g)
{
	if (g->wake >= 0)
		close(g->wake);
	rte_ring_free(g->to_kernel);
	rte_ring_free(g->notices);
	for (uint16_t i = 0; i < g->workers; i++)
		rte_ring_free(g->handover[i]);
	for (int side = 0; side < PORT_SIDES; side++)
		rte_ring_free(g->from_kernel[side]);
	rte_free(g->rcu);
}

/* Between workers. Who puts something in may lose its processor in the middle of it: the others need not wait
 * for it (RTS). */
static struct rte_ring *ring_between(const char *name, uint16_t to)
{
	return ring_new(name, to, HANDOVER_RING, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
}

/* What the workers and the main lcore tell each other over. */
static int rings_start(struct gateway *g)
{
	g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->to_kernel = ring_new("to_kernel", 0, CONFIG_KERNEL_RING, RING_F_SC_DEQ);
	g->notices = ring_new("notices", 0, NOTICES_RING, RING_F_SC_DEQ);
	bool whole = g->wake >= 0 && g->to_kernel != NULL && g->notices != NULL;
	for (unsigned side = 0; side < PORT_SIDES && whole; side++) {
		g->from_kernel[side] =
			ring_new("from_kernel", side, CONFIG_KERNEL_RING, RING_F_SP_ENQ | RING_F_SC_DEQ);
		whole = g->from_kernel[side] != NULL;
	}
	for (uint16_t i = 0; i < g->workers && g->workers > 1 && whole; i++) {
		g->handover[i] = ring_between("handover", i);
		whole = g->handover[i] != NULL;
	}
	size_t size = rte_rcu_qsbr_get_memsize(g->workers);
	g->rcu = rte_zmalloc("rcu", size, RTE_CACHE_LINE_SIZE);
	if (whole && g->rcu != NULL && rte_rcu_qsbr_init(g->rcu, g->workers) == 0)
		return 0;
	rings_stop(g);
	return fault(g, -ENOMEM, "no memory for the workers' rings; raise memory_mb (%u)", g->dp->memory_mb);
}

static int served_start(struct gateway *g)
{
	for (uint32_t i = 0; i < g->config->served_count; i++) {
		const struct config_served *c = &g->config->served[i];
		struct served_address a = {.address = c->address, .digest_clients = c->digest_clients};
		for (int p = 0; p < c->unprotected_count; p++)
			a.unprotected[p] = htons(c->unprotected_ports[p]);
		int rc = served_add(&g->served, &a);
		if (rc != 0)
			return fault(g, rc, "served address %u: %s", i + 1, strerror(-rc));
	}
	return 0;
}

static void tables_stop(struct gateway *g)
{
	tuple_table_free(g->tuples);
	for (int side = 0; side < PORT_SIDES; side++)
		nexthop_table_free(g->nexthops[side]);
}

static int tables_start(struct gateway *g)
{
	static const char *const names[PORT_SIDES] = {"access", "core"};
	int rc = served_start(g);

	if (rc != 0)
		return rc;
	bool whole = true;
	g->tuples = tuple_table_new(store_hot(g->store), g->dp->capacity, (int)rte_socket_id());
	for (int side = 0; side < PORT_SIDES; side++) {
		g->nexthops[side] = nexthop_table_new(names[side], (int)rte_socket_id(), g->rcu);
		whole = whole && g->nexthops[side] != NULL;
	}
	if (whole && g->tuples != NULL)
		return 0;
	tables_stop(g);
	return fault(g, -ENOMEM, "no memory for the look-up tables; raise memory_mb (%u)", g->dp->memory_mb);
}

static int kernel_start(struct gateway *g)
{
	struct exceptions_args args = {.served = &g->served,
				       .to_kernel = g->to_kernel,
				       .pool = g->pool[PORT_ACCESS],
				       .rate = g->dp->exception_rate};

	for (int side = 0; side < PORT_SIDES; side++) {
		args.port[side] = &g->port[side];
		args.config[side] = port_config(g, side);
		args.nexthops[side] = g->nexthops[side];
		args.from_kernel[side] = g->from_kernel[side];
	}
	return exceptions_start(&args, &g->exceptions, g->error, (unsigned)g->error_size);
}

static bool tell_trouble(void *context, const struct dpl_trouble *record)
{
	return ctl_tell(context, &record->header);
}

static int control_start(struct gateway *g)
{
	g->show = (struct show){.workers = g->worker,
				.worker_count = g->workers,
				.ports = g->port,
				.nexthops = g->nexthops,
				.exceptions = g->exceptions};
	struct ctl_args ctl_args = {.path = g->dp->link,
				    .store = g->store,
				    .workers = g->workers,
				    .ports = PORT_SIDES,
				    .counters = show_counters,
				    .port = show_port,
				    .context = &g->show};
	int rc = ctl_new(&ctl_args, &g->ctl, g->error, g->error_size);
	if (rc != 0)
		return rc;
	struct sets_args sets_args = {.store = g->store,
				      .tuples = g->tuples,
				      .served = &g->served,
				      .rcu = g->rcu,
				      .workers = g->workers,
				      .done = ctl_done,
				      .context = g->ctl,
				      .tcp_gone = exceptions_tcp_gone,
				      .tcp_context = g->exceptions};
	g->trouble = trouble_new(g->store, tell_trouble, g->ctl);
	rc = g->trouble != NULL ? sets_new(&sets_args, &g->sets) : -ENOMEM;
	if (rc != 0) {
		trouble_free(g->trouble);
		ctl_free(g->ctl);
		return fault(g, rc, "no memory for the sets");
	}
	ctl_set_sets(g->ctl, g->sets);
	return 0;
}

static void control_stop(struct gateway *g)
{
	ctl_free(g->ctl);
	sets_free(g->sets);
	trouble_free(g->trouble);
}

static void workers_free(struct gateway *g, uint16_t count)
{
	while (count-- > 0)
		worker_free(g->worker[count]);
}

/* What a worker needs on one side. The main lcore sends by who has the first queue. */
static void side_args_of(struct gateway *g, uint16_t id, enum port_side side, struct worker_args *ret)
{
	const uint16_t queues = g->port[side].tx_queues;

	ret->port[side] = &g->port[side];
	ret->nexthops[side] = g->nexthops[side];
	ret->from_kernel[side] = queue_of(side, queues, id, g->workers) == 0 ? g->from_kernel[side] : NULL;
	if (queues < g->workers)
		ret->tx_lock[side] = &g->tx_lock[side][queue_for(side, queues, id, g->workers)];
}

static struct worker_args worker_args_of(struct gateway *g, uint16_t id)
{
	struct worker_args args = {
		.id = id,
		.count = g->workers,
		.lcore = id + 1u,
		.socket = (int)rte_lcore_to_socket_id(id + 1u),
		.idle_sleep_us = g->dp->idle_sleep_us,
		.clear_rate = g->dp->clear_rate,
		.clear_burst = g->dp->clear_burst,
		.store = g->store,
		.tuples = g->tuples,
		.served = &g->served,
		.rcu = g->rcu,
		.to_kernel = g->to_kernel,
		.to_kernel_wake = g->wake,
		.handover = g->workers > 1 ? g->handover[id] : NULL,
		.peers = g->workers > 1 ? g->handover : NULL,
		.notices = g->notices,
		.stop = &g->stop,
	};

	for (int side = 0; side < PORT_SIDES; side++)
		side_args_of(g, id, (enum port_side)side, &args);
	return args;
}

static int workers_new(struct gateway *g)
{
	for (uint16_t id = 0; id < g->workers; id++) {
		struct worker_args args = worker_args_of(g, id);
		int rc = worker_new(&args, &g->worker[id]);
		if (rc != 0) {
			workers_free(g, id);
			return fault(g, rc, "worker %u: %s", id,
				     rc == -ENOTSUP ? "the processor lacks what intel-ipsec-mb needs"
						    : strerror(-rc));
		}
	}
	return 0;
}

static void workers_stop(struct gateway *g)
{
	g->stop = 1;
	rte_eal_mp_wait_lcore();
}

static int workers_launch(struct gateway *g)
{
	for (uint16_t id = 0; id < g->workers; id++) {
		int rc = rte_eal_remote_launch(worker_run, g->worker[id], id + 1u);
		if (rc != 0) {
			workers_stop(g);
			return fault(g, rc, "worker %u does not start: %s", id, strerror(-rc));
		}
	}
	return 0;
}

/* Where everything lies, and a warning for what crosses between the sockets with every packet. */
static void placement_log(const struct gateway *g)
{
	char store[128];

	numa_nodes_text(store_hot(g->store), (size_t)g->dp->capacity * sizeof(struct sa_hot), store,
			sizeof(store));
	dp_log(DP_INFO,
	       "NUMA nodes: access port and its buffers %d, core port and its buffers %d, SA store %s",
	       g->port[PORT_ACCESS].socket, g->port[PORT_CORE].socket, store);
	for (uint16_t id = 0; id < g->workers; id++) {
		const struct worker *w = g->worker[id];
		dp_log(DP_INFO, "worker %u: processor %u, NUMA node %d, %s", id, g->dp->worker_cores[id],
		       w->socket, crypto_describe(w->crypto));
		for (int side = 0; side < PORT_SIDES; side++)
			if (w->rx_queue[side] != QUEUE_NONE && w->socket != g->port[side].socket)
				dp_log(DP_WARNING,
				       "worker %u: processor %u is on NUMA node %d, the %s port on %d: each "
				       "packet "
				       "crosses between them; choose processors of that node",
				       id, g->dp->worker_cores[id], w->socket,
				       side == PORT_ACCESS ? "access" : "core", g->port[side].socket);
	}
}

static int serve(struct gateway *g, int signals)
{
	struct loop_args args = {.ctl = g->ctl,
				 .sets = g->sets,
				 .trouble = g->trouble,
				 .workers = g->worker,
				 .worker_count = g->workers,
				 .exceptions = g->exceptions,
				 .notices = g->notices,
				 .ports = g->port,
				 .wake = g->wake,
				 .signals = signals};

	int rc = g->dp->telemetry[0] != '\0' ? telemetry_start(&g->show, g->sets) : 0;
	if (rc != 0)
		dp_log(DP_WARNING, "telemetry: %s; /bgf is not among its commands", strerror(-rc));
	placement_log(g);
	dp_log(DP_INFO, "version " BGF_VERSION ", %u workers, store of %u sets, epoch %016llx", g->workers,
	       g->dp->capacity, (unsigned long long)store_epoch(g->store));
	fputs("ready\n", stderr);
	rc = loop_run(&args, g->error, g->error_size);
	telemetry_stop();
	return rc;
}

int gateway_run(const struct bgf_config *config, int signals, char *error, size_t error_size)
{
	static struct gateway gateway; /* large, and workers look at it */
	struct gateway *g = &gateway;
	int rc;

	*g = (struct gateway){.config = config,
			      .dp = &config->dataplane,
			      .error = error,
			      .error_size = error_size,
			      .wake = -1};
	if ((rc = store_start(g)) != 0)
		return rc;
	if ((rc = eal_start(g->dp, error, error_size)) != 0)
		goto undo_store;
	if ((rc = devices_find(g)) != 0)
		goto undo_eal;
	if ((rc = pools_start(g)) != 0)
		goto undo_eal;
	if ((rc = devices_start(g)) != 0)
		goto undo_pool;
	if ((rc = rings_start(g)) != 0)
		goto undo_ports;
	if ((rc = tables_start(g)) != 0)
		goto undo_rings;
	if ((rc = kernel_start(g)) != 0)
		goto undo_tables;
	if ((rc = workers_new(g)) != 0)
		goto undo_kernel;
	if ((rc = control_start(g)) != 0)
		goto undo_workers;
	if ((rc = workers_launch(g)) != 0)
		goto undo_control;
	rc = serve(g, signals);
	workers_stop(g);
	sets_poll(g->sets); /* nobody holds them any more: removed sets leave no keys behind */
undo_control:
	control_stop(g);
undo_workers:
	workers_free(g, g->workers);
undo_kernel:
	exceptions_stop(g->exceptions);
undo_tables:
	tables_stop(g);
undo_rings:
	rings_stop(g);
undo_ports:
	port_stop_both(g->port);
undo_pool:
	pools_stop(g);
undo_eal:
	rte_eal_cleanup();
undo_store:
	store_close(g->store);
	return rc;
}
