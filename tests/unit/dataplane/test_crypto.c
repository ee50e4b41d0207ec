/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HMAC-SHA-1-96 in bursts, against the vectors of RFC 2202 and against OpenSSL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rte_eal.h>

#include "crypto.h"

enum { LONGEST = 2500, GUARD = 0xa5 };

static struct crypto *crypto;
static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

static void fill(uint8_t *p, size_t n)
{
	while (n-- > 0)
		*p++ = (uint8_t)random_below(256);
}

/* RFC 2202 section 3; truncated to 96 bits as RFC 2404 has it. Keys of up to a block. */
static const struct vector {
	uint8_t key[25], key_length;
	const char *data;
	uint16_t repeat; /* of data's octets */
	uint8_t icv[CRYPTO_ICV];
} vectors[] = {
	{"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
	 20,
	 "Hi There",
	 1,
	 {0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b, 0xc0, 0xb6}},
	{"Jefe",
	 4,
	 "what do ya want for nothing?",
	 1,
	 {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5}},
	{"\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa",
	 20,
	 "\xdd",
	 50,
	 {0x12, 0x5d, 0x73, 0x42, 0xb9, 0xac, 0x11, 0xcd, 0x91, 0xa3, 0x9a, 0xf4}},
	{"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18"
	 "\x19",
	 25,
	 "\xcd",
	 50,
	 {0x4c, 0x90, 0x07, 0xf4, 0x02, 0x62, 0x50, 0xc6, 0xbc, 0x84, 0x14, 0xf9}},
	{"\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c",
	 20,
	 "Test With Truncation",
	 1,
	 {0x4c, 0x1a, 0x03, 0x42, 0x4b, 0x55, 0xe0, 0x7f, 0xe7, 0xf2, 0x7b, 0xe1}},
};

static void rfc_2202_vectors_truncated_as_rfc_2404_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct sa_shared sa = {.flags = 0};
		uint8_t data[64], icv[CRYPTO_ICV];
		uint32_t length = 0;
		for (uint16_t r = 0; r < v->repeat; r++)
			for (const char *c = v->data; *c != 0; c++)
				data[length++] = (uint8_t)*c;
		assert_int_equal(crypto_precompute(v->key, v->key_length, sa.inner, sa.outer), 0);
		assert_int_equal(crypto_burst(crypto, &(struct crypto_job){data, &sa, icv, length}, 1), 1);
		assert_memory_equal(icv, v->icv, CRYPTO_ICV);
	}
}

static void oracle(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t *ret)
{
	uint8_t full[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	assert_non_null(HMAC(EVP_sha1(), key, (int)key_length, data, length, full, &n));
	memcpy(ret, full, CRYPTO_ICV);
}

struct one {
	struct sa_shared sa;
	uint8_t key[64], data[LONGEST], icv[CRYPTO_ICV + 4];
};

/* One burst of n jobs with keys of their own; length_of says how long each is. */
static void check_burst(uint16_t n, uint32_t (*length_of)(uint16_t i))
{
	static struct one one[CRYPTO_BURST];
	struct crypto_job job[CRYPTO_BURST] = {0};
	uint8_t want[CRYPTO_ICV];

	for (uint16_t i = 0; i < n; i++) {
		fill(one[i].key, 20);
		fill(one[i].data, LONGEST);
		memset(one[i].icv, GUARD, sizeof(one[i].icv));
		assert_int_equal(crypto_precompute(one[i].key, 20, one[i].sa.inner, one[i].sa.outer), 0);
		job[i] = (struct crypto_job){one[i].data, &one[i].sa, one[i].icv, length_of(i)};
	}
	assert_true(crypto_burst(crypto, job, n) == (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1));
	for (uint16_t i = 0; i < n; i++) {
		oracle(one[i].key, 20, one[i].data, job[i].length, want);
		assert_memory_equal(one[i].icv, want, CRYPTO_ICV);
		assert_int_equal(one[i].icv[CRYPTO_ICV], GUARD);
	}
}

static uint32_t any_length(uint16_t i)
{
	(void)i;
	return 1 + random_below(LONGEST - 1);
}

static uint32_t round_length;

static uint32_t consecutive_length(uint16_t i)
{
	return round_length + i;
}

static void every_burst_size_agrees_with_openssl(void **state)
{
	(void)state;
	for (uint16_t n = 0; n <= CRYPTO_BURST; n++)
		check_burst(n, any_length);
}

static void every_length_agrees_with_openssl(void **state)
{
	(void)state;
	for (round_length = 1; round_length < 1600; round_length += CRYPTO_BURST)
		check_burst(CRYPTO_BURST, consecutive_length);
}

static void every_key_length_of_a_block_agrees_with_openssl(void **state)
{
	(void)state;
	for (size_t length = 1; length <= 64; length++) {
		struct one o = {.data = "abc"};
		uint8_t want[CRYPTO_ICV];
		fill(o.key, length);
		assert_int_equal(crypto_precompute(o.key, length, o.sa.inner, o.sa.outer), 0);
		assert_int_equal(crypto_burst(crypto, &(struct crypto_job){o.data, &o.sa, o.icv, 100}, 1), 1);
		oracle(o.key, length, o.data, 100, want);
		assert_memory_equal(o.icv, want, CRYPTO_ICV);
	}
}

static void keys_of_no_sense_are_refused_and_leave_the_states_alone(void **state)
{
	uint8_t key[65] = {0}, inner[SA_HMAC_STATE] = {7}, outer[SA_HMAC_STATE] = {8};
	(void)state;

	assert_int_equal(crypto_precompute(key, 0, inner, outer), -EINVAL);
	assert_int_equal(crypto_precompute(key, 65, inner, outer), -EINVAL);
	assert_int_equal(inner[0], 7);
	assert_int_equal(outer[0], 8);
}

static void a_job_that_the_library_refuses_is_not_reported_as_done(void **state)
{
	static struct one one[3];
	struct crypto_job job[3];
	(void)state;

	for (int i = 0; i < 3; i++) {
		crypto_precompute((const uint8_t *)"k", 1, one[i].sa.inner, one[i].sa.outer);
		job[i] = (struct crypto_job){one[i].data, &one[i].sa, one[i].icv, 64};
	}
	assert_int_equal(crypto_burst(crypto, job, 3), 7);
	job[1].data = NULL;
	assert_int_equal(crypto_burst(crypto, job, 3) & 2, 0);
	job[1].data = one[1].data;
	assert_int_equal(crypto_burst(crypto, job, 3), 7);
}

static void icvs_differ_by_any_bit(void **state)
{
	uint8_t a[CRYPTO_ICV], b[CRYPTO_ICV];
	(void)state;

	fill(a, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_true(crypto_icv_equal(a, b));
	for (int bit = 0; bit < CRYPTO_ICV * 8; bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(crypto_icv_equal(a, b));
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void it_says_what_it_uses(void **state)
{
	(void)state;
	assert_non_null(strstr(crypto_describe(crypto), "intel-ipsec-mb"));
	print_message("%s\n", crypto_describe(crypto));
}

static int setup(void **state)
{
	char *argv[] = {"test",	       "--no-huge",	 "--no-pci",	  "-m", "64",
			"--no-shconf", "--no-telemetry", "--log-level=4", "-l", "0"};
	(void)state;
	return rte_eal_init(10, argv) < 0 ? -1 : crypto_new(0, &crypto);
}

static int teardown(void **state)
{
	(void)state;
	crypto_free(crypto);
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_2202_vectors_truncated_as_rfc_2404_says),
		cmocka_unit_test(every_burst_size_agrees_with_openssl),
		cmocka_unit_test(every_length_agrees_with_openssl),
		cmocka_unit_test(every_key_length_of_a_block_agrees_with_openssl),
		cmocka_unit_test(keys_of_no_sense_are_refused_and_leave_the_states_alone),
		cmocka_unit_test(a_job_that_the_library_refuses_is_not_reported_as_done),
		cmocka_unit_test(icvs_differ_by_any_bit),
		cmocka_unit_test(it_says_what_it_uses),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
