/* SPDX-License-Identifier: BSD-3-Clause */
#include "esp_out.h"

#include <rte_prefetch.h>
#include <stddef.h>
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

static_assert((int)TUPLE_BURST >= (int)WORKER_BURST, "a burst is one look-up");

struct outbound {
	uint16_t n;
	struct rte_mbuf *m[WORKER_BURST];
	struct crypto_job job[WORKER_BURST];
};

/* Made of whole words: the hash reads words, and what was written in smaller pieces just before would have to
 * reach the cache first. */
static inline struct tuple_key key_of(const uint8_t *ip, const struct pkt *p)
{
	const uint8_t *l4 = ip + p->l3_len;
	uint64_t word[3] = {0, 0, 0};
	struct tuple_key key;

	if (p->ipv6)
		memcpy(word, ip_destination(ip, true), 16);
	else
		word[0] = ip_load32_raw(ip_destination(ip, false));
	word[2] = p->served | (uint64_t)l4_source(l4) << 16 | (uint64_t)l4_destination(l4) << 32 |
		  (uint64_t)p->ipv6 << 48;
	static_assert(sizeof(key) == sizeof(word) && offsetof(struct tuple_key, served) == 16 &&
			      offsetof(struct tuple_key, port_local) == 18 &&
			      offsetof(struct tuple_key, port_ue) == 20 &&
			      offsetof(struct tuple_key, ipv6) == 22,
		      "the third word, on a little-endian machine");
	memcpy(&key, word, sizeof(key));
	return key;
}

/* ESP is written in front of the frame and behind it: lines that nobody has read yet. */
static inline void fetch_ends(uint8_t *ip, const struct pkt *p)
{
	rte_prefetch0(ip - ETH_HEADER - ESP_HEADER);
	rte_prefetch0(ip + p->l3_len + p->payload);
}

/* Looks up the whole burst. What has no set is never sent in the clear; it may be for the port's own address.
 */
static void find_sas(struct worker *w, const struct batch *in, struct batch *found)
{
	struct tuple_key key[WORKER_BURST];
	uint32_t ref[WORKER_BURST];
	struct batch strays;

	strays.n = 0;
	for (uint16_t i = 0; i < in->n; i++) {
		uint8_t *ip = batch_ip(in->m[i]);
		key[i] = key_of(ip, pkt(in->m[i]));
		fetch_ends(ip, pkt(in->m[i]));
	}
	tuple_find_bulk(w->tuples, key, in->n, ref);
	for (uint16_t i = 0; i < in->n; i++) {
		const bool known = ref[i] != TUPLE_NONE;
		pkt(in->m[i])->ref = known ? ref[i] : (uint32_t)BGF_DROP_NO_SET;
		batch_add(known ? found : &strays, in->m[i]);
	}
	if (strays.n > 0)
		classify_strays(w, PORT_CORE, &strays);
}

/* Rule 16 holds for both directions. */
static inline bool temporary_allows(const struct sa_shared *shared, const uint8_t *l4, const struct pkt *p)
{
	const uint8_t *data;

	if ((__atomic_load_n(&shared->flags, __ATOMIC_ACQUIRE) & SA_TEMPORARY) == 0)
		return true;
	const uint32_t length = l4_data(l4, p->payload, p->proto, &data);
	return sip_first(data, length) != SIP_REQUEST;
}

static inline enum bgf_drop check(const struct worker *w, const struct sa_hot *hot, const struct rte_mbuf *m,
				  const struct pkt *p)
{
	const uint32_t behind = esp_length(p->payload) - ESP_HEADER - p->payload;

	if (!temporary_allows(&hot->shared, batch_ip(m) + p->l3_len, p))
		return BGF_DROP_TEMPORARY;
	if (p->l3_len + esp_length(p->payload) > w->port[PORT_ACCESS]->mtu)
		return BGF_DROP_TOO_BIG;
	if (rte_pktmbuf_headroom(m) < ESP_HEADER || rte_pktmbuf_tailroom(m) < behind)
		return BGF_DROP_HEADROOM;
	/* Nothing after the last number (RFC 4303 3.3.3). */
	return hot->out[p->ref & 1].last == UINT32_MAX ? BGF_DROP_SEQ_EXHAUSTED : DROP_NONE;
}

static void refuse(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	const struct pkt *p = pkt(m);

	if (reason == BGF_DROP_TOO_BIG)
		handoff_too_big(
			w, m, (uint16_t)(p->l3_len + esp_payload_max(w->port[PORT_ACCESS]->mtu - p->l3_len)));
	else
		drop_of_set(w, m, reason, p->ref >> 1);
}

/* The sequence number is in the store before its packet can leave, so that no crash sends one twice. */
static uint32_t take_sequence(struct sa_out *sa)
{
	const uint32_t seq = sa->last + 1;
	__atomic_store_n(&sa->last, seq, __ATOMIC_RELEASE);
	return seq;
}

/* Puts ESP on in place, all but the ICV: the IP header moves down, away from the payload. */
static inline void wrap(struct outbound *b, struct rte_mbuf *m, struct pkt *p, struct sa_hot *hot)
{
	struct sa_out *sa = &hot->out[p->ref & 1];
	uint8_t *ip = batch_ip(m) - ESP_HEADER;
	uint8_t *esp = ip + p->l3_len, *end = esp + ESP_HEADER + p->payload;
	const uint32_t trailer = esp_write_trailer(end, p->payload, p->proto);

	ip_move(ip, ip + ESP_HEADER, p->ipv6);
	m->data_off -= ESP_HEADER;
	m->data_len = (uint16_t)(m->data_len + ESP_HEADER + trailer + ESP_ICV);
	m->pkt_len = m->data_len;
	p->seq = take_sequence(sa);
	esp_write_header(esp, sa->spi, p->seq);
	const uint16_t n = b->n++;
	b->m[n] = m;
	b->job[n] = (struct crypto_job){
		.data = esp,
		.key = &hot->shared,
		.icv = end + trailer,
		.length = ESP_HEADER + p->payload + trailer,
	};
	p->payload = (uint16_t)esp_length(p->payload);
	p->proto = IP_ESP;
	p->secured = 1;
	ip_rewrite(ip, p->ipv6, p->payload, IP_ESP);
	sa->packets++;
	sa->octets += p->l3_len + p->payload;
}

static void wrap_all(struct worker *w, const struct batch *found, struct outbound *b)
{
	for (uint16_t i = 0; i < found->n; i++) {
		struct rte_mbuf *m = found->m[i];
		struct pkt *p = pkt(m);
		struct sa_hot *hot = &w->hot[p->ref >> 1];
		if (w->count > 1 && hot->shared.owner != w->id) {
			handoff_owner(w, m, hot->shared.owner);
			continue;
		}
		const enum bgf_drop reason = check(w, hot, m, p);
		if (reason != DROP_NONE)
			refuse(w, m, reason);
		else
			wrap(b, m, p, hot);
	}
}

void esp_out(struct worker *w, const struct batch *in, struct batch *out)
{
	struct batch found;
	struct outbound b;

	if (in->n == 0)
		return;
	found.n = b.n = 0;
	find_sas(w, in, &found);
	wrap_all(w, &found, &b);
	const uint64_t done = crypto_burst(w->crypto, b.job, b.n);
	for (uint16_t i = 0; i < b.n; i++) {
		if ((done >> i & 1) != 0)
			batch_add(out, b.m[i]);
		else
			drop_of_set(w, b.m[i], BGF_DROP_CRYPTO, pkt(b.m[i])->ref >> 1);
	}
}
