/* SPDX-License-Identifier: BSD-3-Clause */
#include "forward.h"

#include <rte_ethdev.h>
#include <string.h>

#include "drop.h"
#include "handoff.h"
#include "nexthop.h"
#include "pkt.h"

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

/* Into the queue; what the port does not take is dropped by name and taken out of *l, the rest belongs to the
 * port. */
static void send_now(struct worker *w, enum port_side side, struct leaving *l)
{
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

static void count_forwarded(struct worker *w, enum port_side side, const struct leaving *l)
{
	struct counters *c = &w->counters[side == PORT_CORE ? PORT_ACCESS : PORT_CORE];

	c->forwarded_esp += l->secured;
	c->forwarded_clear += l->out.n - l->secured;
}

/* What came while another worker had the queue goes first, or a UE's packets would overtake each other. */
static void send_waiting(struct worker *w, enum port_side side, struct tx_wait *t)
{
	struct leaving l;

	for (uint16_t at = 0; at < t->n;) {
		leaving_none(&l);
		for (; at < t->n && l.out.n < WORKER_BURST; at++)
			leave(&l, t->m[at]);
		send_now(w, side, &l);
		count_forwarded(w, side, &l);
	}
	t->n = 0;
}

bool forward_take_queue(struct worker *w, enum port_side side)
{
	if (w->tx_lock[side] == NULL)
		return true;
	if (!rte_spinlock_trylock(w->tx_lock[side]))
		return false;
	send_waiting(w, side, w->tx_wait[side]);
	return true;
}

void forward_give_queue(struct worker *w, enum port_side side)
{
	if (w->tx_lock[side] != NULL)
		rte_spinlock_unlock(w->tx_lock[side]);
}

/* Until the queue is free; nobody waits for another worker, which may have lost its processor. */
static void keep_waiting(struct worker *w, enum port_side side, struct leaving *l)
{
	struct tx_wait *t = w->tx_wait[side];

	for (uint16_t i = 0; i < l->out.n; i++)
		if (t->n < TX_WAIT)
			t->m[t->n++] = l->out.m[i];
		else
			drop(w, l->out.m[i], BGF_DROP_TX_FULL);
}

/* Sends what was looked up and wrapped or stripped, and counts it on the port that it came in on. */
static void transmit(struct worker *w, enum port_side side, struct leaving *l)
{
	if (!forward_take_queue(w, side)) {
		keep_waiting(w, side, l);
		return;
	}
	send_now(w, side, l);
	forward_give_queue(w, side);
	count_forwarded(w, side, l);
}

static void make_ethernet(uint8_t *eth, uint64_t mac, const struct port *port, bool ipv6)
{
	memcpy(eth, &mac, sizeof(port->mac));
	memcpy(eth + 6, port->mac, sizeof(port->mac));
	ip_store16(eth + 12, ipv6 ? ETH_IPV6 : ETH_IPV4);
}

/* The way that the last packet of a family took. Nearly all of a burst take the same: to the P-CSCFs' router,
 * to the packet gateway of the UEs. So one search in the routes serves them all, and one header made. */
struct way {
	struct lpm_range range;
	bool open; /* it leads to a neighbour whose MAC address is known */
	uint8_t ethernet[ETH_HEADER];
};

static __rte_noinline void find_way(const struct worker *w, enum port_side side, const uint8_t *dst,
				    bool ipv6, struct way *ret)
{
	const struct nexthop_table *t = w->nexthops[side];
	const uint64_t word = nexthop_word(t, nexthop_range(t, dst, ipv6, &ret->range));

	ret->open = (word & NEXTHOP_RESOLVED) != 0;
	make_ethernet(ret->ethernet, word, w->port[side], ipv6);
}

/* Whether a packet goes the way of those before it, or of those after it; then its Ethernet header is made.
 */
static __rte_always_inline bool along(const struct worker *w, enum port_side side, struct rte_mbuf *m,
				      bool ipv6, struct way *way)
{
	const uint8_t *dst = ip_destination(batch_ip(m), ipv6);

	if (unlikely(!lpm_in_range(&way->range, dst, ipv6)))
		find_way(w, side, dst, ipv6, way);
	if (unlikely(!way->open))
		return false;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), way->ethernet, sizeof(way->ethernet));
	return true;
}

/* By its next hop: to the port, to the main lcore that finds out the MAC address, or nowhere. */
static void dispatch(struct worker *w, enum port_side side, struct rte_mbuf *m, uint16_t id,
		     struct leaving *ret)
{
	if (id == NEXTHOP_NONE || id == NEXTHOP_LOCAL) {
		drop(w, m, BGF_DROP_NO_ROUTE);
		return;
	}
	const uint64_t word = nexthop_word(w->nexthops[side], id);
	make_ethernet(rte_pktmbuf_mtod(m, uint8_t *), word, w->port[side], pkt(m)->ipv6);
	if ((word & NEXTHOP_RESOLVED) != 0) {
		leave(ret, m);
		return;
	}
	pkt(m)->out_side = (uint8_t)side;
	handoff_exception(w, m, EXCEPTION_NEIGHBOUR);
}

/* What has a next hop of its own on the link, or none. */
static void dispatch_each(struct worker *w, enum port_side side, const struct batch *in, struct leaving *ret)
{
	const uint8_t *dst[WORKER_BURST];
	uint8_t ipv6[WORKER_BURST];
	uint16_t id[WORKER_BURST];

	for (uint16_t i = 0; i < in->n; i++) {
		ipv6[i] = pkt(in->m[i])->ipv6;
		dst[i] = ip_destination(batch_ip(in->m[i]), ipv6[i]);
	}
	nexthop_find_bulk(w->nexthops[side], dst, ipv6, in->n, id);
	for (uint16_t i = 0; i < in->n; i++)
		dispatch(w, side, in->m[i], id[i], ret);
}

void forward(struct worker *w, enum port_side side, const struct batch *in)
{
	struct way way[2]; /* by family; at first it has none but for 0, which is none's */
	struct batch others;
	struct leaving l;

	if (in->n == 0)
		return;
	leaving_none(&l);
	others.n = 0;
	way[0].range = way[1].range = (struct lpm_range){0, 0};
	way[0].open = way[1].open = false;
	for (uint16_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->m[i];
		if (likely(pkt(m)->ipv6 ? along(w, side, m, true, &way[1])
					: along(w, side, m, false, &way[0])))
			leave(&l, m);
		else
			batch_add(&others, m);
	}
	if (others.n > 0)
		dispatch_each(w, side, &others, &l);
	transmit(w, side, &l);
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
	send_now(w, side, &l);
}
