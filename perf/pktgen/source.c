/* SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

enum { OTHER_GENERATION = 1 << 23, SPI_RESERVED = 255 };

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		const uint32_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

void source_init(struct source *s)
{
	const uint32_t count = s->fleet->plan.count;

	s->draw = 0x9e3779b97f4a7c15;
	s->stride = (uint32_t)(count * 0.6180339887) | 1;
	while (gcd(s->stride, count) != 1)
		s->stride++;
	for (int way = 0; way < WAYS; way++)
		s->round[way] = (struct round){.left = count};
}

static uint64_t draw(struct source *s)
{
	s->draw ^= s->draw << 13;
	s->draw ^= s->draw >> 7;
	s->draw ^= s->draw << 17;
	return s->draw;
}

/* The next phone of a way's round, and its pair. */
static uint32_t next_phone(struct source *s, enum way way, uint8_t *ret_which)
{
	const uint32_t count = s->fleet->plan.count;
	struct round *r = &s->round[way];
	const uint32_t phone = r->at;

	*ret_which = r->which;
	r->at = (uint32_t)(((uint64_t)r->at + s->stride) % count);
	if (--r->left == 0) {
		r->left = count;
		r->which ^= 1;
	}
	return phone;
}

/* An SPI of the same slot and another generation: of no SA. */
static uint32_t unknown_spi(uint32_t spi)
{
	spi += OTHER_GENERATION;
	return spi > SPI_RESERVED ? spi : spi + OTHER_GENERATION;
}

static uint8_t *frame_begin(const struct source *s, enum way way, bool ipv6, struct rte_mbuf *m)
{
	static const uint8_t type[2][2] = {{0x08, 0x00}, {0x86, 0xdd}};
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(frame, s->mac[way], 12);
	memcpy(frame + 12, type[ipv6], 2);
	return frame + SOURCE_ETHERNET;
}

static void frame_end(struct rte_mbuf *m, uint16_t length)
{
	m->data_len = (uint16_t)(SOURCE_ETHERNET + length);
	m->pkt_len = m->data_len;
}

/* What all packets have in common: a draw decides their length and protocol. */
static struct packet begin(struct source *s, enum way way, uint32_t phone, uint8_t which, uint64_t random)
{
	const struct load_sizes *sizes = &s->load->sizes;

	return (struct packet){
		.phone = phone,
		.trial = s->trial,
		.time = rte_rdtsc(),
		.length = sizes->length[(random >> 20 & 0xffff) * sizes->slots >> 16],
		.proto = (random >> 36 & (LOAD_SHARE - 1)) < s->load->tcp_share ? PACKET_TCP : PACKET_UDP,
		.which = which,
		.way = way,
	};
}

/* What a phone has not sent yet cannot be replayed. */
static enum load_kind kind_of(const struct source *s, uint64_t random, const struct phone *phone,
			      unsigned which)
{
	const enum load_kind kind = load_kind_drawn(s->load, (uint32_t)random & (LOAD_SHARE - 1));
	return kind == LOAD_REPLAYED && phone->sent[which] == 0 ? LOAD_GOOD : kind;
}

/* One packet of a phone. Adds its job; of an LOAD_CLEAR one there is none. */
static uint16_t make_up(struct source *s, struct packet *p, enum load_kind kind, uint8_t *ip,
			struct hmac_job *job)
{
	struct phone *phone = &s->fleet->phone[p->phone];
	uint32_t spi = phone->spi[p->which];
	uint16_t esp;

	p->bad = kind;
	p->sequence = phone->sent[p->which] + (kind != LOAD_REPLAYED);
	if (kind == LOAD_GOOD)
		phone->sent[p->which] = p->sequence;
	if (kind == LOAD_CLEAR)
		return packet_plain(&s->fleet->plan, p, ip);
	if (kind == LOAD_UNKNOWN)
		spi = unknown_spi(spi);
	const uint16_t length = packet_esp(&s->fleet->plan, p, spi, p->sequence, ip, &esp);
	*job = (struct hmac_job){.data = ip + esp,
				 .key = &phone->key,
				 .icv = ip + length - HMAC_ICV,
				 .length = (uint32_t)length - esp - HMAC_ICV};
	return length;
}

static void make_all_up(struct source *s, const uint32_t *phone, const uint8_t *which, struct made *ret)
{
	struct hmac_job job[SOURCE_BURST];
	unsigned jobs = 0;

	for (unsigned i = 0; i < ret->n; i++) {
		const uint64_t random = draw(s);
		const enum load_kind kind = kind_of(s, random, &s->fleet->phone[phone[i]], which[i]);
		struct packet p = begin(s, WAY_UP, phone[i], which[i], random);
		uint8_t *ip = frame_begin(s, WAY_UP, fleet_is_ipv6(&s->fleet->plan, phone[i]), ret->m[i]);
		ret->kind[i] = (uint8_t)kind;
		ret->length[i] = make_up(s, &p, kind, ip, &job[jobs]);
		jobs += kind != LOAD_CLEAR;
		frame_end(ret->m[i], ret->length[i]);
	}
	hmac_burst(s->hmac, job, jobs);
	for (unsigned i = 0; i < ret->n; i++)
		if (ret->kind[i] == LOAD_FORGED)
			*rte_pktmbuf_mtod_offset(ret->m[i], uint8_t *, ret->m[i]->data_len - 1) ^= 1;
}

static void make_all_down(struct source *s, const uint32_t *phone, const uint8_t *which, struct made *ret)
{
	for (unsigned i = 0; i < ret->n; i++) {
		struct packet p = begin(s, WAY_DOWN, phone[i], which[i], draw(s));
		uint8_t *ip = frame_begin(s, WAY_DOWN, fleet_is_ipv6(&s->fleet->plan, phone[i]), ret->m[i]);
		p.sequence = ++s->fleet->receipt[phone[i]].sent[which[i]];
		ret->kind[i] = LOAD_GOOD;
		ret->length[i] = packet_plain(&s->fleet->plan, &p, ip);
		frame_end(ret->m[i], ret->length[i]);
	}
}

void source_make(struct source *s, enum way way, unsigned n, struct made *ret)
{
	uint32_t phone[SOURCE_BURST];
	uint8_t which[SOURCE_BURST];

	ret->n = ret->sent = 0;
	if (n == 0 || rte_pktmbuf_alloc_bulk(s->pool, ret->m, n) != 0)
		return;
	ret->n = n;
	for (unsigned i = 0; i < n; i++) {
		phone[i] = next_phone(s, way, &which[i]);
		rte_prefetch0(way == WAY_UP ? (void *)&s->fleet->phone[phone[i]]
					    : (void *)&s->fleet->receipt[phone[i]]);
	}
	if (way == WAY_UP)
		make_all_up(s, phone, which, ret);
	else
		make_all_down(s, phone, which, ret);
}
