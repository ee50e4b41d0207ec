/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ESP's layout for every length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "esp.h"

enum { LONGEST = 1600, GUARD = 0xa5 };

static void every_payload_is_padded_to_4_and_read_back(void **state)
{
	static uint8_t buffer[LONGEST + 64];
	(void)state;

	for (uint32_t payload = 0; payload <= LONGEST; payload++) {
		uint8_t next = 0;
		uint32_t back = 0;
		memset(buffer, GUARD, sizeof(buffer));
		const uint32_t trailer = esp_write_trailer(buffer + payload, payload, 17);
		assert_int_equal(trailer, esp_padding(payload) + ESP_TRAILER);
		assert_true(esp_padding(payload) < ESP_ALIGN);
		assert_int_equal((payload + trailer) % ESP_ALIGN, 0);
		for (uint32_t i = 0; i < esp_padding(payload); i++)
			assert_int_equal(buffer[payload + i], i + 1);
		assert_int_equal(buffer[payload + trailer - 2], esp_padding(payload));
		assert_int_equal(buffer[payload + trailer - 1], 17);
		assert_int_equal(buffer[payload + trailer + ESP_ICV], GUARD); /* the ICV will lie before it */
		assert_int_equal(esp_length(payload), ESP_HEADER + payload + trailer + ESP_ICV);
		assert_true(esp_length_sane(esp_length(payload)));
		assert_true(esp_read_trailer(buffer, payload + trailer, &next, &back));
		assert_int_equal(next, 17);
		assert_int_equal(back, payload);
	}
}

static void the_largest_payload_for_a_room_is_exact(void **state)
{
	(void)state;
	for (uint32_t room = 0; room < LONGEST; room++) {
		const uint32_t max = esp_payload_max(room);
		if (room < ESP_MIN) {
			assert_int_equal(max, 0);
			continue;
		}
		assert_true(esp_length(max) <= room);
		assert_true(esp_length(max + 1) > room);
	}
}

/* A sender may pad more than it has to, up to 255 octets (RFC 4303 2.4). */
static void every_pad_length_is_read_and_every_wrong_octet_refused(void **state)
{
	uint8_t plain[300];
	(void)state;

	for (uint32_t padding = 0; padding <= 255; padding++) {
		uint8_t next = 7;
		uint32_t payload = 9999;
		const uint32_t length = 20 + padding + ESP_TRAILER;
		for (uint32_t i = 0; i < padding; i++)
			plain[20 + i] = (uint8_t)(i + 1);
		plain[length - 2] = (uint8_t)padding;
		plain[length - 1] = 6;
		assert_true(esp_read_trailer(plain, length, &next, &payload));
		assert_int_equal(payload, 20);
		for (uint32_t i = 0; i < padding; i++) {
			plain[20 + i] ^= 0x40;
			payload = 9999;
			assert_false(esp_read_trailer(plain, length, &next, &payload));
			assert_int_equal(payload, 9999);
			plain[20 + i] ^= 0x40;
		}
	}
}

static void a_pad_length_beyond_the_packet_is_refused(void **state)
{
	uint8_t next, plain[8] = {1, 2, 3, 4, 5, 6, 7, 17};
	uint32_t payload;
	(void)state;

	/* 1, 2, 3, ... in front, too, so that only the length can refuse */
	assert_false(esp_read_trailer(plain, 8, &next, &payload));
	for (uint8_t wrong = 1; wrong <= 2; wrong++) {
		uint8_t longer[10] = {1, 2, 3, 4, 5, 6, 7, 8};
		uint8_t *begin = longer + wrong;
		longer[8] = 8; /* the padding begins `wrong` octets before the packet */
		longer[9] = 17;
		assert_false(esp_read_trailer(begin, 10u - wrong, &next, &payload));
	}
	plain[6] = 6;
	assert_true(esp_read_trailer(plain, 8, &next, &payload));
	assert_int_equal(payload, 0);
	assert_false(esp_read_trailer(plain, 1, &next, &payload));
	assert_false(esp_read_trailer(plain, 0, &next, &payload));
}

static void lengths_that_no_esp_packet_has_are_not_sane(void **state)
{
	(void)state;
	for (uint32_t length = 0; length < 200; length++)
		assert_int_equal(esp_length_sane(length), length >= 24 && length % 4 == 0);
}

static void header_is_spi_then_sequence_in_network_order(void **state)
{
	static const uint8_t want[ESP_HEADER] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};
	uint8_t header[ESP_HEADER];
	uint32_t spi;
	(void)state;

	memcpy(&spi, want, sizeof(spi));
	esp_write_header(header, spi, 0x9abcdef0);
	assert_memory_equal(header, want, sizeof(want));
	assert_int_equal(esp_spi(header), 0x12345678);
	assert_int_equal(esp_sequence(header), 0x9abcdef0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_payload_is_padded_to_4_and_read_back),
		cmocka_unit_test(the_largest_payload_for_a_room_is_exact),
		cmocka_unit_test(every_pad_length_is_read_and_every_wrong_octet_refused),
		cmocka_unit_test(a_pad_length_beyond_the_packet_is_refused),
		cmocka_unit_test(lengths_that_no_esp_packet_has_are_not_sane),
		cmocka_unit_test(header_is_spi_then_sequence_in_network_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
