/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The generator's packets: ICVs against those of a Linux kernel, what it builds against the gateway's own
 * parsers, which share no code with it, and what it reads against every octet turned wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <arpa/inet.h>

#include "esp.h"
#include "hmac.h"
#include "ip.h"
#include "packet.h"

enum { FILE_MAX = 65536 };

static struct hmac *hmac;
static struct fleet fleet;

static const uint8_t kernel_key[HMAC_KEY] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					     0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

static int start(void **state)
{
	struct fleet_plan plan = {.count = 100, .ipv6_percent = 50, .port_ps = 6062, .port_pc = 6060};
	(void)state;

	bgf_addr_parse("10.128.0.1", &plan.ue4);
	bgf_addr_parse("fd00:45:1::1", &plan.ue6);
	bgf_addr_parse("10.50.0.1", &plan.served4);
	bgf_addr_parse("fd00:50::1", &plan.served6);
	packet_init();
	return hmac_new(&hmac) != 0 || fleet_new(&plan, &fleet) != 0;
}

static int stop(void **state)
{
	(void)state;
	hmac_free(hmac);
	fleet_free(&fleet);
	return 0;
}

static void compute(const struct hmac_key *key, const uint8_t *data, uint32_t length, uint8_t *icv)
{
	assert_true(hmac_burst(hmac, &(struct hmac_job){data, key, icv, length}, 1));
}

/* --- a kernel's packets --- */

static size_t load(const char *name, uint8_t *to)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", getenv("BGF_VECTORS"), name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	const size_t n = fread(to, 1, FILE_MAX, f);
	fclose(f);
	return n;
}

/* Checks the ICV of an Ethernet frame if it is ESP. */
static unsigned check_frame(const uint8_t *frame, const struct hmac_key *key)
{
	const bool ipv6 = frame[12] == 0x86;
	const uint8_t *ip = frame + 14, *esp = ip + (ipv6 ? 40 : 20);
	uint8_t icv[HMAC_ICV];

	if ((frame[12] != 0x08 && !ipv6) || frame[13] != (ipv6 ? 0xdd : 0) || ip[ipv6 ? 6 : 9] != 50)
		return 0;
	const uint32_t length = ipv6 ? (uint32_t)(ip[4] << 8 | ip[5]) : (ip[2] << 8 | ip[3]) - 20u;
	compute(key, esp, length - HMAC_ICV, icv);
	assert_memory_equal(icv, esp + length - HMAC_ICV, HMAC_ICV);
	return 1;
}

static void icvs_are_those_of_a_linux_kernel(void **state)
{
	static const struct {
		const char *name;
		unsigned packets;
	} files[] = {{"esp-kernel-udp4.pcapng", 4},
		     {"esp-kernel-tcp4.pcapng", 12},
		     {"esp-kernel-udp6.pcapng", 4},
		     {"esp-kernel-tcp6.pcapng", 12}};
	static uint8_t octets[FILE_MAX];
	struct hmac_key key;
	(void)state;

	hmac_expand(kernel_key, &key);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const size_t size = load(files[i].name, octets);
		unsigned found = 0;
		uint32_t block[2]; /* of pcapng: type, length */
		for (size_t at = 0; at + 28 < size; at += block[1]) {
			memcpy(block, octets + at, sizeof(block));
			assert_true(block[1] >= 12 && at + block[1] <= size);
			if (block[0] == 6)
				found += check_frame(octets + at + 28, &key);
		}
		assert_int_equal(found, files[i].packets);
	}
}

/* --- what is built, by the gateway's parsers --- */

static struct packet sample(uint32_t phone, uint8_t proto, uint16_t length, enum way way)
{
	return (struct packet){.phone = phone,
			       .sequence = 77,
			       .trial = 3,
			       .time = 0x123456789a,
			       .length = length,
			       .proto = proto,
			       .which = (uint8_t)(phone & 1),
			       .way = (uint8_t)way};
}

static void check_plain(const uint8_t *ip, const struct packet *p, bool ipv6)
{
	struct ip_packet parsed;

	assert_int_equal(ip_parse(ip, p->length, ipv6, &parsed), DROP_NONE);
	assert_int_equal(parsed.defect, DROP_NONE);
	assert_int_equal(parsed.proto, p->proto);
	assert_int_equal(parsed.l3_len + parsed.payload, p->length);
	assert_true(l4_sane(ip + parsed.l3_len, parsed.payload, p->proto));
	assert_true(l4_checksum_good(&parsed, ip + parsed.l3_len));
	assert_int_equal(l4_source(ip + parsed.l3_len), htons(fleet_ue_port(p->phone, p->which)));
}

static void check_esp(const struct packet *p, bool ipv6)
{
	uint8_t ip[PACKET_IP_MAX], next = 0;
	uint16_t begin;
	uint32_t payload = 0;
	struct ip_packet parsed = {0};
	const uint16_t length = packet_esp(&fleet.plan, p, 0x12345678, p->sequence, ip, &begin);

	assert_int_equal(ip_parse(ip, length, ipv6, &parsed), DROP_NONE);
	assert_int_equal(parsed.proto, 50);
	assert_int_equal(begin, parsed.l3_len);
	assert_int_equal(begin + parsed.payload, length);
	assert_true(esp_length_sane(parsed.payload));
	assert_int_equal(esp_spi(ip + begin), 0x12345678);
	assert_int_equal(esp_sequence(ip + begin), p->sequence);
	assert_true(esp_read_trailer(ip + begin + ESP_HEADER, parsed.payload - 20u, &next, &payload));
	assert_int_equal(next, p->proto);
	assert_int_equal(begin + payload, p->length);
	assert_int_equal(esp_length(payload), parsed.payload);
	parsed.payload = (uint16_t)payload;
	parsed.proto = next;
	assert_true(l4_checksum_good(&parsed, ip + begin + ESP_HEADER));
}

static void packets_are_as_the_gateways_parsers_want_them(void **state)
{
	static const uint8_t protos[] = {PACKET_UDP, PACKET_TCP};
	uint8_t ip[PACKET_IP_MAX];
	(void)state;

	for (uint32_t phone = 49; phone < 51; phone++)
		for (size_t k = 0; k < sizeof(protos); k++) {
			const bool ipv6 = fleet_is_ipv6(&fleet.plan, phone);
			const uint16_t most = packet_greatest(ipv6, 1500);
			for (uint16_t n = packet_least(ipv6, protos[k]); n <= most; n++) {
				const struct packet p = sample(phone, protos[k], n, WAY_UP);
				assert_int_equal(packet_plain(&fleet.plan, &p, ip), n);
				check_plain(ip, &p, ipv6);
				check_esp(&p, ipv6);
			}
			const uint32_t header = ipv6 ? 40 : 20;
			assert_in_range(header + esp_length(most - header), 1497, 1500);
		}
}

/* --- what comes back --- */

/* One hop, as a router does it. */
static void hop(uint8_t *ip, bool ipv6)
{
	uint32_t sum = 0;

	ip[ipv6 ? 7 : 8]--;
	if (ipv6)
		return;
	ip[10] = ip[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static void same(const struct packet *a, const struct packet *b)
{
	assert_int_equal(a->phone, b->phone);
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->trial, b->trial);
	assert_int_equal(a->time, b->time);
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->proto, b->proto);
	assert_int_equal(a->which, b->which);
	assert_int_equal(a->bad, b->bad);
}

/* Whether an octet may be another one without anybody's knowledge: the mark's own values, which the gateway
 * cannot know, are under the checksum like all else. */
static void a_plain_packet_with_any_octet_wrong_is_found(void **state)
{
	uint8_t ip[PACKET_IP_MAX];
	struct packet back;
	(void)state;

	for (uint32_t phone = 49; phone < 51; phone++) {
		const bool ipv6 = fleet_is_ipv6(&fleet.plan, phone);
		struct packet p = sample(phone, phone & 1 ? PACKET_TCP : PACKET_UDP, 199, WAY_UP);
		p.bad = 2;
		packet_plain(&fleet.plan, &p, ip);
		assert_int_not_equal(packet_read_plain(&fleet.plan, ip, 199, WAY_UP, &back), PACKET_NONE);
		hop(ip, ipv6);
		assert_int_equal(packet_read_plain(&fleet.plan, ip, 199, WAY_UP, &back), PACKET_NONE);
		same(&p, &back);
		assert_int_not_equal(packet_read_plain(&fleet.plan, ip, 198, WAY_UP, &back), PACKET_NONE);
		assert_int_not_equal(packet_read_plain(&fleet.plan, ip, 199, WAY_DOWN, &back), PACKET_NONE);
		for (int i = 0; i < 199; i++) {
			ip[i] ^= 0x10;
			assert_int_not_equal(packet_read_plain(&fleet.plan, ip, 199, WAY_UP, &back),
					     PACKET_NONE);
			ip[i] ^= 0x10;
		}
	}
}

/* The whole reading of a packet from the gateway. */
static enum packet_fault read_sealed(const uint8_t *ip, uint16_t length, struct packet *ret)
{
	struct packet_sealed sealed;
	uint8_t icv[HMAC_ICV];
	const enum packet_fault fault = packet_read_esp(&fleet.plan, ip, length, &sealed);

	if (fault != PACKET_NONE)
		return fault;
	compute(&fleet.phone[sealed.phone].key, sealed.esp, (uint32_t)sealed.length - HMAC_ICV, icv);
	if (memcmp(icv, sealed.esp + sealed.length - HMAC_ICV, HMAC_ICV) != 0)
		return PACKET_ICV;
	return packet_unseal(&fleet.plan, &sealed, ret);
}

static void a_sealed_packet_with_any_octet_wrong_is_found(void **state)
{
	uint8_t ip[PACKET_IP_MAX], ik[FLEET_IK];
	struct packet back;
	uint16_t esp;
	(void)state;

	for (uint32_t phone = 49; phone < 51; phone++) {
		const bool ipv6 = fleet_is_ipv6(&fleet.plan, phone);
		const struct packet p = sample(phone, PACKET_UDP, 201, WAY_DOWN);
		const uint32_t spi = fleet_ue_spi(phone, p.which);
		fleet_key(&fleet, phone, ik);
		const uint16_t length = packet_esp(&fleet.plan, &p, spi, 9, ip, &esp);
		compute(&fleet.phone[phone].key, ip + esp, length - esp - (uint32_t)HMAC_ICV,
			ip + length - HMAC_ICV);
		hop(ip, ipv6);
		assert_int_equal(read_sealed(ip, length, &back), PACKET_NONE);
		same(&p, &back);
		for (int i = 0; i < length; i++) {
			ip[i] ^= 0x10;
			assert_int_not_equal(read_sealed(ip, length, &back), PACKET_NONE);
			ip[i] ^= 0x10;
		}
	}
}

static void each_phone_has_its_own(void **state)
{
	uint8_t a[16] = {0}, b[16] = {0}, ik_a[FLEET_IK], ik_b[FLEET_IK];
	unsigned which;
	(void)state;

	for (uint32_t n = 0; n + 1 < fleet.plan.count; n++) {
		fleet_address(&fleet.plan, n, a);
		fleet_address(&fleet.plan, n + 1, b);
		assert_memory_not_equal(a, b, sizeof(a));
		assert_true(fleet_has(&fleet.plan, a, fleet_is_ipv6(&fleet.plan, n)));
		fleet_key(&fleet, n, ik_a);
		fleet_key(&fleet, n + 1, ik_b);
		assert_memory_not_equal(ik_a, ik_b, FLEET_IK);
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(fleet_by_spi(&fleet.plan, fleet_ue_spi(n, k), &which), n);
			assert_int_equal(which, k);
		}
		assert_int_not_equal(fleet_ue_port(n, 0), fleet_ue_port(n, 1));
	}
	assert_int_equal(fleet_by_spi(&fleet.plan, fleet_ue_spi(fleet.plan.count, 0), &which), -1);
	assert_int_equal(fleet_by_spi(&fleet.plan, 255, &which), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icvs_are_those_of_a_linux_kernel),
		cmocka_unit_test(packets_are_as_the_gateways_parsers_want_them),
		cmocka_unit_test(a_plain_packet_with_any_octet_wrong_is_found),
		cmocka_unit_test(a_sealed_packet_with_any_octet_wrong_is_found),
		cmocka_unit_test(each_phone_has_its_own),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
