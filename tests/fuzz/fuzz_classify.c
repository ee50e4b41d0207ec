/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The packet path under any frame: one octet that says where it comes in (bit 0: the core port, bit 1:
 * verify_l4), then the frame. It goes through the readers of headers as it is, so that a sanitizer sees one
 * octet too far, and then through a whole worker, where every frame must be counted exactly once and every
 * buffer come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "esp.h"
#include "fuzz.h"
#include "ip.h"
#include "lab.h"
#include "sip.h"

/* The leak checker does not look into DPDK's memory, where what points to the tables lies. That no packet
 * buffer leaks is checked below. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

static void require(bool what)
{
	if (!what)
		abort();
}

static void start(void)
{
	static bool started;

	if (started)
		return;
	started = true;
	require(lab_start(NULL) == 0);
	lab_install(LAB_SLOT, false, SA_TEMPORARY | SA_WATCH_FIRST);
	lab_install(LAB_SLOT + 1, true, 0);
}

static void read_payload(const struct ip_packet *ip, const uint8_t *l4)
{
	const uint8_t *data;
	uint8_t next;
	uint32_t payload;

	if (ip->proto == IP_ESP) {
		if (esp_read_trailer(l4, ip->payload, &next, &payload))
			require(payload <= ip->payload);
	} else if (ip->proto == IP_UDP || ip->proto == IP_TCP) {
		if (!l4_sane(l4, ip->payload, ip->proto))
			return;
		l4_checksum_good(ip, l4);
		const uint32_t length = l4_data(l4, ip->payload, ip->proto, &data);
		require(data >= l4 && data + length <= l4 + ip->payload);
		sip_first(data, length);
		sip_answers_challenge(data, length);
	} else {
		icmp_quotes_esp(l4, ip->payload, ip->ipv6);
	}
}

static void read_headers(const uint8_t *header, uint32_t length)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct ip_packet ip;
		if (ip_parse(header, length, ipv6, &ip) != DROP_NONE)
			continue;
		require((uint32_t)ip.l3_len + ip.payload <= length);
		ip_scope(ip.src, ipv6);
		ip_scope(ip.dst, ipv6);
		read_payload(&ip, header + ip.l3_len);
	}
	sip_first(header, length);
	sip_answers_challenge(header, length);
}

static uint64_t counted(enum port_side side)
{
	const struct counters *c = &lab.w->counters[side];
	return lab_drops(side) + c->exceptions + c->forwarded_esp + c->forwarded_clear;
}

static void empty(struct rte_ring *r, bool buffers)
{
	void *m;
	while (rte_ring_dequeue(r, &m) == 0)
		if (buffers)
			rte_pktmbuf_free(m);
}

static void run_worker(uint8_t how, const uint8_t *data, size_t size)
{
	const enum port_side side = how & 1 ? PORT_CORE : PORT_ACCESS;
	const unsigned free_before = rte_mempool_avail_count(lab.pool);
	const uint64_t before = counted(side);
	struct lab_frame f = {.length = (uint16_t)(size < LAB_FRAME ? size : LAB_FRAME)};

	memcpy(f.octet, data, f.length);
	lab.port[side].verify_l4 = how & 2;
	lab_put(side, &f);
	lab_turn();
	require(counted(side) == before + 1);
	empty(lab.tx[PORT_ACCESS], true);
	empty(lab.tx[PORT_CORE], true);
	empty(lab.to_kernel, true);
	empty(lab.notices, false);
	require(rte_mempool_avail_count(lab.pool) == free_before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	start();
	if (size > 1 + ETH_HEADER)
		read_headers(data + 1 + ETH_HEADER, (uint32_t)(size - 1 - ETH_HEADER));
	run_worker(data[0], data + 1, size - 1);
	return 0;
}
