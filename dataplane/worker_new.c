/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include "crypto.h"
#include "policer.h"
#include "queues.h"
#include "store.h"
#include "stray.h"
#include "worker.h"

static void take_arguments(struct worker *w, const struct worker_args *a)
{
	*w = (struct worker){
		.id = a->id,
		.count = a->count,
		.lcore = a->lcore,
		.socket = a->socket,
		.idle_sleep_us = a->idle_sleep_us,
		.store = a->store,
		.hot = store_hot(a->store),
		.capacity = store_capacity(a->store),
		.tuples = a->tuples,
		.served = a->served,
		.rcu = a->rcu,
		.to_kernel = a->to_kernel,
		.to_kernel_wake = a->to_kernel_wake,
		.handover = a->handover,
		.peers = a->peers,
		.notices = a->notices,
		.tsc_hz = rte_get_tsc_hz(),
		.stop = a->stop,
	};
	for (int side = 0; side < PORT_SIDES; side++) {
		w->port[side] = a->port[side];
		w->nexthops[side] = a->nexthops[side];
		w->from_kernel[side] = a->from_kernel[side];
		w->tx_lock[side] = a->tx_lock[side];
		w->rx_queue[side] = queue_of((enum port_side)side, a->port[side]->rx_queues, a->id, a->count);
		w->tx_queue[side] =
			queue_for((enum port_side)side, a->port[side]->tx_queues, a->id, a->count);
		w->load.rx_queue[side] = UINT64_MAX;
		w->steers[side] = a->count > 1 && !a->port[side]->rss;
	}
	owner_map_fill(&w->owners, a->count);
}

/* Whether everything is there that connects several workers. */
static bool connected(const struct worker_args *a)
{
	for (int side = 0; side < PORT_SIDES; side++)
		if (a->tx_lock[side] == NULL && a->port[side]->tx_queues < a->count)
			return false;
	return a->count == 1 || (a->handover != NULL && a->peers != NULL);
}

/* Room for what waits for other workers, and for a transmit queue that others have. */
static int rooms_new(struct worker *w)
{
	w->to_peer =
		rte_zmalloc_socket("to_peer", w->count * sizeof(*w->to_peer), RTE_CACHE_LINE_SIZE, w->socket);
	bool whole = w->to_peer != NULL;
	for (int side = 0; side < PORT_SIDES; side++) {
		if (w->tx_lock[side] == NULL)
			continue;
		w->tx_wait[side] =
			rte_zmalloc_socket("tx_wait", sizeof(**w->tx_wait), RTE_CACHE_LINE_SIZE, w->socket);
		whole = whole && w->tx_wait[side] != NULL;
	}
	return whole ? 0 : -ENOMEM;
}

static void rooms_free(struct worker *w)
{
	for (int side = 0; side < PORT_SIDES; side++) {
		if (w->tx_wait[side] != NULL)
			rte_pktmbuf_free_bulk(w->tx_wait[side]->m, w->tx_wait[side]->n);
		rte_free(w->tx_wait[side]);
	}
	rte_free(w->to_peer);
}

int worker_new(const struct worker_args *args, struct worker **ret)
{
	struct worker *w;
	int rc;

	if (!connected(args))
		return -EINVAL;
	w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, args->socket);
	if (w == NULL)
		return -ENOMEM;
	take_arguments(w, args);
	rc = rooms_new(w);
	if (rc != 0)
		goto no_crypto;
	rc = crypto_new(w->socket, &w->crypto);
	if (rc < 0)
		goto no_crypto;
	rc = policer_new(args->clear_rate, args->clear_burst, w->tsc_hz, rte_rand(), w->socket, &w->policer);
	if (rc < 0)
		goto no_policer;
	w->strays = strays_new(rte_rand(), w->socket);
	if (w->strays == NULL) {
		rc = -ENOMEM;
		goto no_strays;
	}
	*ret = w;
	return 0;

no_strays:
	policer_free(w->policer);
no_policer:
	crypto_free(w->crypto);
no_crypto:
	rooms_free(w);
	rte_free(w);
	return rc;
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	strays_free(w->strays);
	policer_free(w->policer);
	crypto_free(w->crypto);
	rooms_free(w);
	rte_free(w);
}
