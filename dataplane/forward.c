/* SPDX-License-Identifier: BSD-3-Clause */
#include "forward.h"

#include <rte_ethdev.h>
#include <string.h>

#include "drop.h"
#include "handoff.h"
#include "nexthop.h"
#include "pkt.h"

static_assert((int)NEXTHOP_BURST >= (int)WORKER_BURST, "a burst is one look-up");

/* Sends; what the port does not take is dropped by name, the rest belongs to it. Returns how many it took. */
static uint16_t transmit(struct worker *w, enum port_side side, const struct batch *out)
{
	const struct port *port = w->port[side];
	struct rte_mbuf *const *m = out->m;
	uint64_t octets = 0;
	uint16_t sent = 0, more;

	for (uint16_t i = 0; i < out->n; i++)
		octets += m[i]->pkt_len;
	do {
		more = rte_eth_tx_burst(port->dpdk_id, w->queue[side],
					(struct rte_mbuf **)(uintptr_t)(m + sent), (uint16_t)(out->n - sent));
		sent += more;
	} while (sent < out->n && more > 0);
	for (uint16_t i = sent; i < out->n; i++) {
		octets -= m[i]->pkt_len;
		drop(w, m[i], BGF_DROP_TX_FULL);
	}
	w->counters[side].tx_packets += sent;
	w->counters[side].tx_octets += octets;
	return sent;
}

/* What was sent is the port's: how it came must be noted before. */
static void transmit_forwarded(struct worker *w, enum port_side side, const struct batch *out)
{
	struct counters *c = &w->counters[side == PORT_CORE ? PORT_ACCESS : PORT_CORE];
	uint8_t secured[WORKER_BURST];

	for (uint16_t i = 0; i < out->n; i++)
		secured[i] = pkt(out->m[i])->secured;
	const uint16_t sent = transmit(w, side, out);
	for (uint16_t i = 0; i < sent; i++) {
		c->forwarded_esp += secured[i];
		c->forwarded_clear += !secured[i];
	}
}

static void write_ethernet(struct rte_mbuf *m, uint64_t mac, const struct port *port)
{
	static const uint8_t type[2][2] = {{ETH_IPV4 >> 8, ETH_IPV4 & 0xff},
					   {ETH_IPV6 >> 8, ETH_IPV6 & 0xff}};
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(eth, &mac, sizeof(port->mac));
	memcpy(eth + 6, port->mac, sizeof(port->mac));
	memcpy(eth + 12, type[pkt(m)->ipv6], sizeof(type[0]));
}

/* By its next hop: into `out`, to the main lcore that finds out the MAC address, or nowhere. */
static void dispatch(struct worker *w, enum port_side side, struct rte_mbuf *m, uint16_t id,
		     struct batch *out)
{
	if (id == NEXTHOP_NONE || id == NEXTHOP_LOCAL) {
		drop(w, m, BGF_DROP_NO_ROUTE);
		return;
	}
	const uint64_t word = nexthop_word(w->nexthops[side], id);
	write_ethernet(m, word, w->port[side]);
	if ((word & NEXTHOP_RESOLVED) != 0) {
		batch_add(out, m);
		return;
	}
	pkt(m)->out_side = (uint8_t)side;
	handoff_exception(w, m, EXCEPTION_NEIGHBOUR);
}

void forward(struct worker *w, enum port_side side, const struct batch *in)
{
	const uint8_t *dst[WORKER_BURST];
	uint8_t ipv6[WORKER_BURST];
	uint16_t id[WORKER_BURST];
	struct batch out = {.n = 0};

	if (in->n == 0)
		return;
	for (uint16_t i = 0; i < in->n; i++) {
		ipv6[i] = pkt(in->m[i])->ipv6;
		dst[i] = ip_destination(batch_ip(in->m[i]), ipv6[i]);
	}
	nexthop_find_bulk(w->nexthops[side], dst, ipv6, in->n, id);
	for (uint16_t i = 0; i < in->n; i++)
		dispatch(w, side, in->m[i], id[i], &out);
	transmit_forwarded(w, side, &out);
}

void forward_frames(struct worker *w, struct rte_mbuf *const *m, uint16_t n)
{
	struct batch out[PORT_SIDES] = {{.n = 0}, {.n = 0}};

	for (uint16_t i = 0; i < n; i++) {
		const enum port_side side =
			m[i]->port == w->port[PORT_ACCESS]->dpdk_id ? PORT_ACCESS : PORT_CORE;
		*pkt(m[i]) = (struct pkt){.side = (uint8_t)side};
		batch_add(&out[side], m[i]);
	}
	for (int side = 0; side < PORT_SIDES; side++)
		if (out[side].n > 0)
			transmit(w, (enum port_side)side, &out[side]);
}
