/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets that a Linux kernel sent, both directions of one set: their ICVs and trailers are good, and the
 * plain packets, made ESP again, are the same octet for octet. Known answers that nobody here computed.
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

#include "crypto.h"
#include "esp.h"
#include "ip.h"
#include "lab.h"

enum { PACKETS = 64, ICV = 12 };

struct capture {
	struct lab_frame frame[PACKETS];
	unsigned count;
};

static uint32_t load32(FILE *f, bool *ret_end)
{
	uint32_t value = 0;
	*ret_end |= fread(&value, sizeof(value), 1, f) != 1;
	return value;
}

/* The enhanced packet blocks of a pcapng file of this machine's byte order; nothing else of it matters here.
 */
static void load(const char *name, struct capture *ret)
{
	enum { ENHANCED_PACKET = 6, FIXED = 20 };
	char path[512];
	bool end = false;

	snprintf(path, sizeof(path), "%s/%s", getenv("BGF_VECTORS"), name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s cannot be read", path);
	ret->count = 0;
	while (!end) {
		uint8_t body[LAB_FRAME + 200];
		const uint32_t type = load32(f, &end), length = load32(f, &end);
		if (end)
			break;
		assert_true(length >= 12 && length - 8 <= sizeof(body));
		assert_int_equal(fread(body, length - 8, 1, f), 1);
		if (type != ENHANCED_PACKET)
			continue;
		struct lab_frame *frame = &ret->frame[ret->count++];
		uint32_t captured;
		assert_true(ret->count < PACKETS);
		memcpy(&captured, body + 12, sizeof(captured));
		assert_true(captured <= LAB_FRAME && captured + FIXED <= length - 8);
		memcpy(frame->octet, body + FIXED, captured);
		frame->length = (uint16_t)captured;
	}
	fclose(f);
}

static bool is_esp(struct lab_frame *f, bool ipv6)
{
	return f->octet[12] == (ipv6 ? 0x86 : 0x08) && f->octet[13] == (ipv6 ? 0xdd : 0) &&
	       lab_ip(f)[ipv6 ? 6 : 9] == IP_ESP;
}

static struct sa_shared key;
static struct crypto *crypto;

/* One packet: its ICV, its trailer, and what the product makes of the plain packet again. */
static void check(struct lab_frame *f, bool ipv6)
{
	uint8_t *esp = lab_l4(f), icv[ICV], again[LAB_FRAME], next = 0;
	uint32_t payload = 0;
	struct ip_packet ip = {0};

	assert_int_equal(ip_parse(lab_ip(f), f->length - 14u, ipv6, &ip), DROP_NONE);
	assert_true(esp_length_sane(ip.payload));
	const uint32_t signed_length = ip.payload - (uint32_t)ESP_ICV;
	assert_int_equal(crypto_burst(crypto, &(struct crypto_job){esp, &key, icv, signed_length}, 1), 1);
	assert_true(crypto_icv_equal(icv, esp + signed_length));
	assert_true(esp_read_trailer(esp + ESP_HEADER, signed_length - ESP_HEADER, &next, &payload));
	assert_true(l4_sane(esp + ESP_HEADER, payload, next));
	assert_int_equal(esp_length(payload), ip.payload);

	uint32_t spi;
	memcpy(&spi, esp, sizeof(spi));
	esp_write_header(again, spi, esp_sequence(esp));
	memcpy(again + ESP_HEADER, esp + ESP_HEADER, payload);
	const uint32_t trailer = esp_write_trailer(again + ESP_HEADER + payload, payload, next);
	uint8_t *end = again + ESP_HEADER + payload + trailer;
	assert_int_equal(
		crypto_burst(crypto, &(struct crypto_job){again, &key, end, (uint32_t)(end - again)}, 1), 1);
	assert_int_equal(end + ICV - again, ip.payload);
	assert_memory_equal(again, esp, ip.payload);
}

static const struct {
	const char *name;
	bool ipv6;
	unsigned packets;
} captures[] = {
	{"esp-kernel-udp4.pcapng", false, 4},
	{"esp-kernel-tcp4.pcapng", false, 12},
	{"esp-kernel-udp6.pcapng", true, 4},
	{"esp-kernel-tcp6.pcapng", true, 12},
};

static void every_packet_of_the_kernel_is_understood_and_made_again(void **state)
{
	static struct capture c;
	(void)state;

	crypto = lab.w->crypto;
	crypto_precompute(lab_ik, sizeof(lab_ik), key.inner, key.outer);
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		unsigned n = 0;
		load(captures[i].name, &c);
		for (unsigned k = 0; k < c.count; k++) {
			if (!is_esp(&c.frame[k], captures[i].ipv6))
				continue;
			check(&c.frame[k], captures[i].ipv6);
			n++;
		}
		assert_int_equal(n, captures[i].packets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packet_of_the_kernel_is_understood_and_made_again),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
