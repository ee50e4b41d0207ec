/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ICMP errors against octets and checksums that Scapy computed, and what none may be sent about (RFC 1812
 * 4.3.2.7, RFC 4443 2.4 e).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "icmp.h"

static const uint8_t packet4[] = {0x45, 0x00, 0x00, 0x21, 0x12, 0x34, 0x00, 0x00, 0x01, 0x11, 0x93,
				  0x2c, 0x0a, 0x3c, 0x00, 0x02, 0x0a, 0x2d, 0x00, 0x02, 0x17, 0xac,
				  0x13, 0xca, 0x00, 0x0d, 0x7c, 0x1f, 0x68, 0x65, 0x6c, 0x6c, 0x6f};
static const uint8_t too_big4[] = {
	0x45, 0xc0, 0x00, 0x3d, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x24, 0x89, 0x0a, 0x3c, 0x00, 0xfe,
	0x0a, 0x3c, 0x00, 0x02, 0x03, 0x04, 0x0b, 0xe1, 0x00, 0x00, 0x05, 0xa6, 0x45, 0x00, 0x00, 0x21,
	0x12, 0x34, 0x00, 0x00, 0x01, 0x11, 0x93, 0x2c, 0x0a, 0x3c, 0x00, 0x02, 0x0a, 0x2d, 0x00, 0x02,
	0x17, 0xac, 0x13, 0xca, 0x00, 0x0d, 0x7c, 0x1f, 0x68, 0x65, 0x6c, 0x6c, 0x6f};
static const uint8_t ttl4[] = {0x45, 0xc0, 0x00, 0x3d, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x24, 0x89, 0x0a,
			       0x3c, 0x00, 0xfe, 0x0a, 0x3c, 0x00, 0x02, 0x0b, 0x00, 0x09, 0x8b, 0x00, 0x00,
			       0x00, 0x00, 0x45, 0x00, 0x00, 0x21, 0x12, 0x34, 0x00, 0x00, 0x01, 0x11, 0x93,
			       0x2c, 0x0a, 0x3c, 0x00, 0x02, 0x0a, 0x2d, 0x00, 0x02, 0x17, 0xac, 0x13, 0xca,
			       0x00, 0x0d, 0x7c, 0x1f, 0x68, 0x65, 0x6c, 0x6c, 0x6f};
static const uint8_t packet6[] = {0x60, 0x00, 0x00, 0x00, 0x00, 0x0d, 0x11, 0x01, 0xfd, 0x00, 0x00,
				  0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
				  0x00, 0x02, 0xfd, 0x00, 0x00, 0x45, 0x00, 0x00, 0x00, 0x00, 0x00,
				  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x17, 0xac, 0x13, 0xca,
				  0x00, 0x0d, 0x95, 0xe1, 0x68, 0x65, 0x6c, 0x6c, 0x6f};
static const uint8_t too_big6[] = {
	0x60, 0x00, 0x00, 0x00, 0x00, 0x3d, 0x3a, 0x40, 0xfd, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfe, 0xfd, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x8b, 0x38, 0x00, 0x00, 0x05, 0x9e, 0x60, 0x00, 0x00,
	0x00, 0x00, 0x0d, 0x11, 0x01, 0xfd, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x02, 0xfd, 0x00, 0x00, 0x45, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x02, 0x17, 0xac, 0x13, 0xca, 0x00, 0x0d, 0x95, 0xe1, 0x68, 0x65, 0x6c, 0x6c, 0x6f};
static const uint8_t ttl6[] = {
	0x60, 0x00, 0x00, 0x00, 0x00, 0x3d, 0x3a, 0x40, 0xfd, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfe, 0xfd, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x00, 0x8f, 0xd6, 0x00, 0x00, 0x00, 0x00, 0x60, 0x00, 0x00,
	0x00, 0x00, 0x0d, 0x11, 0x01, 0xfd, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x02, 0xfd, 0x00, 0x00, 0x45, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x02, 0x17, 0xac, 0x13, 0xca, 0x00, 0x0d, 0x95, 0xe1, 0x68, 0x65, 0x6c, 0x6c, 0x6f};

static struct bgf_addr addr(const char *text)
{
	struct bgf_addr a;
	assert_int_equal(bgf_addr_parse(text, &a), 0);
	return a;
}

static void octets_are_scapys(void **state)
{
	(void)state;
	static const struct {
		enum icmp_error kind;
		const char *source;
		uint16_t mtu;
		const uint8_t *packet, *expect;
		size_t length, expected;
	} cases[] = {
		{ICMP_ERROR_TOO_BIG, "10.60.0.254", 1446, packet4, too_big4, sizeof(packet4),
		 sizeof(too_big4)},
		{ICMP_ERROR_TTL, "10.60.0.254", 0, packet4, ttl4, sizeof(packet4), sizeof(ttl4)},
		{ICMP_ERROR_TOO_BIG, "fd00:60::fe", 1438, packet6, too_big6, sizeof(packet6),
		 sizeof(too_big6)},
		{ICMP_ERROR_TTL, "fd00:60::fe", 0, packet6, ttl6, sizeof(packet6), sizeof(ttl6)},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgf_addr source = addr(cases[i].source);
		/* Behind the packet lies the padding of a short Ethernet frame: it is not quoted. */
		uint8_t frame[128] = {0}, out[ICMP_ERROR_MAX];
		memcpy(frame, cases[i].packet, cases[i].length);
		size_t n = icmp_error_build(cases[i].kind, frame, cases[i].length + 7, cases[i].mtu, &source,
					    out);
		assert_int_equal(n, cases[i].expected);
		assert_memory_equal(out, cases[i].expect, n);
	}
}

static void long_packets_are_quoted_as_far_as_allowed(void **state)
{
	(void)state;
	static const uint8_t head4[] = {0x45, 0x00, 0x05, 0xdc, 0x00, 0x01, 0x40, 0x00, 0x3c, 0x11,
					0x24, 0xa4, 0x0a, 0x3c, 0x00, 0x02, 0x0a, 0x2d, 0x00, 0x02,
					0x17, 0xac, 0x13, 0xca, 0x05, 0xc8, 0x00, 0x00};
	static const uint8_t head6[] = {0x60, 0x00, 0x00, 0x00, 0x05, 0xb4, 0x11, 0x3c, 0xfd, 0x00,
					0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
					0x00, 0x00, 0x00, 0x02, 0xfd, 0x00, 0x00, 0x45, 0x00, 0x00,
					0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
					0x17, 0xac, 0x13, 0xca, 0x05, 0xb4, 0x00, 0x00};
	static const struct {
		const char *source;
		const uint8_t *head;
		size_t head_length, payload, expected, checksum_at;
		uint16_t mtu, checksum;
	} cases[] = {
		{"10.60.0.254", head4, sizeof(head4), 1472, 576, 22, 1446, 0xf127},
		{"fd00:60::fe", head6, sizeof(head6), 1452, 1280, 42, 1438, 0x5da3},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t packet[1500], out[ICMP_ERROR_MAX];
		struct bgf_addr source = addr(cases[i].source);
		memcpy(packet, cases[i].head, cases[i].head_length);
		for (size_t k = 0; k < cases[i].payload; k++)
			packet[cases[i].head_length + k] = (uint8_t)(k * 7);
		size_t n = icmp_error_build(ICMP_ERROR_TOO_BIG, packet, sizeof(packet), cases[i].mtu, &source,
					    out);
		assert_int_equal(n, cases[i].expected);
		assert_int_equal(out[cases[i].checksum_at] << 8 | out[cases[i].checksum_at + 1],
				 cases[i].checksum);
		assert_memory_equal(out + n - 16, packet + (n - 16 - cases[i].checksum_at - 6), 16);
	}
}

/* One octet of a good packet made another one. */
struct change {
	const char *what;
	uint16_t at;
	uint8_t value;
	bool sent;
};

static void check(const uint8_t *packet, size_t length, const char *own, const struct change *c)
{
	uint8_t changed[128], out[ICMP_ERROR_MAX];
	struct bgf_addr source = addr(own);

	memcpy(changed, packet, length);
	changed[c->at] = c->value;
	bool sent = icmp_error_build(ICMP_ERROR_TTL, changed, length, 0, &source, out) > 0;
	if (sent != c->sent)
		fail_msg("%s: sent %d", c->what, sent);
}

static void rfc_1812_no_error_about(void **state)
{
	(void)state;
	static const struct change plain[] = {
		{"nothing wrong", 8, 1, true},
		{"a fragment but the first", 7, 1, false},
		{"the first fragment", 6, 0x20, true},
		{"to a multicast address", 16, 224, false},
		{"to the broadcast address", 16, 255, false},
		{"from 0.0.0.0/8", 12, 0, false},
		{"from loopback", 12, 127, false},
		{"from multicast", 12, 224, false},
		{"from class E", 12, 240, false},
		{"header longer than the packet", 0, 0x4f, false},
		{"header too short", 0, 0x44, false},
		{"another version", 0, 0x65, false},
	};
	static const struct change icmp[] = {
		{"echo reply", 20, 0, true},	      {"destination unreachable", 20, 3, false},
		{"source quench", 20, 4, false},      {"redirect", 20, 5, false},
		{"echo request", 20, 8, true},	      {"time exceeded", 20, 11, false},
		{"parameter problem", 20, 12, false},
	};
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		check(packet4, sizeof(packet4), "10.60.0.254", &plain[i]);
	uint8_t packet[sizeof(packet4)];
	memcpy(packet, packet4, sizeof(packet));
	packet[9] = 1;
	for (size_t i = 0; i < sizeof(icmp) / sizeof(icmp[0]); i++)
		check(packet, sizeof(packet), "10.60.0.254", &icmp[i]);
}

static void rfc_4443_no_error_about(void **state)
{
	(void)state;
	static const struct change plain[] = {
		{"nothing wrong", 7, 1, true},
		{"to a multicast address", 24, 0xff, false},
		{"from multicast", 8, 0xff, false},
		{"another version", 0, 0x45, false},
	};
	static const struct change icmp[] = {
		{"an error", 40, 1, false},	    {"too big", 40, 2, false},
		{"the last error", 40, 127, false}, {"an echo request", 40, 128, true},
		{"a redirect", 40, 137, false},
	};
	static const struct change fragment[] = {
		{"the first fragment", 43, 1, true},
		{"a later fragment", 43, 9, false},
		{"the first fragment of an error", 40, 58, false},
	};
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		check(packet6, sizeof(packet6), "fd00:60::fe", &plain[i]);
	uint8_t packet[sizeof(packet6)];
	memcpy(packet, packet6, sizeof(packet));
	packet[6] = 58;
	for (size_t i = 0; i < sizeof(icmp) / sizeof(icmp[0]); i++)
		check(packet, sizeof(packet), "fd00:60::fe", &icmp[i]);
	packet[6] = 44;
	memset(packet + 40, 0, 13);
	packet[40] = 17;
	packet[48] = 1; /* type of an ICMPv6 error, should the header before it say so */
	for (size_t i = 0; i < sizeof(fragment) / sizeof(fragment[0]); i++)
		check(packet, sizeof(packet), "fd00:60::fe", &fragment[i]);
	/* From '::', duplicate address detection. */
	memset(packet + 8, 0, 16);
	check(packet, sizeof(packet), "fd00:60::fe", &(struct change){"from ::", 40, 17, false});
}

static void no_error_about_what_is_cut_short(void **state)
{
	(void)state;
	uint8_t out[ICMP_ERROR_MAX];
	struct bgf_addr own4 = addr("10.60.0.254"), own6 = addr("fd00:60::fe");

	for (size_t n = 0; n <= sizeof(packet6); n++) {
		/* A copy that ends where the packet does, for the sanitizer. */
		uint8_t *cut = malloc(n + 1);
		memcpy(cut, packet6, n);
		assert_int_equal(icmp_error_build(ICMP_ERROR_TTL, cut, n, 0, &own6, out) > 0, n >= 40);
		assert_int_equal(icmp_error_build(ICMP_ERROR_TTL, cut, n, 0, &own4, out), 0);
		free(cut);
	}
	for (size_t n = 0; n < 20; n++)
		assert_int_equal(icmp_error_build(ICMP_ERROR_TTL, packet4, n, 0, &own4, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_are_scapys),
		cmocka_unit_test(long_packets_are_quoted_as_far_as_allowed),
		cmocka_unit_test(rfc_1812_no_error_about),
		cmocka_unit_test(rfc_4443_no_error_about),
		cmocka_unit_test(no_error_about_what_is_cut_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
