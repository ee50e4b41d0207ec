/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way out: next hops, full queues, and the rings to and from the main lcore. Those between workers are in
 * test_handover.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_ring.h>

#include "exception.h"
#include "lab.h"

#define EACH_FAMILY for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL))

static void without_a_route_it_is_dropped(void **state)
{
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		const char *nowhere = ipv6 ? "fd00:99::1" : "10.99.0.1",
			   *own = ipv6 ? "fd00:45::fe" : "10.45.0.254";
		lab_make(&f, &(struct lab_packet){
				     .ipv6 = ipv6, .from_core = true, .port_src = LAB_SIP, .dst = nowhere});
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_NO_ROUTE);
		lab_make(&f, &(struct lab_packet){
				     .ipv6 = ipv6, .from_core = true, .port_src = LAB_SIP, .dst = own});
		lab_expect_drop(PORT_CORE, &f, BGF_DROP_NO_ROUTE);
	}
}

static void without_a_neighbour_the_main_lcore_gets_it_finished(void **state)
{
	struct lab_frame f, want, got;
	struct pkt p;
	(void)state;

	EACH_FAMILY
	{
		struct lab_packet packet = {.ipv6 = ipv6,
					    .from_core = true,
					    .port_src = LAB_SIP,
					    .dst = ipv6 ? "fd00:45::77" : "10.45.0.77"};
		lab_make(&f, &packet);
		packet.ttl = 63;
		lab_make(&want, &packet);
		lab_put(PORT_CORE, &f);
		lab_turn();
		assert_true(lab_take_exception(&got, &p));
		assert_int_equal(p.exception, EXCEPTION_NEIGHBOUR);
		assert_int_equal(p.out_side, PORT_ACCESS);
		assert_int_equal(p.side, PORT_CORE);
		assert_memory_equal(got.octet + 12, want.octet + 12, want.length - 12);
		assert_int_equal(lab_drops(PORT_CORE), 0);
	}
}

static void a_full_queue_is_a_named_drop(void **state)
{
	struct lab_frame f, got;
	unsigned sent = 0;
	(void)state;

	lab_make(&f, &(struct lab_packet){.from_core = true, .port_src = LAB_SIP});
	for (int burst = 0; burst < 5; burst++) {
		for (int i = 0; i < 64; i++)
			lab_put(PORT_CORE, &f);
		lab_turn();
	}
	while (lab_take(PORT_ACCESS, &got))
		sent++;
	assert_in_range(sent, 200, 5 * 64 - 1);
	assert_int_equal(lab.w->counters[PORT_CORE].drops[BGF_DROP_TX_FULL], 5 * 64 - sent);
	assert_int_equal(lab.w->counters[PORT_CORE].forwarded_clear, sent);
	assert_int_equal(lab.w->counters[PORT_ACCESS].tx_packets, sent);
	assert_int_equal(lab.w->counters[PORT_ACCESS].tx_octets, sent * (uint64_t)f.length);
}

static void a_full_ring_to_the_kernel_is_a_named_drop(void **state)
{
	struct lab_frame f, got;
	struct pkt p;
	unsigned taken = 0;
	(void)state;

	lab_make(&f, &(struct lab_packet){.proto = 1, .dst = "10.45.0.254"});
	for (int burst = 0; burst < 5; burst++) {
		for (int i = 0; i < 64; i++)
			lab_put(PORT_ACCESS, &f);
		lab_turn();
	}
	while (lab_take_exception(&got, &p))
		taken++;
	assert_in_range(taken, 200, 5 * 64 - 1);
	assert_int_equal(lab.w->counters[PORT_ACCESS].drops[BGF_DROP_EXCEPTION_FULL], 5 * 64 - taken);
	assert_int_equal(lab.w->counters[PORT_ACCESS].exceptions, taken);
}

/* Another worker's packet in the ring does not mean that the main lcore was woken: that one may think the
 * same. */
static void the_main_lcore_is_woken_whatever_others_left(void **state)
{
	struct rte_mbuf *others = rte_pktmbuf_alloc(lab.pool);
	struct lab_frame f, got;
	uint64_t count;
	struct pkt p;
	(void)state;

	assert_int_equal(rte_ring_enqueue(lab.to_kernel, others), 0);
	while (read(lab.wake, &count, sizeof(count)) > 0)
		;
	lab_turn();
	assert_true(read(lab.wake, &count, sizeof(count)) < 0); /* nothing for it, no system call */
	lab_make(&f, &(struct lab_packet){.from_core = true, .port_src = LAB_SIP, .dst = "10.45.0.77"});
	lab_put(PORT_CORE, &f);
	lab_turn();
	assert_int_equal(read(lab.wake, &count, sizeof(count)), sizeof(count));
	assert_true(lab_take_exception(&got, &p));
	assert_true(lab_take_exception(&got, &p));
}

static void frames_of_the_kernel_leave_as_they_are(void **state)
{
	struct lab_frame f, got;
	(void)state;

	for (int side = 0; side < PORT_SIDES; side++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(lab.pool);
		lab_make(&f, &(struct lab_packet){.proto = 1, .ttl = 1});
		memcpy(rte_pktmbuf_append(m, f.length), f.octet, f.length);
		assert_int_equal(rte_ring_enqueue(lab.from_kernel[side], m), 0);
		lab_turn();
		assert_true(lab_take((enum port_side)side, &got));
		assert_int_equal(got.length, f.length);
		assert_memory_equal(got.octet, f.octet, f.length);
	}
}

/* Destinations behind a gateway, on the link with a neighbour and without one, and nowhere, of both families,
 * in turn. */
static void packets_of_a_burst_each_go_their_way(void **state)
{
	static const struct {
		const char *dst[2]; /* by family */
	} way[] = {
		{{"10.45.2.9", "fd00:45:2::9"}},      {{"10.45.0.77", "fd00:45::77"}},
		{{"10.45.0.2", "fd00:45::2"}},	      {{"10.99.0.1", "fd00:99::1"}},
		{{"10.45.2.200", "fd00:45:2::ffff"}}, {{"10.45.2.9", "fd00:45:2::9"}},
	};
	enum { WAYS = sizeof(way) / sizeof(way[0]), ROUNDS = 5 };
	struct lab_frame f, got;
	struct pkt p;
	unsigned left = 0, told = 0;
	(void)state;

	for (unsigned i = 0; i < 2 * WAYS * ROUNDS; i++) {
		lab_make(&f, &(struct lab_packet){.ipv6 = i / WAYS % 2 != 0,
						  .from_core = true,
						  .port_src = LAB_SIP,
						  .dst = way[i % WAYS].dst[i / WAYS % 2]});
		lab_put(PORT_CORE, &f);
	}
	lab_turn();
	while (lab_take(PORT_ACCESS, &got)) {
		const bool ipv6 = lab_ip(&got)[0] >> 4 == 6;
		assert_memory_equal(got.octet, ((uint8_t[]){2, 0, 0, 0, 0x45, 2}), 6);
		assert_memory_equal(got.octet + 6, lab.port[PORT_ACCESS].mac, 6);
		assert_memory_equal(got.octet + 12, ipv6 ? "\x86\xdd" : "\x08\x00", 2);
		left++;
	}
	for (; lab_take_exception(&got, &p); told++)
		assert_int_equal(p.exception, EXCEPTION_NEIGHBOUR);
	assert_int_equal(left, 2 * 4 * ROUNDS);
	assert_int_equal(told, 2 * ROUNDS);
	assert_int_equal(lab.w->counters[PORT_CORE].drops[BGF_DROP_NO_ROUTE], 2 * ROUNDS);
	assert_int_equal(lab.w->counters[PORT_CORE].forwarded_clear, left);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, lab_reset)
	const struct CMUnitTest tests[] = {
		TEST(without_a_route_it_is_dropped),
		TEST(without_a_neighbour_the_main_lcore_gets_it_finished),
		TEST(a_full_queue_is_a_named_drop),
		TEST(a_full_ring_to_the_kernel_is_a_named_drop),
		TEST(the_main_lcore_is_woken_whatever_others_left),
		TEST(frames_of_the_kernel_leave_as_they_are),
		TEST(packets_of_a_burst_each_go_their_way),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
