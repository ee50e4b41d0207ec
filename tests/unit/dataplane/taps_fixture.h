/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is beside the ports, for test_exception.c and test_waiting.c, which include cmocka first: real taps in
 * a real namespace, configured with iproute2; the test is the network behind them, over the rings that the
 * workers have. Needs root and /dev/net/tun.
 */
#ifndef TAPS_FIXTURE_H
#define TAPS_FIXTURE_H

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "config/config.h"
#include "exception.h"
#include "kernel_fixture.h"
#include "nexthop.h"
#include "pkt.h"
#include "served.h"

enum { DPDK_ID = 3, RATE = 1000 };

static const uint8_t access_mac[6] = {2, 0, 0, 0, 0xac, 1}, phone_mac[6] = {2, 0, 0, 0, 0xee, 1};
static struct port port[PORT_SIDES];
static struct config_port config[PORT_SIDES];
static const struct served_table served;
static struct exceptions_args args = {.served = &served};
static struct exceptions *exceptions;
static struct rte_rcu_qsbr *rcu;
static char error[512];

static inline int start(void)
{
	int r = exceptions_start(&args, &exceptions, error, sizeof(error));
	if (r < 0)
		print_error("%s\n", error);
	return r;
}

static inline int taps_up(void **state)
{
	(void)state;
	static const char *const taps[PORT_SIDES] = {"t-acc", "t-core"};

	for (int side = 0; side < PORT_SIDES; side++) {
		shell("ip -n taps link del %s 2>/dev/null", taps[side]);
		port[side] = (struct port){.side = (enum port_side)side, .mtu = 1400, .up = true};
		port[side].dpdk_id = (uint16_t)(DPDK_ID + side);
		memcpy(port[side].mac, access_mac, 6);
		port[side].mac[5] = (uint8_t)(1 + side);
		snprintf(port[side].tap, sizeof(port[side].tap), "%s", taps[side]);
		config[side] = (struct config_port){.tap_netns = "taps", .mtu = 1400};
		snprintf(config[side].tap, sizeof(config[side].tap), "%s", taps[side]);
		args.port[side] = &port[side];
		args.config[side] = &config[side];
		args.nexthops[side] = nexthop_table_new(taps[side], 0, rcu);
	}
	args.rate = RATE;
	return start();
}

static inline int taps_down(void **state)
{
	struct rte_mbuf *m;
	(void)state;
	exceptions_stop(exceptions);
	exceptions = NULL;
	for (int side = 0; side < PORT_SIDES; side++) {
		while (rte_ring_dequeue(args.from_kernel[side], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		nexthop_table_free(args.nexthops[side]);
	}
	return rte_mempool_in_use_count(args.pool) != 0;
}

/* Runs until `done`, for half a minute at most. */
#define RUN_UNTIL(done)                                                   \
	do {                                                              \
		bool done_ = false;                                       \
		for (int turns_ = 0; turns_ < 6000 && !done_; turns_++) { \
			exceptions_run(exceptions);                       \
			done_ = (done);                                   \
			usleep(done_ ? 0 : 5000);                         \
		}                                                         \
		assert_true(done_);                                       \
	} while (0)

static inline uint64_t word(const char *destination)
{
	struct bgf_addr a = addr(destination);
	const uint8_t *octets = a.octet;
	uint8_t ipv6 = a.family == 6;
	uint16_t id;

	nexthop_find_bulk(args.nexthops[PORT_ACCESS], &octets, &ipv6, 1, &id);
	return id == NEXTHOP_NONE    ? 0
	       : id == NEXTHOP_LOCAL ? NEXTHOP_LOCAL
				     : nexthop_word(args.nexthops[PORT_ACCESS], id);
}

static inline uint64_t mac_word(uint8_t last)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, last};
	uint64_t w = 0;
	memcpy(&w, mac, 6);
	return w | NEXTHOP_RESOLVED;
}

static inline bool routed(const char *destination, const char *neighbour)
{
	struct bgf_addr d = addr(destination), got = {0}, expect = {0};
	bool found = nexthop_neighbour_for(args.nexthops[PORT_ACCESS], &d, &got);

	if (neighbour)
		expect = addr(neighbour);
	return neighbour ? found && bgf_addr_equal(&got, &expect) : !found;
}

static inline uint64_t drops(enum bgf_drop reason)
{
	return exceptions_counters(exceptions, PORT_ACCESS)->drops[reason];
}

/* ---- the test as the workers and the network behind them ---- */

static inline void to_main(const void *frame, uint16_t length, enum exception_kind kind)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(args.pool);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, length), frame, length);
	const uint8_t *ip = (const uint8_t *)frame + 14;
	*pkt(m) = (struct pkt){.exception = (uint8_t)kind, .ipv6 = ip[0] >> 4 == 6, .mtu = 1300};
	assert_int_equal(rte_ring_enqueue(args.to_kernel, m), 0);
}

static inline void send_arp(uint16_t operation, const char *sender, const char *target)
{
	struct {
		struct ether_header eth;
		struct ether_arp arp;
	} __attribute__((packed)) frame = {.eth.ether_type = htons(ETHERTYPE_ARP)};
	struct bgf_addr from = addr(sender), to = addr(target);

	memset(frame.eth.ether_dhost, 0xff, 6);
	memcpy(frame.eth.ether_shost, phone_mac, 6);
	frame.arp.ea_hdr = (struct arphdr){.ar_hrd = htons(1),
					   .ar_pro = htons(0x800),
					   .ar_hln = 6,
					   .ar_pln = 4,
					   .ar_op = htons(operation)};
	memcpy(frame.arp.arp_sha, phone_mac, 6);
	memcpy(frame.arp.arp_spa, from.octet, 4);
	memcpy(frame.arp.arp_tpa, to.octet, 4);
	to_main(&frame, sizeof(frame), EXCEPTION_KERNEL);
}

struct udp_frame {
	struct ether_header eth;
	struct ip ip;
	uint8_t payload[20];
} __attribute__((packed));

static inline struct udp_frame udp_frame(const char *from, const char *to, uint8_t mark)
{
	struct bgf_addr source = addr(from), target = addr(to);
	struct udp_frame f = {.eth.ether_type = htons(ETHERTYPE_IP),
			      .ip = {.ip_v = 4, .ip_hl = 5, .ip_ttl = 60, .ip_p = 17}};
	f.ip.ip_len = htons(sizeof(f) - sizeof(f.eth));
	memcpy(&f.ip.ip_src, source.octet, 4);
	memcpy(&f.ip.ip_dst, target.octet, 4);
	f.payload[0] = mark;
	return f;
}

/* The next frame that a worker would send on the access side that `wanted` likes; others go. */
static inline bool next_frame(bool (*wanted)(const uint8_t *frame, uint16_t length), uint8_t *ret_frame)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(args.from_kernel[PORT_ACCESS], (void **)&m) == 0) {
		uint16_t length = rte_pktmbuf_data_len(m);
		bool hit = wanted(rte_pktmbuf_mtod(m, uint8_t *), length);
		if (hit)
			memcpy(ret_frame, rte_pktmbuf_mtod(m, void *), length);
		rte_pktmbuf_free(m);
		if (hit)
			return true;
	}
	return false;
}

static inline bool is_arp(const uint8_t *frame, uint16_t length)
{
	return length >= 42 && frame[12] == 8 && frame[13] == 6;
}

static inline bool is_udp(const uint8_t *frame, uint16_t length)
{
	return length >= 34 && frame[12] == 8 && frame[13] == 0 && frame[23] == 17;
}

static inline bool is_icmp(const uint8_t *frame, uint16_t length)
{
	return length >= 34 && frame[12] == 8 && frame[13] == 0 && frame[23] == 1;
}

static inline bool says(const char *command, const char *text)
{
	char buffer[4096];
	FILE *f = popen(command, "r");
	size_t n = fread(buffer, 1, sizeof(buffer) - 1, f);

	buffer[n] = '\0';
	pclose(f);
	return strstr(buffer, text) != NULL;
}

/* EAL and what all tests share. 0, or SKIP where it cannot be had. */
static inline int taps_begin(void)
{
	static char prefix[48];
	snprintf(prefix, sizeof(prefix), "--file-prefix=taps%d", getpid());
	char *eal[] = {"test",		 "--no-huge",	      "-m",   "256", "--no-pci", "--no-shconf",
		       "--no-telemetry", "--log-level=error", prefix, NULL};
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0 || private_netns() != 0)
		return SKIP;
	if (rte_eal_init(9, eal) < 0 || pkt_register() < 0)
		return SKIP;
	rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(8), 64);
	rte_rcu_qsbr_init(rcu, 8);
	args.pool = rte_pktmbuf_pool_create("p", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	args.to_kernel = rte_ring_create("to", 1024, 0, 0);
	for (int side = 0; side < PORT_SIDES; side++)
		args.from_kernel[side] = rte_ring_create(side == 0 ? "from0" : "from1", 1024, 0, 0);
	return 0;
}

#define WITH_TAPS(f) cmocka_unit_test_setup_teardown(f, taps_up, taps_down)

#endif
