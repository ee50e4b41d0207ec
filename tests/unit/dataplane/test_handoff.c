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

#include "drop.h"
#include "exception.h"
#include "handoff.h"
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

enum fate { KERNELS, ANSWERED, DEAD, FATES };

static void put_for(enum port_side side, enum fate fate, unsigned n)
{
	struct lab_frame f = arp_request(side);

	if (fate != KERNELS)
		lab_make(&f, &(struct lab_packet){.from_core = side == PORT_CORE,
						  .ttl = fate == ANSWERED ? 1 : 64});
	if (fate == DEAD)
		f.octet[5] ^= 1; /* another station's */
	while (n-- > 0)
		lab_put(side, &f);
}

/* Each port may bring a full burst in a turn, and nearly all of both may end in one place: it has room for
 * one burst, and another one's lies behind it. */
static void two_bursts_of_one_turn_overrun_nothing(void **state)
{
	enum { FEW = WORKER_BURST / 2, MANY = 2 * WORKER_BURST - FEW };
	static const enum fate rows[][2] = {{DEAD, KERNELS}, {KERNELS, ANSWERED}, {ANSWERED, DEAD}};
	const struct counters *c = lab.w->counters;
	struct lab_frame got;
	struct pkt p;
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++, lab_reset(NULL)) {
		unsigned n[FATES] = {0}, want[FATES] = {0};
		want[rows[i][0]] = MANY;
		want[rows[i][1]] = FEW;
		put_for(PORT_ACCESS, rows[i][1], FEW);
		put_for(PORT_ACCESS, rows[i][0], WORKER_BURST - FEW);
		put_for(PORT_CORE, rows[i][0], WORKER_BURST);
		lab_turn();
		while (lab_take_exception(&got, &p))
			n[memcmp(got.octet + 12, "\x08\x06", 2) == 0 ? KERNELS : ANSWERED]++;
		for (int side = 0; side < PORT_SIDES; side++)
			n[DEAD] += (unsigned)c[side].drops[BGF_DROP_NOT_OURS];
		assert_memory_equal(n, want, sizeof(n));
		assert_int_equal(lab_drops(PORT_ACCESS) + lab_drops(PORT_CORE), n[ANSWERED] + n[DEAD]);
	}
}

/* So it is with what goes to another worker; what that one's ring has no room for is a drop of the port that
 * it came in on, whatever its buffer was before. */
static void more_than_a_burst_for_one_peer_overruns_nothing(void **state)
{
	enum { FRAMES = WORKER_BURST + 20 };
	static rte_spinlock_t lock;
	struct rte_ring *ring = rte_ring_create("peer", WORKER_BURST, 0, 0);
	struct rte_ring *const peers[2] = {ring, ring};
	struct worker_args args;
	struct worker *w;
	void *m;
	(void)state;

	assert_non_null(ring);
	lab_worker_args(&args);
	args.count = 2;
	args.handover = ring;
	args.peers = peers;
	args.tx_lock[PORT_ACCESS] = args.tx_lock[PORT_CORE] = &lock;
	assert_int_equal(worker_new(&args, &w), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(lab.pool);
		assert_non_null(frame);
		*pkt(frame) = (struct pkt){.side = PORT_ACCESS};
		handoff_peer(w, PORT_CORE, frame, 1);
		assert_in_range(w->to_peer[1].n, 1, WORKER_BURST);
	}
	handoff_peers(w);
	drop_flush(w);
	const unsigned taken = rte_ring_count(ring);
	assert_int_equal(taken, rte_ring_get_capacity(ring));
	assert_int_equal(w->counters[PORT_CORE].drops[BGF_DROP_HANDOVER_FULL], FRAMES - taken);
	assert_int_equal(w->counters[PORT_ACCESS].drops[BGF_DROP_HANDOVER_FULL], 0);
	while (rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
	worker_free(w);
	rte_ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rule_24_resets_and_icmp_errors_leave_room_for_arp, lab_reset),
		cmocka_unit_test_setup(the_kernels_own_may_fill_the_ring, lab_reset),
		cmocka_unit_test_setup(two_bursts_of_one_turn_overrun_nothing, lab_reset),
		cmocka_unit_test_setup(more_than_a_burst_for_one_peer_overruns_nothing, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
