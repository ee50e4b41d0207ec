/* SPDX-License-Identifier: BSD-3-Clause */
#include "forward.h"

#include <rte_ethdev.h>
#include <string.h>

#include "drop.h"
#include "handoff.h"
#include "nexthop.h"
#include "pkt.h"
#include "queues.h"

static_assert((int)NEXTHOP_BURST >= (int)WORKER_BURST, "a burst is one look-up");

/* What leaves on one port, and what is to be counted of it: once it was sent it is the port's. */
struct leaving {
	struct batch out;
	uint64_t octets;
	uint16_t secured;
};

static void leaving_none(struct leaving *l)
{
	l->out.n = l->secured = 0;
	l->octets = 0;
}

static void leave(struct leaving *l, struct rte_mbuf *m)
{
	l->octets += m->pkt_len;
	l->secured += pkt(m)->secured;
	batch_add(&l->out, m);
}

static uint16_t into_queue(struct worker *w, enum port_side side, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0, more;

	do {
		more = rte_eth_tx_burst(w->port[side]->dpdk_id, w->tx_queue[side], m + sent,
					(uint16_t)(n - sent));
		sent += more;
	} while (sent < n && more > 0);
	return sent;
}

/* By the worker that has a queue on that side: there they are counted as sent and forwarded, since only
 * there it is known whether the port takes them. */
static void pass_on(struct worker *w, enum port_side side, struct leaving *l)
{
	for (uint16_t i = handoff_way_out(w, side, l->out.m, l->out.n); i < l->out.n; i++)
		drop(w, l->out.m[i], BGF_DROP_TX_FULL);
	leaving_none(l);
}

/* Sends; what the port does not take is dropped by name and taken out of *l, the rest belongs to the port. */
static void transmit(struct worker *w, enum port_side side, struct leaving *l)
{
	if (w->tx_queue[side] == QUEUE_NONE) {
		pass_on(w, side, l);
		return;
	}
	const uint16_t n = l->out.n, sent = into_queue(w, side, l->out.m, n);
	l->out.n = sent;
	for (uint16_t i = sent; i < n; i++) {
		l->octets -= l->out.m[i]->pkt_len;
		l->secured -= pkt(l->out.m[i])->secured;
		drop(w, l->out.m[i], BGF_DROP_TX_FULL);
	}
	w->counters[side].tx_packets += sent;
	w->counters[side].tx_octets += l->octets;
}

static void write_ethernet(struct rte_mbuf *m, uint64_t mac, const struct port *port)
{
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(eth, &mac, sizeof(port->mac));
	memcpy(eth + 6, port->mac, sizeof(port->mac));
	ip_store16(eth + 12, pkt(m)->ipv6 ? ETH_IPV6 : ETH_IPV4);
}

/* By its next hop: to the port, to the main lcore that finds out the MAC address, or nowhere. */
static void dispatch(struct worker *w, enum port_side side, struct rte_mbuf *m, uint16_t id,
		     struct leaving *ret)
{
	if (unlikely(id == NEXTHOP_NONE || id == NEXTHOP_LOCAL)) {
		drop(w, m, BGF_DROP_NO_ROUTE);
		return;
	}
	const uint64_t word = nexthop_word(w->nexthops[side], id);
	write_ethernet(m, word, w->port[side]);
	if (likely((word & NEXTHOP_RESOLVED) != 0)) {
		leave(ret, m);
		return;
	}
	pkt(m)->out_side = (uint8_t)side;
	handoff_exception(w, m, EXCEPTION_NEIGHBOUR);
}

/* Sends what was looked up and wrapped or stripped, and counts it on the port that it came in on. */
static void transmit_forwarded(struct worker *w, enum port_side side, struct leaving *l)
{
	struct counters *c = &w->counters[side == PORT_CORE ? PORT_ACCESS : PORT_CORE];

	transmit(w, side, l);
	c->forwarded_esp += l->secured;
	c->forwarded_clear += l->out.n - l->secured;
}

void forward(struct worker *w, enum port_side side, const struct batch *in)
{
	const uint8_t *dst[WORKER_BURST];
	uint8_t ipv6[WORKER_BURST];
	uint16_t id[WORKER_BURST];
	struct leaving l;

	if (in->n == 0)
		return;
	leaving_none(&l);
	for (uint16_t i = 0; i < in->n; i++) {
		ipv6[i] = pkt(in->m[i])->ipv6;
		dst[i] = ip_destination(batch_ip(in->m[i]), ipv6[i]);
	}
	nexthop_find_bulk(w->nexthops[side], dst, ipv6, in->n, id);
	for (uint16_t i = 0; i < in->n; i++)
		dispatch(w, side, in->m[i], id[i], &l);
	transmit_forwarded(w, side, &l);
}

void forward_finished(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n)
{
	struct leaving l;

	if (n == 0)
		return;
	leaving_none(&l);
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(m[i]);
		rte_prefetch0(pkt(m[i]));
	}
	for (uint16_t i = 0; i < n; i++)
		leave(&l, m[i]);
	transmit_forwarded(w, side, &l);
}

void forward_frames(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n)
{
	struct leaving l;

	if (n == 0)
		return;
	leaving_none(&l);
	for (uint16_t i = 0; i < n; i++) {
		*pkt(m[i]) = (struct pkt){.side = (uint8_t)side};
		leave(&l, m[i]);
	}
	transmit(w, side, &l);
}
