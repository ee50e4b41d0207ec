/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Outbound ESP: what a P-CSCF sends from a protected port leaves in an SA, or not at all. The worker only.
 */
#ifndef BGF_DP_ESP_OUT_H
#define BGF_DP_ESP_OUT_H

#include "batch.h"
#include "esp.h"
#include "pkt.h"
#include "tuple.h"

/* Lines come 100 ns after they are asked for: as long as classify looks at a few packets. */
enum { ESP_OUT_LEAD = 12 };

/* The first step, as soon as it is known that a packet from a protected port is sane: the hash of its tuple,
 * kept in its metadata, and the table's bucket on its way into the cache. */
static __rte_always_inline void esp_out_fetch(const struct worker *w, const uint8_t *ip, bool ipv6,
					      struct pkt *p)
{
	const uint8_t *l4 = ip + p->l3_len, *ue = ip_destination(ip, ipv6);
	struct tuple_words key = {{0}};

	if (ipv6)
		memcpy(key.word, ue, 16);
	else
		key.word[0] = ip_load32_raw(ue);
	key.word[2] = p->served | (uint64_t)ip_load32_raw(l4) << 16 | (uint64_t)ipv6 << 48;
	static_assert(
		offsetof(struct tuple_key, served) == 16 && offsetof(struct tuple_key, port_local) == 18 &&
			offsetof(struct tuple_key, port_ue) == 20 && offsetof(struct tuple_key, ipv6) == 22,
		"the third word, on a little-endian machine, with both ports as in the packet");
	const struct tuple_place place = tuple_place(w->tuples, key);
	tuple_fetch(w->tuples, place.bucket);
	p->ref = place.bucket;
	p->seq = place.tag;
}

/* The second step: reads the bucket; the SA that it leads to is on its way into the cache. */
static inline void esp_out_lead(const struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt(m);

	p->ref = tuple_candidate(w->tuples, (struct tuple_place){p->ref, (uint16_t)p->seq});
}

/* Adds a packet whose first step is taken to those for esp_out, and takes the second step of one that was
 * added before. In loops of their own these steps filled the processor's buffers for misses, and waited. */
static __rte_always_inline void esp_out_add(const struct worker *w, struct batch *b, struct rte_mbuf *m)
{
	if (b->n >= ESP_OUT_LEAD)
		esp_out_lead(w, b->m[b->n - ESP_OUT_LEAD]);
	batch_add(b, m);
}

/* Takes UDP and TCP from protected ports of served addresses, added by esp_out_add; adds to `out` what is in
 * ESP now, ready to be forwarded. */
void esp_out(struct worker *w, const struct batch *in, struct batch *out);

#endif
