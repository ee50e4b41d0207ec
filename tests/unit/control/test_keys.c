/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "control/keys.h"

static const struct {
	uint8_t ik[16], expanded[20];
} expansions[] = {
	{{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
	 {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
	  0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0,    0,	  0,	0}},
	{{0}, {0}},
	{{[0] = 0x80, [15] = 0x01}, {[0] = 0x80, [15] = 0x01}},
};

static void rule_11_hmac_sha_1_96_is_ik_and_32_zero_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expansions) / sizeof(*expansions); i++) {
		struct keys keys;
		memset(&keys, 0xa5, sizeof(keys));
		assert_int_equal(keys_expand(BGF_ALG_HMAC_SHA_1_96, expansions[i].ik, &keys), 0);
		assert_int_equal(keys.auth_length, 20);
		assert_memory_equal(keys.auth, expansions[i].expanded, 20);
	}
}

static void other_algorithms_are_refused_and_leave_the_output_alone(void **state)
{
	static const unsigned others[] = {BGF_ALG_NONE, BGF_ALG_HMAC_MD5_96, BGF_ALG_AES_GMAC, 4, 255};
	uint8_t ik[16] = {1};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct keys keys, before;
		memset(&keys, 0xa5, sizeof(keys));
		before = keys;
		assert_int_equal(keys_expand(others[i], ik, &keys), -EOPNOTSUPP);
		assert_memory_equal(&keys, &before, sizeof(keys));
	}
}

static void a_fingerprint_tells_keys_apart_and_holds_none(void **state)
{
	struct keys a, b;
	uint8_t fa[8], fb[8], again[8];

	(void)state;
	keys_expand(BGF_ALG_HMAC_SHA_1_96, expansions[0].ik, &a);
	keys_expand(BGF_ALG_HMAC_SHA_1_96, expansions[2].ik, &b);
	assert_int_equal(keys_fingerprint(&a, fa), 0);
	assert_int_equal(keys_fingerprint(&a, again), 0);
	assert_int_equal(keys_fingerprint(&b, fb), 0);
	assert_memory_equal(fa, again, 8);
	assert_memory_not_equal(fa, fb, 8);
	assert_memory_not_equal(fa, a.auth, 8);
}

static void wiped_keys_are_zero(void **state)
{
	static const struct keys zero;
	struct keys keys;

	(void)state;
	keys_expand(BGF_ALG_HMAC_SHA_1_96, expansions[0].ik, &keys);
	keys_wipe(&keys);
	assert_memory_equal(&keys, &zero, sizeof(keys));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_11_hmac_sha_1_96_is_ik_and_32_zero_bits),
		cmocka_unit_test(other_algorithms_are_refused_and_leave_the_output_alone),
		cmocka_unit_test(a_fingerprint_tells_keys_apart_and_holds_none),
		cmocka_unit_test(wiped_keys_are_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
