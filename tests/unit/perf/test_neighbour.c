/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "neighbour.h"

enum { ARP_FRAME = 42, ND_FRAME = 86 };

static const uint8_t asker[6] = {2, 0, 0, 0, 0, 1}, mine[6] = {2, 0, 0, 0, 0, 2};

static struct fleet_plan plan = {.count = 4, .ipv6_percent = 50};

static struct neighbour neighbour(void)
{
	struct neighbour n = {.phones = &plan, .count = 2};

	memcpy(n.mac, mine, 6);
	bgf_addr_parse("10.45.0.2", &n.address[0]);
	bgf_addr_parse("fd00:45::2", &n.address[1]);
	bgf_addr_parse("10.128.0.1", &plan.ue4);
	bgf_addr_parse("fd00:45:1::1", &plan.ue6);
	return n;
}

/* RFC 826. */
static void arp_request(uint8_t *frame, const char *wanted)
{
	static const uint8_t begin[] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct bgf_addr from, to;

	bgf_addr_parse("10.45.0.254", &from);
	bgf_addr_parse(wanted, &to);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, asker, 6);
	memcpy(frame + 12, "\x08\x06", 2);
	memcpy(frame + 14, begin, 8);
	memcpy(frame + 22, asker, 6);
	memcpy(frame + 28, from.octet, 4);
	memset(frame + 32, 0, 6);
	memcpy(frame + 38, to.octet, 4);
}

static void arp_is_answered_for_our_own_alone(void **state)
{
	static const struct {
		const char *address;
		bool answered;
	} cases[] = {{"10.45.0.2", true},
		     {"10.45.0.3", false},
		     {"10.128.0.1", false}, /* has IPv6 */
		     {"10.128.0.0", false},
		     {"10.128.0.5", false}};
	const struct neighbour n = neighbour();
	uint8_t frame[ARP_FRAME], before[ARP_FRAME];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		arp_request(frame, cases[i].address);
		memcpy(before, frame, sizeof(frame));
		assert_int_equal(neighbour_answer(&n, frame, sizeof(frame)), cases[i].answered);
		if (!cases[i].answered) {
			assert_memory_equal(frame, before, sizeof(frame));
			continue;
		}
		assert_memory_equal(frame, asker, 6);
		assert_memory_equal(frame + 6, mine, 6);
		assert_int_equal(frame[21], 2);
		assert_memory_equal(frame + 22, mine, 6);
		assert_memory_equal(frame + 28, before + 38, 4);
		assert_memory_equal(frame + 32, asker, 6);
		assert_memory_equal(frame + 38, before + 28, 4);
	}
	arp_request(frame, "10.45.0.2");
	assert_false(neighbour_answer(&n, frame, ARP_FRAME - 1));
}

static uint16_t icmp_sum(const uint8_t *ip)
{
	uint32_t sum = 32 + 58;

	for (int i = 8; i < 72; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 4861 4.3, with the asker's link-layer address. */
static void solicitation(uint8_t *frame, const char *wanted)
{
	struct bgf_addr from, to;
	uint8_t *ip = frame + 14;

	bgf_addr_parse("fe80::1", &from);
	bgf_addr_parse(wanted, &to);
	memset(frame, 0, ND_FRAME);
	memcpy(frame + 6, asker, 6);
	memcpy(frame + 12, "\x86\xdd\x60", 3);
	memcpy(ip + 4, "\x00\x20\x3a\xff", 4);
	memcpy(ip + 8, from.octet, 16);
	memset(ip + 24, 0xff, 16);
	ip[40] = 135;
	memcpy(ip + 48, to.octet, 16);
	ip[64] = ip[65] = 1;
	memcpy(ip + 66, asker, 6);
}

static void nd_is_answered_for_our_own_alone(void **state)
{
	const struct neighbour n = neighbour();
	uint8_t frame[ND_FRAME], *ip = frame + 14;
	struct bgf_addr own, to;
	(void)state;

	bgf_addr_parse("fd00:45::2", &own);
	bgf_addr_parse("fe80::1", &to);
	solicitation(frame, "fd00:45::3");
	assert_false(neighbour_answer(&n, frame, sizeof(frame)));
	solicitation(frame, "fd00:45:1::1"); /* a phone's */
	assert_true(neighbour_answer(&n, frame, sizeof(frame)));
	solicitation(frame, "fd00:45::2");
	assert_false(neighbour_answer(&n, frame, ND_FRAME - 1));
	assert_true(neighbour_answer(&n, frame, sizeof(frame)));
	assert_memory_equal(frame, asker, 6);
	assert_memory_equal(ip + 8, own.octet, 16);
	assert_memory_equal(ip + 24, to.octet, 16);
	assert_int_equal(ip[7], 255);
	assert_int_equal(ip[40], 136);
	assert_int_equal(ip[44], 0x60);
	assert_memory_equal(ip + 48, own.octet, 16);
	assert_int_equal(ip[64], 2);
	assert_memory_equal(ip + 66, mine, 6);
	assert_int_equal(icmp_sum(ip), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_is_answered_for_our_own_alone),
		cmocka_unit_test(nd_is_answered_for_our_own_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
