/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inbound ESP through a worker: the order of checks, one drop reason after the other, IPv4 and IPv6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <rte_ring.h>

#include "lab.h"

#define EACH_FAMILY for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL))

static const char register_text[] = "REGISTER sip:ims.example SIP/2.0\r\nSecurity-Verify: a\r\n\r\n";
static const char message_text[] = "MESSAGE sip:a SIP/2.0\r\n\r\n";

static const uint32_t *set_drops(void)
{
	return store_cold(lab.store, LAB_SLOT)->drops;
}

/* A good packet of the inbound server SA. */
static void good(struct lab_frame *f, int ipv6, uint32_t seq)
{
	lab_make(f, &(struct lab_packet){.ipv6 = ipv6, .data = message_text});
	lab_wrap(f, lab_spi(LAB_SLOT, 0), seq);
}

static void what_comes_out_is_the_plain_packet_one_hop_on(void **state)
{
	static const struct lab_packet packet[] = {
		{.data = "a"},
		{.data = "ab"},
		{.data = "abc"},
		{.data = "abcd"},
		{.proto = 6, .data = "abcde"},
		{.proto = 6, .data = "x", .dont_fragment = true},
	};
	struct lab_frame f, want, got;
	uint32_t seq = 0;
	(void)state;

	EACH_FAMILY
	{
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		for (size_t i = 0; i < sizeof(packet) / sizeof(packet[0]); i++) {
			struct lab_packet p = packet[i];
			p.ipv6 = ipv6;
			lab_make(&f, &p);
			lab_wrap(&f, lab_spi(LAB_SLOT, 0), ++seq);
			p.ttl = 63;
			lab_make(&want, &p);
			lab_expect_forward(PORT_ACCESS, &f, &got);
			assert_int_equal(got.length, want.length);
			assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
			assert_memory_equal(got.octet + 12, want.octet + 12, 2);
			assert_memory_equal(got.octet, ((uint8_t[]){2, 0, 0, 0, 0x60, 2}), 6);
			assert_memory_equal(got.octet + 6, lab.port[PORT_CORE].mac, 6);
			assert_int_equal(h->in[0].packets, i + 1);
			assert_int_equal(h->in[0].top, seq);
		}
		assert_int_equal(lab.w->counters[PORT_ACCESS].forwarded_esp, 6);
		assert_int_equal(lab.w->counters[PORT_CORE].tx_packets, 6);
		assert_int_equal(lab_drops(PORT_ACCESS), 0);
	}
}

/* The other inbound SA: port_us to port_pc. */
static void rule_1_the_inbound_client_sa_carries_the_other_pair(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		lab_make(&f, &(struct lab_packet){
				     .ipv6 = ipv6, .proto = 6, .port_src = LAB_US, .port_dst = LAB_PC});
		lab_wrap(&f, lab_spi(LAB_SLOT, 1), 1);
		lab_expect_forward(PORT_ACCESS, &f, &got);
		assert_int_equal(h->in[1].packets, 1);
		assert_int_equal(h->in[0].packets, 0);
	}
}

static void octets_behind_the_ip_packet_are_ethernets(void **state)
{
	struct lab_frame f, want, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		good(&f, ipv6, 1);
		f.length += 6;
		lab_make(&want, &(struct lab_packet){.ipv6 = ipv6, .data = message_text});
		lab_expect_forward(PORT_ACCESS, &f, &got);
		assert_int_equal(got.length, want.length);
	}
}

static void rule_5_reserved_spis(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		for (uint32_t spi = 0; spi < 256; spi += 51) {
			lab_make(&f, &(struct lab_packet){.ipv6 = ipv6});
			lab_wrap(&f, spi, 1);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_SPI_RESERVED);
		}
	}
}

static void rule_4_spis_that_are_not_ours_are_unknown(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		const uint32_t ours = lab_spi(LAB_SLOT, 0);
		const uint32_t spi[] = {
			lab_spi(LAB_SLOT + 1, 0),   /* a free slot */
			lab_spi(LAB_CAPACITY, 0),   /* the first slot that there is not */
			lab_spi((1 << 22) - 1, 1),  /* the last that an SPI can name */
			ours + (UINT32_C(1) << 23), /* the next generation */
			ours - (UINT32_C(1) << 23), /* the last one: stale */
			LAB_SPI_UC,
			LAB_SPI_US,
			UINT32_MAX /* the UE's own: reflected */
		};
		/* what lies behind the last slot is none, whatever it looks like */
		struct sa_hot *behind = &store_hot(lab.store)[LAB_CAPACITY];
		*behind = *lab_install(LAB_SLOT, ipv6, 0);
		behind->in[0].spi = spi[1];
		for (size_t i = 0; i < sizeof(spi) / sizeof(spi[0]); i++) {
			lab_make(&f, &(struct lab_packet){.ipv6 = ipv6});
			lab_wrap(&f, spi[i], 1);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_UNKNOWN_SPI);
		}
		memset(behind, 0, sizeof(*behind));
		assert_int_equal(set_drops()[BGF_DROP_UNKNOWN_SPI], 0);
	}
}

/* What we sent comes back as it was, or with its addresses swapped. */
static void rule_4_reflected_packets_are_dropped(void **state)
{
	struct lab_frame f, sent;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .from_core = true});
		lab_expect_forward(PORT_CORE, &f, &sent);
		memcpy(sent.octet, lab.port[PORT_ACCESS].mac, 6);
		lab_expect_drop(PORT_ACCESS, &sent, BGF_DROP_SOURCE_SERVED);
		uint8_t swap[16], *src = lab_ip(&sent) + (ipv6 ? 8 : 12);
		const size_t n = ipv6 ? 16 : 4;
		memcpy(swap, src, n);
		memcpy(src, src + n, n);
		memcpy(src + n, swap, n);
		lab_expect_drop(PORT_ACCESS, &sent, BGF_DROP_UNKNOWN_SPI);
	}
}

static void esp_from_or_to_another_address_is_dropped(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		const struct lab_packet p[] = {
			{.ipv6 = ipv6, .src = ipv6 ? "fd00:45::3" : "10.45.0.3"},
			{.ipv6 = ipv6, .dst = ipv6 ? "fd00:50::9" : "10.50.0.9"},
			{.ipv6 = !ipv6},
		};
		for (size_t i = 0; i < 3; i++) {
			lab_make(&f, &p[i]);
			lab_wrap(&f, lab_spi(LAB_SLOT, 0), 1);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_SA_ADDRESS);
			assert_int_equal(set_drops()[BGF_DROP_SA_ADDRESS], i + 1);
		}
	}
}

/* Sets the length of the ESP packet. */
static void cut(struct lab_frame *f, uint16_t esp)
{
	const uint16_t l3 = (uint16_t)(lab_l4(f) - lab_ip(f));
	uint8_t *length = lab_ip(f) + (lab_ip(f)[0] >> 4 == 6 ? 4 : 2);
	const uint16_t value = htons(lab_ip(f)[0] >> 4 == 6 ? esp : (uint16_t)(l3 + esp));

	f->length = (uint16_t)(14 + l3 + esp);
	memcpy(length, &value, 2);
	lab_fix_ip(f);
}

static void esp_of_impossible_length_is_dropped(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		unsigned of_set = 0;
		lab_install(LAB_SLOT, ipv6, 0);
		for (uint16_t n = 0; n < 60; n++) {
			good(&f, ipv6, 1);
			cut(&f, n);
			if (n >= 24 && n % 4 == 0)
				continue;
			of_set += n >= 4; /* there is an SPI to tell whose it is */
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_ESP_LENGTH);
			assert_int_equal(set_drops()[BGF_DROP_ESP_LENGTH], of_set);
		}
	}
}

static void rule_9_sequence_0_and_replays(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		good(&f, ipv6, 0);
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_SEQ_ZERO);
		good(&f, ipv6, 200);
		lab_expect_forward(PORT_ACCESS, &f, &got);
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_REPLAY);
		good(&f, ipv6, 72);	    /* 128 behind */
		f.octet[f.length - 1] ^= 1; /* no hash is computed for it */
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_REPLAY);
		good(&f, ipv6, 73);
		lab_expect_forward(PORT_ACCESS, &f, &got);
		assert_int_equal(set_drops()[BGF_DROP_SEQ_ZERO], 1);
		assert_int_equal(set_drops()[BGF_DROP_REPLAY], 2);
	}
}

static void rule_9_of_two_copies_in_one_burst_one_passes(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		good(&f, ipv6, 7);
		for (int i = 0; i < 5; i++)
			lab_put(PORT_ACCESS, &f);
		lab_turn();
		assert_true(lab_take(PORT_CORE, &got));
		assert_false(lab_take(PORT_CORE, &got));
		assert_int_equal(lab.w->counters[PORT_ACCESS].drops[BGF_DROP_REPLAY], 4);
		assert_int_equal(set_drops()[BGF_DROP_REPLAY], 4);
	}
}

/* RFC 4303 3.4.4: nothing that is forged moves the window. */
static void rule_17_any_flipped_bit_is_a_bad_icv_and_moves_nothing(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		unsigned n = 0;
		good(&f, ipv6, 9);
		uint8_t *esp = lab_l4(&f);
		for (uint8_t *p = esp + 4; p < f.octet + f.length; p++) {
			for (int bit = 0; bit < 8; bit += 3) {
				*p ^= (uint8_t)(1 << bit);
				lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_ICV);
				assert_int_equal(set_drops()[BGF_DROP_ICV], ++n);
				*p ^= (uint8_t)(1 << bit);
			}
		}
		assert_int_equal(h->in[0].top, 0);
		lab_expect_forward(PORT_ACCESS, &f, &got);
	}
}

/* A packet with three octets of padding, some octet before its ICV exchanged, signed again. */
static void make_trailer(struct lab_frame *f, int ipv6, int back, uint8_t value)
{
	lab_make(f, &(struct lab_packet){.ipv6 = ipv6, .data = "abc"});
	lab_wrap(f, lab_spi(LAB_SLOT, 0), 1);
	f->octet[f->length - 12 - back] = value;
	lab_sign(f);
}

static void padding_must_be_1_2_3(void **state)
{
	/* back from the ICV: 1 next header, 2 pad length, 3 to 5 padding */
	static const uint8_t row[][2] = {{3, 2}, {4, 1}, {5, 0}, {2, 4}, {2, 14}, {2, 255}};
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
			struct sa_in *sa = &store_hot(lab.store)[LAB_SLOT].in[0];
			make_trailer(&f, ipv6, row[i][0], row[i][1]);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_PADDING);
			assert_int_equal(set_drops()[BGF_DROP_PADDING], i + 1);
			/* its number is used up: it was authentic */
			assert_int_equal(sa->top, 1);
			sa->top = 0;
			sa->window[0] = 0;
		}
		make_trailer(&f, ipv6, 2, 3);
		lab_expect_forward(PORT_ACCESS, &f, &got);
	}
}

static void padding_of_any_length_is_taken_off(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		for (int padding = 3; padding <= 255; padding += 4) {
			lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .data = "abc"});
			const uint16_t plain = f.length;
			lab_wrap_as(&f, lab_spi(LAB_SLOT, 0), (uint32_t)padding, -1, padding);
			lab_expect_forward(PORT_ACCESS, &f, &got);
			assert_int_equal(got.length, plain);
		}
	}
}

static void rule_10_dummies_and_other_protocols_are_dropped(void **state)
{
	static const int next[] = {59, 0, 1, 4, 41, 50, 58, 132};
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		for (uint32_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
			lab_make(&f, &(struct lab_packet){.ipv6 = ipv6});
			lab_wrap_as(&f, lab_spi(LAB_SLOT, 0), i + 1, next[i], -1);
			lab_expect_drop(PORT_ACCESS, &f, i == 0 ? BGF_DROP_DUMMY : BGF_DROP_NEXT_HEADER);
		}
		assert_int_equal(set_drops()[BGF_DROP_DUMMY], 1);
		assert_int_equal(set_drops()[BGF_DROP_NEXT_HEADER], 7);
	}
}

static void inner_headers_that_are_cut_short_are_dropped(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		uint32_t seq = 0;
		lab_install(LAB_SLOT, ipv6, 0);
		for (uint16_t n = 0; n < 20; n++) {
			for (uint8_t proto = 6; proto <= 17; proto += 11) {
				lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .proto = proto});
				if (proto == 17 && n >= 12)
					continue; /* it is whole */
				f.length = (uint16_t)(lab_l4(&f) - f.octet + n);
				lab_wrap(&f, lab_spi(LAB_SLOT, 0), ++seq);
				lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_L4_HEADER);
			}
		}
	}
}

static void rule_27_ports_that_are_not_the_sas_are_dropped(void **state)
{
	static const uint16_t ports[][2] = {
		{LAB_UC, LAB_PC},  {LAB_US, LAB_PS}, {LAB_US, LAB_PC},	   {LAB_UC, LAB_SIP},
		{LAB_SIP, LAB_PS}, {LAB_PS, LAB_UC}, {LAB_UC + 1, LAB_PS},
	};
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		unsigned n = 0;
		lab_install(LAB_SLOT, ipv6, 0);
		for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
			for (uint8_t proto = 6; proto <= 17; proto += 11) {
				lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
								  .proto = proto,
								  .port_src = ports[i][0],
								  .port_dst = ports[i][1]});
				lab_wrap(&f, lab_spi(LAB_SLOT, 0), ++n);
				lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_SELECTOR);
			}
		}
		assert_int_equal(set_drops()[BGF_DROP_SELECTOR], n);
	}
}

static void rule_16_a_temporary_set_carries_register_only(void **state)
{
	static const struct {
		const char *data;
		bool pass;
	} row[] = {
		{register_text, true},
		{message_text, false},
		{"SIP/2.0 200 OK\r\n\r\n", true},
		{"\r\n\r\n", true},
		{"\xf8\x01SigComp", true},
		{"the middle of a stream", true},
		{"INVITE sip:a SIP/2.0\r\n", false},
	};
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		uint32_t seq = 0;
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, SA_TEMPORARY);
		for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
			for (uint8_t proto = 6; proto <= 17; proto += 11) {
				lab_make(&f, &(struct lab_packet){
						     .ipv6 = ipv6, .proto = proto, .data = row[i].data});
				lab_wrap(&f, lab_spi(LAB_SLOT, 0), ++seq);
				if (row[i].pass)
					lab_expect_forward(PORT_ACCESS, &f, &got);
				else
					lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_TEMPORARY);
			}
		}
		assert_int_equal(set_drops()[BGF_DROP_TEMPORARY], 4);
		h->shared.flags &= (uint8_t)~SA_TEMPORARY;
		good(&f, ipv6, ++seq);
		lab_expect_forward(PORT_ACCESS, &f, &got);
	}
}

static unsigned notices(void)
{
	unsigned n = 0;
	void *slot;
	while (rte_ring_dequeue(lab.notices, &slot) == 0) {
		assert_int_equal((uintptr_t)slot, LAB_SLOT + 1);
		n++;
	}
	return n;
}

static void receive(int ipv6, uint8_t proto, const char *data, uint32_t seq)
{
	struct lab_frame f, got;

	lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .proto = proto, .data = data});
	lab_wrap(&f, lab_spi(LAB_SLOT, 0), seq);
	lab_expect_forward(PORT_ACCESS, &f, &got);
}

static void rule_20_the_first_payload_that_is_no_register_is_told_once(void **state)
{
	(void)state;
	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, SA_WATCH_FIRST);
		receive(ipv6, 17, register_text, 1); /* the REGISTER again */
		receive(ipv6, 6, "", 2);	     /* a bare ACK */
		assert_int_equal(notices(), 0);
		receive(ipv6, 17, message_text, 3);
		assert_int_equal(notices(), 1);
		receive(ipv6, 17, message_text, 4);
		assert_int_equal(notices(), 0);
	}
}

static void rule_20_a_full_ring_is_tried_again(void **state)
{
	(void)state;
	EACH_FAMILY
	{
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, SA_WATCH_FIRST);
		while (rte_ring_enqueue(lab.notices, (void *)(uintptr_t)(LAB_SLOT + 1)) == 0)
			;
		receive(ipv6, 17, message_text, 1);
		assert_true(h->shared.flags & SA_WATCH_FIRST);
		notices();
		receive(ipv6, 17, message_text, 2);
		assert_int_equal(notices(), 1);
		assert_false(h->shared.flags & SA_WATCH_FIRST);
	}
}

/* Many SAs, good and bad, in one burst: each gets its own verdict. */
static void a_mixed_burst_is_told_apart(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		/* only what inbound look-ups need: the tuples of the others would be the same */
		const struct sa_hot *one = lab_install(LAB_SLOT, ipv6, 0);
		for (uint32_t slot = 0; slot < 16; slot++) {
			struct sa_in *sa = &store_hot(lab.store)[slot].in[0];
			store_hot(lab.store)[slot].shared = one->shared;
			*sa = one->in[0];
			sa->spi = lab_spi(slot, 0);
		}
		for (uint32_t i = 0; i < 64; i++) {
			char data[64] = "payload";
			lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
							  .data = data,
							  .data_length = (uint16_t)(1 + i % 60)});
			lab_wrap(&f, lab_spi(i % 16, 0), 1 + i / 16);
			if (i % 5 == 0)
				f.octet[f.length - 1] ^= 1;
			lab_put(PORT_ACCESS, &f);
		}
		lab_turn();
		unsigned n = 0;
		while (lab_take(PORT_CORE, &got))
			n++;
		assert_int_equal(n, 64 - 13);
		assert_int_equal(lab.w->counters[PORT_ACCESS].drops[BGF_DROP_ICV], 13);
		assert_int_equal(lab_drops(PORT_ACCESS), 13);
	}
}

/* Nor is its sender told: an ICMP error would quote it in the clear. */
static void what_does_not_fit_the_core_link_is_dropped_unanswered(void **state)
{
	struct lab_frame f, got;
	struct pkt p;
	(void)state;

	EACH_FAMILY
	{
		struct lab_packet packet = {.ipv6 = ipv6, .data = "0123456789", .dont_fragment = true};
		const uint16_t fits = (uint16_t)((ipv6 ? 40 : 20) + 8 + 10);
		lab_install(LAB_SLOT, ipv6, 0);
		for (uint32_t seq = 1; seq <= 2; seq++) {
			lab_make(&f, &packet);
			lab_wrap(&f, lab_spi(LAB_SLOT, 0), seq);
			lab.port[PORT_CORE].mtu = (uint16_t)(fits + 1 - seq);
			if (seq == 1)
				lab_expect_forward(PORT_ACCESS, &f, &got);
			else
				lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_TOO_BIG);
		}
		assert_false(lab_take_exception(&got, &p));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, lab_reset)
	const struct CMUnitTest tests[] = {
		TEST(what_comes_out_is_the_plain_packet_one_hop_on),
		TEST(rule_1_the_inbound_client_sa_carries_the_other_pair),
		TEST(octets_behind_the_ip_packet_are_ethernets),
		TEST(rule_5_reserved_spis),
		TEST(rule_4_spis_that_are_not_ours_are_unknown),
		TEST(rule_4_reflected_packets_are_dropped),
		TEST(esp_from_or_to_another_address_is_dropped),
		TEST(esp_of_impossible_length_is_dropped),
		TEST(rule_9_sequence_0_and_replays),
		TEST(rule_9_of_two_copies_in_one_burst_one_passes),
		TEST(rule_17_any_flipped_bit_is_a_bad_icv_and_moves_nothing),
		TEST(padding_must_be_1_2_3),
		TEST(padding_of_any_length_is_taken_off),
		TEST(rule_10_dummies_and_other_protocols_are_dropped),
		TEST(inner_headers_that_are_cut_short_are_dropped),
		TEST(rule_27_ports_that_are_not_the_sas_are_dropped),
		TEST(rule_16_a_temporary_set_carries_register_only),
		TEST(rule_20_the_first_payload_that_is_no_register_is_told_once),
		TEST(rule_20_a_full_ring_is_tried_again),
		TEST(a_mixed_burst_is_told_apart),
		TEST(what_does_not_fit_the_core_link_is_dropped_unanswered),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
