/* SPDX-License-Identifier: BSD-3-Clause */
#include "esp_in.h"

#include <string.h>

#include "bgf_spi.h"
#include "crypto.h"
#include "drop.h"
#include "esp.h"
#include "handoff.h"
#include "pkt.h"
#include "replay.h"
#include "sip.h"
#include "store.h"
#include "stray.h"

static_assert((int)CRYPTO_BURST >= (int)WORKER_BURST && (int)CRYPTO_ICV == (int)ESP_ICV,
	      "a burst is one job");

/* What got as far as the crypto. */
struct inbound {
	uint16_t n;
	uint16_t mtu; /* of the core port */
	struct rte_mbuf *m[WORKER_BURST];
	struct sa_hot *hot[WORKER_BURST];
	struct sa_in *sa[WORKER_BURST];
	struct crypto_job job[WORKER_BURST];
	uint8_t icv[WORKER_BURST][ESP_ICV];
};

/* What came behind ESP's header, once the trailer is read. */
struct inner {
	const uint8_t *l4;
	uint32_t payload;
	uint8_t proto;
};

static void drop_sa(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	drop_of_set(w, m, reason, bgf_spi_slot(pkt(m)->ref));
}

/* What has no SA: a phone may have kept one that is gone here, of which its P-CSCF may want to hear. */
static __rte_noinline void drop_unfound(struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt(m);

	if (p->payload < sizeof(uint32_t)) {
		drop(w, m, BGF_DROP_ESP_LENGTH);
	} else if (p->ref <= ESP_SPI_RESERVED) {
		drop(w, m, BGF_DROP_SPI_RESERVED);
	} else {
		stray_note(w->strays, batch_ip(m), p->ipv6, p->ref);
		drop(w, m, BGF_DROP_UNKNOWN_SPI);
	}
}

/* The SA of a packet: the slot's own SPI is compared, all 32 bits. No SA has a reserved one, and of a packet
 * too short to have any it was read as 0 (esp_in_fetch). */
static __rte_always_inline struct sa_hot *find_sa(const struct worker *w, uint32_t spi, struct sa_in **ret_sa)
{
	const uint32_t slot = bgf_spi_slot(spi);

	if (unlikely(slot >= w->capacity || spi <= ESP_SPI_RESERVED))
		return NULL;
	struct sa_hot *hot = &w->hot[slot];
	*ret_sa = &hot->in[bgf_spi_which(spi)];
	return likely(__atomic_load_n(&(*ret_sa)->spi, __ATOMIC_ACQUIRE) == spi) ? hot : NULL;
}

static __rte_always_inline bool addresses_match(const struct sa_shared *shared, const uint8_t *ip,
						const struct pkt *p, bool ipv6)
{
	return ((shared->flags & SA_IPV6) != 0) == ipv6 && shared->served == p->served &&
	       ip_address_equal(ip_source(ip, ipv6), shared->ue, ipv6);
}

/* The cheap checks, before any crypto. */
static __rte_always_inline enum bgf_drop precheck(const struct sa_hot *hot, const struct sa_in *sa,
						  const uint8_t *ip, const uint8_t *esp, struct pkt *p,
						  uint32_t length, bool ipv6)
{
	if (unlikely(!addresses_match(&hot->shared, ip, p, ipv6)))
		return BGF_DROP_SA_ADDRESS;
	if (unlikely(!esp_length_sane(length)))
		return BGF_DROP_ESP_LENGTH;
	p->seq = esp_sequence(esp);
	if (unlikely(p->seq == 0))
		return BGF_DROP_SEQ_ZERO;
	return likely(replay_check(sa, p->seq)) ? DROP_NONE : BGF_DROP_REPLAY;
}

/* One packet: what may be worth a hash gets a job. `ipv6` is a constant, as in all that follows: either
 * family has code without questions. */
static __rte_always_inline void admit(struct worker *w, struct inbound *b, struct rte_mbuf *m, struct pkt *p,
				      bool ipv6)
{
	const uint8_t *ip = batch_ip(m), *esp = ip + (ipv6 ? IPV6_HEADER : IPV4_HEADER);
	const uint32_t length = p->payload; /* read once: what is written may lie anywhere */
	struct sa_in *sa;
	struct sa_hot *hot = find_sa(w, p->ref, &sa);

	if (unlikely(hot == NULL)) {
		drop_unfound(w, m);
		return;
	}
	if (w->count > 1 && hot->shared.owner != w->id) {
		handoff_owner(w, m, hot->shared.owner);
		return;
	}
	const enum bgf_drop reason = precheck(hot, sa, ip, esp, p, length, ipv6);
	if (unlikely(reason != DROP_NONE)) {
		drop_sa(w, m, reason);
		return;
	}
	const uint16_t n = b->n++;
	b->m[n] = m;
	b->hot[n] = hot;
	b->sa[n] = sa;
	b->job[n] = (struct crypto_job){
		.data = esp,
		.key = &hot->shared,
		.icv = b->icv[n],
		.length = length - ESP_ICV,
	};
}

static void admit_all(struct worker *w, const struct batch *in, struct inbound *b)
{
	for (uint16_t i = 0; i < in->n; i++) {
		struct pkt *p = pkt(in->m[i]);
		if (p->ipv6)
			admit(w, b, in->m[i], p, true);
		else
			admit(w, b, in->m[i], p, false);
	}
}

/* What the plain packet is, and whether this SA may carry it. `room`: for its payload, on the core link. */
static __rte_always_inline enum bgf_drop check_inner(const struct sa_in *sa, const uint8_t *esp,
						     uint32_t length, uint32_t room, struct inner *ret)
{
	static_assert(offsetof(struct sa_in, port_local) == offsetof(struct sa_in, port_ue) + 2,
		      "source and destination port, as in the packet");

	ret->l4 = esp + ESP_HEADER;
	if (unlikely(!esp_read_trailer(ret->l4, length - ESP_HEADER - ESP_ICV, &ret->proto, &ret->payload)))
		return BGF_DROP_PADDING;
	if (unlikely(ret->proto != IP_UDP && ret->proto != IP_TCP))
		return ret->proto == IP_NO_NEXT ? BGF_DROP_DUMMY : BGF_DROP_NEXT_HEADER;
	if (unlikely(!l4_sane(ret->l4, ret->payload, ret->proto)))
		return BGF_DROP_L4_HEADER;
	if (unlikely(ip_load32_raw(ret->l4) !=
		     ip_load32_raw((const uint8_t *)sa + offsetof(struct sa_in, port_ue))))
		return BGF_DROP_SELECTOR;
	/* No ICMP error: it would show in the clear what came in ESP. */
	return likely(ret->payload <= room) ? DROP_NONE : BGF_DROP_TOO_BIG;
}

/* The flag goes before the notice: the main lcore may read it at once, and takes a notice of a set that is
 * still watched for a former set's. A full ring puts the flag back, and the next packet asks again. */
static void tell_once(struct worker *w, struct sa_shared *shared, uint32_t slot, uint8_t flag)
{
	__atomic_fetch_and(&shared->flags, (uint8_t)~flag, __ATOMIC_RELEASE);
	if (!handoff_notice(w, slot))
		__atomic_fetch_or(&shared->flags, flag, __ATOMIC_RELEASE);
}

/* What must be read of a payload on a temporary set, and on one whose first use is watched for.
 *
 * Rule 6: the first good packet on a temporary set that is to replace another, a bare SYN too: over TCP the
 * REGISTER comes only when that was answered. Rule 20: the first good payload on a confirmed set that is not
 * the REGISTER again. */
static __rte_noinline enum bgf_drop check_sip(struct worker *w, struct sa_shared *shared, uint32_t slot,
					      uint8_t flags, const struct inner *inner)
{
	const uint8_t *data;
	const uint32_t length = l4_data(inner->l4, inner->payload, inner->proto, &data);
	const enum sip_first sip = sip_first(data, length);

	if ((flags & SA_TEMPORARY) != 0 && sip == SIP_REQUEST)
		return BGF_DROP_TEMPORARY;
	if ((flags & SA_TEMPORARY) != 0 && (flags & SA_WATCH_KEYS) != 0)
		tell_once(w, shared, slot, SA_WATCH_KEYS);
	if ((flags & SA_WATCH_FIRST) != 0 && length != 0 && sip != SIP_REGISTER)
		tell_once(w, shared, slot, SA_WATCH_FIRST);
	return DROP_NONE;
}

/* From the ICV on. The window is asked again when it is updated: two copies may be in one burst. */
static __rte_always_inline enum bgf_drop check_whole(struct worker *w, const struct inbound *b, uint16_t i,
						     bool done, const struct pkt *p, uint32_t length,
						     uint32_t room, struct inner *ret)
{
	const uint8_t *esp = b->job[i].data;
	struct sa_shared *shared = &b->hot[i]->shared;
	struct sa_in *sa = b->sa[i];

	if (unlikely(!done))
		return BGF_DROP_CRYPTO;
	if (unlikely(!crypto_icv_equal(b->job[i].icv, esp + b->job[i].length)))
		return BGF_DROP_ICV;
	if (unlikely(!replay_update(sa, p->seq)))
		return BGF_DROP_REPLAY;
	const enum bgf_drop reason = check_inner(sa, esp, length, room, ret);
	if (unlikely(reason != DROP_NONE))
		return reason;
	const uint8_t flags = __atomic_load_n(&shared->flags, __ATOMIC_ACQUIRE);
	if (unlikely(ret->proto == IP_TCP && (flags & SA_TCP) == 0)) /* of a set's packets one (rule 24) */
		__atomic_fetch_or(&shared->flags, SA_TCP, __ATOMIC_RELAXED);
	if (likely((flags & (SA_TEMPORARY | SA_WATCH_FIRST)) == 0))
		return DROP_NONE;
	const struct inner copy = *ret; /* whose address is known outside: ret's stay in registers */
	return check_sip(w, shared, bgf_spi_slot(p->ref), flags, &copy);
}

/* Takes ESP off in place: the IP header moves up to the payload. */
static __rte_always_inline void strip(struct rte_mbuf *m, struct pkt *p, uint32_t length,
				      const struct inner *inner, bool ipv6)
{
	const uint32_t l3_len = ipv6 ? IPV6_HEADER : IPV4_HEADER;
	uint8_t *ip = batch_ip(m);

	ip_rewrite(ip + ESP_HEADER, ip, ipv6, (struct ip_body){length, IP_ESP},
		   (struct ip_body){inner->payload, inner->proto});
	m->data_off += ESP_HEADER;
	m->data_len = (uint16_t)(ETH_HEADER + l3_len + inner->payload);
	m->pkt_len = m->data_len;
	p->payload = (uint16_t)inner->payload;
	p->proto = inner->proto;
	p->secured = 1;
}

static __rte_always_inline void finish(struct worker *w, const struct inbound *b, uint16_t i, bool done,
				       struct pkt *p, struct batch *out, bool ipv6)
{
	const uint32_t l3_len = ipv6 ? IPV6_HEADER : IPV4_HEADER;
	const uint32_t length = p->payload;
	struct sa_in *sa = b->sa[i];
	struct inner inner;
	const enum bgf_drop reason = check_whole(w, b, i, done, p, length, b->mtu - l3_len, &inner);

	if (unlikely(reason != DROP_NONE)) {
		drop_sa(w, b->m[i], reason);
		return;
	}
	sa->packets++;
	sa->octets += l3_len + length;
	strip(b->m[i], p, length, &inner, ipv6);
	batch_add(out, b->m[i]);
}

static void finish_all(struct worker *w, const struct inbound *b, uint64_t done, struct batch *out)
{
	for (uint16_t i = 0; i < b->n; i++, done >>= 1) {
		struct pkt *p = pkt(b->m[i]);
		if (p->ipv6)
			finish(w, b, i, done & 1, p, out, true);
		else
			finish(w, b, i, done & 1, p, out, false);
	}
}

void esp_in(struct worker *w, const struct batch *in, struct batch *out)
{
	struct inbound b;

	if (in->n == 0)
		return;
	b.n = 0;
	b.mtu = w->port[PORT_CORE]->mtu;
	admit_all(w, in, &b);
	finish_all(w, &b, crypto_burst(w->crypto, b.job, b.n), out);
}
