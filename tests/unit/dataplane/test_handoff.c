/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ring to the main lcore, when more comes for it than it holds: whose share is how large.
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

enum { FLOOD = 200, ARPS = 100, MORE = 5, LARGE = 1400 };

static const char large[LARGE];

static const struct {
	enum exception_kind kind;
	enum bgf_drop reason;
	enum port_side side;
	struct lab_packet packet;
} floods[] = {
	{EXCEPTION_RESET, BGF_DROP_NO_SET, PORT_CORE, {.from_core = true, .proto = 6}},
	{EXCEPTION_TTL, BGF_DROP_TTL_EXPIRED, PORT_ACCESS, {.ttl = 1}},
	{EXCEPTION_TTL, BGF_DROP_TTL_EXPIRED, PORT_CORE, {.from_core = true, .ttl = 1}},
	{EXCEPTION_TOO_BIG,
	 BGF_DROP_TOO_BIG,
	 PORT_CORE,
	 {.from_core = true,
	  .port_src = LAB_SIP,
	  .data = large,
	  .data_length = LARGE,
	  .dont_fragment = true}},
};

static void put_many(enum port_side side, const struct lab_frame *f, unsigned n)
{
	while (n-- > 0) {
		lab_put(side, f);
		if (n % 50 == 0)
			lab_turn();
	}
}

static struct lab_frame arp_request(enum port_side side)
{
	struct lab_frame f;

	lab_make(&f, &(struct lab_packet){.from_core = side == PORT_CORE});
	memset(f.octet, 0xff, 6);
	memcpy(f.octet + 12, "\x08\x06", 2);
	return f;
}

/* Rule 24: many sets go at once, and the P-CSCFs send on; or somebody sends what asks for ICMP errors. */
static void rule_24_resets_and_icmp_errors_leave_room_for_arp(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		const enum port_side side = floods[i].side;
		const struct counters *c = &lab.w->counters[side];
		const unsigned capacity = rte_ring_get_capacity(lab.to_kernel);
		struct lab_frame flood, arp = arp_request(side), got;
		struct pkt p;

		lab_reset(NULL);
		lab.port[PORT_ACCESS].mtu = 1300;
		lab_make(&flood, &floods[i].packet);
		put_many(side, &flood, FLOOD);
		assert_int_equal(c->drops[floods[i].reason], FLOOD);
		assert_int_equal(rte_ring_count(lab.to_kernel), capacity - capacity / 2);
		put_many(side, &arp, ARPS);
		put_many(side, &flood, MORE);
		assert_int_equal(c->exceptions, ARPS);
		assert_int_equal(c->drops[floods[i].reason], FLOOD + MORE);
		assert_int_equal(lab_drops(side), FLOOD + MORE);
		for (unsigned n = 0; n < capacity - capacity / 2; n++) {
			assert_true(lab_take_exception(&got, &p));
			assert_int_equal(p.exception, floods[i].kind);
		}
		for (unsigned n = 0; n < ARPS; n++) {
			assert_true(lab_take_exception(&got, &p));
			assert_int_equal(p.exception, EXCEPTION_KERNEL);
		}
		assert_false(lab_take_exception(&got, &p));
		/* and once there is room again they are answered again */
		put_many(side, &flood, MORE);
		assert_int_equal(rte_ring_count(lab.to_kernel), MORE);
	}
}

/* What the kernel is to have may have the whole ring; what is too much even for that is counted. */
static void the_kernels_own_may_fill_the_ring(void **state)
{
	(void)state;
	const unsigned capacity = rte_ring_get_capacity(lab.to_kernel);
	struct lab_frame arp = arp_request(PORT_ACCESS), flood;

	lab_make(&flood, &floods[0].packet);
	put_many(PORT_CORE, &flood, MORE);
	put_many(PORT_ACCESS, &arp, capacity);
	assert_int_equal(rte_ring_count(lab.to_kernel), capacity);
	assert_int_equal(lab.w->counters[PORT_ACCESS].exceptions, capacity - MORE);
	assert_int_equal(lab.w->counters[PORT_ACCESS].drops[BGF_DROP_EXCEPTION_FULL], MORE);
	assert_int_equal(lab.w->counters[PORT_CORE].drops[BGF_DROP_NO_SET], MORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rule_24_resets_and_icmp_errors_leave_room_for_arp, lab_reset),
		cmocka_unit_test_setup(the_kernels_own_may_fill_the_ring, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
