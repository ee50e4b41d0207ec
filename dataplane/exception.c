/* SPDX-License-Identifier: BSD-3-Clause */
#include "exception.h"

#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_random.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bgf_sa.h"
#include "config/config.h"
#include "gone.h"
#include "hold.h"
#include "icmp.h"
#include "log.h"
#include "netlink.h"
#include "nexthop.h"
#include "pkt.h"
#include "reset.h"
#include "tap.h"

enum {
	BURST = 32,
	TAP_READS_MAX = 256, /* a run and tap: the other one waits too */
	FILL_WAIT_MS = 5000,
	SILENT_TOLD_MS = 10000, /* from one word about silent neighbours to the next at least */
};

/* What shares a rate: a flood of pings must not keep ARP from the kernel, nor either the ICMP errors. */
enum share { SHARE_NEIGHBOURS, SHARE_OTHERS, SHARE_ERRORS, SHARE_RESETS, SHARE_PROBES, SHARES };

struct bucket {
	uint64_t tokens, filled; /* tokens: thousandths of a packet; filled: ms */
};

struct side {
	const struct port *port;
	struct nexthop_table *nexthops;
	struct netlink *netlink;
	int tap;
	bool carrier;
	bool gone; /* the tap was deleted under us */
	struct bucket bucket[SHARES];
	uint64_t silent_next; /* ms: when a silent neighbour may be told of again */
	uint32_t silent;      /* packets that were lost to such and not told of */
	struct counters counters;
};

struct exceptions {
	struct side side[PORT_SIDES];
	struct rte_ring *to_kernel, *from_kernel[PORT_SIDES];
	struct rte_mempool *pool;
	uint32_t rate;
	struct hold *hold;
	struct gone *gone;
};

static uint64_t now_ms(void)
{
	return rte_get_timer_cycles() / (rte_get_timer_hz() / 1000);
}

static void drop(struct exceptions *e, struct rte_mbuf *m, unsigned side, enum bgf_drop reason)
{
	e->side[side].counters.drops[reason]++;
	rte_pktmbuf_free(m);
}

/* Takes a token; a second's worth may come at once. */
static bool within_rate(struct bucket *b, uint32_t rate, uint64_t now)
{
	b->tokens += (now - b->filled) * rate;
	b->filled = now;
	if (b->tokens > (uint64_t)rate * 1000)
		b->tokens = (uint64_t)rate * 1000;
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

/* ---- frames: what the kernel may say and what it hears ---- */

/* ARP, or ICMPv6 from router solicitation to redirect (RFC 4861). */
static bool is_neighbour_discovery(const uint8_t *frame, uint32_t length)
{
	struct ether_header eth;

	if (length < sizeof(eth))
		return false;
	memcpy(&eth, frame, sizeof(eth));
	if (eth.ether_type == htons(ETHERTYPE_ARP))
		return true;
	const uint8_t *ip = frame + sizeof(eth);
	return eth.ether_type == htons(ETHERTYPE_IPV6) && length > sizeof(eth) + sizeof(struct ip6_hdr) &&
	       ip[6] == IPPROTO_ICMPV6 && ip[40] >= ND_ROUTER_SOLICIT && ip[40] <= ND_REDIRECT;
}

static bool own(const struct side *s, const uint8_t *octets, uint8_t length)
{
	struct bgf_addr a;

	return bgf_addr_from_octets(octets, length, &a) == 0 && nexthop_is_local(s->nexthops, &a);
}

static bool arp_is_own(const struct side *s, const uint8_t *arp, uint32_t length)
{
	static const uint8_t none[4];
	const struct ether_arp *a = (const void *)arp;

	if (length < sizeof(*a) || memcmp(a->arp_sha, s->port->mac, 6) != 0)
		return false;
	/* Sender 0.0.0.0: a probe before the address is used (RFC 5227). */
	return memcmp(a->arp_spa, none, 4) == 0 || own(s, a->arp_spa, 4);
}

/* From '::' only what a host sends before it has an address: duplicate address detection, router
 * solicitations, multicast listener reports (these behind a hop-by-hop header; RFC 4862 5.4, RFC 3810 5.2).
 */
static bool unspecified_allowed(const uint8_t *ip, uint32_t length)
{
	uint32_t at = sizeof(struct ip6_hdr);
	uint8_t next = ip[6];

	if (next == IPPROTO_HOPOPTS && length > at + 1) {
		next = ip[at];
		at += 8 + ip[at + 1] * 8u;
	}
	return next == IPPROTO_ICMPV6 && length > at &&
	       (ip[at] == ND_NEIGHBOR_SOLICIT || ip[at] == ND_ROUTER_SOLICIT ||
		ip[at] == MLD_LISTENER_REPORT || ip[at] == 143 /* MLDv2 report */);
}

/* Whether a frame from the tap has the port's own addresses as source. */
static bool source_is_own(const struct side *s, const uint8_t *frame, uint32_t length)
{
	static const uint8_t none[16];
	struct ether_header eth;

	if (length < sizeof(eth))
		return false;
	memcpy(&eth, frame, sizeof(eth));
	const uint8_t *ip = frame + sizeof(eth);
	length -= sizeof(eth);
	if (memcmp(eth.ether_shost, s->port->mac, 6) != 0)
		return false;
	switch (ntohs(eth.ether_type)) {
	case ETHERTYPE_ARP:
		return arp_is_own(s, ip, length);
	case ETHERTYPE_IP:
		return length >= sizeof(struct ip) && own(s, ip + offsetof(struct ip, ip_src), 4);
	case ETHERTYPE_IPV6:
		if (length < sizeof(struct ip6_hdr))
			return false;
		if (memcmp(ip + offsetof(struct ip6_hdr, ip6_src), none, 16) == 0)
			return unspecified_allowed(ip, length);
		return own(s, ip + offsetof(struct ip6_hdr, ip6_src), 16);
	default:
		return false;
	}
}

/* ---- towards the ports ---- */

/* A whole frame to the worker that sends. */
static void send_frame(struct exceptions *e, struct rte_mbuf *m, unsigned out, unsigned counted)
{
	if (rte_ring_enqueue(e->from_kernel[out], m) != 0)
		drop(e, m, counted, BGF_DROP_EXCEPTION_FULL);
}

static void send_to(struct exceptions *e, struct rte_mbuf *m, uint64_t word)
{
	struct pkt *p = pkt(m);
	struct ether_header *eth = rte_pktmbuf_mtod(m, struct ether_header *);

	memcpy(eth->ether_dhost, &word, 6);
	memcpy(eth->ether_shost, e->side[p->out_side].port->mac, 6);
	send_frame(e, m, p->out_side, p->side);
}

static bool destination(const struct rte_mbuf *m, struct bgf_addr *ret)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, sizeof(struct ether_header));
	uint32_t length = rte_pktmbuf_data_len(m);

	if (length >= sizeof(struct ether_header) + sizeof(struct ip6_hdr) && ip[0] >> 4 == 6)
		return bgf_addr_from_octets(ip + offsetof(struct ip6_hdr, ip6_dst), 16, ret) == 0;
	if (length >= sizeof(struct ether_header) + sizeof(struct ip) && ip[0] >> 4 == 4)
		return bgf_addr_from_octets(ip + offsetof(struct ip, ip_dst), 4, ret) == 0;
	return false;
}

/* Packets were lost because nobody told a MAC address: whose, for who looks for a phone that is not reached.
 * One line in a while, for phones that went without a word are no trouble. */
static void tell_silent(struct side *s, const struct bgf_addr *neighbour, unsigned lost, const char *why,
			uint64_t now)
{
	char text[BGF_ADDR_STRLEN];

	s->silent += lost;
	if (now < s->silent_next)
		return;
	s->silent_next = now + SILENT_TOLD_MS;
	dp_log(DP_WARNING, "tap %s: %s %s; %u packets for it and others were dropped (no_neighbour)",
	       s->port->tap, bgf_addr_text(neighbour, text), why, s->silent);
	s->silent = 0;
}

/* A packet that is finished but for its Ethernet addresses: sent, or held until its neighbour is known. */
static void to_neighbour(struct exceptions *e, struct rte_mbuf *m, uint64_t now)
{
	const struct pkt *p = pkt(m);
	struct side *out = &e->side[p->out_side];
	struct bgf_addr dst, neighbour;

	if (!destination(m, &dst) || !nexthop_neighbour_for(out->nexthops, &dst, &neighbour)) {
		drop(e, m, p->side, BGF_DROP_NO_ROUTE);
		return;
	}
	uint64_t word = nexthop_neighbour_word(out->nexthops, &neighbour);
	if (word) {
		send_to(e, m, word);
		return;
	}
	bool first;
	if (!hold_put(e->hold, p->out_side, &neighbour, m, now, &first)) {
		drop(e, m, p->side, BGF_DROP_NO_NEIGHBOUR);
		tell_silent(out, &neighbour, 1,
			    "has not told its MAC address yet, and no more packets can wait for it", now);
		return;
	}
	if (first)
		netlink_want(out->netlink, &neighbour);
}

static void release_held(struct exceptions *e, uint64_t now)
{
	struct rte_mbuf *m[HOLD_EACH];
	struct hold_key key;
	uint32_t cursor = 0;
	bool late;

	while (hold_next(e->hold, &cursor, now, &key, &late)) {
		uint64_t word = nexthop_neighbour_word(e->side[key.side].nexthops, &key.neighbour);
		if (!word && !late) {
			if (hold_ask(e->hold, cursor, now))
				netlink_want(e->side[key.side].netlink, &key.neighbour);
			continue;
		}
		unsigned n = hold_take(e->hold, cursor, m);
		for (unsigned i = 0; i < n; i++) {
			if (word)
				send_to(e, m[i], word);
			else
				drop(e, m[i], pkt(m[i])->side, BGF_DROP_NO_NEIGHBOUR);
		}
		if (!word)
			tell_silent(&e->side[key.side], &key.neighbour, n,
				    "did not tell its MAC address in time", now);
	}
}

/* Sends an IP packet that was made here. */
static void send_made(struct exceptions *e, unsigned side, bool ipv6, const uint8_t *packet, size_t length,
		      uint64_t now)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(e->pool);
	struct ether_header *out =
		m ? (void *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*out) + length)) : NULL;
	if (!out) {
		rte_pktmbuf_free(m);
		return;
	}
	out->ether_type = htons(ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	memcpy(out + 1, packet, length);
	*pkt(m) = (struct pkt){.side = (uint8_t)side, .out_side = (uint8_t)side, .ipv6 = ipv6};
	to_neighbour(e, m, now);
}

/* The packet was counted as dropped; what becomes of the error about it is nobody's loss. */
static void icmp_error(struct exceptions *e, struct rte_mbuf *about, enum icmp_error kind, uint64_t now)
{
	const struct pkt *p = pkt(about);
	struct side *s = &e->side[p->side];
	const struct ether_header *eth = rte_pktmbuf_mtod(about, const struct ether_header *);
	const uint8_t *packet = (const uint8_t *)(eth + 1);
	uint32_t length = rte_pktmbuf_data_len(about);
	struct bgf_addr sender, source;
	uint8_t error[ICMP_ERROR_MAX];

	if (length < sizeof(*eth) + (p->ipv6 ? sizeof(struct ip6_hdr) : sizeof(struct ip)) ||
	    eth->ether_dhost[0] & 1)
		return; /* RFC 1812 4.3.2.7: nor about a link-layer broadcast */
	bgf_addr_from_octets(packet + (p->ipv6 ? 8 : 12), p->ipv6 ? 16 : 4, &sender);
	if (!nexthop_local_for(s->nexthops, &sender, &source))
		return;
	/* the token first: a flood of what asks for errors shall not cost their making */
	if (!within_rate(&s->bucket[SHARE_ERRORS], e->rate, now))
		return;
	size_t built = icmp_error_build(kind, packet, length - sizeof(*eth), p->mtu, &source, error);
	if (built == 0)
		return;
	send_made(e, p->side, p->ipv6, error, built, now);
}

/* Rule 24, when the P-CSCF sends on a connection whose set is gone. */
static void reset(struct exceptions *e, struct rte_mbuf *about, uint64_t now)
{
	const struct pkt *p = pkt(about);
	const uint8_t *packet = rte_pktmbuf_mtod_offset(about, const uint8_t *, sizeof(struct ether_header));
	struct reset_pair pair;
	uint8_t built[RESET_MAX];
	size_t length = reset_build(packet, p->ipv6, p->payload, built, &pair);

	if (length > 0 && gone_lately(e->gone, &pair, (uint32_t)(now / 1000)) &&
	    within_rate(&e->side[p->side].bucket[SHARE_RESETS], e->rate, now))
		send_made(e, p->side, p->ipv6, built, length, now);
}

void exceptions_tcp_gone(void *exceptions, const struct bgf_set_selectors *selectors, unsigned which)
{
	struct exceptions *e = exceptions;
	uint64_t now = now_ms();
	struct reset_pair pair;
	uint8_t built[RESET_MAX];
	size_t length =
		reset_probe(selectors, which, (uint32_t)rte_rand(), (uint32_t)rte_rand(), built, &pair);

	gone_add(e->gone, &pair, (uint32_t)(now / 1000));
	if (within_rate(&e->side[PORT_CORE].bucket[SHARE_PROBES], e->rate, now))
		send_made(e, PORT_CORE, selectors->ue.family == 6, built, length, now);
}

/* ---- towards the kernel ---- */

static void to_tap(struct exceptions *e, struct rte_mbuf *m, uint64_t now)
{
	unsigned side = pkt(m)->side;
	struct side *s = &e->side[side];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t length = rte_pktmbuf_data_len(m);
	enum share share = is_neighbour_discovery(frame, length) ? SHARE_NEIGHBOURS : SHARE_OTHERS;

	if (!within_rate(&s->bucket[share], e->rate, now))
		drop(e, m, side, BGF_DROP_EXCEPTION_RATE);
	else if (m->nb_segs != 1 || write(s->tap, frame, length) != (ssize_t)length)
		drop(e, m, side, BGF_DROP_TAP_WRITE);
	else
		rte_pktmbuf_free(m);
}

static void take(struct exceptions *e, struct rte_mbuf *m, uint64_t now)
{
	switch ((enum exception_kind)pkt(m)->exception) {
	case EXCEPTION_KERNEL:
		to_tap(e, m, now);
		return;
	case EXCEPTION_NEIGHBOUR:
		to_neighbour(e, m, now);
		return;
	case EXCEPTION_TOO_BIG:
		icmp_error(e, m, ICMP_ERROR_TOO_BIG, now);
		break;
	case EXCEPTION_TTL:
		icmp_error(e, m, ICMP_ERROR_TTL, now);
		break;
	case EXCEPTION_RESET:
		reset(e, m, now);
		break;
	}
	rte_pktmbuf_free(m);
}

/* Empties the ring, but takes no more than it can hold, or a flood kept us here: who put more into it
 * meanwhile has woken us again. */
static void drain_ring(struct exceptions *e, uint64_t now)
{
	struct rte_mbuf *m[BURST];
	unsigned n, left = rte_ring_get_capacity(e->to_kernel);

	while (left > 0 && (n = rte_ring_dequeue_burst(e->to_kernel, (void **)m,
						       RTE_MIN(left, (unsigned)BURST), NULL)) > 0) {
		for (unsigned i = 0; i < n; i++)
			take(e, m[i], now);
		left -= n;
	}
}

/* An address may have come after netlink was read, and its first frame (ND, MLD) with it. */
static bool may_leave(struct side *s, const uint8_t *frame, uint32_t length)
{
	if (source_is_own(s, frame, length))
		return true;
	netlink_run(s->netlink, now_ms());
	return source_is_own(s, frame, length);
}

/* One frame from the tap; false: there is none. */
static bool from_tap(struct exceptions *e, unsigned side)
{
	struct side *s = &e->side[side];
	uint8_t lost[64];
	struct rte_mbuf *m = rte_pktmbuf_alloc(e->pool);

	if (!m) {
		if (read(s->tap, lost, sizeof(lost)) < 0) /* cut off, but gone from the tap */
			return false;
		s->counters.drops[BGF_DROP_NO_MBUF]++;
		return true;
	}
	uint16_t room = rte_pktmbuf_tailroom(m);
	ssize_t got = read(s->tap, rte_pktmbuf_mtod(m, void *), room);
	if (got <= 0) {
		s->gone = got < 0 && errno == EBADFD;
		rte_pktmbuf_free(m);
		return false;
	}
	rte_pktmbuf_append(m, (uint16_t)got);
	if (may_leave(s, rte_pktmbuf_mtod(m, const uint8_t *), (uint32_t)got))
		send_frame(e, m, side, side);
	else
		drop(e, m, side, BGF_DROP_TAP_SOURCE);
	return true;
}

static void follow_link(struct side *s)
{
	if (s->carrier == s->port->up || tap_carrier(s->tap, s->port->up) < 0)
		return;
	s->carrier = s->port->up;
}

void exceptions_run(struct exceptions *e)
{
	uint64_t now = now_ms();

	/* Netlink first: an address that was just added may be used by the frames that wait in its tap. */
	for (unsigned side = 0; side < PORT_SIDES; side++) {
		netlink_run(e->side[side].netlink, now);
		follow_link(&e->side[side]);
	}
	drain_ring(e, now);
	for (unsigned side = 0; side < PORT_SIDES; side++)
		for (int i = 0; i < TAP_READS_MAX && from_tap(e, side); i++)
			;
	release_held(e, now);
}

int exceptions_fault(const struct exceptions *e, char *error, unsigned error_size)
{
	for (unsigned side = 0; side < PORT_SIDES; side++) {
		if (!e->side[side].gone)
			continue;
		snprintf(error, error_size,
			 "tap %s was deleted, and with it its addresses and routes; the next start makes it "
			 "again",
			 e->side[side].port->tap);
		return -ENODEV;
	}
	return 0;
}

/* ---- life ---- */

/* Until both next-hop tables hold what the kernel has, or FILL_WAIT_MS. The only wait: no worker runs yet. */
static int fill(struct exceptions *e, char *error, unsigned error_size)
{
	uint64_t until = now_ms() + FILL_WAIT_MS;

	for (unsigned side = 0; side < PORT_SIDES; side++) {
		struct netlink *n = e->side[side].netlink;
		struct pollfd p = {.fd = netlink_fd(n), .events = POLLIN};
		while (netlink_run(n, now_ms()), !netlink_filled(n)) {
			if (now_ms() > until) {
				snprintf(error, error_size,
					 "the kernel did not tell its routes for tap %s within %d s",
					 e->side[side].port->tap, FILL_WAIT_MS / 1000);
				return -ETIMEDOUT;
			}
			poll(&p, 1, 100);
		}
	}
	return 0;
}

static int side_start(struct side *s, const struct exceptions_args *a, enum port_side side, char *error,
		      unsigned error_size)
{
	const struct config_port *config = a->config[side];
	struct tap_args tap = {.name = config->tap, .netns = config->tap_netns, .mtu = a->port[side]->mtu};
	unsigned ifindex;

	memcpy(tap.mac, a->port[side]->mac, 6);
	s->port = a->port[side];
	s->nexthops = a->nexthops[side];
	s->carrier = true; /* a tap has it while it is open */
	int r = tap_open(&tap, &s->tap, &ifindex, error, error_size);
	if (r < 0)
		return r;
	return netlink_open(tap.netns, ifindex, s->nexthops, a->served, &s->netlink, error, error_size);
}

int exceptions_start(const struct exceptions_args *args, struct exceptions **ret, char *error,
		     unsigned error_size)
{
	struct exceptions *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	snprintf(error, error_size, "no memory for what goes to the kernel");
	if (!e)
		return r;
	*e = (struct exceptions){
		.to_kernel = args->to_kernel,
		.from_kernel = {args->from_kernel[PORT_ACCESS], args->from_kernel[PORT_CORE]},
		.pool = args->pool,
		.rate = args->rate,
		.hold = hold_new(),
		.gone = gone_new(rte_rand(), rte_rand()),
		.side = {{.tap = -1}, {.tap = -1}},
	};
	if (e->hold && e->gone)
		r = 0;
	for (unsigned side = 0; r == 0 && side < PORT_SIDES; side++)
		r = side_start(&e->side[side], args, (enum port_side)side, error, error_size);
	if (r == 0)
		r = fill(e, error, error_size);
	if (r < 0) {
		exceptions_stop(e);
		return r;
	}
	*ret = e;
	return 0;
}

void exceptions_stop(struct exceptions *e)
{
	struct rte_mbuf *m[HOLD_EACH];
	struct hold_key key;
	uint32_t cursor = 0;
	bool late;

	if (!e)
		return;
	while (e->hold && hold_next(e->hold, &cursor, 0, &key, &late))
		rte_pktmbuf_free_bulk(m, hold_take(e->hold, cursor, m));
	free(e->hold);
	gone_free(e->gone);
	for (unsigned side = 0; side < PORT_SIDES; side++) {
		netlink_close(e->side[side].netlink);
		if (e->side[side].tap >= 0)
			close(e->side[side].tap);
	}
	free(e);
}

int exceptions_fds(const struct exceptions *e, int *fds, int room)
{
	int n = 0;

	for (unsigned side = 0; side < PORT_SIDES && n + 2 <= room; side++) {
		fds[n++] = e->side[side].tap;
		fds[n++] = netlink_fd(e->side[side].netlink);
	}
	return n;
}

const struct counters *exceptions_counters(const struct exceptions *e, enum port_side side)
{
	return &e->side[side].counters;
}
