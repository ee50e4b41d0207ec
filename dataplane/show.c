/* SPDX-License-Identifier: BSD-3-Clause */
#include "show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "exception.h"
#include "nexthop.h"
#include "worker.h"

static void counters_add(struct dpl_counters *sum, const struct counters *c)
{
	sum->rx_packets += c->rx_packets;
	sum->rx_octets += c->rx_octets;
	sum->tx_packets += c->tx_packets;
	sum->tx_octets += c->tx_octets;
	sum->exceptions += c->exceptions;
	sum->forwarded_esp += c->forwarded_esp;
	sum->forwarded_clear += c->forwarded_clear;
	for (int i = 0; i < BGF_DROP_COUNT; i++)
		sum->drops[i] += c->drops[i];
}

static uint64_t microseconds(const struct worker *w, uint64_t cycles)
{
	return (uint64_t)((double)cycles * 1e6 / (double)w->tsc_hz);
}

static uint64_t waiting(const struct rte_ring *ring)
{
	return ring != NULL ? rte_ring_count(ring) : 0;
}

static uint64_t unsent(const struct worker *w, enum port_side side)
{
	return w->tx_wait[side] != NULL ? w->tx_wait[side]->n : 0;
}

static struct dpl_load load_of(const struct worker *w)
{
	const struct worker_load *l = &w->load;

	return (struct dpl_load){
		.clock_us = microseconds(w, rte_rdtsc()),
		.busy_us = microseconds(w, l->busy_cycles),
		.busy_cycles = l->busy_cycles,
		.turns = l->turns,
		.busy_turns = l->busy_turns,
		.busy_packets = l->busy_packets,
		.handover_queue = waiting(w->handover),
		.outgoing_queue = unsent(w, PORT_ACCESS) + unsent(w, PORT_CORE),
		.kernel_queue = rte_ring_count(w->to_kernel),
	};
}

int show_counters(void *context, uint64_t n, struct dpl_counters *ret)
{
	const struct show *s = context;

	if (n >= (uint64_t)PORT_SIDES * s->worker_count)
		return -ENOENT;
	unsigned port = (unsigned)n / s->worker_count, worker = (unsigned)n % s->worker_count;
	*ret = (struct dpl_counters){.port = (uint16_t)port, .worker = (uint16_t)worker};
	counters_add(ret, &s->workers[worker]->counters[port]);
	const struct poll_gaps *gaps = &s->workers[worker]->gaps;
	ret->load = load_of(s->workers[worker]);
	ret->rx_queue = s->workers[worker]->load.rx_queue[port];
	ret->poll_gap_us = gaps->us;
	memcpy(ret->poll_gaps, gaps->longer, sizeof(ret->poll_gaps));
	if (worker == 0)
		counters_add(ret, exceptions_counters(s->exceptions, (enum port_side)port));
	return 0;
}

int show_port(void *context, uint64_t n, struct dpl_port *ret)
{
	const struct show *s = context;
	struct rte_eth_stats stats = {0};

	if (n >= PORT_SIDES)
		return -ENOENT;
	const struct port *p = &s->ports[n];
	*ret = (struct dpl_port){
		.port = (uint16_t)n,
		.access = p->side == PORT_ACCESS,
		.up = p->up,
		.mtu = p->mtu,
		.neighbours = (uint16_t)nexthop_resolved(s->nexthops[n]),
		.routes = (uint16_t)RTE_MIN(nexthop_routes(s->nexthops[n]), (uint32_t)UINT16_MAX)};
	memcpy(ret->mac, p->mac, sizeof(ret->mac));
	snprintf(ret->device, sizeof(ret->device), "%s", p->device);
	snprintf(ret->tap, sizeof(ret->tap), "%s", p->tap);
	if (rte_eth_stats_get(p->dpdk_id, &stats) == 0) {
		ret->rx_packets = stats.ipackets;
		ret->tx_packets = stats.opackets;
		ret->rx_missed = stats.imissed;
		ret->rx_errors = stats.ierrors;
		ret->tx_errors = stats.oerrors;
	}
	return 0;
}
