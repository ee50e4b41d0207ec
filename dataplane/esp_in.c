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
	struct rte_mbuf *m[WORKER_BURST];
	struct sa_hot *hot[WORKER_BURST];
	struct crypto_job job[WORKER_BURST];
	uint8_t icv[WORKER_BURST][ESP_ICV];
};

/* What came behind ESP's header, once the trailer is read. */
struct inner {
	const uint8_t *l4;
	uint32_t payload;
	uint8_t proto;
	enum sip_first sip; /* like has_data known only where check_sip was asked */
	bool has_data;
};

static struct sa_in *sa_of(struct sa_hot *hot, const struct pkt *p)
{
	return &hot->in[bgf_spi_which(p->ref)];
}

static void drop_sa(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	drop_of_set(w, m, reason, bgf_spi_slot(pkt(m)->ref));
}

/* The SA of a packet: the slot's own SPI is compared, all 32 bits. */
static inline enum bgf_drop find_sa(const struct worker *w, const struct pkt *p, struct sa_hot **ret_hot)
{
	const uint32_t slot = bgf_spi_slot(p->ref);

	if (p->payload < sizeof(uint32_t))
		return BGF_DROP_ESP_LENGTH;
	if (p->ref <= ESP_SPI_RESERVED)
		return BGF_DROP_SPI_RESERVED;
	if (slot >= w->capacity || __atomic_load_n(&sa_of(&w->hot[slot], p)->spi, __ATOMIC_ACQUIRE) != p->ref)
		return BGF_DROP_UNKNOWN_SPI;
	*ret_hot = &w->hot[slot];
	return DROP_NONE;
}

static inline bool addresses_match(const struct sa_shared *shared, const uint8_t *ip, const struct pkt *p)
{
	const bool ipv6 = (shared->flags & SA_IPV6) != 0;

	return ipv6 == p->ipv6 && shared->served == p->served &&
	       ip_address_equal(ip_source(ip, ipv6), shared->ue, ipv6);
}

/* The cheap checks, before any crypto. */
static inline enum bgf_drop precheck(struct sa_hot *hot, const uint8_t *ip, struct pkt *p)
{
	if (!addresses_match(&hot->shared, ip, p))
		return BGF_DROP_SA_ADDRESS;
	if (!esp_length_sane(p->payload))
		return BGF_DROP_ESP_LENGTH;
	p->seq = esp_sequence(ip + p->l3_len);
	if (p->seq == 0)
		return BGF_DROP_SEQ_ZERO;
	return replay_check(sa_of(hot, p), p->seq) ? DROP_NONE : BGF_DROP_REPLAY;
}

static inline void add_job(struct inbound *b, struct sa_hot *hot, struct rte_mbuf *m, const struct pkt *p)
{
	const uint16_t n = b->n++;

	b->m[n] = m;
	b->hot[n] = hot;
	b->job[n] = (struct crypto_job){
		.data = batch_ip(m) + p->l3_len,
		.key = &hot->shared,
		.icv = b->icv[n],
		.length = p->payload - ESP_ICV,
	};
}

/* What has no SA: a phone may have kept one that is gone here, of which its P-CSCF may want to hear. */
static __rte_noinline void drop_unfound(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	const struct pkt *p = pkt(m);

	if (reason == BGF_DROP_UNKNOWN_SPI)
		stray_note(w->strays, batch_ip(m), p->ipv6, p->ref);
	drop(w, m, reason);
}

/* What may be worth a hash. */
static void admit(struct worker *w, const struct batch *in, struct inbound *b)
{
	for (uint16_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->m[i];
		struct pkt *p = pkt(m);
		struct sa_hot *hot;
		enum bgf_drop reason = find_sa(w, p, &hot);
		if (unlikely(reason != DROP_NONE)) {
			drop_unfound(w, m, reason);
			continue;
		}
		if (w->count > 1 && hot->shared.owner != w->id) {
			handoff_owner(w, m, hot->shared.owner);
			continue;
		}
		reason = precheck(hot, batch_ip(m), p);
		if (likely(reason == DROP_NONE))
			add_job(b, hot, m, p);
		else
			drop_sa(w, m, reason);
	}
}

/* What must be read of a payload on a temporary set, and on one whose first use is watched for. */
static __rte_noinline enum bgf_drop check_sip(uint8_t flags, struct inner *inner)
{
	const uint8_t *data;
	const uint32_t length = l4_data(inner->l4, inner->payload, inner->proto, &data);

	inner->has_data = length > 0;
	inner->sip = sip_first(data, length);
	return (flags & SA_TEMPORARY) != 0 && inner->sip == SIP_REQUEST ? BGF_DROP_TEMPORARY : DROP_NONE;
}

/* What the plain packet is, and whether this SA may carry it. */
static inline enum bgf_drop check_inner(const struct sa_in *sa, uint8_t flags, uint16_t mtu,
					const uint8_t *esp, const struct pkt *p, struct inner *ret)
{
	ret->l4 = esp + ESP_HEADER;
	if (!esp_read_trailer(ret->l4, p->payload - ESP_HEADER - ESP_ICV, &ret->proto, &ret->payload))
		return BGF_DROP_PADDING;
	if (ret->proto == IP_NO_NEXT)
		return BGF_DROP_DUMMY;
	if (ret->proto != IP_UDP && ret->proto != IP_TCP)
		return BGF_DROP_NEXT_HEADER;
	if (!l4_sane(ret->l4, ret->payload, ret->proto))
		return BGF_DROP_L4_HEADER;
	if (l4_source(ret->l4) != sa->port_ue || l4_destination(ret->l4) != sa->port_local)
		return BGF_DROP_SELECTOR;
	/* No ICMP error: it would show in the clear what came in ESP. */
	if (p->l3_len + ret->payload > mtu)
		return BGF_DROP_TOO_BIG;
	return unlikely((flags & (SA_TEMPORARY | SA_WATCH_FIRST)) != 0) ? check_sip(flags, ret) : DROP_NONE;
}

/* Rule 20: the first good payload on a confirmed set that is not the REGISTER again. The flag goes before the
 * notice: the main lcore may read it at once, and takes a notice of a set that is still watched for a former
 * set's. A full ring puts the flag back, and the next packet asks again. */
static void watch_first_use(struct worker *w, struct sa_shared *shared, uint32_t slot,
			    const struct inner *inner)
{
	if (!inner->has_data || inner->sip == SIP_REGISTER)
		return;
	__atomic_fetch_and(&shared->flags, (uint8_t)~SA_WATCH_FIRST, __ATOMIC_RELEASE);
	if (!handoff_notice(w, slot))
		__atomic_fetch_or(&shared->flags, SA_WATCH_FIRST, __ATOMIC_RELEASE);
}

/* Takes ESP off in place: the IP header moves up to the payload. */
static inline void strip(struct rte_mbuf *m, struct pkt *p, const struct inner *inner)
{
	uint8_t *ip = batch_ip(m);

	ip_move(ip + ESP_HEADER, ip, p->ipv6);
	m->data_off += ESP_HEADER;
	m->data_len = (uint16_t)(ETH_HEADER + p->l3_len + inner->payload);
	m->pkt_len = m->data_len;
	p->payload = (uint16_t)inner->payload;
	p->proto = inner->proto;
	p->secured = 1;
	ip_rewrite(ip + ESP_HEADER, p->ipv6, p->payload, p->proto);
}

/* From the ICV on. The window is asked again when it is updated: two copies may be in one burst. */
static inline enum bgf_drop finish(const struct inbound *b, uint16_t i, bool done, uint8_t flags,
				   uint16_t mtu, struct inner *ret)
{
	const struct pkt *p = pkt(b->m[i]);
	const uint8_t *esp = b->job[i].data;
	struct sa_in *sa = sa_of(b->hot[i], p);

	if (!done)
		return BGF_DROP_CRYPTO;
	if (!crypto_icv_equal(b->icv[i], esp + b->job[i].length))
		return BGF_DROP_ICV;
	if (!replay_update(sa, p->seq))
		return BGF_DROP_REPLAY;
	const enum bgf_drop reason = check_inner(sa, flags, mtu, esp, p, ret);
	if (reason == DROP_NONE) {
		sa->packets++;
		sa->octets += p->l3_len + p->payload;
	}
	return reason;
}

static void finish_all(struct worker *w, const struct inbound *b, uint64_t done, struct batch *out)
{
	const uint16_t mtu = w->port[PORT_CORE]->mtu;

	for (uint16_t i = 0; i < b->n; i++, done >>= 1) {
		struct rte_mbuf *m = b->m[i];
		struct pkt *p = pkt(m);
		struct sa_shared *shared = &b->hot[i]->shared;
		const uint8_t flags = __atomic_load_n(&shared->flags, __ATOMIC_ACQUIRE);
		struct inner inner;
		const enum bgf_drop reason = finish(b, i, done & 1, flags, mtu, &inner);
		if (unlikely(reason != DROP_NONE)) {
			drop_sa(w, m, reason);
			continue;
		}
		if (unlikely((flags & SA_WATCH_FIRST) != 0))
			watch_first_use(w, shared, bgf_spi_slot(p->ref), &inner);
		strip(m, p, &inner);
		batch_add(out, m);
	}
}

void esp_in(struct worker *w, const struct batch *in, struct batch *out)
{
	struct inbound b;

	if (in->n == 0)
		return;
	b.n = 0;
	admit(w, in, &b);
	finish_all(w, &b, crypto_burst(w->crypto, b.job, b.n), out);
}
