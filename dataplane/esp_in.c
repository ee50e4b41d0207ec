/* SPDX-License-Identifier: BSD-3-Clause */
#include "esp_in.h"

#include <rte_prefetch.h>
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

static_assert((int)CRYPTO_BURST >= (int)WORKER_BURST && (int)CRYPTO_ICV == (int)ESP_ICV,
	      "a burst is one job");

/* What got as far as the crypto. */
struct inbound {
	uint16_t n;
	struct rte_mbuf *m[WORKER_BURST];
	struct crypto_job job[WORKER_BURST];
	uint8_t icv[WORKER_BURST][ESP_ICV];
};

/* What came behind ESP's header, once the trailer is read. */
struct inner {
	const uint8_t *l4;
	uint32_t payload;
	uint8_t proto;
	enum sip_first sip; /* SIP_UNREADABLE, unless somebody needs to know */
	bool has_data;
};

static struct sa_hot *hot_of(const struct worker *w, const struct pkt *p)
{
	return &w->hot[bgf_spi_slot(p->ref)];
}

static struct sa_in *sa_of(const struct worker *w, const struct pkt *p)
{
	return &hot_of(w, p)->in[bgf_spi_which(p->ref)];
}

static void drop_sa(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	drop_of_set(w, m, reason, bgf_spi_slot(pkt(m)->ref));
}

/* First pass: the SPIs of the whole burst, and their SAs on the way into the cache. */
static void find_sas(struct worker *w, const struct batch *in, struct batch *found)
{
	for (uint16_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->m[i];
		struct pkt *p = pkt(m);
		if (p->payload < sizeof(uint32_t)) {
			drop(w, m, BGF_DROP_ESP_LENGTH);
			continue;
		}
		p->ref = esp_spi(batch_ip(m) + p->l3_len);
		if (p->ref <= ESP_SPI_RESERVED) {
			drop(w, m, BGF_DROP_SPI_RESERVED);
		} else if (bgf_spi_slot(p->ref) >= w->capacity) {
			drop(w, m, BGF_DROP_UNKNOWN_SPI);
		} else {
			rte_prefetch0(&hot_of(w, p)->shared);
			rte_prefetch0(sa_of(w, p));
			batch_add(found, m);
		}
	}
}

static bool addresses_match(const struct sa_shared *shared, const struct rte_mbuf *m, const struct pkt *p)
{
	const bool ipv6 = (shared->flags & SA_IPV6) != 0;
	return ipv6 == p->ipv6 && shared->served == p->served &&
	       memcmp(ip_source(batch_ip(m), ipv6), shared->ue, ipv6 ? 16 : 4) == 0;
}

/* The cheap checks, before any crypto; the SA is known. */
static enum bgf_drop precheck(const struct worker *w, const struct rte_mbuf *m, struct pkt *p)
{
	if (!addresses_match(&hot_of(w, p)->shared, m, p))
		return BGF_DROP_SA_ADDRESS;
	if (!esp_length_sane(p->payload))
		return BGF_DROP_ESP_LENGTH;
	p->seq = esp_sequence(batch_ip(m) + p->l3_len);
	if (p->seq == 0)
		return BGF_DROP_SEQ_ZERO;
	return replay_check(sa_of(w, p), p->seq) ? DROP_NONE : BGF_DROP_REPLAY;
}

static void add_job(struct inbound *b, const struct sa_shared *key, struct rte_mbuf *m)
{
	const struct pkt *p = pkt(m);

	b->job[b->n] = (struct crypto_job){
		.data = batch_ip(m) + p->l3_len,
		.key = key,
		.icv = b->icv[b->n],
		.length = p->payload - ESP_ICV,
	};
	b->m[b->n++] = m;
}

/* Second pass: what may be worth a hash. */
static void admit(struct worker *w, const struct batch *found, struct inbound *b)
{
	for (uint16_t i = 0; i < found->n; i++) {
		struct rte_mbuf *m = found->m[i];
		struct pkt *p = pkt(m);
		const struct sa_shared *shared = &hot_of(w, p)->shared;
		if (__atomic_load_n(&sa_of(w, p)->spi, __ATOMIC_ACQUIRE) != p->ref) {
			drop(w, m, BGF_DROP_UNKNOWN_SPI);
			continue;
		}
		if (w->count > 1 && shared->owner != w->id) {
			handoff_owner(w, m, shared->owner);
			continue;
		}
		const enum bgf_drop reason = precheck(w, m, p);
		if (reason != DROP_NONE)
			drop_sa(w, m, reason);
		else
			add_job(b, shared, m);
	}
}

/* What the plain packet is, and whether this SA may carry it. */
static enum bgf_drop check_inner(const struct worker *w, const struct rte_mbuf *m, const struct pkt *p,
				 struct inner *ret)
{
	const struct sa_in *sa = sa_of(w, p);
	const uint8_t flags = __atomic_load_n(&hot_of(w, p)->shared.flags, __ATOMIC_ACQUIRE);
	const uint8_t *data;

	ret->l4 = batch_ip(m) + p->l3_len + ESP_HEADER;
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
	if (p->l3_len + ret->payload > w->port[PORT_CORE]->mtu)
		return BGF_DROP_TOO_BIG;
	if ((flags & (SA_TEMPORARY | SA_WATCH_FIRST)) == 0)
		return DROP_NONE;
	const uint32_t length = l4_data(ret->l4, ret->payload, ret->proto, &data);
	ret->has_data = length > 0;
	ret->sip = sip_first(data, length);
	return (flags & SA_TEMPORARY) != 0 && ret->sip == SIP_REQUEST ? BGF_DROP_TEMPORARY : DROP_NONE;
}

/* Rule 20: the first good payload on a confirmed set that is not the REGISTER again. A full ring leaves the
 * flag, and the next packet asks again. */
static void watch_first_use(struct worker *w, const struct pkt *p, const struct inner *inner)
{
	struct sa_shared *shared = &hot_of(w, p)->shared;

	if ((shared->flags & SA_WATCH_FIRST) == 0 || !inner->has_data || inner->sip == SIP_REGISTER)
		return;
	if (handoff_notice(w, bgf_spi_slot(p->ref)))
		__atomic_fetch_and(&shared->flags, (uint8_t)~SA_WATCH_FIRST, __ATOMIC_RELEASE);
}

/* Takes ESP off in place: the IP header moves up to the payload. */
static void strip(struct rte_mbuf *m, struct pkt *p, const struct inner *inner)
{
	uint8_t *ip = batch_ip(m);

	if (p->ipv6)
		memmove(ip + ESP_HEADER, ip, IPV6_HEADER);
	else
		memmove(ip + ESP_HEADER, ip, IPV4_HEADER);
	rte_pktmbuf_adj(m, ESP_HEADER);
	rte_pktmbuf_trim(m, (uint16_t)(p->payload - ESP_HEADER - inner->payload));
	p->payload = (uint16_t)inner->payload;
	p->proto = inner->proto;
	p->secured = 1;
	ip_rewrite(batch_ip(m), p->ipv6, p->payload, p->proto);
}

/* From the ICV on; icv is what was computed, NULL where the crypto did not finish. The window is asked again
 * when it is updated: two copies may be in one burst. */
static void finish(struct worker *w, struct rte_mbuf *m, const uint8_t *icv, struct batch *out)
{
	struct pkt *p = pkt(m);
	struct sa_in *sa = sa_of(w, p);
	struct inner inner = {.sip = SIP_UNREADABLE};
	enum bgf_drop reason;

	if (icv == NULL)
		reason = BGF_DROP_CRYPTO;
	else if (!crypto_icv_equal(icv, batch_ip(m) + p->l3_len + p->payload - ESP_ICV))
		reason = BGF_DROP_ICV;
	else if (!replay_update(sa, p->seq))
		reason = BGF_DROP_REPLAY;
	else
		reason = check_inner(w, m, p, &inner);
	if (reason != DROP_NONE) {
		drop_sa(w, m, reason);
		return;
	}
	sa->packets++;
	sa->octets += p->l3_len + p->payload;
	watch_first_use(w, p, &inner);
	strip(m, p, &inner);
	batch_add(out, m);
}

void esp_in(struct worker *w, const struct batch *in, struct batch *out)
{
	struct batch found = {.n = 0};
	struct inbound b;

	b.n = 0;
	find_sas(w, in, &found);
	admit(w, &found, &b);
	const uint64_t done = crypto_burst(w->crypto, b.job, b.n);
	for (uint16_t i = 0; i < b.n; i++)
		finish(w, b.m[i], (done >> i & 1) != 0 ? b.icv[i] : NULL, out);
}
