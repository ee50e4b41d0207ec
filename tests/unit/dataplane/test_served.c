/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "served.h"

static struct served_address made(unsigned n)
{
	struct served_address a = {.unprotected = {0xc413 /* 5060 */}};
	char text[BGF_ADDR_STRLEN];

	snprintf(text, sizeof(text), n % 2 ? "fd00:50::%x" : "10.50.%u.1", n);
	assert_int_equal(bgf_addr_parse(text, &a.address), 0);
	return a;
}

static void all_are_found_and_no_other(void **state)
{
	(void)state;
	struct served_table t = {0};

	for (unsigned n = 0; n < SERVED_MAX; n++) {
		struct served_address a = made(n);
		assert_int_equal(served_find(&t, a.address.octet, n % 2), SERVED_NONE);
		assert_int_equal(served_add(&t, &a), 0);
	}
	for (unsigned n = 0; n < 250; n++) {
		struct served_address a = made(n);
		assert_int_equal(served_find(&t, a.address.octet, n % 2), n < SERVED_MAX ? n : SERVED_NONE);
	}
}

static void an_address_of_the_other_family_is_another(void **state)
{
	(void)state;
	struct served_table t = {0};
	struct served_address a = made(0);
	uint8_t octets[16] = {10, 50, 0, 1};

	assert_int_equal(served_add(&t, &a), 0);
	assert_int_equal(served_find(&t, octets, true), SERVED_NONE);
}

static void twice_and_too_many_are_refused(void **state)
{
	(void)state;
	struct served_table t = {0};

	for (unsigned n = 0; n < SERVED_MAX; n++) {
		struct served_address a = made(n);
		assert_int_equal(served_add(&t, &a), 0);
		if (t.count < SERVED_MAX)
			assert_int_equal(served_add(&t, &a), -EEXIST);
	}
	struct served_address a = made(SERVED_MAX);
	assert_int_equal(served_add(&t, &a), -ENOSPC);
	assert_int_equal(t.count, SERVED_MAX);
}

static void port_0_is_never_unprotected(void **state)
{
	(void)state;
	struct served_address a = made(0);

	assert_true(served_unprotected(&a, 0xc413));
	assert_false(served_unprotected(&a, 0xc414));
	assert_false(served_unprotected(&a, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_found_and_no_other),
		cmocka_unit_test(an_address_of_the_other_family_is_another),
		cmocka_unit_test(twice_and_too_many_are_refused),
		cmocka_unit_test(port_0_is_never_unprotected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
