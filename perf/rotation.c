/* SPDX-License-Identifier: BSD-3-Clause */
#include "rotation.h"

#include <arpa/inet.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_random.h>

enum {
	ETH = 14,
	V4 = 20,
	V6 = 40,
	UDP = 8,
	TCP = 20,
	ESP = 8,
	PROTO_ESP = 50,
	PROTO_TCP = 6,
	PROTO_UDP = 17
};
enum { SHARES = 20 };

/* IMIX: lengths of IP packets, one entry for every 5 %. */
static const uint16_t imix[SHARES] = {120, 120, 120, 120, 480, 480, 480, 480,  480,  480,
				      900, 900, 900, 900, 900, 900, 900, 1360, 1360, 1360};

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* The exact shares over all buffers, in random order. */
static void draw_lengths(struct rotation *r)
{
	double sum = 0;

	for (uint32_t i = 0; i < r->args.buffers; i++)
		r->length[i] = r->args.length != 0 ? r->args.length : imix[i % SHARES];
	for (uint32_t i = r->args.buffers; i > 1; i--) {
		const uint32_t j = (uint32_t)rte_rand_max(i);
		const uint16_t length = r->length[j];
		r->length[j] = r->length[i - 1];
		r->length[i - 1] = length;
	}
	for (uint32_t i = 0; i < r->args.buffers; i++)
		sum += r->length[i];
	r->mean_length = sum / r->args.buffers;
}

static void make_template(struct rotation *r)
{
	const struct rotation_args *a = &r->args;
	uint8_t *eth = r->template, *ip = eth + ETH, *l4 = ip + r->l3_len;

	memcpy(eth, field_port(a->inbound ? PORT_ACCESS : PORT_CORE)->mac, 6);
	memcpy(eth + 6, (uint8_t[6]){0x02, 0, 0, 0, 0x45, 1}, 6);
	put16(eth + 12, a->ipv6 ? 0x86dd : 0x0800);
	if (a->ipv6) {
		ip[0] = 0x60;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		ip[6] = 0x40; /* DF */
		ip[8] = 64;
	}
	if (a->tcp) {
		l4[12] = 5 << 4;
		l4[13] = 0x18; /* PSH, ACK */
	}
}

static uint16_t checksum(const uint8_t *p, unsigned n)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static struct rotation *allocate(const struct rotation_args *args)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->args = *args;
	r->m = calloc(args->buffers, sizeof(*r->m));
	r->sent = calloc(args->buffers, sizeof(*r->sent));
	r->packet = calloc(args->buffers, sizeof(*r->packet));
	r->length = calloc(args->buffers, sizeof(*r->length));
	r->manager = alloc_mb_mgr(0);
	r->l3_len = args->ipv6 ? V6 : V4;
	r->l4_len = args->tcp ? TCP : UDP;
	return r;
}

struct rotation *rotation_new(const struct rotation_args *args)
{
	struct rotation *r = allocate(args);

	if (r == NULL)
		return NULL;
	if (r->m == NULL || r->sent == NULL || r->packet == NULL || r->length == NULL || r->manager == NULL ||
	    rte_pktmbuf_alloc_bulk(field_pool(), r->m, args->buffers) != 0) {
		args = NULL;
		free(r->m);
		r->m = NULL;
		rotation_free(r);
		return NULL;
	}
	init_mb_mgr_auto(r->manager, NULL);
	draw_lengths(r);
	make_template(r);
	for (uint32_t i = 0; i < args->buffers; i++) {
		uint8_t *octet = rte_pktmbuf_mtod(r->m[i], uint8_t *);
		for (uint32_t n = 0; n < 1500; n++)
			octet[n] = (uint8_t)rte_rand();
	}
	return r;
}

void rotation_free(struct rotation *r)
{
	if (r == NULL)
		return;
	if (r->m != NULL)
		rte_pktmbuf_free_bulk(r->m, r->args.buffers);
	if (r->manager != NULL)
		free_mb_mgr(r->manager);
	free(r->m);
	free(r->sent);
	free(r->packet);
	free(r->length);
	free(r);
}

static void write_addresses(const struct rotation *r, uint8_t *ip, uint32_t ue)
{
	uint8_t of_ue[16], served[16];
	const unsigned length = r->args.ipv6 ? 16 : 4;
	uint8_t *src = ip + (r->args.ipv6 ? 8 : 12);

	field_ue_address(ue, r->args.ipv6, of_ue);
	field_served_address(r->args.ipv6, served);
	memcpy(src, r->args.inbound ? of_ue : served, length);
	memcpy(src + length, r->args.inbound ? served : of_ue, length);
}

static void write_ip(const struct rotation *r, uint8_t *ip, uint32_t ue, uint32_t payload, uint8_t proto)
{
	memcpy(ip, r->template + ETH, r->l3_len);
	write_addresses(r, ip, ue);
	if (r->args.ipv6) {
		put16(ip + 4, payload);
		ip[6] = proto;
		return;
	}
	put16(ip + 2, V4 + payload);
	ip[9] = proto;
	put16(ip + 10, 0);
	put16(ip + 10, checksum(ip, V4));
}

static void write_l4(const struct rotation *r, uint8_t *l4, uint32_t ue, uint32_t length)
{
	const uint16_t of_ue = ue % 2 == 0 ? FIELD_UC : FIELD_US,
		       of_served = ue % 2 == 0 ? FIELD_PS : FIELD_PC;

	memcpy(l4, r->template + ETH + r->l3_len, r->l4_len);
	put16(l4, r->args.inbound ? of_ue : of_served);
	put16(l4 + 2, r->args.inbound ? of_served : of_ue);
	if (!r->args.tcp)
		put16(l4 + 4, length);
}

static uint32_t padding_of(uint32_t payload)
{
	return (4 - (payload + 2) % 4) % 4;
}

/* What follows the payload, without the ICV. */
static uint32_t write_trailer(uint8_t *end, uint32_t payload, uint8_t proto)
{
	const uint32_t padding = padding_of(payload);

	for (uint32_t i = 0; i < padding; i++)
		end[i] = (uint8_t)(i + 1);
	end[padding] = (uint8_t)padding;
	end[padding + 1] = proto;
	return padding + 2;
}

/* An ESP packet, all but its ICV. */
static void write_esp(const struct rotation *r, struct rotation_packet *p, struct field_ue *ue, uint8_t *ip,
		      uint32_t payload)
{
	uint8_t *esp = ip + r->l3_len, *l4 = esp + ESP;
	const uint32_t spi = htonl(ue->spi_in), sequence = htonl(++ue->sequence);
	const uint32_t trailer = write_trailer(l4 + payload, payload, r->args.tcp ? PROTO_TCP : PROTO_UDP);

	write_ip(r, ip, p->ue, ESP + payload + trailer + ROTATION_ICV, PROTO_ESP);
	memcpy(esp, &spi, sizeof(spi));
	memcpy(esp + 4, &sequence, sizeof(sequence));
	write_l4(r, l4, p->ue, payload);
	p->hash = esp;
	p->hash_length = ESP + payload + trailer;
	p->icv = l4 + payload + trailer;
}

/* A plain packet. The references hash as many octets as ESP will have. */
static void write_plain(const struct rotation *r, struct rotation_packet *p, uint8_t *ip, uint32_t payload)
{
	uint8_t *l4 = ip + r->l3_len;

	write_ip(r, ip, p->ue, payload, r->args.tcp ? PROTO_TCP : PROTO_UDP);
	write_l4(r, l4, p->ue, payload);
	p->hash = l4 - ESP;
	p->hash_length = ESP + payload + padding_of(payload) + 2;
	p->icv = p->hash + p->hash_length;
}

static void write_packet(struct rotation *r, struct field *f, uint32_t i, uint32_t ue)
{
	struct rte_mbuf *m = r->m[i];
	struct rotation_packet *p = &r->packet[i];
	const uint32_t payload = r->length[i] - r->l3_len;

	rte_pktmbuf_reset(m);
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *), *ip = eth + ETH;
	p->ue = ue;
	memcpy(eth, r->template, ETH);
	if (r->args.inbound)
		write_esp(r, p, &f->ue[ue], ip, payload);
	else
		write_plain(r, p, ip, payload);
	const uint32_t end =
		r->args.inbound ? (uint32_t)(p->icv + ROTATION_ICV - eth) : (uint32_t)ETH + r->length[i];
	m->data_len = (uint16_t)end;
	m->pkt_len = end;
}

/* ICVs of n packets. Outbound packets get theirs too, into thin air: the payload is then as warm in the cache
 * as it is inbound. */
static void sign(struct rotation *r, const struct field *f, uint32_t at, uint32_t n)
{
	static __thread uint8_t unused[64][ROTATION_ICV];
	IMB_JOB job[64];

	memset(job, 0, sizeof(job));
	for (uint32_t i = 0; i < n; i++) {
		const struct rotation_packet *p = &r->packet[at + i];
		const struct field_ue *ue = &f->ue[p->ue];
		job[i] = (IMB_JOB){.cipher_mode = IMB_CIPHER_NULL,
				   .hash_alg = IMB_AUTH_HMAC_SHA_1,
				   .src = p->hash,
				   .msg_len_to_hash_in_bytes = p->hash_length,
				   .auth_tag_output = r->args.inbound ? p->icv : unused[i],
				   .auth_tag_output_len_in_bytes = ROTATION_ICV,
				   .u.HMAC._hashed_auth_key_xor_ipad = ue->inner,
				   .u.HMAC._hashed_auth_key_xor_opad = ue->outer};
	}
	IMB_SUBMIT_HASH_BURST(r->manager, job, n, IMB_AUTH_HMAC_SHA_1);
}

void rotation_prepare(struct rotation *r, struct field *f, const struct walk *walk, uint64_t at)
{
	for (uint32_t i = 0; i < r->args.buffers; i++)
		write_packet(r, f, i, walk->ue[(at + i) % walk->count]);
	for (uint32_t i = 0; i < r->args.buffers; i += 64)
		sign(r, f, i, RTE_MIN(64u, r->args.buffers - i));
}

/* The ICV of what was sent, under the key that the packet should have. */
static bool icv_is_right(const struct rotation *r, const struct field *f, uint32_t i, const uint8_t *esp,
			 uint32_t length)
{
	const struct field_ue *ue = &f->ue[r->packet[i].ue];
	uint8_t icv[ROTATION_ICV] = {0};
	IMB_JOB job = {.cipher_mode = IMB_CIPHER_NULL,
		       .hash_alg = IMB_AUTH_HMAC_SHA_1,
		       .src = esp,
		       .msg_len_to_hash_in_bytes = length - ROTATION_ICV,
		       .auth_tag_output = icv,
		       .auth_tag_output_len_in_bytes = ROTATION_ICV,
		       .u.HMAC._hashed_auth_key_xor_ipad = ue->inner,
		       .u.HMAC._hashed_auth_key_xor_opad = ue->outer};

	IMB_SUBMIT_HASH_BURST(r->manager, &job, 1, IMB_AUTH_HMAC_SHA_1);
	return memcmp(icv, esp + length - ROTATION_ICV, ROTATION_ICV) == 0;
}

uint32_t rotation_check(const struct rotation *r, const struct field *f, uint32_t sent)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < sent; i++) {
		const struct rte_mbuf *m = r->sent[i];
		const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH), *l4 = ip + r->l3_len;
		const uint32_t payload = m->data_len - (uint32_t)ETH - r->l3_len;
		const uint8_t proto = r->args.ipv6 ? ip[6] : ip[9];
		if (m != r->m[i])
			continue;
		if (r->args.inbound)
			good += proto == (r->args.tcp ? PROTO_TCP : PROTO_UDP) &&
				payload == (uint32_t)r->length[i] - r->l3_len &&
				(l4[0] << 8 | l4[1]) == (r->packet[i].ue % 2 == 0 ? FIELD_UC : FIELD_US);
		else
			good += proto == PROTO_ESP && payload == r->packet[i].hash_length + ROTATION_ICV &&
				icv_is_right(r, f, i, l4, payload);
	}
	return good;
}
