/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the crypto library did not finish has no ICV: it is dropped by name on both ways, as if it were wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "lab.h"

/* The linker puts the second one in the place of the product's, which it calls the first (--wrap). */
uint64_t __real_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);
uint64_t __wrap_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);

static uint64_t unfinished; /* by index */

uint64_t __wrap_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n)
{
	return __real_crypto_burst(c, jobs, n) & ~unfinished;
}

static void an_unfinished_job_is_dropped(void **state)
{
	struct lab_frame in, out, got;
	(void)state;

	for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL)) {
		struct sa_hot *h = lab_install(LAB_SLOT, ipv6, 0);
		lab_make(&in, &(struct lab_packet){.ipv6 = ipv6});
		lab_wrap(&in, lab_spi(LAB_SLOT, 0), 1);
		lab_make(&out, &(struct lab_packet){.ipv6 = ipv6, .from_core = true});
		unfinished = UINT64_MAX;
		lab_expect_drop(PORT_ACCESS, &in, BGF_DROP_CRYPTO);
		lab_expect_drop(PORT_CORE, &out, BGF_DROP_CRYPTO);
		assert_int_equal(store_cold(lab.store, LAB_SLOT)->drops[BGF_DROP_CRYPTO], 2);
		assert_int_equal(h->in[0].top, 0);
		assert_int_equal(h->in[0].packets, 0);
		unfinished = 0; /* its number was not used up inbound; outbound it is never used again */
		lab_expect_forward(PORT_ACCESS, &in, &got);
		lab_expect_forward(PORT_CORE, &out, &got);
		assert_int_equal(h->out[1].last, 2);
	}
}

static void in_a_burst_the_finished_ones_pass(void **state)
{
	struct lab_frame f, got;
	unsigned passed = 0;
	(void)state;

	lab_install(LAB_SLOT, false, 0);
	unfinished = 0x5;
	for (uint32_t seq = 1; seq <= 8; seq++) {
		lab_make(&f, &(struct lab_packet){0});
		lab_wrap(&f, lab_spi(LAB_SLOT, 0), seq);
		lab_put(PORT_ACCESS, &f);
	}
	lab_turn();
	unfinished = 0;
	while (lab_take(PORT_CORE, &got))
		passed++;
	assert_int_equal(passed, 6);
	assert_int_equal(lab.w->counters[PORT_ACCESS].drops[BGF_DROP_CRYPTO], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_unfinished_job_is_dropped, lab_reset),
		cmocka_unit_test_setup(in_a_burst_the_finished_ones_pass, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
