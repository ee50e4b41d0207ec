/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers rewritten by differences, against headers made anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ip.h"

static uint64_t random_state = 88172645463325252u;

static uint32_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

/* The checksum as RFC 791 has it: the complement of the sum of all the header's 16-bit words. */
static void make_checksum(uint8_t *h)
{
	uint32_t sum = 0;

	h[10] = h[11] = 0;
	for (int i = 0; i < IPV4_HEADER; i += 2)
		sum += (uint32_t)(h[i] << 8 | h[i + 1]);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	h[10] = (uint8_t)(~sum >> 8);
	h[11] = (uint8_t)~sum;
}

static struct ip_body random_body(void)
{
	return (struct ip_body){random_word() % (UINT16_MAX - IPV4_HEADER), (uint8_t)random_word()};
}

static void make(uint8_t *h, bool ipv6, struct ip_body body, uint8_t hops)
{
	const uint32_t length = ipv6 ? body.payload : IPV4_HEADER + body.payload;
	uint8_t *at = h + (ipv6 ? 4 : 2);

	h[0] = ipv6 ? 0x60 : 0x45;
	at[0] = (uint8_t)(length >> 8);
	at[1] = (uint8_t)length;
	h[ipv6 ? 6 : 9] = body.proto;
	h[ipv6 ? 7 : 8] = hops;
	if (!ipv6)
		make_checksum(h);
}

/* In place, and 8 octets up and down, as ESP goes off and on. */
static void a_rewritten_header_is_as_one_made_anew(void **state)
{
	enum { SHIFT = 8 };
	(void)state;

	for (unsigned turn = 0; turn < 600000; turn++) {
		uint8_t room[IPV6_HEADER + 2 * SHIFT], want[IPV6_HEADER];
		const bool ipv6 = turn % 2 != 0;
		const size_t length = ipv6 ? IPV6_HEADER : IPV4_HEADER;
		const uint8_t hops = (uint8_t)(2 + random_word() % 254);
		const struct ip_body was = random_body(), is = turn % 5 == 0 ? was : random_body();
		uint8_t *from = room + SHIFT, *to = from + ((int)(turn / 2 % 3) - 1) * SHIFT;
		for (size_t i = 0; i < length; i++)
			want[i] = turn % 7 == 0 ? 0xff : (uint8_t)random_word();
		make(want, ipv6, was, hops);
		memcpy(from, want, length);
		make(want, ipv6, is, hops - 1);
		ip_rewrite(to, from, ipv6, was, is);
		assert_memory_equal(to, want, length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rewritten_header_is_as_one_made_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
