/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
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
		w->outgoing[side] = a->outgoing[side];
		w->way_out[side] = a->way_out[side];
		w->rx_queue[side] = queue_of((enum port_side)side, a->port[side]->rx_queues, a->id, a->count);
		w->tx_queue[side] = queue_of((enum port_side)side, a->port[side]->tx_queues, a->id, a->count);
		w->load.rx_queue[side] = UINT64_MAX;
		w->steers[side] = a->count > 1 && !a->port[side]->rss;
	}
	owner_map_fill(&w->owners, a->count);
}

/* Whether everything is there that connects several workers. */
static bool connected(const struct worker_args *a)
{
	for (int side = 0; side < PORT_SIDES; side++)
		if (a->way_out[side] == NULL &&
		    queue_of((enum port_side)side, a->port[side]->tx_queues, a->id, a->count) == QUEUE_NONE)
			return false;
	return a->count == 1 || (a->handover != NULL && a->peers != NULL);
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
	rc = -ENOMEM;
	w->to_peer = rte_zmalloc_socket("to_peer", args->count * sizeof(*w->to_peer), RTE_CACHE_LINE_SIZE,
					args->socket);
	if (w->to_peer == NULL)
		goto no_batches;
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
	rte_free(w->to_peer);
no_batches:
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
	rte_free(w->to_peer);
	rte_free(w);
}
