/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel beside the ports. Needs root and /dev/net/tun, else it is skipped.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "taps_fixture.h"

static void taps_are_the_ports_hosts(void **state)
{
	(void)state;
	assert_true(says("ip -n taps link show t-acc", "link/ether 02:00:00:00:ac:01"));
	assert_true(says("ip -n taps link show t-acc", "mtu 1400"));
	assert_true(says("ip -n taps link show t-acc", ",UP,LOWER_UP>"));
	assert_true(says("ip -n taps -d link show t-acc", "persist on"));
	assert_true(says("ip netns exec taps sysctl net.ipv4.conf.t-acc.forwarding", "= 0"));
	assert_true(says("ip netns exec taps sysctl net.ipv4.conf.t-acc.arp_ignore", "= 1"));
	for (int v6 = 0; v6 < 2; v6++) {
		static const char *const neigh[][2] = {{"retrans_time_ms", "= 200\n"},
						       {"ucast_solicit", "= 15\n"},
						       {"mcast_solicit", "= 15\n"}};
		for (size_t i = 0; i < sizeof(neigh) / sizeof(neigh[0]); i++) {
			char command[128];
			snprintf(command, sizeof(command),
				 "ip netns exec taps sysctl net.ipv%d.neigh.t-acc.%s", v6 ? 6 : 4,
				 neigh[i][0]);
			assert_true(says(command, neigh[i][1]));
		}
	}
	port[PORT_ACCESS].up = false; /* its carrier follows the port's link */
	RUN_UNTIL(says("ip -n taps link show t-acc", "NO-CARRIER"));
	port[PORT_ACCESS].up = true;
	RUN_UNTIL(says("ip -n taps link show t-acc", "LOWER_UP"));
}

static void what_operators_configured_outlives_the_process(void **state)
{
	(void)state;
	assert_int_equal(shell("ip -n taps addr add 10.45.0.254/24 dev t-acc"), 0);
	assert_int_equal(shell("ip -n taps route add 10.9.0.0/16 via 10.45.0.1"), 0);
	exceptions_stop(exceptions);
	exceptions = NULL;
	/* Another start, another table: filled when exceptions_start returns. */
	nexthop_table_free(args.nexthops[PORT_ACCESS]);
	args.nexthops[PORT_ACCESS] = nexthop_table_new("again", 0, rcu);
	assert_int_equal(start(), 0);
	assert_int_equal(word("10.45.0.254"), NEXTHOP_LOCAL);
	assert_true(routed("10.9.1.1", "10.45.0.1"));
}

static void what_cannot_be_had_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *make, *undo, *tap, *netns, *words;
		int r;
	} cases[] = {
		{"true", "true", "t-acc", "taps", "another process has it", -EBUSY},
		{"true", "true", "t-x", "nowhere", "ip netns add", -ENOENT},
		{"ip -n taps link add t-x type veth peer name t-y", "ip -n taps link del t-x", "t-x", "taps",
		 "is not a tap", -EINVAL},
		{"ip -n taps tuntap add t-x mode tun", "ip -n taps link del t-x", "t-x", "taps",
		 "is not a tap", -EINVAL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_port other = config[PORT_ACCESS];
		struct exceptions_args a = args;
		struct exceptions *none = NULL;
		snprintf(other.tap, sizeof(other.tap), "%s", cases[i].tap);
		snprintf(other.tap_netns, sizeof(other.tap_netns), "%s", cases[i].netns);
		a.config[PORT_ACCESS] = &other;
		assert_int_equal(shell("%s", cases[i].make), 0);
		assert_int_equal(exceptions_start(&a, &none, error, sizeof(error)), cases[i].r);
		assert_null(none);
		assert_non_null(strstr(error, cases[i].words));
		assert_non_null(strstr(error, cases[i].tap));
		assert_int_equal(shell("%s", cases[i].undo), 0);
	}
}

static void addresses_routes_and_neighbours_are_followed(void **state)
{
	(void)state;
	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc; ip -n taps addr add fd00:45::fe/64 dev t-acc "
	      "nodad;"
	      "ip -n taps addr add 10.60.0.254/24 dev t-core");
	RUN_UNTIL(word("10.45.0.254") == NEXTHOP_LOCAL && word("fd00:45::fe") == NEXTHOP_LOCAL);
	RUN_UNTIL(routed("10.45.0.2", "10.45.0.2") && routed("fd00:45::2", "fd00:45::2"));
	/* What leaves through the other tap is no route here. */
	assert_true(routed("10.60.0.2", NULL));
	assert_int_equal(word("10.60.0.254"), 0);
	/* The network's broadcast address is nobody's. */
	assert_true(routed("10.45.0.255", NULL));

	shell("ip -n taps neigh add 10.45.0.2 lladdr 02:00:00:00:00:07 dev t-acc nud permanent");
	RUN_UNTIL(word("10.45.0.2") == mac_word(7));
	shell("ip -n taps neigh change 10.45.0.2 lladdr 02:00:00:00:00:08 dev t-acc nud permanent");
	RUN_UNTIL(word("10.45.0.2") == mac_word(8));
	shell("ip -n taps neigh del 10.45.0.2 dev t-acc");
	RUN_UNTIL(word("10.45.0.2") == 0);

	shell("ip -n taps neigh add fe80::7 lladdr 02:00:00:00:00:09 dev t-acc nud permanent;"
	      "ip -n taps route add fd00:99::/32 via fe80::7 dev t-acc;"
	      "ip -n taps route add 10.8.0.0/16 via inet6 fe80::7 dev t-acc");
	RUN_UNTIL(word("fd00:99::1") == mac_word(9) && word("10.8.1.1") == mac_word(9));
	assert_int_equal(nexthop_resolved(args.nexthops[PORT_ACCESS]), 1);
	/* The address goes, and with it the routes of its network, of which the kernel does not tell. */
	shell("ip -n taps addr del 10.45.0.254/24 dev t-acc");
	RUN_UNTIL(routed("10.45.0.2", NULL) && word("10.45.0.254") == 0);
	/* So it is when the link goes down. */
	shell("ip -n taps link set t-acc down");
	RUN_UNTIL(routed("fd00:99::1", NULL) && routed("10.8.1.1", NULL));
}

static void of_several_routes_the_kernels_counts(void **state)
{
	(void)state;
	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc;"
	      "ip -n taps route add 10.7.0.0/16 via 10.45.0.1 metric 10;"
	      "ip -n taps route add 10.7.0.0/16 via 10.45.0.2 metric 20;"
	      "ip -n taps route add 10.7.0.0/16 via 10.45.0.3 table 77");
	RUN_UNTIL(routed("10.7.1.1", "10.45.0.1"));
	shell("ip -n taps route del 10.7.0.0/16 metric 10");
	RUN_UNTIL(routed("10.7.1.1", "10.45.0.2"));
	shell("ip -n taps route replace 10.7.0.0/16 via 10.45.0.4 metric 20");
	RUN_UNTIL(routed("10.7.1.1", "10.45.0.4"));
	shell("ip -n taps route flush 10.7.0.0/16");
	RUN_UNTIL(routed("10.7.1.1", "10.45.0.3"));

	shell("ip -n taps route add default via 10.45.0.9; ip -n taps route add blackhole 10.6.0.0/16;"
	      "ip -n taps route add unreachable 10.5.0.0/16; ip -n taps route add prohibit 10.4.0.0/16");
	RUN_UNTIL(routed("8.8.8.8", "10.45.0.9") && routed("10.6.1.1", NULL) && routed("10.5.1.1", NULL) &&
		  routed("10.4.1.1", NULL));
	/* Of several paths the first over this tap. */
	shell("ip -n taps addr add 10.60.0.254/24 dev t-core;"
	      "ip -n taps route add 10.3.0.0/16 nexthop via 10.60.0.5 nexthop via 10.45.0.5 nexthop via "
	      "10.45.0.6");
	RUN_UNTIL(routed("10.3.1.1", "10.45.0.5"));
	/* And next hops that are objects of their own. */
	shell("ip -n taps nexthop add id 5 via 10.45.0.7 dev t-acc && ip -n taps route add 10.2.0.0/16 nhid "
	      "5");
	RUN_UNTIL(routed("10.2.1.1", "10.45.0.7"));
	shell("ip -n taps nexthop replace id 5 via 10.45.0.8 dev t-acc");
	RUN_UNTIL(routed("10.2.1.1", "10.45.0.8"));
}

static void lost_events_lead_to_a_full_dump(void **state)
{
	(void)state;
	enum { MANY = 20000 };

	FILE *batch = fopen("/run/netns/batch", "w");
	for (int i = 0; i < MANY; i++)
		fprintf(batch, "neigh add 10.45.%d.%d lladdr 02:00:00:00:00:05 dev t-acc nud permanent\n",
			i >> 8, i & 255);
	fclose(batch);
	shell("ip -n taps addr add 10.45.255.254/16 dev t-acc");
	RUN_UNTIL(word("10.45.255.254") == NEXTHOP_LOCAL);
	for (int turns = 0; turns < 100; turns++) { /* until the dumps for that are over */
		exceptions_run(exceptions);
		usleep(5000);
	}
	/* Nobody reads meanwhile: what comes last is lost. (No address or route may change, which would lead
	 * to a dump anyway.) */
	assert_int_equal(shell("ip -n taps -batch /run/netns/batch"), 0);
	RUN_UNTIL(nexthop_resolved(args.nexthops[PORT_ACCESS]) == MANY);
	assert_int_equal(word("10.45.78.31"), mac_word(5));
}

static void arp_is_answered_and_learned(void **state)
{
	(void)state;
	uint8_t frame[2048];

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc; ip -n taps addr add 10.60.0.254/24 dev t-core");
	RUN_UNTIL(word("10.45.0.254") == NEXTHOP_LOCAL);
	send_arp(ARPOP_REQUEST, "10.45.0.2", "10.45.0.254");
	RUN_UNTIL(next_frame(is_arp, frame) && frame[21] == ARPOP_REPLY);
	assert_memory_equal(frame, phone_mac, 6);
	assert_memory_equal(frame + 6, access_mac, 6);
	/* It asked, so it is known, and because nobody but the kernel would notice that it is in use,
	 * managed. */
	uint64_t w = 0;
	memcpy(&w, phone_mac, 6);
	RUN_UNTIL(word("10.45.0.2") == (w | NEXTHOP_RESOLVED));
	RUN_UNTIL(says("ip -n taps -d neigh show 10.45.0.2", "managed"));
	/* The core's address is not answered for on the access side. */
	send_arp(ARPOP_REQUEST, "10.45.0.2", "10.60.0.254");
	for (int i = 0; i < 20; i++) {
		exceptions_run(exceptions);
		while (next_frame(is_arp, frame))
			assert_int_not_equal(frame[21], ARPOP_REPLY);
		usleep(5000);
	}
}

static void only_own_addresses_leave(void **state)
{
	(void)state;
	uint8_t frame[2048];

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc;"
	      "ip -n taps neigh add 10.45.0.2 lladdr 02:00:00:00:00:07 dev t-acc nud permanent;"
	      "ip -n taps addr add 192.0.2.9/32 dev lo");
	RUN_UNTIL(word("10.45.0.2") == mac_word(7));
	shell("ip netns exec taps ping -q -c1 -W1 -i0.2 -I 192.0.2.9 10.45.0.2 >/dev/null &");
	RUN_UNTIL(drops(BGF_DROP_TAP_SOURCE) > 0);
	while (next_frame(is_icmp, frame))
		assert_memory_not_equal(frame + 26, "\xc0\x00\x02\x09", 4);
	shell("ip netns exec taps ping -q -c1 -W1 10.45.0.2 >/dev/null &");
	RUN_UNTIL(next_frame(is_icmp, frame));
	assert_memory_equal(frame, "\x02\x00\x00\x00\x00\x07", 6);
}

static void an_icmp_error_goes_back_where_the_packet_came_from(void **state)
{
	(void)state;
	uint8_t frame[2048];

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc;"
	      "ip -n taps neigh add 10.45.0.2 lladdr 02:00:00:00:00:07 dev t-acc nud permanent");
	RUN_UNTIL(word("10.45.0.2") == mac_word(7));
	struct udp_frame f = udp_frame("10.45.0.2", "10.50.0.1", 1);
	to_main(&f, sizeof(f), EXCEPTION_TOO_BIG);
	exceptions_run(exceptions);
	assert_true(next_frame(is_icmp, frame));
	assert_memory_equal(frame, "\x02\x00\x00\x00\x00\x07", 6);
	assert_memory_equal(frame + 6, access_mac, 6);
	assert_memory_equal(frame + 26, "\x0a\x2d\x00\xfe\x0a\x2d\x00\x02", 8);
	assert_int_equal(frame[34], ICMP_DEST_UNREACH);
	assert_int_equal(frame[40] << 8 | frame[41], 1300);
	to_main(&f, sizeof(f), EXCEPTION_TTL);
	exceptions_run(exceptions);
	assert_true(next_frame(is_icmp, frame));
	assert_int_equal(frame[34], ICMP_TIME_EXCEEDED);
	/* Not about a broadcast frame. */
	memset(f.eth.ether_dhost, 0xff, 6);
	to_main(&f, sizeof(f), EXCEPTION_TTL);
	exceptions_run(exceptions);
	assert_false(next_frame(is_icmp, frame));
}

/* The phone, fd00:45::2, asks for fd00:45::fe; octets and checksum are Scapy's. */
static const uint8_t solicitation[] = {
	0x33, 0x33, 0xff, 0x00, 0x00, 0xfe, 0x02, 0x00, 0x00, 0x00, 0xee, 0x01, 0x86, 0xdd, 0x60,
	0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0xfd, 0x00, 0x00, 0x45, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x00, 0x00, 0xfe, 0x87, 0x00, 0x8d, 0x13, 0x00, 0x00,
	0x00, 0x00, 0xfd, 0x00, 0x00, 0x45, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0xfe, 0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0xee, 0x01};

static bool is_advertisement(const uint8_t *frame, uint16_t length)
{
	return length >= 78 && frame[12] == 0x86 && frame[20] == 58 && frame[54] == ND_NEIGHBOR_ADVERT;
}

static void a_flood_leaves_arp_and_neighbour_discovery_their_share(void **state)
{
	(void)state;
	struct udp_frame f = udp_frame("10.45.0.2", "10.45.0.254", 1);
	uint8_t frame[2048];

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc; ip -n taps addr add fd00:45::fe/64 dev t-acc "
	      "nodad");
	RUN_UNTIL(routed("10.45.0.2", "10.45.0.2") && word("fd00:45::fe") == NEXTHOP_LOCAL);
	memcpy(f.eth.ether_dhost, access_mac, 6);
	for (int i = 0; i < 2 * RATE; i++) {
		to_main(&f, sizeof(f), EXCEPTION_KERNEL);
		if (i % 64 == 63)
			exceptions_run(exceptions);
	}
	exceptions_run(exceptions);
	assert_in_range(drops(BGF_DROP_EXCEPTION_RATE), RATE / 2, RATE);
	for (int i = 0; i < RATE; i++) /* right behind a second's worth of it */
		to_main(&f, sizeof(f), EXCEPTION_KERNEL);
	to_main(solicitation, sizeof(solicitation), EXCEPTION_KERNEL);
	RUN_UNTIL(next_frame(is_advertisement, frame));
	send_arp(ARPOP_REQUEST, "10.45.0.2", "10.45.0.254");
	RUN_UNTIL(next_frame(is_arp, frame) && frame[21] == ARPOP_REPLY);
	shell("ip -n taps link set t-acc down"); /* what the kernel cannot take is counted, not waited for */
	uint64_t before = drops(BGF_DROP_TAP_WRITE);
	send_arp(ARPOP_REQUEST, "10.45.0.2", "10.45.0.254");
	exceptions_run(exceptions);
	assert_int_equal(drops(BGF_DROP_TAP_WRITE), before + 1);
	shell("ip -n taps link del t-acc");
	exceptions_run(exceptions);
	assert_int_equal(exceptions_fault(exceptions, (char[200]){0}, 200), -ENODEV);
}

int main(void)
{
	if (taps_begin() != 0)
		return SKIP;
	const struct CMUnitTest tests[] = {
		WITH_TAPS(taps_are_the_ports_hosts),
		WITH_TAPS(what_operators_configured_outlives_the_process),
		WITH_TAPS(what_cannot_be_had_is_said),
		WITH_TAPS(addresses_routes_and_neighbours_are_followed),
		WITH_TAPS(of_several_routes_the_kernels_counts),
		WITH_TAPS(lost_events_lead_to_a_full_dump),
		WITH_TAPS(arp_is_answered_and_learned),
		WITH_TAPS(only_own_addresses_leave),
		WITH_TAPS(an_icmp_error_goes_back_where_the_packet_came_from),
		WITH_TAPS(a_flood_leaves_arp_and_neighbour_discovery_their_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
