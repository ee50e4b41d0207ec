/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The layout of ESP in transport mode with the NULL cipher and an ICV of 96 bits (RFC 4303 2, RFC 2404):
 *
 *     | SPI 4 | sequence 4 | payload | padding 1, 2, 3, ... | pad length 1 | next header 1 | ICV 12 |
 *
 * From the SPI to the next header it is a multiple of 4 octets.
 */
#ifndef BGF_DP_ESP_H
#define BGF_DP_ESP_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	ESP_HEADER = 8,
	ESP_TRAILER = 2, /* pad length, next header */
	ESP_ICV = 12,
	ESP_ALIGN = 4,
	ESP_MIN = ESP_HEADER + ESP_ALIGN + ESP_ICV,
	ESP_SPI_RESERVED = 255, /* the highest of the reserved SPIs (rule 5) */
};

/* Octets of padding that a payload needs. */
static inline uint32_t esp_padding(uint32_t payload)
{
	return -(payload + ESP_TRAILER) % ESP_ALIGN;
}

/* Octets of the whole ESP packet, header to ICV, around a payload. */
static inline uint32_t esp_length(uint32_t payload)
{
	return ESP_HEADER + payload + esp_padding(payload) + ESP_TRAILER + ESP_ICV;
}

/* The largest payload whose ESP packet fits into `room` octets; 0 where none does. */
uint32_t esp_payload_max(uint32_t room);

/* Whether an ESP packet of this length can be one: header, aligned trailer, ICV. */
static inline bool esp_length_sane(uint32_t length)
{
	return length >= ESP_MIN && length % ESP_ALIGN == 0;
}

static inline uint32_t esp_load32(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return be32toh(value);
}

/* Reads SPI and sequence number, in host order, of at least ESP_HEADER octets. */
static inline uint32_t esp_spi(const uint8_t *esp)
{
	return esp_load32(esp);
}

static inline uint32_t esp_sequence(const uint8_t *esp)
{
	return esp_load32(esp + 4);
}

/* Writes the header; the SPI in network order, as sa_out has it. */
static inline void esp_write_header(uint8_t *esp, uint32_t spi, uint32_t sequence)
{
	const uint32_t seq = htobe32(sequence);
	memcpy(esp, &spi, sizeof(spi));
	memcpy(esp + 4, &seq, sizeof(seq));
}

/* Writes padding, pad length and next header behind a payload. Returns the octets written, 2 to 5; the ICV
 * follows, and what lies there is overwritten: the padding is written as one word, for a loop that ends
 * after none to three rounds is a branch that no processor foresees. */
static inline uint32_t esp_write_trailer(uint8_t *end_of_payload, uint32_t payload, uint8_t next_header)
{
	static const uint8_t numbers[4] = {1, 2, 3, 0};
	const uint32_t padding = esp_padding(payload);

	memcpy(end_of_payload, numbers, sizeof(numbers));
	end_of_payload[padding] = (uint8_t)padding;
	end_of_payload[padding + 1] = next_header;
	return padding + ESP_TRAILER;
}

/* Whether `padding` octets before the trailer's last two are there and are 1, 2, 3, ... */
bool esp_padding_good(const uint8_t *plain, uint32_t length, uint32_t padding);

/* Reads the trailer that ends `plain` (payload to next header, `length` octets). False where the pad length
 * does not fit or the padding is not 1, 2, 3, ... (RFC 4303 2.4); the outputs are then left alone. No padding
 * but what alignment asks for is compared as one word, as it is written. */
static inline bool esp_read_trailer(const uint8_t *plain, uint32_t length, uint8_t *ret_next_header,
				    uint32_t *ret_payload)
{
	static const uint32_t numbers[ESP_ALIGN] = {0, 0x00000001, 0x00000102, 0x00010203};
	static const uint32_t octets[ESP_ALIGN] = {0, 0xff, 0xffff, 0xffffff};

	if (length < ESP_TRAILER)
		return false;
	const uint32_t padding = plain[length - 2];
	if (__builtin_expect(padding < ESP_ALIGN && length >= ESP_ALIGN + ESP_TRAILER, 1)) {
		if ((esp_load32(plain + length - ESP_TRAILER - ESP_ALIGN) & octets[padding]) !=
		    numbers[padding])
			return false;
	} else if (!esp_padding_good(plain, length, padding)) {
		return false;
	}
	*ret_next_header = plain[length - 1];
	*ret_payload = length - ESP_TRAILER - padding;
	return true;
}

#endif
