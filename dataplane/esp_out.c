/* SPDX-License-Identifier: BSD-3-Clause */
#include "esp_out.h"

#include <string.h>

#include "classify.h"
#include "crypto.h"
#include "drop.h"
#include "esp.h"
#include "handoff.h"
#include "pkt.h"
#include "sip.h"
#include "store.h"
#include "tuple.h"

/* A burst on its way. */
struct outbound {
	uint16_t n;	       /* wrapped */
	uint16_t mtu;	       /* of the access port */
	struct rte_mbuf **out; /* they are in the batch that is ready at once: crypto hardly ever fails */
	struct crypto_job job[WORKER_BURST];
	struct batch strays;
};

/* The last step of the look-up: the whole key is compared, packet against SA. */
static __rte_always_inline bool carries(const struct sa_hot *hot, const struct sa_out *sa, const uint8_t *ip,
					const uint8_t *l4, const struct pkt *p, bool ipv6)
{
	static_assert(offsetof(struct sa_out, port_ue) == offsetof(struct sa_out, port_local) + 2,
		      "source and destination port, as in the packet");
	return ip_load32_raw(l4) ==
		       ip_load32_raw((const uint8_t *)sa + offsetof(struct sa_out, port_local)) &&
	       hot->shared.served == p->served && ((hot->shared.flags & SA_IPV6) != 0) == ipv6 &&
	       ip_address_equal(ip_destination(ip, ipv6), hot->shared.ue, ipv6);
}

/* Where the table's first guess was wrong. */
static __rte_noinline uint32_t find(const struct worker *w, const uint8_t *ip, const struct pkt *p)
{
	const uint8_t *l4 = ip + p->l3_len;
	struct tuple_key key = {.served = p->served,
				.port_local = l4_source(l4),
				.port_ue = l4_destination(l4),
				.ipv6 = p->ipv6};

	memcpy(key.ue, ip_destination(ip, p->ipv6), p->ipv6 ? 16 : 4);
	return tuple_find(w->tuples, &key);
}

/* Rule 16 holds for both directions. */
static inline bool temporary_allows(const struct sa_shared *shared, const uint8_t *l4, struct ip_body body)
{
	const uint8_t *data;

	if (likely((__atomic_load_n(&shared->flags, __ATOMIC_ACQUIRE) & SA_TEMPORARY) == 0))
		return true;
	const uint32_t length = l4_data(l4, body.payload, body.proto, &data);
	return sip_first(data, length) != SIP_REQUEST;
}

/* `length`: of the ESP packet that it will be. */
static __rte_always_inline enum bgf_drop check(const struct sa_hot *hot, const struct sa_out *sa,
					       const struct rte_mbuf *m, const uint8_t *l4,
					       struct ip_body body, uint32_t length, uint32_t room)
{
	if (unlikely(!temporary_allows(&hot->shared, l4, body)))
		return BGF_DROP_TEMPORARY;
	if (unlikely(length > room))
		return BGF_DROP_TOO_BIG;
	if (unlikely(rte_pktmbuf_headroom(m) < ESP_HEADER ||
		     rte_pktmbuf_tailroom(m) < length - ESP_HEADER - body.payload))
		return BGF_DROP_HEADROOM;
	/* Nothing after the last number (RFC 4303 3.3.3). */
	return unlikely(sa->last == UINT32_MAX) ? BGF_DROP_SEQ_EXHAUSTED : DROP_NONE;
}

static __rte_noinline void refuse(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	const struct pkt *p = pkt(m);

	if (reason == BGF_DROP_TOO_BIG)
		handoff_too_big(
			w, m, (uint16_t)(p->l3_len + esp_payload_max(w->port[PORT_ACCESS]->mtu - p->l3_len)));
	else
		drop_of_set(w, m, reason, p->ref >> 1);
}

/* The sequence number is in the store before its packet can leave, so that no crash sends one twice. */
static inline uint32_t take_sequence(struct sa_out *sa)
{
	const uint32_t seq = sa->last + 1;
	__atomic_store_n(&sa->last, seq, __ATOMIC_RELEASE);
	return seq;
}

/* Puts ESP on in place, all but the ICV: the IP header moves down, away from the payload. */
static __rte_always_inline void wrap(struct outbound *b, struct rte_mbuf *m, struct pkt *p,
				     struct sa_hot *hot, struct sa_out *sa, struct ip_body body,
				     uint32_t length, bool ipv6)
{
	const uint32_t l3_len = ipv6 ? IPV6_HEADER : IPV4_HEADER;
	uint8_t *ip = batch_ip(m) - ESP_HEADER, *esp = ip + l3_len;

	esp_write_trailer(esp + ESP_HEADER + body.payload, body.payload, body.proto);
	ip_rewrite(ip, ip + ESP_HEADER, ipv6, body, (struct ip_body){length, IP_ESP});
	esp_write_header(esp, sa->spi, take_sequence(sa));
	sa->packets++;
	sa->octets += l3_len + length;
	const uint16_t n = b->n++;
	b->out[n] = m;
	b->job[n] = (struct crypto_job){
		.data = esp,
		.key = &hot->shared,
		.icv = esp + length - ESP_ICV,
		.length = length - ESP_ICV,
	};
	m->data_off -= ESP_HEADER;
	m->data_len = (uint16_t)(ETH_HEADER + l3_len + length);
	m->pkt_len = m->data_len;
	p->payload = (uint16_t)length;
	p->proto = IP_ESP;
	p->secured = 1;
}

/* One packet: into ESP, or away. `ipv6` is a constant, so that either family has code without questions. */
static __rte_always_inline void secure(struct worker *w, struct outbound *b, struct rte_mbuf *m,
				       struct pkt *p, bool ipv6)
{
	const uint32_t l3_len = ipv6 ? IPV6_HEADER : IPV4_HEADER;
	const uint8_t *ip = batch_ip(m), *l4 = ip + l3_len;

	if (unlikely(p->ref == TUPLE_NONE ||
		     !carries(&w->hot[p->ref >> 1], &w->hot[p->ref >> 1].out[p->ref & 1], ip, l4, p, ipv6)))
		p->ref = find(w, ip, p);
	if (unlikely(p->ref == TUPLE_NONE)) {
		p->ref = BGF_DROP_NO_SET;
		batch_add(&b->strays, m);
		return;
	}
	struct sa_hot *hot = &w->hot[p->ref >> 1];
	struct sa_out *sa = &hot->out[p->ref & 1];
	if (w->count > 1 && hot->shared.owner != w->id) {
		handoff_owner(w, m, hot->shared.owner);
		return;
	}
	const struct ip_body body = {p->payload, p->proto}; /* read once: what is written may lie anywhere */
	const uint32_t length = esp_length(body.payload);
	const enum bgf_drop reason = check(hot, sa, m, l4, body, length, b->mtu - l3_len);
	if (likely(reason == DROP_NONE))
		wrap(b, m, p, hot, sa, body, length, ipv6);
	else
		refuse(w, m, reason);
}

static void secure_all(struct worker *w, const struct batch *in, struct outbound *b)
{
	uint16_t led = in->n > ESP_OUT_LEAD ? in->n - ESP_OUT_LEAD : 0;

	/* The second step of those added last is taken on the way, too; in a short burst, at once. */
	for (; led < in->n && led < ESP_OUT_LEAD; led++)
		esp_out_lead(w, in->m[led]);
	for (uint16_t i = 0; i < in->n; i++) {
		struct pkt *p = pkt(in->m[i]);
		if (led < in->n)
			esp_out_lead(w, in->m[led++]);
		if (p->ipv6)
			secure(w, b, in->m[i], p, true);
		else
			secure(w, b, in->m[i], p, false);
	}
	/* What has no set is never sent in the clear; it may be for the port's own address. */
	if (b->strays.n > 0)
		classify_strays(w, PORT_CORE, &b->strays);
}

/* Takes what has no ICV out of what is ready; returns how many have one. */
static __rte_noinline uint16_t drop_undone(struct worker *w, const struct outbound *b, uint64_t done)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < b->n; i++, done >>= 1) {
		struct rte_mbuf *m = b->out[i];
		if ((done & 1) != 0)
			b->out[kept++] = m;
		else
			drop_of_set(w, m, BGF_DROP_CRYPTO, pkt(m)->ref >> 1);
	}
	return kept;
}

void esp_out(struct worker *w, const struct batch *in, struct batch *out)
{
	struct outbound b;

	if (in->n == 0)
		return;
	b.n = b.strays.n = 0;
	b.mtu = w->port[PORT_ACCESS]->mtu;
	b.out = out->m + out->n;
	secure_all(w, in, &b);
	if (b.n == 0)
		return;
	const uint64_t done = crypto_burst(w->crypto, b.job, b.n);
	out->n += likely(done == UINT64_MAX >> (CRYPTO_BURST - b.n)) ? b.n : drop_undone(w, &b, done);
}
