/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink.h"

#include <string.h>

#include <rte_mbuf.h>

#include "hmac.h"
#include "source.h"

static const uint8_t *ip_of(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const uint8_t *, SOURCE_ETHERNET);
}

static uint32_t available(const struct rte_mbuf *m)
{
	return m->data_len > SOURCE_ETHERNET ? m->data_len - (uint32_t)SOURCE_ETHERNET : 0;
}

/* Whether its number is higher than the last one's; remembers it. */
static bool rises(uint32_t *last, uint32_t sequence)
{
	if (sequence <= *last)
		return false;
	*last = sequence;
	return true;
}

static void count(struct sink *s, enum way way, enum packet_fault fault, const struct packet *p, uint64_t now)
{
	struct tally *t = &s->counts->way[way];

	if (fault == PACKET_NONE && p->bad != 0)
		fault = PACKET_BAD_PASSED;
	t->result[fault]++;
	if (fault != PACKET_NONE)
		return;
	t->octets_received += p->length;
	histogram_add(&t->latency, now > p->time ? (uint64_t)((double)(now - p->time) * s->ns_per_cycle) : 0);
}

/* The order of what came good otherwise; the other trial's packets must keep it too. */
static enum packet_fault order(const struct sink *s, const struct packet *p)
{
	struct receipt *r = &s->fleet->receipt[p->phone];
	uint32_t *last = p->way == WAY_UP ? &r->up[p->which] : &r->down[p->which];

	if (!rises(last, p->sequence))
		return PACKET_REPEATED;
	return p->trial == s->trial ? PACKET_NONE : PACKET_STALE;
}

void sink_core(struct sink *s, struct rte_mbuf *const *m, unsigned n, uint64_t now)
{
	enum packet_fault fault[HMAC_BURST];
	struct packet p[HMAC_BURST];

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(ip_of(m[i]));
	for (unsigned i = 0; i < n; i++) {
		fault[i] = packet_read_plain(&s->fleet->plan, ip_of(m[i]), available(m[i]), WAY_UP, &p[i]);
		if (fault[i] == PACKET_NONE)
			rte_prefetch0(&s->fleet->receipt[p[i].phone]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (fault[i] == PACKET_NONE)
			fault[i] = order(s, &p[i]);
		count(s, WAY_UP, fault[i], &p[i], now);
	}
}

/* In the clear at the access side: what we sent from the core must never be seen there. */
static enum packet_fault clear_at_access(const struct sink *s, const struct rte_mbuf *m)
{
	struct packet p;
	const enum packet_fault fault =
		packet_read_plain(&s->fleet->plan, ip_of(m), available(m), WAY_DOWN, &p);
	return fault == PACKET_FOREIGN || fault == PACKET_IP ? PACKET_FOREIGN : PACKET_CLEAR;
}

/* A burst of ESP on its way through the checks. */
struct sealed {
	struct packet_sealed packet[HMAC_BURST];
	uint8_t icv[HMAC_BURST][HMAC_ICV];
	bool checked[HMAC_BURST];
	unsigned n;
};

static void open_all(struct sink *s, struct rte_mbuf *const *m, unsigned n, struct sealed *b)
{
	b->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct packet_sealed *p = &b->packet[b->n];
		enum packet_fault fault = packet_read_esp(&s->fleet->plan, ip_of(m[i]), available(m[i]), p);
		if (fault == PACKET_CLEAR)
			fault = clear_at_access(s, m[i]);
		if (fault != PACKET_NONE) {
			count(s, WAY_DOWN, fault, NULL, 0);
			continue;
		}
		rte_prefetch0(&s->fleet->phone[p->phone]);
		rte_prefetch0(&s->fleet->receipt[p->phone]);
		b->n++;
	}
}

static void hash_all(struct sink *s, struct sealed *b)
{
	struct hmac_job job[HMAC_BURST];
	unsigned jobs = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct packet_sealed *p = &b->packet[i];
		b->checked[i] = ++s->icv_turn >= s->icv_every;
		if (!b->checked[i])
			continue;
		s->icv_turn = 0;
		job[jobs++] = (struct hmac_job){.data = p->esp,
						.key = &s->fleet->phone[p->phone].key,
						.icv = b->icv[i],
						.length = (uint32_t)p->length - HMAC_ICV};
	}
	if (!hmac_burst(s->hmac, job, jobs))
		s->counts->hash_failed++;
}

static enum packet_fault finish(struct sink *s, const struct sealed *b, unsigned i, struct packet *ret)
{
	const struct packet_sealed *p = &b->packet[i];
	uint32_t *last = &s->fleet->receipt[p->phone].esp[p->which];

	if (b->checked[i] && memcmp(b->icv[i], p->esp + p->length - HMAC_ICV, HMAC_ICV) != 0)
		return PACKET_ICV;
	if (!rises(last, p->sequence))
		return PACKET_SEQUENCE;
	const enum packet_fault fault = packet_unseal(&s->fleet->plan, p, ret);
	return fault == PACKET_NONE ? order(s, ret) : fault;
}

void sink_access(struct sink *s, struct rte_mbuf *const *m, unsigned n, uint64_t now)
{
	struct sealed b;
	struct packet p;

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(ip_of(m[i]));
	open_all(s, m, n, &b);
	hash_all(s, &b);
	for (unsigned i = 0; i < b.n; i++) {
		const enum packet_fault fault = finish(s, &b, i, &p);
		count(s, WAY_DOWN, fault, &p, now);
	}
}
