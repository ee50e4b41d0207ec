/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the owner of a set notes on it. Rule 20: the main lcore may read a notice of a first use the moment it
 * is on the ring, and takes it for a former set's if the set is still watched then. So the watch ends before
 * the notice is written. Rule 24: that it carried TCP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handoff.h"
#include "lab.h"

/* The linker puts the second one in the place of the product's, which it calls the first (--wrap). */
bool __real_handoff_notice(struct worker *w, uint32_t slot);
bool __wrap_handoff_notice(struct worker *w, uint32_t slot);

static unsigned told, told_while_watched;

bool __wrap_handoff_notice(struct worker *w, uint32_t slot)
{
	told++;
	told_while_watched += (w->hot[slot].shared.flags & SA_WATCH_FIRST) != 0;
	return __real_handoff_notice(w, slot);
}

static void rule_20_the_watch_ends_before_the_notice_is_written(void **state)
{
	struct lab_frame f, got;
	(void)state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL)) {
		told = told_while_watched = 0;
		lab_install(LAB_SLOT, ipv6, SA_WATCH_FIRST);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6});
		lab_wrap(&f, lab_spi(LAB_SLOT, 0), 1);
		lab_expect_forward(PORT_ACCESS, &f, &got);
		assert_int_equal(told, 1);
		assert_int_equal(told_while_watched, 0);
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
		cmocka_unit_test_setup(rule_24_a_set_that_carries_tcp_is_known, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
