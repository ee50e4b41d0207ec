/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What comes in on a port, sorted: every reason for which the first stage drops, and what goes to the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ring.h>

#include "exception.h"
#include "lab.h"

/* One packet, what is done to it, and what becomes of it. */
struct row {
	const char *name;
	int ipv6; /* 2: both families */
	bool from_core;
	struct lab_packet packet;
	void (*change)(struct lab_frame *f);
	enum bgf_drop want; /* KERNEL: no drop */
};
#define KERNEL ((enum bgf_drop)BGF_DROP_COUNT)

static void to_other_mac(struct lab_frame *f)
{
	f->octet[5] ^= 1;
}

static void to_broadcast_mac(struct lab_frame *f)
{
	memset(f->octet, 0xff, 6);
}

static void to_multicast_mac(struct lab_frame *f)
{
	f->octet[0] = 0x33;
}

static void with_vlan(struct lab_frame *f)
{
	f->octet[12] = 0x81;
	f->octet[13] = 0;
}

static void cut_to_ethernet(struct lab_frame *f)
{
	f->length = 14;
}

static void cut_in_ethernet(struct lab_frame *f)
{
	f->length = 13;
}

static void cut_in_ip(struct lab_frame *f)
{
	f->length = 14 + 19;
}

static void cut_in_ipv6(struct lab_frame *f)
{
	f->length = 14 + 39;
}

static void cut_last_octet(struct lab_frame *f)
{
	f->length--;
}

static void wrong_version(struct lab_frame *f)
{
	lab_ip(f)[0] = (uint8_t)(lab_ip(f)[0] >> 4 == 6 ? 0x50 : 0x55);
	lab_fix_ip(f);
}

static void header_length_4(struct lab_frame *f)
{
	lab_ip(f)[0] = 0x44;
	lab_fix_ip(f);
}

static void total_below_header(struct lab_frame *f)
{
	lab_ip(f)[2] = 0;
	lab_ip(f)[3] = 19;
	lab_fix_ip(f);
}

static void bad_ip_checksum(struct lab_frame *f)
{
	lab_ip(f)[10] ^= 1;
}

/* A hop-by-hop header with Router Alert for ICMPv6 (RFC 2711), and an MLD query (RFC 3810). */
#define ALERT	  "\x3a\0\x05\x02\0\0\x01\0"
#define MLD_QUERY ALERT "\x82\0\0\0\0\0\0\0"

/* Header length 24: what was UDP's ports are options now. */
static void with_options(struct lab_frame *f)
{
	lab_ip(f)[0] = 0x46;
	lab_fix_ip(f);
}

static void more_fragments(struct lab_frame *f)
{
	lab_ip(f)[6] = 0x20;
	lab_fix_ip(f);
}

static void later_fragment(struct lab_frame *f)
{
	lab_ip(f)[7] = 1;
	lab_fix_ip(f);
}

static void next_header(struct lab_frame *f, uint8_t next)
{
	lab_ip(f)[6] = next;
}

static void fragment_header(struct lab_frame *f)
{
	next_header(f, 44);
}

static void hop_by_hop(struct lab_frame *f)
{
	next_header(f, 0);
}

static void routing_header(struct lab_frame *f)
{
	next_header(f, 43);
}

static void behind_hop_by_hop(struct lab_frame *f)
{
	next_header(f, 0);
}

static void destination_options(struct lab_frame *f)
{
	next_header(f, 60);
}

static void mobility_header(struct lab_frame *f)
{
	next_header(f, 135);
}

static void udp_length_7(struct lab_frame *f)
{
	lab_l4(f)[5] = 7;
}

static void udp_length_beyond(struct lab_frame *f)
{
	lab_l4(f)[5]++;
}

static void tcp_header_16(struct lab_frame *f)
{
	lab_l4(f)[12] = 4 << 4;
}

static void tcp_header_60(struct lab_frame *f)
{
	lab_l4(f)[12] = 15 << 4;
}

static const struct row rows[] = {
	/* frames */
	{"shorter than Ethernet", 2, 0, {0}, cut_in_ethernet, BGF_DROP_TRUNCATED},
	{"Ethernet alone", 2, 0, {0}, cut_to_ethernet, BGF_DROP_TRUNCATED},
	{"IPv4 header cut", 0, 0, {0}, cut_in_ip, BGF_DROP_TRUNCATED},
	{"IPv6 header cut", 1, 0, {0}, cut_in_ipv6, BGF_DROP_TRUNCATED},
	{"IP length beyond the frame", 2, 0, {0}, cut_last_octet, BGF_DROP_TRUNCATED},
	{"IP length beyond the frame, core", 2, 1, {0}, cut_last_octet, BGF_DROP_TRUNCATED},
	{"another station", 2, 0, {0}, to_other_mac, BGF_DROP_NOT_OURS},
	{"another station, core", 2, 1, {0}, to_other_mac, BGF_DROP_NOT_OURS},
	{"unicast in a broadcast", 2, 0, {0}, to_broadcast_mac, BGF_DROP_NOT_OURS},
	{"unicast in a multicast", 2, 1, {0}, to_multicast_mac, BGF_DROP_NOT_OURS},
	{"VLAN", 2, 0, {0}, with_vlan, BGF_DROP_ETHERTYPE},
	/* headers */
	{"version", 2, 0, {0}, wrong_version, BGF_DROP_IP_HEADER},
	{"header length", 0, 0, {0}, header_length_4, BGF_DROP_IP_HEADER},
	{"total length", 0, 0, {0}, total_below_header, BGF_DROP_IP_HEADER},
	{"checksum", 0, 1, {0}, bad_ip_checksum, BGF_DROP_IP_HEADER},
	{"options", 0, 0, {0}, with_options, BGF_DROP_IP_OPTIONS},
	{"options, core", 0, 1, {0}, with_options, BGF_DROP_IP_OPTIONS},
	{"first fragment", 0, 0, {0}, more_fragments, BGF_DROP_FRAGMENT},
	{"later fragment", 0, 1, {0}, later_fragment, BGF_DROP_FRAGMENT},
	{"fragment header", 1, 0, {0}, fragment_header, BGF_DROP_FRAGMENT},
	{"fragment header, core", 1, 1, {0}, fragment_header, BGF_DROP_FRAGMENT},
	{"hop by hop", 1, 0, {0}, hop_by_hop, BGF_DROP_IP_EXTENSION},
	{"routing header", 1, 0, {0}, routing_header, BGF_DROP_IP_EXTENSION},
	{"destination options", 1, 1, {0}, destination_options, BGF_DROP_IP_EXTENSION},
	{"mobility", 1, 0, {0}, mobility_header, BGF_DROP_IP_EXTENSION},
	/* addresses */
	{"served source", 0, 0, {.src = "10.50.0.1"}, NULL, BGF_DROP_SOURCE_SERVED},
	{"served source", 1, 0, {.src = "fd00:50::1"}, NULL, BGF_DROP_SOURCE_SERVED},
	{"served source before all else",
	 0,
	 0,
	 {.src = "10.50.0.1", .ttl = 1},
	 with_options,
	 BGF_DROP_SOURCE_SERVED},
	{"served source before all else", 1, 0, {.src = "fd00:50::9"}, hop_by_hop, BGF_DROP_SOURCE_SERVED},
	{"source 0.0.0.0", 0, 0, {.src = "0.0.0.0"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source 0/8", 0, 0, {.src = "0.1.2.3"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source loopback", 0, 0, {.src = "127.0.0.1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source multicast", 0, 0, {.src = "224.0.0.1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source broadcast", 0, 1, {.src = "255.255.255.255"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source class E", 0, 0, {.src = "240.0.0.1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source link-local", 0, 0, {.src = "169.254.1.1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source ::", 1, 0, {.src = "::"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source ::1", 1, 1, {.src = "::1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source multicast", 1, 0, {.src = "ff02::1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source v4-mapped", 1, 0, {.src = "::ffff:10.45.0.2"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"source link-local", 1, 0, {.src = "fe80::1"}, NULL, BGF_DROP_SOURCE_INVALID},
	{"to nobody's", 0, 0, {.dst = "10.50.0.2"}, NULL, BGF_DROP_NOT_SERVED},
	{"to nobody's", 1, 0, {.dst = "fd00:50::2"}, NULL, BGF_DROP_NOT_SERVED},
	{"to another UE", 0, 0, {.dst = "10.45.0.3"}, NULL, BGF_DROP_NOT_SERVED},
	{"to another UE", 1, 0, {.dst = "fd00:45::3"}, NULL, BGF_DROP_NOT_SERVED},
	{"core source", 0, 1, {.src = "10.60.0.7"}, NULL, BGF_DROP_SOURCE_NOT_SERVED},
	{"core source", 1, 1, {.src = "fd00:60::7"}, NULL, BGF_DROP_SOURCE_NOT_SERVED},
	/* TTL */
	{"TTL 1", 2, 0, {.ttl = 1, .port_dst = LAB_SIP}, NULL, BGF_DROP_TTL_EXPIRED},
	{"TTL 1, core", 2, 1, {.ttl = 1}, NULL, BGF_DROP_TTL_EXPIRED},
	/* UDP and TCP */
	{"UDP length 7", 2, 0, {.port_dst = LAB_SIP}, udp_length_7, BGF_DROP_L4_HEADER},
	{"UDP length beyond", 2, 1, {0}, udp_length_beyond, BGF_DROP_L4_HEADER},
	{"TCP header 16", 2, 0, {.proto = 6}, tcp_header_16, BGF_DROP_L4_HEADER},
	{"TCP header beyond", 2, 1, {.proto = 6}, tcp_header_60, BGF_DROP_L4_HEADER},
	/* for the kernel */
	{"ping to us", 0, 0, {.proto = 1, .dst = "10.45.0.254"}, NULL, KERNEL},
	{"ping to us", 1, 0, {.proto = 58, .dst = "fd00:45::fe"}, NULL, KERNEL},
	{"ping to us, TTL 1",
	 0,
	 1,
	 {.proto = 1, .src = "10.60.0.2", .dst = "10.60.0.254", .ttl = 1},
	 NULL,
	 KERNEL},
	{"ping to us by the P-CSCF", 1, 1, {.proto = 58, .dst = "fd00:60::fe"}, NULL, KERNEL},
	{"TCP to us by the P-CSCF", 0, 1, {.proto = 6, .port_dst = 179, .dst = "10.60.0.254"}, NULL, KERNEL},
	{"ND from a link-local address",
	 1,
	 0,
	 {.proto = 58, .src = "fe80::2", .dst = "fd00:45::fe"},
	 NULL,
	 KERNEL},
	{"ND to a group",
	 1,
	 0,
	 {.proto = 58, .dst = "ff02::1:ff00:fe", .ttl = 255},
	 to_multicast_mac,
	 KERNEL},
	{"DAD", 1, 0, {.proto = 58, .src = "::", .dst = "ff02::1:ff00:2"}, to_multicast_mac, KERNEL},
	{"ND to link-local", 1, 1, {.proto = 58, .src = "fe80::2", .dst = "fe80::fe"}, NULL, KERNEL},
	{"OSPF",
	 0,
	 1,
	 {.proto = 89, .src = "10.60.0.2", .dst = "224.0.0.5", .ttl = 1},
	 to_multicast_mac,
	 KERNEL},
	{"VRRP", 0, 0, {.proto = 112, .dst = "224.0.0.18"}, to_multicast_mac, KERNEL},
	{"BFD to link-local", 1, 1, {.port_dst = 3784, .src = "fe80::2", .dst = "fe80::fe"}, NULL, KERNEL},
	{"mDNS",
	 0,
	 0,
	 {.port_src = 5353, .port_dst = 5353, .dst = "224.0.0.251"},
	 to_multicast_mac,
	 BGF_DROP_NOT_SERVED},
	{"DHCP",
	 0,
	 0,
	 {.src = "0.0.0.0", .dst = "255.255.255.255", .port_src = 68, .port_dst = 67},
	 to_broadcast_mac,
	 BGF_DROP_NOT_SERVED},
	{"SIP to a group",
	 1,
	 0,
	 {.port_dst = LAB_SIP, .dst = "ff02::1"},
	 to_multicast_mac,
	 BGF_DROP_NOT_SERVED},
	{"a loopback source to a group",
	 0,
	 0,
	 {.proto = 89, .src = "127.0.0.1", .dst = "224.0.0.5"},
	 to_multicast_mac,
	 BGF_DROP_SOURCE_INVALID},
	{"a group's source to a group",
	 0,
	 0,
	 {.proto = 89, .src = "224.0.0.9", .dst = "224.0.0.5"},
	 to_multicast_mac,
	 BGF_DROP_SOURCE_INVALID},
	{"options to a group",
	 0,
	 0,
	 {.proto = 89, .dst = "224.0.0.5", .data = "abcdefgh"},
	 with_options,
	 BGF_DROP_IP_OPTIONS},
	{"IGMP behind a Router Alert",
	 0,
	 0,
	 {.proto = 2, .dst = "224.0.0.1", .data = "abcdefgh"},
	 with_options,
	 KERNEL},
	{"MLD behind a Router Alert",
	 1,
	 0,
	 {.proto = 58,
	  .src = "fe80::2",
	  .dst = "ff02::1",
	  .data = MLD_QUERY,
	  .data_length = sizeof(MLD_QUERY)},
	 behind_hop_by_hop,
	 KERNEL},
	{"an echo request behind a Router Alert",
	 1,
	 0,
	 {.proto = 58, .src = "fe80::2", .dst = "ff02::1", .data = ALERT "\x80\0\0\0", .data_length = 12},
	 behind_hop_by_hop,
	 BGF_DROP_IP_EXTENSION},
	{"a Router Alert and no more",
	 1,
	 0,
	 {.proto = 58, .src = "fe80::2", .dst = "ff02::1", .data = MLD_QUERY, .data_length = 8},
	 behind_hop_by_hop,
	 BGF_DROP_IP_EXTENSION},
	{"fragment to us", 0, 0, {.proto = 1, .dst = "10.45.0.254"}, more_fragments, BGF_DROP_FRAGMENT},
	{"ESP with SPI 0", 2, 0, {.proto = 50}, NULL, BGF_DROP_SPI_RESERVED},
};

static void check_kernel(const struct row *r, const struct lab_frame *f)
{
	const enum port_side side = r->from_core ? PORT_CORE : PORT_ACCESS;
	struct lab_frame got;
	struct pkt p;

	lab_put(side, f);
	lab_turn();
	if (!lab_take_exception(&got, &p))
		fail_msg("%s: not handed to the kernel", r->name);
	assert_int_equal(p.exception, EXCEPTION_KERNEL);
	assert_int_equal(p.side, side);
	assert_int_equal(got.length, f->length);
	assert_memory_equal(got.octet, f->octet, f->length);
	assert_int_equal(lab_drops(side), 0);
	assert_int_equal(lab.w->counters[side].exceptions, 1);
}

static void check(const struct row *r, bool ipv6)
{
	struct lab_packet p = r->packet;
	struct lab_frame f;

	p.ipv6 = ipv6;
	p.from_core = r->from_core;
	if (p.proto == 50)
		p.data = "\0\0\0\0\0\0\0\1", p.data_length = 8;
	lab_install(LAB_SLOT, ipv6, 0);
	lab_make(&f, &p);
	if (r->change != NULL)
		r->change(&f);
	if (r->want == KERNEL) {
		check_kernel(r, &f);
	} else {
		lab_put(r->from_core ? PORT_CORE : PORT_ACCESS, &f);
		lab_turn();
		const struct counters *c = &lab.w->counters[r->from_core];
		if (c->drops[r->want] != 1 || lab_drops((enum port_side)r->from_core) != 1)
			fail_msg("%s, IPv%d: not dropped as %s", r->name, ipv6 ? 6 : 4,
				 bgf_drop_name(r->want));
	}
	assert_int_equal(lab.w->counters[r->from_core].rx_packets, 1);
	assert_int_equal(lab.w->counters[r->from_core].rx_octets, f.length);
	lab_reset(NULL);
}

static void every_row_ends_as_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int ipv6 = 0; ipv6 < 2; ipv6++)
			if (rows[i].ipv6 == 2 || rows[i].ipv6 == ipv6)
				check(&rows[i], ipv6);
}

/* The kernel would answer with ICMP what nobody may be told. */
static void esp_to_the_gateways_own_address_is_an_unknown_spi(void **state)
{
	struct lab_frame f;
	(void)state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .dst = ipv6 ? "fd00:45::fe" : "10.45.0.254"});
		lab_wrap(&f, 0x1234, 1);
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_UNKNOWN_SPI);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
						  .from_core = true,
						  .dst = ipv6 ? "fd00:60::fe" : "10.60.0.254"});
		lab_wrap(&f, 0x1234, 1);
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_UNKNOWN_SPI);
	}
}

static void arp_goes_to_the_kernel_unless_it_is_cut(void **state)
{
	const struct row r = {.name = "ARP"};
	struct lab_frame f = {.length = 14 + 28};
	(void)state;

	memset(f.octet, 0xff, 6);
	f.octet[12] = 0x08;
	f.octet[13] = 0x06;
	check_kernel(&r, &f);
	f.length--;
	lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_TRUNCATED);
}

static void expired_packets_are_told_to_their_sender(void **state)
{
	struct lab_frame f, got;
	struct pkt p;
	(void)state;

	for (int from_core = 0; from_core < 2; from_core++) {
		lab_make(&f, &(struct lab_packet){.from_core = from_core, .ttl = 1, .port_dst = LAB_SIP});
		lab_expect_drop((enum port_side)from_core, &f, BGF_DROP_TTL_EXPIRED);
		assert_true(lab_take_exception(&got, &p));
		assert_int_equal(p.exception, EXCEPTION_TTL);
		assert_int_equal(p.side, from_core);
		assert_memory_equal(got.octet, f.octet, f.length);
		assert_int_equal(lab.w->counters[from_core].exceptions, 0);
	}
}

static void verify_l4_drops_what_esp_would_make_permanent(void **state)
{
	struct lab_frame f, got;
	(void)state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (uint8_t proto = 6; proto <= 17; proto += 11) {
			lab_install(LAB_SLOT, ipv6, 0);
			lab_make(&f, &(struct lab_packet){
					     .ipv6 = ipv6, .from_core = true, .proto = proto, .data = "odd"});
			f.octet[f.length - 1] ^= 1;
			lab_expect_forward(PORT_CORE, &f, &got);
			lab.port[PORT_CORE].verify_l4 = true;
			lab_expect_drop(PORT_CORE, &f, BGF_DROP_L4_CHECKSUM);
			f.octet[f.length - 1] ^= 1;
			lab_expect_forward(PORT_CORE, &f, &got);
			memset(lab_l4(&f) + 6, 0, 2); /* UDP: no checksum, which IPv6 does not allow */
			if (proto == 17 && ipv6)
				lab_expect_drop(PORT_CORE, &f, BGF_DROP_L4_CHECKSUM);
			else if (proto == 17)
				lab_expect_forward(PORT_CORE, &f, &got);
			lab_reset(NULL);
		}
	}
}

/* A device's word is taken for a good checksum; a bad one, and one that is absent, is looked at. */
static void a_device_that_verified_l4_spares_the_sum(void **state)
{
	static const struct {
		uint64_t flags;
		bool wrong, absent, passes;
	} cases[] = {{RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, false, true},
		     {RTE_MBUF_F_RX_L4_CKSUM_BAD, true, false, false},
		     {RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false, true},
		     {RTE_MBUF_F_RX_L4_CKSUM_NONE, true, false, false},
		     {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, true, false, false},
		     {RTE_MBUF_F_RX_L4_CKSUM_GOOD, false, true, false}};
	struct lab_frame f, got;
	void *m = NULL;
	(void)state;

	lab_install(LAB_SLOT, true, 0);
	lab.port[PORT_CORE].verify_l4 = true;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lab_make(&f, &(struct lab_packet){.ipv6 = true, .from_core = true});
		f.octet[f.length - 1] ^= cases[i].wrong;
		if (cases[i].absent)
			memset(lab_l4(&f) + 6, 0, 2);
		lab_put(PORT_CORE, &f);
		assert_int_equal(rte_ring_dequeue(lab.rx[PORT_CORE], &m), 0);
		((struct rte_mbuf *)m)->ol_flags |= cases[i].flags;
		assert_int_equal(rte_ring_enqueue(lab.rx[PORT_CORE], m), 0);
		lab_turn();
		assert_int_equal(lab_take(PORT_ACCESS, &got), cases[i].passes);
	}
}

/* A frame in several buffers is none that fits here. */
static void a_chain_of_buffers_is_truncated(void **state)
{
	struct lab_frame f;
	struct rte_mbuf *m = rte_pktmbuf_alloc(lab.pool), *next = rte_pktmbuf_alloc(lab.pool);
	(void)state;

	lab_make(&f, &(struct lab_packet){.port_dst = LAB_SIP});
	memcpy(rte_pktmbuf_append(m, f.length), f.octet, f.length);
	rte_pktmbuf_append(next, 10);
	assert_int_equal(rte_pktmbuf_chain(m, next), 0);
	assert_int_equal(rte_ring_enqueue(lab.rx[PORT_ACCESS], m), 0);
	lab_turn();
	assert_int_equal(lab.w->counters[PORT_ACCESS].drops[BGF_DROP_TRUNCATED], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, lab_reset)
	const struct CMUnitTest tests[] = {
		TEST(every_row_ends_as_it_should),
		TEST(esp_to_the_gateways_own_address_is_an_unknown_spi),
		TEST(arp_goes_to_the_kernel_unless_it_is_cut),
		TEST(expired_packets_are_told_to_their_sender),
		TEST(verify_l4_drops_what_esp_would_make_permanent),
		TEST(a_device_that_verified_l4_spares_the_sum),
		TEST(a_chain_of_buffers_is_truncated),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
