/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Longest prefix match: the edges as a table, and random nests of prefixes against a naive model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lpm.h"

enum { PREFIXES_MAX = 24 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

static struct lpm *build(const struct lpm_prefix *prefixes, uint32_t n)
{
	struct lpm_prefix copy[PREFIXES_MAX];
	struct lpm *l = aligned_alloc(64, (lpm_size(n) + 63) / 64 * 64);

	if (n > 0) /* prefixes may be NULL then */
		memcpy(copy, prefixes, n * sizeof(*copy));
	lpm_build(l, copy, n);
	return l;
}

static uint16_t find(const struct lpm *l, const struct bgf_addr *a)
{
	return a->family == 6 ? lpm_find6(l, a->octet) : lpm_find4(l, a->octet);
}

static void edges(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		uint8_t length;
	} prefixes[] = {
		{"10.0.0.0", 8},	{"10.0.0.0", 16},
		{"10.255.255.255", 32}, {"255.255.255.255", 32},
		{"192.0.2.0", 31},	{"::", 0},
		{"fd00::", 64},		{"fd00::ffff:ffff:ffff:ffff", 128},
		{"ffff:ffff::", 32},
	};
	static const struct {
		const char *destination;
		uint16_t id; /* index of the prefix and 1 */
	} cases[] = {
		{"0.0.0.0", 0},
		{"9.255.255.255", 0},
		{"10.0.0.0", 2},
		{"10.0.255.255", 2},
		{"10.1.0.0", 1},
		{"10.255.255.254", 1},
		{"10.255.255.255", 3},
		{"11.0.0.0", 0},
		{"192.0.1.255", 0},
		{"192.0.2.0", 5},
		{"192.0.2.1", 5},
		{"192.0.2.2", 0},
		{"255.255.255.254", 0},
		{"255.255.255.255", 4},
		{"::", 6},
		{"fcff:ffff::1", 6},
		{"fd00::", 7},
		{"fd00::ffff:ffff:ffff:fffe", 7},
		{"fd00::ffff:ffff:ffff:ffff", 8},
		{"fd00:0:0:1::", 6},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 9},
		{"ffff:fffe::", 6},
	};
	struct lpm_prefix p[PREFIXES_MAX];
	uint32_t n = sizeof(prefixes) / sizeof(prefixes[0]);

	for (uint32_t i = 0; i < n; i++) {
		p[i] = (struct lpm_prefix){.length = prefixes[i].length, .id = (uint16_t)(i + 1)};
		assert_int_equal(bgf_addr_parse(prefixes[i].prefix, &p[i].prefix), 0);
	}
	struct lpm *l = build(p, n);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgf_addr a;
		assert_int_equal(bgf_addr_parse(cases[i].destination, &a), 0);
		if (find(l, &a) != cases[i].id)
			fail_msg("%s: %u", cases[i].destination, find(l, &a));
	}
	free(l);
}

static void an_empty_table_finds_nothing(void **state)
{
	(void)state;
	static const uint8_t zeros[16], ones[16] = {0xff, 0xff, 0xff, 0xff};
	struct lpm *l = build(NULL, 0);

	assert_int_equal(lpm_find4(l, zeros) | lpm_find4(l, ones) | lpm_find6(l, zeros) | lpm_find6(l, ones),
			 0);
	free(l);
}

static bool covers(const struct lpm_prefix *p, const struct bgf_addr *a)
{
	if (p->prefix.family != a->family)
		return false;
	for (unsigned bit = 0; bit < p->length; bit++)
		if ((p->prefix.octet[bit / 8] ^ a->octet[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

/* Few values, and often the last address there is. */
static struct bgf_addr random_address(void)
{
	struct bgf_addr a = {.family = random_below(2) ? 6 : 4};
	unsigned last = a.family == 6 ? 15 : 3;
	bool end = random_below(4) == 0;

	memset(a.octet, end ? 0xff : 0, last + 1u);
	if (!end) {
		a.octet[0] = (uint8_t)random_below(3);
		a.octet[last / 2] = (uint8_t)(random_below(2) << 7);
		a.octet[last] = (uint8_t)random_below(4);
	}
	return a;
}

static uint32_t random_prefixes(struct lpm_prefix *p)
{
	static const uint8_t lengths[2][6] = {{0, 7, 8, 17, 30, 32}, {0, 8, 57, 64, 127, 128}};
	uint32_t n = 0;

	for (uint32_t i = random_below(PREFIXES_MAX + 1); i > 0; i--) {
		struct bgf_addr a = random_address();
		struct lpm_prefix fresh = {.prefix.family = a.family, .id = (uint16_t)i};
		fresh.length = lengths[a.family == 6][random_below(6)];
		for (unsigned bit = 0; bit < fresh.length; bit++)
			fresh.prefix.octet[bit / 8] |= (uint8_t)(a.octet[bit / 8] & 0x80 >> bit % 8);
		bool twice = false;
		for (uint32_t k = 0; k < n; k++)
			twice |= p[k].length == fresh.length && bgf_addr_equal(&p[k].prefix, &fresh.prefix);
		if (!twice)
			p[n++] = fresh;
	}
	return n;
}

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	struct lpm_prefix p[PREFIXES_MAX];

	for (int turn = 0; turn < 5000; turn++) {
		uint32_t n = random_prefixes(p);
		struct lpm *l = build(p, n);
		for (int i = 0; i < 40; i++) {
			struct bgf_addr a = random_address();
			const struct lpm_prefix *best = NULL;
			for (uint32_t k = 0; k < n; k++)
				if (covers(&p[k], &a) && (!best || p[k].length > best->length))
					best = &p[k];
			assert_int_equal(find(l, &a), best ? best->id : 0);
		}
		free(l);
	}
}

/* A range is what may be taken for the destination it was asked for: it has it, and nothing of another id. */
static void a_range_has_one_id(void **state)
{
	(void)state;
	struct lpm_prefix p[PREFIXES_MAX];
	unsigned in = 0, out = 0;

	for (int turn = 0; turn < 5000; turn++) {
		struct lpm *l = build(p, random_prefixes(p));
		for (int i = 0; i < 40; i++) {
			const struct bgf_addr a = random_address(), b = random_address();
			struct lpm_range range;
			const bool ipv6 = a.family == 6;
			assert_int_equal(lpm_range(l, a.octet, ipv6, &range), find(l, &a));
			assert_true(lpm_in_range(&range, a.octet, ipv6));
			if (a.family != b.family)
				continue;
			const bool covered = lpm_in_range(&range, b.octet, ipv6);
			if (covered)
				assert_int_equal(find(l, &b), find(l, &a));
			in += covered;
			out += !covered;
		}
		free(l);
	}
	assert_true(in > 1000 && out > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges),
		cmocka_unit_test(an_empty_table_finds_nothing),
		cmocka_unit_test(agrees_with_a_naive_model),
		cmocka_unit_test(a_range_has_one_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
