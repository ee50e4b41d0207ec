/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the owner of a set notes on it. Rules 6 and 20: the main lcore may read a notice of a first use the
 * moment it is on the ring, and takes it for a former set's if the set is still watched then. So the watch
 * ends before the notice is written. Rule 24: that it carried TCP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_ring.h>

#include "ip.h"
#include "handoff.h"
#include "lab.h"

/* The linker puts the second one in the place of the product's, which it calls the first (--wrap). */
bool __real_handoff_notice(struct worker *w, uint32_t slot);
bool __wrap_handoff_notice(struct worker *w, uint32_t slot);

static unsigned told, told_while_watched;
static uint8_t watch = SA_WATCH_FIRST;

bool __wrap_handoff_notice(struct worker *w, uint32_t slot)
{
	told++;
	told_while_watched += (w->hot[slot].shared.flags & watch) != 0;
	return __real_handoff_notice(w, slot);
}

static void rule_20_the_watch_ends_before_the_notice_is_written(void **state)
{
	struct lab_frame f, got;
	(void)state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL)) {
		told = told_while_watched = 0;
		watch = SA_WATCH_FIRST;
		lab_install(LAB_SLOT, ipv6, SA_WATCH_FIRST);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6});
		lab_wrap(&f, lab_spi(LAB_SLOT, 0), 1);
		lab_expect_forward(PORT_ACCESS, &f, &got);
		assert_int_equal(told, 1);
		assert_int_equal(told_while_watched, 0);
	}
}

/* What comes on a set that is to replace another. */
enum { UDP = 17, TCP = 6 };
static const char REGISTER[] = "REGISTER sip:ims.example SIP/2.0\r\n\r\n",
		  MESSAGE[] = "MESSAGE sip:a SIP/2.0\r\n\r\n";
static const struct {
	uint8_t flags, proto;
	const char *data;
	bool from_us; /* on the other inbound SA */
	bool is_forged;
	enum bgf_drop drop;
	unsigned told;
} arrivals[] = {
	{SA_TEMPORARY | SA_WATCH_KEYS, TCP, "", false, false, DROP_NONE, 1}, /* as a SYN is */
	{SA_TEMPORARY | SA_WATCH_KEYS, TCP, REGISTER, false, false, DROP_NONE, 1},
	{SA_TEMPORARY | SA_WATCH_KEYS, UDP, REGISTER, false, false, DROP_NONE, 1},
	{SA_TEMPORARY | SA_WATCH_KEYS, UDP, "\r\n\r\n", true, false, DROP_NONE, 1},
	{SA_TEMPORARY | SA_WATCH_KEYS, TCP, "", false, true, BGF_DROP_ICV, 0}, /* a stranger */
	{SA_TEMPORARY | SA_WATCH_KEYS, UDP, MESSAGE, false, false, BGF_DROP_TEMPORARY, 0},
	{SA_TEMPORARY, TCP, "", false, false, DROP_NONE, 0},	   /* it waits for nothing, or it was told */
	{SA_WATCH_KEYS, UDP, MESSAGE, false, false, DROP_NONE, 0}, /* it was confirmed before */
	{SA_WATCH_KEYS | SA_WATCH_FIRST, UDP, REGISTER, false, false, DROP_NONE, 0},
	{SA_WATCH_KEYS | SA_WATCH_FIRST, UDP, MESSAGE, false, false, DROP_NONE, 1},
};

static void arrive(unsigned row, int ipv6, uint32_t seq)
{
	struct lab_packet packet = {.ipv6 = ipv6, .proto = arrivals[row].proto, .data = arrivals[row].data};
	struct lab_frame f, got;

	if (arrivals[row].from_us)
		packet.port_src = LAB_US, packet.port_dst = LAB_PC;
	lab_make(&f, &packet);
	lab_wrap(&f, lab_spi(LAB_SLOT, arrivals[row].from_us), seq);
	if (arrivals[row].is_forged)
		f.octet[f.length - 1] ^= 1;
	if (arrivals[row].drop != DROP_NONE)
		lab_expect_drop(PORT_ACCESS, &f, arrivals[row].drop);
	else
		lab_expect_forward(PORT_ACCESS, &f, &got);
}

static void rule_6_the_first_good_packet_of_a_set_that_waits_is_told_once(void **state)
{
	(void)state;
	for (unsigned row = 0; row < sizeof(arrivals) / sizeof(*arrivals); row++) {
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			lab_reset(NULL);
			told = told_while_watched = 0;
			watch = SA_WATCH_KEYS;
			struct sa_hot *h = lab_install(LAB_SLOT, ipv6, arrivals[row].flags);
			arrive(row, ipv6, 1);
			if (told != arrivals[row].told)
				fail_msg("row %u: told %u times", row, told);
			if (h->shared.flags & SA_TEMPORARY) {
				assert_int_equal(told_while_watched, 0);
				assert_true(told == 0 || !(h->shared.flags & SA_WATCH_KEYS));
			}
			if (arrivals[row].drop == DROP_NONE)
				arrive(row, ipv6, 2);
			assert_int_equal(told, arrivals[row].told);
		}
	}
}

static void rule_6_a_full_ring_is_tried_again(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL)) {
		void *notice;
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, SA_TEMPORARY | SA_WATCH_KEYS);
		while (rte_ring_enqueue(lab.notices, (void *)(uintptr_t)(LAB_SLOT + 2)) == 0)
			;
		arrive(0, ipv6, 1);
		assert_true(h->shared.flags & SA_WATCH_KEYS);
		while (rte_ring_dequeue(lab.notices, &notice) == 0)
			assert_int_equal((uintptr_t)notice, LAB_SLOT + 2);
		arrive(0, ipv6, 2);
		assert_false(h->shared.flags & SA_WATCH_KEYS);
		assert_int_equal(rte_ring_dequeue(lab.notices, &notice), 0);
		assert_int_equal((uintptr_t)notice, LAB_SLOT + 1);
	}
}

static void rule_24_a_set_that_carries_tcp_is_known(void **state)
{
	struct lab_frame f, got;
	(void)state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL)) {
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, SA_TEMPORARY);
		const uint8_t before = h->shared.flags;
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .data = ""});
		lab_wrap(&f, lab_spi(LAB_SLOT, 0), 1);
		lab_expect_forward(PORT_ACCESS, &f, &got);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .proto = 6, .data = ""});
		lab_wrap(&f, lab_spi(LAB_SLOT, 0), 2);
		f.octet[f.length - 1] ^= 1; /* a forged one says nothing */
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_ICV);
		assert_int_equal(h->shared.flags, before);
		f.octet[f.length - 1] ^= 1;
		lab_expect_forward(PORT_ACCESS, &f, &got);
		assert_int_equal(h->shared.flags, before | SA_TCP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rule_20_the_watch_ends_before_the_notice_is_written, lab_reset),
		cmocka_unit_test_setup(rule_6_the_first_good_packet_of_a_set_that_waits_is_told_once,
				       lab_reset),
		cmocka_unit_test_setup(rule_6_a_full_ring_is_tried_again, lab_reset),
		cmocka_unit_test_setup(rule_24_a_set_that_carries_tcp_is_known, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
