/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The packet path against a plain one: bursts of good, damaged, cut, lengthened, repeated and forged frames
 * of many UEs, each judged by a reference that takes one packet at a time and knows no burst, no prefetch, no
 * difference of checksums. What leaves must be the same, octet for octet and in the same order, and so must
 * the reasons of what does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "lab.h"

enum { UES = 8, ROUNDS = 300, BURSTS = 12, BURST = 64, ACCEPTED_MAX = BURSTS * BURST };
enum { FORWARD = BGF_DROP_COUNT, OTHER /* what this reference does not know: only counted */ };

/* An inbound SA as RFC 4303 3.4.3 tells it: all numbers that were good, and the highest. */
struct window {
	uint32_t top, count, number[ACCEPTED_MAX];
};

static struct model {
	struct window window[UES][2];
	uint32_t last[UES][2];	    /* sent outbound */
	uint64_t octets[2][UES][2]; /* of IP with ESP, by side */
} now, before;			    /* before: as the burst found it */

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

static uint32_t load(const uint8_t *p, unsigned octets)
{
	uint32_t value = 0;

	while (octets-- > 0)
		value = value << 8 | *p++;
	return value;
}

static const char *ue_text(unsigned ue, char text[32])
{
	snprintf(text, 32, ue % 2 ? "fd00:45:2::%x" : "10.45.2.%u", ue + 2);
	return text;
}

/* ---- the reference ---- */

/* A frame, read. */
struct plain {
	const uint8_t *ip, *l4;
	uint32_t length; /* octets from l4 to the end of the IP packet */
	uint8_t proto, ttl;
	bool ipv6;
};

static bool is_address(const uint8_t *p, bool ipv6, const char *text)
{
	uint8_t octets[16];

	return inet_pton(ipv6 ? AF_INET6 : AF_INET, text, octets) == 1 &&
	       memcmp(p, octets, ipv6 ? 16 : 4) == 0;
}

static bool is_served(const uint8_t *p, bool ipv6)
{
	return is_address(p, ipv6, ipv6 ? "fd00:50::1" : "10.50.0.1") ||
	       is_address(p, ipv6, ipv6 ? "fd00:50::9" : "10.50.0.9");
}

static int read_ipv4(const struct lab_frame *f, struct plain *ret)
{
	const uint8_t *ip = f->octet + 14;
	const uint32_t available = f->length - 14u, header = (ip[0] & 15) * 4u, total = load(ip + 2, 2);
	uint32_t sum = 0;

	if (available < 20)
		return BGF_DROP_TRUNCATED;
	if (ip[0] >> 4 != 4 || header < 20 || total < header)
		return BGF_DROP_IP_HEADER;
	if (total > available)
		return BGF_DROP_TRUNCATED;
	for (uint32_t i = 0; i < header; i += 2)
		sum += load(ip + i, 2);
	if ((sum & 0xffff) + (sum >> 16) != 0xffff)
		return BGF_DROP_IP_HEADER;
	*ret = (struct plain){ip, ip + header, total - header, ip[9], ip[8], false};
	return FORWARD;
}

static int read_ipv6(const struct lab_frame *f, struct plain *ret)
{
	const uint8_t *ip = f->octet + 14;

	if (f->length < 14 + 40)
		return BGF_DROP_TRUNCATED;
	if (ip[0] >> 4 != 6)
		return BGF_DROP_IP_HEADER;
	if (load(ip + 4, 2) > f->length - 54u)
		return BGF_DROP_TRUNCATED;
	*ret = (struct plain){ip, ip + 40, load(ip + 4, 2), ip[6], ip[7], true};
	return FORWARD;
}

static int defect_of(const struct plain *p)
{
	static const uint8_t extension[] = {0, 43, 60, 135, 139, 140};

	if (!p->ipv6 && p->l4 != p->ip + 20)
		return BGF_DROP_IP_OPTIONS;
	if (p->ipv6 ? p->proto == 44 : (load(p->ip + 6, 2) & 0x3fff) != 0)
		return BGF_DROP_FRAGMENT;
	return p->ipv6 && memchr(extension, p->proto, sizeof(extension)) != NULL ? BGF_DROP_IP_EXTENSION
										 : FORWARD;
}

static bool l4_whole(const uint8_t *l4, uint32_t length, uint8_t proto)
{
	if (proto == 17)
		return length >= 8 && load(l4 + 4, 2) >= 8 && load(l4 + 4, 2) <= length;
	return length >= 20 && l4[12] >> 4 >= 5 && (l4[12] >> 4) * 4u <= length;
}

/* Up to the addresses. */
static int read_frame(const struct lab_frame *f, enum port_side side, struct plain *ret)
{
	if (f->length < 14)
		return BGF_DROP_TRUNCATED;
	if (f->octet[0] & 1)
		return OTHER;
	if (memcmp(f->octet, lab.port[side].mac, 6) != 0)
		return BGF_DROP_NOT_OURS;
	const uint32_t type = load(f->octet + 12, 2);
	if (type != 0x0800 && type != 0x86dd)
		return type == 0x0806 ? OTHER : (int)BGF_DROP_ETHERTYPE;
	const int rc = type == 0x0800 ? read_ipv4(f, ret) : read_ipv6(f, ret);
	if (rc != FORWARD)
		return rc;
	const uint8_t *src = ret->ip + (ret->ipv6 ? 8 : 12), *dst = ret->ip + (ret->ipv6 ? 24 : 16),
		      usual = ret->ipv6 ? 0xfd : 10;
	if (src[0] != usual || dst[0] != usual)
		return OTHER;
	if (side == PORT_ACCESS && is_served(src, ret->ipv6))
		return BGF_DROP_SOURCE_SERVED;
	const int defect = defect_of(ret);
	if (defect != FORWARD)
		return defect;
	if (!is_served(side == PORT_ACCESS ? dst : src, ret->ipv6))
		return OTHER;
	if (side == PORT_ACCESS ? ret->proto != 50 : ret->proto != 17 && ret->proto != 6)
		return OTHER;
	return ret->ttl <= 1 ? BGF_DROP_TTL_EXPIRED : FORWARD;
}

static bool is_replay(const struct window *w, uint32_t number)
{
	bool seen = number <= w->top && w->top - number >= SA_WINDOW;

	for (uint32_t i = 0; i < w->count; i++)
		seen = seen || w->number[i] == number;
	return seen;
}

/* The last octets of an ESP packet, and its inner ports; `inner`: octets between header and ICV. */
static int judge_inner(const struct plain *p, unsigned which, uint32_t inner, uint32_t *ret_payload,
		       uint8_t *ret_proto)
{
	const uint8_t *l4 = p->l4 + 8, padding = l4[inner - 2], next = l4[inner - 1];

	if (padding + 2u > inner)
		return BGF_DROP_PADDING;
	for (unsigned i = 0; i < padding; i++)
		if (l4[inner - 2 - padding + i] != i + 1)
			return BGF_DROP_PADDING;
	if (next != 17 && next != 6)
		return next == 59 ? BGF_DROP_DUMMY : BGF_DROP_NEXT_HEADER;
	*ret_payload = inner - 2 - padding;
	*ret_proto = next;
	if (!l4_whole(l4, *ret_payload, next))
		return BGF_DROP_L4_HEADER;
	return load(l4, 2) == (which == 0 ? LAB_UC : LAB_US) &&
			       load(l4 + 2, 2) == (which == 0 ? LAB_PS : LAB_PC)
		       ? FORWARD
		       : (int)BGF_DROP_SELECTOR;
}

/* The header of `want` for another body, one hop on. */
static void finish(struct lab_frame *want, bool ipv6, uint8_t proto)
{
	uint8_t *ip = want->octet + 14;
	const uint16_t length = (uint16_t)(want->length - (ipv6 ? 54 : 14)), raw = htons(length);

	memcpy(ip + (ipv6 ? 4 : 2), &raw, 2);
	ip[ipv6 ? 6 : 9] = proto;
	ip[ipv6 ? 7 : 8]--;
	lab_fix_ip(want);
}

static bool icv_good(const struct plain *p, uint32_t esp_length)
{
	struct lab_frame copy = {.length = (uint16_t)(p->l4 - p->ip + 14 + esp_length)};

	memcpy(copy.octet + 14, p->ip, copy.length - 14u);
	lab_sign(&copy);
	return memcmp(copy.octet + copy.length - 12, p->l4 + esp_length - 12, 12) == 0;
}

static int judge_inbound(const struct lab_frame *f, struct lab_frame *want)
{
	struct plain p;
	unsigned ue = 0, which = 0;
	char text[32];
	uint32_t payload;
	uint8_t proto;
	int rc = read_frame(f, PORT_ACCESS, &p);

	if (rc != FORWARD)
		return rc;
	if (p.length < 4)
		return BGF_DROP_ESP_LENGTH;
	const uint32_t spi = load(p.l4, 4);
	if (spi <= 255)
		return BGF_DROP_SPI_RESERVED;
	for (; ue < UES && lab_spi(ue, which) != spi; which = !which)
		ue += which;
	if (ue == UES)
		return BGF_DROP_UNKNOWN_SPI;
	if (p.ipv6 != ue % 2 || !is_address(p.ip + (p.ipv6 ? 8 : 12), p.ipv6, ue_text(ue, text)) ||
	    !is_address(p.ip + (p.ipv6 ? 24 : 16), p.ipv6, p.ipv6 ? "fd00:50::1" : "10.50.0.1"))
		return BGF_DROP_SA_ADDRESS;
	if (p.length < 24 || p.length % 4 != 0)
		return BGF_DROP_ESP_LENGTH;
	const uint32_t number = load(p.l4 + 4, 4);
	if (number == 0)
		return BGF_DROP_SEQ_ZERO;
	if (is_replay(&before.window[ue][which], number))
		return BGF_DROP_REPLAY;
	if (!icv_good(&p, p.length))
		return BGF_DROP_ICV;
	struct window *w = &now.window[ue][which];
	if (is_replay(w, number))
		return BGF_DROP_REPLAY;
	w->number[w->count++] = number;
	w->top = number > w->top ? number : w->top;
	rc = judge_inner(&p, which, p.length - 20, &payload, &proto);
	if (rc != FORWARD)
		return rc;
	*want = *f;
	memcpy(want->octet + (p.l4 - f->octet), p.l4 + 8, payload);
	want->length = (uint16_t)(p.l4 - f->octet + payload);
	finish(want, p.ipv6, proto);
	now.octets[PORT_ACCESS][ue][which] += (uint32_t)(p.l4 - p.ip) + p.length;
	return FORWARD;
}

static int judge_outbound(const struct lab_frame *f, struct lab_frame *want)
{
	struct plain p;
	char text[32];
	int rc = read_frame(f, PORT_CORE, &p);

	if (rc != FORWARD)
		return rc;
	if (!l4_whole(p.l4, p.length, p.proto))
		return BGF_DROP_L4_HEADER;
	const uint32_t from = load(p.l4, 2), to = load(p.l4 + 2, 2);
	if (from == LAB_SIP)
		return OTHER;
	if (!is_address(p.ip + (p.ipv6 ? 8 : 12), p.ipv6, p.ipv6 ? "fd00:50::1" : "10.50.0.1"))
		return BGF_DROP_NO_SET;
	for (unsigned ue = p.ipv6; ue < UES; ue += 2) {
		const unsigned which = to == LAB_UC ? 0 : 1;
		if (!is_address(p.ip + (p.ipv6 ? 24 : 16), p.ipv6, ue_text(ue, text)) ||
		    from != (which == 0 ? LAB_PS : LAB_PC) || to != (which == 0 ? LAB_UC : LAB_US))
			continue;
		*want = *f;
		want->length = (uint16_t)(p.l4 - f->octet + p.length);
		lab_wrap(want, which == 0 ? LAB_SPI_UC : LAB_SPI_US, ++now.last[ue][which]);
		finish(want, p.ipv6, 50);
		now.octets[PORT_CORE][ue][which] += want->length - 14u;
		return FORWARD;
	}
	return BGF_DROP_NO_SET;
}

/* ---- frames ---- */

static void make_good(struct lab_frame *f, enum port_side side)
{
	const unsigned ue = random_below(UES), which = random_below(2);
	const uint32_t top = now.window[ue][which].top;
	char text[32], data[200];
	struct lab_packet p = {.ipv6 = ue % 2,
			       .from_core = side == PORT_CORE,
			       .proto = random_below(2) ? 17 : 6,
			       .data = data,
			       .ttl = random_below(20) == 0 ? 1 : (uint8_t)(2 + random_below(254)),
			       .port_src = which == 0 ? LAB_UC : LAB_US,
			       .port_dst = which == 0 ? LAB_PS : LAB_PC};

	ue_text(ue, text);
	p.data_length = (uint16_t)(1 + random_below(sizeof(data) - 1));
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)(random_below(4) == 0 ? 0xff : random_below(256));
	if (side == PORT_CORE) {
		p.dst = text;
		p.port_src = which == 0 ? LAB_PS : LAB_PC;
		p.port_dst = which == 0 ? LAB_UC : LAB_US;
	} else {
		p.src = text;
	}
	lab_make(f, &p);
	f->octet[14 + 1] = (uint8_t)random_below(16); /* the class of traffic, in both families */
	if (!p.ipv6)
		f->octet[14 + 4] = (uint8_t)random_below(256); /* identification */
	lab_fix_ip(f);
	if (side == PORT_ACCESS)
		lab_wrap_as(f, random_below(30) ? lab_spi(ue, which) : random_below(512),
			    random_below(3) ? top + 1 + random_below(3) : top - random_below(140),
			    random_below(30) ? -1 : (int)random_below(256),
			    random_below(5) ? -1 : (int)random_below(40));
}

static void damage(struct lab_frame *f, enum port_side side)
{
	static const uint8_t value[] = {0, 1, 6, 17, 44, 50, 59, 60, 0x20, 0x40, 0x46, 0xff};
	const uint8_t type = f->octet[14];
	const uint16_t headers = 14 + 60;

	if (f->length < 14 || f->length > LAB_FRAME / 2)
		return;
	switch (random_below(7)) {
	case 0:
		f->octet[random_below(f->length)] ^= (uint8_t)(1 << random_below(8));
		break;
	case 1:
		f->octet[random_below(headers < f->length ? headers : f->length)] ^=
			(uint8_t)(1 << random_below(8));
		break;
	case 2:
		f->octet[random_below(headers < f->length ? headers : f->length)] =
			value[random_below(sizeof(value))];
		break;
	case 3:
		f->length = (uint16_t)random_below(f->length);
		return;
	case 4:
		f->length = (uint16_t)(f->length + random_below(30));
		return;
	case 5: /* options, their checksum good or not */
		if (type == 0x45 && random_below(4) == 0) {
			f->octet[14] = 0x46;
			lab_fix_ip(f);
			f->octet[14 + 20] ^= (uint8_t)random_below(2);
		}
		return;
	default:
		return;
	}
	if (side == PORT_ACCESS && f->octet[14] == type && f->length > 14 + 40 + 20 && random_below(2))
		lab_sign(f);
	if (f->octet[14] == type && random_below(2))
		lab_fix_ip(f);
}

/* ---- one against the other ---- */

/* What the reference says of a burst. */
struct expected {
	unsigned frames, others;
	struct lab_frame frame[BURST + 1], other[BURST];
	uint64_t drops[BGF_DROP_COUNT];
};

static uint64_t frames, reasons[BGF_DROP_COUNT]; /* of all bursts */

/* Nothing gets lost: all that came in was forwarded, dropped or given to the main lcore. */
static void check_sums(enum port_side side)
{
	const struct counters *c = &lab.w->counters[side];

	assert_int_equal(c->rx_packets,
			 c->forwarded_esp + c->forwarded_clear + lab_drops(side) + c->exceptions);
}

static void take_rest(enum port_side side)
{
	struct lab_frame got;
	struct pkt p;

	while (lab_take_exception(&got, &p))
		assert_int_equal(p.side, side);
	while (lab_take(side == PORT_ACCESS ? PORT_CORE : PORT_ACCESS, &got))
		;
	check_sums(side);
}

static void check_sas(void)
{
	for (unsigned i = 0; i < UES * 2; i++) {
		const struct sa_hot *hot = &store_hot(lab.store)[i / 2];
		assert_int_equal(hot->in[i % 2].top, now.window[i / 2][i % 2].top);
		assert_int_equal(hot->out[i % 2].last, now.last[i / 2][i % 2]);
		assert_int_equal(hot->in[i % 2].octets, now.octets[PORT_ACCESS][i / 2][i % 2]);
		assert_int_equal(hot->out[i % 2].octets, now.octets[PORT_CORE][i / 2][i % 2]);
	}
}

/* Makes a burst, puts in what the reference knows, and keeps the rest. */
static void make_burst(enum port_side side, struct expected *ret)
{
	static struct lab_frame f;

	*ret = (struct expected){.others = 0};
	before = now;
	for (unsigned i = 0, n = 1 + random_below(BURST); i < n; i++) {
		if (i == 0 || random_below(10) != 0) /* else the last one again */
			make_good(&f, side);
		if (random_below(2))
			damage(&f, side);
		struct lab_frame *want = &ret->frame[ret->frames];
		const int verdict = side == PORT_ACCESS ? judge_inbound(&f, want) : judge_outbound(&f, want);
		if (verdict == OTHER) {
			ret->other[ret->others++] = f;
			continue;
		}
		if (verdict < FORWARD)
			ret->drops[verdict]++;
		ret->frames += verdict == FORWARD;
		lab_put(side, &f);
	}
}

static void run_burst(enum port_side side)
{
	static struct expected e;
	struct lab_frame got;

	make_burst(side, &e);
	lab_turn();
	for (unsigned i = 0; i < e.frames; i++) {
		assert_true(lab_take(side == PORT_ACCESS ? PORT_CORE : PORT_ACCESS, &got));
		assert_int_equal(got.length, e.frame[i].length);
		assert_memory_equal(got.octet + 12, e.frame[i].octet + 12, got.length - 12u);
	}
	assert_false(lab_take(side == PORT_ACCESS ? PORT_CORE : PORT_ACCESS, &got));
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++) {
		assert_int_equal(lab.w->counters[side].drops[i], e.drops[i]);
		reasons[i] += e.drops[i];
	}
	frames += e.frames;
	for (unsigned i = 0; i < e.others; i++)
		lab_put(side, &e.other[i]);
	lab_turn();
	take_rest(side);
	check_sas();
	memset(lab.w->counters, 0, sizeof(lab.w->counters));
}

static void the_path_does_what_a_plain_one_does(void **state)
{
	static const enum bgf_drop each[] = {
		BGF_DROP_TRUNCATED,  BGF_DROP_NOT_OURS,	  BGF_DROP_ETHERTYPE,	 BGF_DROP_IP_HEADER,
		BGF_DROP_IP_OPTIONS, BGF_DROP_FRAGMENT,	  BGF_DROP_IP_EXTENSION, BGF_DROP_TTL_EXPIRED,
		BGF_DROP_L4_HEADER,  BGF_DROP_ESP_LENGTH, BGF_DROP_SPI_RESERVED, BGF_DROP_UNKNOWN_SPI,
		BGF_DROP_SA_ADDRESS, BGF_DROP_SEQ_ZERO,	  BGF_DROP_REPLAY,	 BGF_DROP_ICV,
		BGF_DROP_PADDING,    BGF_DROP_DUMMY,	  BGF_DROP_NEXT_HEADER,	 BGF_DROP_SELECTOR,
		BGF_DROP_NO_SET,
	};

	for (unsigned round = 0; round < ROUNDS; round++) {
		char text[32];
		assert_int_equal(lab_reset(state), 0);
		now = (struct model){0};
		for (unsigned ue = 0; ue < UES; ue++)
			lab_install_ue(ue, ue_text(ue, text), 0);
		for (unsigned burst = 0; burst < BURSTS; burst++)
			run_burst(random_below(2) ? PORT_ACCESS : PORT_CORE);
	}
	/* and all of it was asked */
	assert_true(frames > 1000);
	for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		if (reasons[each[i]] == 0)
			fail_msg("nothing was dropped for %s", bgf_drop_name(each[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_path_does_what_a_plain_one_does, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
