/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Outbound ESP through a worker, compared with ESP that the test makes itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <rte_ring.h>

#include "exception.h"
#include "lab.h"
#include "served.h"
#include "tuple.h"

#define EACH_FAMILY for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL))

static const uint32_t *set_drops(void)
{
	return store_cold(lab.store, LAB_SLOT)->drops;
}

/* UDP data whose plain IP packet has `ip_length` octets. */
static void make_long(struct lab_frame *f, int ipv6, uint16_t ip_length, bool dont_fragment)
{
	static char data[LAB_FRAME];
	memset(data, 'x', sizeof(data));
	lab_make(f, &(struct lab_packet){.ipv6 = ipv6,
					 .from_core = true,
					 .data = data,
					 .data_length = (uint16_t)(ip_length - (ipv6 ? 40 : 20) - 8),
					 .dont_fragment = dont_fragment});
}

static void what_leaves_is_esp_octet_for_octet(void **state)
{
	struct lab_frame f, want, got;
	(void)state;

	EACH_FAMILY
	{
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		uint64_t octets = 0;
		for (uint16_t n = 1; n < 1400; n += n < 70 ? 1 : 111) {
			static char data[1400];
			const struct lab_packet p = {.ipv6 = ipv6,
						     .from_core = true,
						     .proto = n % 2 ? 17 : 6,
						     .data = data,
						     .data_length = n,
						     .dont_fragment = n % 3 == 0};
			struct lab_packet hop = p;
			hop.ttl = 63;
			lab_make(&f, &p);
			lab_make(&want, &hop);
			const uint32_t seq = h->out[1].last + 1;
			lab_wrap(&want, LAB_SPI_US, seq);
			lab_expect_forward(PORT_CORE, &f, &got);
			assert_int_equal(got.length, want.length);
			assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
			assert_memory_equal(got.octet, ((uint8_t[]){2, 0, 0, 0, 0x45, 2}), 6);
			assert_memory_equal(got.octet + 6, lab.port[PORT_ACCESS].mac, 6);
			assert_int_equal(h->out[1].last, seq);
			octets += want.length - 14u;
		}
		assert_int_equal(h->out[1].packets, h->out[1].last);
		assert_int_equal(h->out[1].octets, octets);
		assert_int_equal(h->out[0].packets, 0);
		assert_int_equal(lab.w->counters[PORT_CORE].forwarded_esp, h->out[1].last);
	}
}

static void rule_1_the_pair_ps_to_uc_has_an_sa_of_its_own(void **state)
{
	struct lab_frame f, want, got;
	(void)state;

	EACH_FAMILY
	{
		struct lab_packet p = {
			.ipv6 = ipv6, .from_core = true, .proto = 6, .port_src = LAB_PS, .port_dst = LAB_UC};
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		lab_make(&f, &p);
		p.ttl = 63;
		lab_make(&want, &p);
		lab_wrap(&want, LAB_SPI_UC, 1);
		lab_expect_forward(PORT_CORE, &f, &got);
		assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
		assert_int_equal(h->out[0].packets, 1);
	}
}

static void rule_2_without_a_set_nothing_leaves_in_the_clear(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		const struct lab_packet p[] = {
			{.ipv6 = ipv6, .from_core = true, .port_src = LAB_PC, .port_dst = LAB_UC},
			{.ipv6 = ipv6, .from_core = true, .port_src = LAB_PS, .port_dst = LAB_US},
			{.ipv6 = ipv6, .from_core = true, .port_dst = LAB_SIP},
			{.ipv6 = ipv6, .from_core = true, .dst = ipv6 ? "fd00:45::3" : "10.45.0.3"},
			{.ipv6 = ipv6, .from_core = true, .src = ipv6 ? "fd00:50::9" : "10.50.0.9"},
			{.ipv6 = ipv6, .from_core = true, .proto = 6, .port_src = LAB_PC + 1},
		};
		lab_install(LAB_SLOT, ipv6, 0);
		for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
			lab_make(&f, &p[i]);
			lab_expect_drop(PORT_CORE, &f, BGF_DROP_NO_SET);
		}
		assert_int_equal(lab.w->counters[PORT_ACCESS].tx_packets, 0);
	}
}

/* The bucket that a packet's tuple leads to. */
static struct tuple_bucket *bucket_of(struct lab_frame *f, int ipv6, uint16_t *ret_tag)
{
	const uint8_t *src = lab_ip(f) + (ipv6 ? 8 : 12), *l4 = lab_l4(f);
	struct tuple_key key = {.served = served_find(lab.served, src, ipv6), .ipv6 = (uint8_t)ipv6};
	struct tuple_words words;

	memcpy(key.ue, src + (ipv6 ? 16 : 4), ipv6 ? 16 : 4);
	memcpy(&key.port_local, l4, 2);
	memcpy(&key.port_ue, l4 + 2, 2);
	memcpy(&words, &key, sizeof(words));
	const struct tuple_place place = tuple_place(lab.tuples, words);
	*ret_tag = place.tag;
	return &lab.tuples->bucket[place.bucket];
}

/* A tag has 16 bits: of many UEs some share one, and a bucket too. What tells their SAs apart is the whole
 * key, each field of it. */
static void rule_2_another_tuple_with_the_same_tag_has_no_set(void **state)
{
	struct lab_frame f;
	uint16_t tag;
	(void)state;

	EACH_FAMILY
	{
		const struct lab_packet p[] = {
			{.ipv6 = ipv6, .from_core = true, .dst = ipv6 ? "fd00:45::3" : "10.45.0.3"},
			{.ipv6 = ipv6, .from_core = true, .src = ipv6 ? "fd00:50::9" : "10.50.0.9"},
			{.ipv6 = ipv6, .from_core = true, .port_src = LAB_PC + 1},
			{.ipv6 = ipv6, .from_core = true, .port_dst = LAB_US + 1},
		};
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
			lab_make(&f, &p[i]);
			struct tuple_bucket *b = bucket_of(&f, ipv6, &tag);
			const struct tuple_bucket before = *b;
			b->tag[0] = tag;
			b->ref[0] = tuple_ref(LAB_SLOT, 1);
			lab_expect_drop(PORT_CORE, &f, BGF_DROP_NO_SET);
			*b = before;
		}
		assert_int_equal(h->out[1].last, 0);
	}
}

/* Its connection's set may be gone: that is for the main lcore to know. */
static void rule_24_a_tcp_segment_without_a_set_goes_to_the_main_lcore(void **state)
{
	struct lab_frame f, got;
	struct pkt meta;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		lab_make(&f, &(struct lab_packet){
				     .ipv6 = ipv6, .from_core = true, .proto = 6, .port_src = LAB_PC + 1});
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_NO_SET);
		assert_true(lab_take_exception(&got, &meta));
		assert_int_equal(meta.exception, EXCEPTION_RESET);
		assert_memory_equal(got.octet, f.octet, f.length);
		assert_int_equal(lab.w->counters[PORT_CORE].exceptions, 0);
		/* a datagram does not; nor does a segment of another kind of stray */
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .from_core = true, .port_src = LAB_PC + 1});
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_NO_SET);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
						  .from_core = true,
						  .proto = 6,
						  .src = ipv6 ? "fd00:50::99" : "10.50.0.99"});
		lab_put(PORT_CORE, &f);
		lab_turn();
		assert_false(lab_take_exception(&got, &meta));
	}
}

static void rule_8_after_the_last_sequence_number_nothing_is_sent(void **state)
{
	struct lab_frame f, want, got;
	(void)state;

	EACH_FAMILY
	{
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		h->out[1].last = UINT32_MAX - 1;
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .from_core = true});
		lab_make(&want, &(struct lab_packet){.ipv6 = ipv6, .from_core = true, .ttl = 63});
		lab_wrap(&want, LAB_SPI_US, UINT32_MAX);
		lab_expect_forward(PORT_CORE, &f, &got);
		assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
		for (unsigned i = 1; i < 4; i++) {
			lab_expect_drop(PORT_CORE, &f, BGF_DROP_SEQ_EXHAUSTED);
			assert_int_equal(h->out[1].last, UINT32_MAX);
			assert_int_equal(set_drops()[BGF_DROP_SEQ_EXHAUSTED], i);
		}
	}
}

static void rule_16_a_temporary_set_carries_no_other_request_outwards(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, SA_TEMPORARY);
		lab_make(&f, &(struct lab_packet){
				     .ipv6 = ipv6, .from_core = true, .data = "SIP/2.0 401 x\r\n\r\n"});
		lab_expect_forward(PORT_CORE, &f, &got);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
						  .from_core = true,
						  .data = "NOTIFY sip:a SIP/2.0\r\n\r\n"});
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_TEMPORARY);
		assert_int_equal(set_drops()[BGF_DROP_TEMPORARY], 1);
	}
}

/* The largest packets that fit, and one octet more. */
static void too_big_is_told_where_it_may_not_be_fragmented(void **state)
{
	struct lab_frame f, got;
	struct pkt p;
	(void)state;

	EACH_FAMILY
	{
		/* 1500 - header - ESP 8 and 12: in whole words, less two octets of trailer */
		const uint16_t l3 = ipv6 ? 40 : 20, fits = (uint16_t)(l3 + (1500 - l3 - 20) / 4 * 4 - 2);
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		make_long(&f, ipv6, fits, true);
		lab_expect_forward(PORT_CORE, &f, &got);
		assert_true(got.length <= 14 + LAB_MTU);
		make_long(&f, ipv6, fits + 1, true);
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_TOO_BIG);
		assert_true(lab_take_exception(&got, &p));
		assert_int_equal(p.exception, EXCEPTION_TOO_BIG);
		assert_int_equal(p.mtu, fits);
		assert_int_equal(p.side, PORT_CORE);
		/* the packet goes along as it came, to be quoted */
		assert_int_equal(got.length, f.length);
		assert_memory_equal(got.octet, f.octet, f.length);
		assert_int_equal(h->out[1].last, 1);
		make_long(&f, ipv6, fits + 1, false);
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_TOO_BIG);
		assert_int_equal(lab_take_exception(&got, &p), ipv6);
	}
}

static void a_buffer_without_room_is_a_named_drop(void **state)
{
	(void)state;
	for (int tail = 0; tail < 2; tail++) {
		struct lab_frame f;
		struct rte_mbuf *m = rte_pktmbuf_alloc(lab.pool);
		lab_install(LAB_SLOT, false, 0);
		lab_make(&f, &(struct lab_packet){.from_core = true});
		m->data_off = tail ? (uint16_t)(m->buf_len - f.length - 13) : 7;
		memcpy(rte_pktmbuf_append(m, f.length), f.octet, f.length);
		assert_int_equal(rte_ring_enqueue(lab.rx[PORT_CORE], m), 0);
		lab_turn();
		assert_int_equal(lab.w->counters[PORT_CORE].drops[BGF_DROP_HEADROOM], 1);
		assert_int_equal(store_hot(lab.store)[LAB_SLOT].out[1].last, 0);
		lab_reset(NULL);
	}
}

/* What leaves in a burst has numbers in the order in which it came. */
static void a_burst_keeps_its_order(void **state)
{
	struct lab_frame f, want, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		for (int turn = 0; turn < 2; turn++) {
			for (uint16_t i = 0; i < 64; i++) {
				make_long(&f, ipv6, (uint16_t)(100 + i * 17 % 1300), false);
				lab_put(PORT_CORE, &f);
			}
		}
		for (uint16_t i = 0; i < 128; i++) {
			if (i % 64 == 0)
				lab_turn();
			make_long(&want, ipv6, (uint16_t)(100 + i % 64 * 17 % 1300), false);
			lab_ip(&want)[ipv6 ? 7 : 8]--;
			lab_wrap(&want, LAB_SPI_US, i + 1u);
			assert_true(lab_take(PORT_ACCESS, &got));
			assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
		}
	}
}

/* The steps of the look-up overlap with other packets' work: in a burst of any length each packet gets the SA
 * of its own UE, and what has none is dropped. */
static void packets_of_a_burst_each_get_their_sa(void **state)
{
	enum { UES = 20 };
	struct sa_hot *h[2 * UES];
	struct lab_frame f, got;
	char ue[2 * UES][24];
	uint32_t spi;
	(void)state;

	for (unsigned u = 0; u < 2 * UES; u++) {
		snprintf(ue[u], sizeof(ue[u]), u % 2 ? "fd00:45:2::%u" : "10.45.2.%u", u + 1);
		h[u] = lab_install_ue(u, ue[u], 0);
		h[u]->out[1].spi = htonl(0x3000 + u);
	}
	for (unsigned n = 1, at = 0; n <= 64; n++) {
		for (unsigned i = 0; i < n; i++) {
			const unsigned u = (at + i) * 7 % (2 * UES + 1);
			const bool ipv6 = u % 2 && u < 2 * UES;
			lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
							  .from_core = true,
							  .dst = u < 2 * UES ? ue[u] : "10.45.2.250"});
			lab_put(PORT_CORE, &f);
		}
		lab_turn();
		for (unsigned i = 0; i < n; i++) {
			const unsigned u = (at + i) * 7 % (2 * UES + 1);
			if (u == 2 * UES)
				continue;
			assert_true(lab_take(PORT_ACCESS, &got));
			memcpy(&spi, lab_l4(&got), sizeof(spi));
			assert_int_equal(ntohl(spi), 0x3000 + u);
		}
		assert_false(lab_take(PORT_ACCESS, &got));
		at += n;
	}
	const uint64_t drops = lab.w->counters[PORT_CORE].drops[BGF_DROP_NO_SET];
	assert_int_equal(drops, 64 * 65 / 2 / (2 * UES + 1));
	assert_int_equal(lab.w->counters[PORT_CORE].forwarded_esp + drops, 64 * 65 / 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, lab_reset)
	const struct CMUnitTest tests[] = {
		TEST(what_leaves_is_esp_octet_for_octet),
		TEST(rule_1_the_pair_ps_to_uc_has_an_sa_of_its_own),
		TEST(rule_2_without_a_set_nothing_leaves_in_the_clear),
		TEST(rule_2_another_tuple_with_the_same_tag_has_no_set),
		TEST(rule_24_a_tcp_segment_without_a_set_goes_to_the_main_lcore),
		TEST(rule_8_after_the_last_sequence_number_nothing_is_sent),
		TEST(rule_16_a_temporary_set_carries_no_other_request_outwards),
		TEST(too_big_is_told_where_it_may_not_be_fragmented),
		TEST(a_buffer_without_room_is_a_named_drop),
		TEST(a_burst_keeps_its_order),
		TEST(packets_of_a_burst_each_get_their_sa),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
