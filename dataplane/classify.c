/* SPDX-License-Identifier: BSD-3-Clause */
#include "classify.h"

#include <arpa/inet.h>
#include <string.h>

#include "drop.h"
#include "esp_in.h"
#include "esp_out.h"
#include "handoff.h"
#include "nexthop.h"
#include "pkt.h"
#include "served.h"

/* What a packet's verdict may be besides a drop reason. */
enum way {
	WAY_ESP = BGF_DROP_COUNT,
	WAY_CLEAR,
	WAY_KERNEL,
	WAY_STRAY, /* to the kernel if for the port's own address, else dropped for the reason in pkt.ref */
};

/* One frame on its way through this stage. What decides of the usual packet is inlined into one function for
 * each side and family, where all of this stays in registers: so nothing takes its address or a copy, and the
 * functions for what is unusual make do with the frame and its metadata. */
struct look {
	const struct worker *w;
	const struct port *port;
	uint64_t mac; /* the port's, as it lies in memory */
	struct rte_mbuf *m;
	const uint8_t *frame;
	uint32_t length;
	struct pkt *p;
	struct ip_packet ip;
};

static __rte_always_inline int stray(struct look *l, enum bgf_drop reason)
{
	l->p->ref = reason;
	return WAY_STRAY;
}

/* Ports on which routing protocols and BFD talk: BGP, RIP, RIPng, LDP, BFD (two), Babel. */
static bool is_routing_port(uint16_t port)
{
	switch (ntohs(port)) {
	case 179:
	case 520:
	case 521:
	case 646:
	case 3784:
	case 3785:
	case 6696:
		return true;
	default:
		return false;
	}
}

/* What routers and neighbours say to each other: on link-local and group addresses nothing else is for us. */
static bool is_link_protocol(const uint8_t *l4, const struct pkt *p)
{
	switch (p->proto) {
	case IP_ICMP:
	case IP_IGMP:
	case IP_ICMPV6:
	case IP_EIGRP:
	case IP_OSPF:
	case IP_PIM:
	case IP_VRRP:
		return true;
	case IP_UDP:
	case IP_TCP:
		return l4_sane(l4, p->payload, p->proto) &&
		       (is_routing_port(l4_destination(l4)) || is_routing_port(l4_source(l4)));
	default:
		return false;
	}
}

/* A device that has looked (port.c asks for it) spares the sum over the payload. Its 'bad' is looked at
 * again, and so is what has no checksum: over that devices do not agree. */
static __rte_noinline bool checksum_good(const struct rte_mbuf *m, const uint8_t *ip, const struct pkt *p)
{
	const uint8_t *l4 = ip + p->l3_len;
	const bool absent = p->proto == IP_UDP && ip_load16(l4 + 6) == 0;
	const struct ip_packet packet = {
		.src = ip_source(ip, p->ipv6), .payload = p->payload, .proto = p->proto, .ipv6 = p->ipv6};

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD && !absent)
		return true;
	return l4_checksum_good(&packet, l4);
}

/* DROP_NONE for UDP and TCP that may be forwarded. */
static __rte_always_inline enum bgf_drop l4_defect(const struct look *l)
{
	if (!l4_sane(l->frame + ETH_HEADER + l->ip.l3_len, l->ip.payload, l->ip.proto))
		return BGF_DROP_L4_HEADER;
	if (unlikely(l->port->verify_l4) && !checksum_good(l->m, l->frame + ETH_HEADER, l->p))
		return BGF_DROP_L4_CHECKSUM;
	return DROP_NONE;
}

/* Of what goes on. Ethernet pads short frames: what is behind the IP packet is none of it. */
static __rte_always_inline int keep(const struct look *l, int way)
{
	l->m->data_len = (uint16_t)(ETH_HEADER + l->ip.l3_len + l->ip.payload);
	l->m->pkt_len = l->m->data_len;
	return way;
}

static __rte_always_inline bool has_ports(const struct look *l)
{
	return l->ip.proto == IP_UDP || l->ip.proto == IP_TCP;
}

static __rte_always_inline int from_access(struct look *l, bool ipv6)
{
	l->p->served = served_find(l->w->served, l->ip.dst, ipv6);
	if (l->p->served == SERVED_NONE)
		return stray(l, BGF_DROP_NOT_SERVED);
	if (l->ip.ttl <= 1)
		return BGF_DROP_TTL_EXPIRED;
	if (l->ip.proto == IP_ESP) {
		esp_in_fetch(l->w, l->frame + ETH_HEADER + l->ip.l3_len, l->p);
		return keep(l, WAY_ESP);
	}
	const enum bgf_drop defect = has_ports(l) ? l4_defect(l) : DROP_NONE;
	return defect == DROP_NONE ? keep(l, WAY_CLEAR) : (int)defect;
}

static __rte_always_inline int from_core(struct look *l, bool ipv6)
{
	l->p->served = served_find(l->w->served, l->ip.src, ipv6);
	if (l->p->served == SERVED_NONE)
		return stray(l, BGF_DROP_SOURCE_NOT_SERVED);
	if (!has_ports(l))
		return stray(l, BGF_DROP_CLEAR_PROTOCOL);
	if (l->ip.ttl <= 1)
		return BGF_DROP_TTL_EXPIRED;
	const enum bgf_drop defect = l4_defect(l);
	if (defect != DROP_NONE)
		return defect;
	const uint16_t port = l4_source(l->frame + ETH_HEADER + l->ip.l3_len);
	if (served_unprotected(&l->w->served->entry[l->p->served], port))
		return keep(l, WAY_CLEAR);
	esp_out_fetch(l->w, l->frame + ETH_HEADER, ipv6, l->p);
	return keep(l, WAY_ESP);
}

/* IGMP and MLD always come behind a Router Alert option (RFC 3376 4, RFC 3810 5). A kernel that did not hear
 * the queries would lose its groups at snooping switches, and neighbour discovery with them. */
static bool is_group_membership(const uint8_t *l4, const struct pkt *p, enum bgf_drop defect)
{
	enum {
		ALERT = 8 /* octets of the hop-by-hop header around it */,
		QUERY = 130,
		DONE = 132,
		REPORT2 = 143
	};

	if (!p->ipv6)
		return p->proto == IP_IGMP && defect == BGF_DROP_IP_OPTIONS;
	if (p->proto != IP_HOP_BY_HOP || p->payload <= ALERT || l4[0] != IP_ICMPV6 || l4[1] != 0)
		return false;
	return (l4[ALERT] >= QUERY && l4[ALERT] <= DONE) || l4[ALERT] == REPORT2;
}

/* To a group, or to a neighbour's link-local address: never forwarded. */
static __rte_noinline int link_verdict(const uint8_t *ip, const struct pkt *p, enum bgf_drop defect)
{
	const enum ip_scope source = ip_scope(ip_source(ip, p->ipv6), p->ipv6);

	if (source == IP_GROUP || source == IP_NO_HOST)
		return BGF_DROP_SOURCE_INVALID;
	if (is_group_membership(ip + p->l3_len, p, defect))
		return WAY_KERNEL;
	if (defect != DROP_NONE)
		return defect;
	return is_link_protocol(ip + p->l3_len, p) ? WAY_KERNEL : (int)BGF_DROP_NOT_SERVED;
}

static __rte_always_inline void remember(struct look *l)
{
	l->p->payload = l->ip.payload;
	l->p->l3_len = l->ip.l3_len;
	l->p->proto = l->ip.proto;
	l->p->ipv6 = l->ip.ipv6;
}

/* The order is ARCHITECTURE's: that a source is a served address is seen before anything else about it. */
static __rte_always_inline int ip_verdict(struct look *l, enum port_side side, bool ipv6)
{
	const enum bgf_drop fault = ip_parse(l->frame + ETH_HEADER, l->length - ETH_HEADER, ipv6, &l->ip);

	if (fault != DROP_NONE)
		return fault;
	remember(l);
	if (side == PORT_ACCESS && served_find(l->w->served, l->ip.src, ipv6) != SERVED_NONE)
		return BGF_DROP_SOURCE_SERVED;
	const enum ip_scope to = ip_scope(l->ip.dst, ipv6);
	if (to == IP_GROUP || to == IP_LINK_LOCAL)
		return link_verdict(l->frame + ETH_HEADER, l->p, l->ip.defect);
	if ((l->frame[0] & 1) != 0) /* RFC 1122 3.3.6: one host's address in a frame to all */
		return BGF_DROP_NOT_OURS;
	const enum ip_scope source = ip_scope(l->ip.src, ipv6);
	if (source != IP_HOST && source != IP_LINK_LOCAL)
		return BGF_DROP_SOURCE_INVALID;
	if (l->ip.defect != DROP_NONE)
		return l->ip.defect;
	l->ip.l3_len = ipv6 ? IPV6_HEADER : IPV4_HEADER; /* without options, a constant */
	if (source == IP_LINK_LOCAL)
		return stray(l, BGF_DROP_SOURCE_INVALID);
	return side == PORT_ACCESS ? from_access(l, ipv6) : from_core(l, ipv6);
}

/* A MAC address in the lower 48 bits, and 16 that are not its own: one load, one compare. */
static __rte_always_inline uint64_t load_mac(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word << 16;
}

/* A drop reason or an enum way. */
static __rte_always_inline int verdict(struct look *l, enum port_side side)
{
	if (l->length < ETH_HEADER)
		return BGF_DROP_TRUNCATED;
	if (load_mac(l->frame) != l->mac && (l->frame[0] & 1) == 0)
		return BGF_DROP_NOT_OURS;
	switch (ip_load16_raw(l->frame + 12)) {
	case IP_RAW16(ETH_IPV4):
		return ip_verdict(l, side, false);
	case IP_RAW16(ETH_IPV6):
		return ip_verdict(l, side, true);
	case IP_RAW16(ETH_ARP):
		return l->length < ETH_HEADER + ETH_ARP_LENGTH ? (int)BGF_DROP_TRUNCATED : WAY_KERNEL;
	default:
		return BGF_DROP_ETHERTYPE;
	}
}

/* Everything that leaves this stage goes on in one piece: what came in several is more than any IP packet
 * here. */
static __rte_always_inline int look_at(const struct worker *w, enum port_side side, const struct port *port,
				       uint64_t mac, struct rte_mbuf *m)
{
	struct look l = {
		.w = w,
		.port = port,
		.mac = mac,
		.m = m,
		.frame = rte_pktmbuf_mtod(m, const uint8_t *),
		.length = m->data_len,
		.p = pkt(m),
	};

	*l.p = (struct pkt){.side = (uint8_t)side};
	return likely(m->nb_segs == 1) ? verdict(&l, side) : (int)BGF_DROP_TRUNCATED;
}

/* What is neither ESP nor clear. */
static __rte_noinline void turn_away(struct worker *w, struct rte_mbuf *m, int way, struct batch *strays)
{
	switch (way) {
	case WAY_KERNEL:
		handoff_exception(w, m, EXCEPTION_KERNEL);
		break;
	case WAY_STRAY:
		batch_add(strays, m);
		break;
	case BGF_DROP_TTL_EXPIRED:
		handoff_dropped(w, m, BGF_DROP_TTL_EXPIRED, EXCEPTION_TTL);
		break;
	default:
		drop(w, m, (enum bgf_drop)way);
	}
}

static __rte_always_inline void sort(struct worker *w, enum port_side side, struct rte_mbuf *const *m,
				     uint16_t n, struct classified *ret)
{
	const struct port *port = w->port[side];
	struct batch strays;
	uint64_t mac = 0;

	memcpy((uint8_t *)&mac + 2, port->mac, sizeof(port->mac));
	strays.n = ret->esp.n = ret->clear.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		const int way = look_at(w, side, port, mac, m[i]);
		if (likely(way == WAY_ESP && side == PORT_ACCESS))
			batch_add(&ret->esp, m[i]);
		else if (likely(way == WAY_ESP))
			esp_out_add(w, &ret->esp, m[i]);
		else if (way == WAY_CLEAR)
			batch_add(&ret->clear, m[i]);
		else
			turn_away(w, m[i], way, &strays);
	}
	if (strays.n > 0)
		classify_strays(w, side, &strays);
}

void classify(struct worker *w, enum port_side side, struct rte_mbuf *const *m, uint16_t n,
	      struct classified *ret)
{
	if (side == PORT_ACCESS)
		sort(w, PORT_ACCESS, m, n, ret);
	else
		sort(w, PORT_CORE, m, n, ret);
}

void classify_strays(struct worker *w, enum port_side side, const struct batch *strays)
{
	const uint8_t *dst[WORKER_BURST];
	uint8_t ipv6[WORKER_BURST];
	uint16_t id[WORKER_BURST];

	for (uint16_t i = 0; i < strays->n; i++) {
		ipv6[i] = pkt(strays->m[i])->ipv6;
		dst[i] = ip_destination(batch_ip(strays->m[i]), ipv6[i]);
	}
	nexthop_find_bulk(w->nexthops[side], dst, ipv6, strays->n, id);
	for (uint16_t i = 0; i < strays->n; i++) {
		struct rte_mbuf *m = strays->m[i];
		const enum bgf_drop reason = (enum bgf_drop)pkt(m)->ref;
		if (id[i] != NEXTHOP_LOCAL && reason == BGF_DROP_NO_SET && pkt(m)->proto == IP_TCP)
			handoff_dropped(w, m, reason, EXCEPTION_RESET); /* rule 24 */
		else if (id[i] != NEXTHOP_LOCAL)
			drop(w, m, reason);
		else if (pkt(m)->proto == IP_ESP) /* no SA ends there, and the kernel would answer in ICMP */
			drop(w, m, BGF_DROP_UNKNOWN_SPI);
		else
			handoff_exception(w, m, EXCEPTION_KERNEL);
	}
}
