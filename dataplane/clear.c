/* SPDX-License-Identifier: BSD-3-Clause */
#include "clear.h"

#include "drop.h"
#include "handoff.h"
#include "nexthop.h"
#include "pkt.h"
#include "policer.h"
#include "served.h"
#include "sip.h"

/* Whether somebody answers a challenge in the clear (rule 29). */
static bool answers_challenge(const uint8_t *l4, const struct pkt *p)
{
	const uint8_t *data;
	const uint32_t length = l4_data(l4, p->payload, p->proto, &data);
	return sip_answers_challenge(data, length);
}

/* Where answers would go. No route leads back on this side to an address of the core's or of the gateway's
 * own: only a forger has it here (BCP 38), and a P-CSCF may trust it. */
static void find_routes_back(const struct worker *w, const struct batch *in, uint16_t *ret_id)
{
	const uint8_t *src[WORKER_BURST];
	uint8_t ipv6[WORKER_BURST];

	for (uint16_t i = 0; i < in->n; i++) {
		ipv6[i] = pkt(in->m[i])->ipv6;
		src[i] = ip_source(batch_ip(in->m[i]), ipv6[i]);
	}
	nexthop_find_bulk(w->nexthops[PORT_ACCESS], src, ipv6, in->n, ret_id);
}

/* The cheap questions first; only what may pass costs its source a token and us a look into SIP. */
static enum bgf_drop check(const struct worker *w, const struct rte_mbuf *m, const struct pkt *p,
			   uint16_t route_back)
{
	const struct served_address *served = &w->served->entry[p->served];
	const uint8_t *ip = batch_ip(m), *l4 = ip + p->l3_len;

	if (p->proto == (p->ipv6 ? IP_ICMPV6 : IP_ICMP) && icmp_quotes_esp(l4, p->payload, p->ipv6))
		return BGF_DROP_ICMP_ESP;
	if (p->proto != IP_UDP && p->proto != IP_TCP)
		return BGF_DROP_CLEAR_PROTOCOL;
	if (!served_unprotected(served, l4_destination(l4)))
		return BGF_DROP_CLEAR_PORT;
	if (route_back == NEXTHOP_NONE || route_back == NEXTHOP_LOCAL)
		return BGF_DROP_SOURCE_INVALID;
	if (!policer_admit(w->policer, ip_source(ip, p->ipv6), p->ipv6, w->now))
		return BGF_DROP_CLEAR_RATE;
	return !served->digest_clients && answers_challenge(l4, p) ? BGF_DROP_CLEAR_AUTH : DROP_NONE;
}

/* On to the link of the other side, if it fits there. */
static void pass(struct worker *w, enum port_side to, struct rte_mbuf *m, struct batch *out)
{
	const struct pkt *p = pkt(m);
	const uint16_t mtu = w->port[to]->mtu;

	if (p->l3_len + p->payload > mtu) {
		handoff_too_big(w, m, mtu);
		return;
	}
	const struct ip_body body = {p->payload, p->proto};
	ip_rewrite(batch_ip(m), batch_ip(m), p->ipv6, body, body);
	batch_add(out, m);
}

void clear_in(struct worker *w, const struct batch *in, struct batch *out)
{
	uint16_t route_back[WORKER_BURST];

	if (in->n == 0)
		return;
	find_routes_back(w, in, route_back);
	for (uint16_t i = 0; i < in->n; i++) {
		const enum bgf_drop reason = check(w, in->m[i], pkt(in->m[i]), route_back[i]);
		if (reason != DROP_NONE)
			drop(w, in->m[i], reason);
		else
			pass(w, PORT_CORE, in->m[i], out);
	}
}

void clear_out(struct worker *w, const struct batch *in, struct batch *out)
{
	for (uint16_t i = 0; i < in->n; i++)
		pass(w, PORT_ACCESS, in->m[i], out);
}
