/* SPDX-License-Identifier: BSD-3-Clause */
#include "esp.h"

#include <endian.h>
#include <string.h>

static uint32_t load32(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return be32toh(value);
}

uint32_t esp_spi(const uint8_t *esp)
{
	return load32(esp);
}

uint32_t esp_sequence(const uint8_t *esp)
{
	return load32(esp + 4);
}

uint32_t esp_payload_max(uint32_t room)
{
	if (room < ESP_MIN)
		return 0;
	return (room - ESP_HEADER - ESP_ICV) / ESP_ALIGN * ESP_ALIGN - ESP_TRAILER;
}

void esp_write_header(uint8_t *esp, uint32_t spi, uint32_t sequence)
{
	const uint32_t seq = htobe32(sequence);
	memcpy(esp, &spi, sizeof(spi));
	memcpy(esp + 4, &seq, sizeof(seq));
}

uint32_t esp_write_trailer(uint8_t *end_of_payload, uint32_t payload, uint8_t next_header)
{
	const uint32_t padding = esp_padding(payload);

	for (uint32_t i = 0; i < padding; i++)
		end_of_payload[i] = (uint8_t)(i + 1);
	end_of_payload[padding] = (uint8_t)padding;
	end_of_payload[padding + 1] = next_header;
	return padding + ESP_TRAILER;
}

bool esp_read_trailer(const uint8_t *plain, uint32_t length, uint8_t *ret_next_header, uint32_t *ret_payload)
{
	if (length < ESP_TRAILER)
		return false;
	const uint32_t padding = plain[length - 2];
	if (padding > length - ESP_TRAILER)
		return false;
	const uint8_t *first = plain + length - ESP_TRAILER - padding;
	for (uint32_t i = 0; i < padding; i++)
		if (first[i] != i + 1)
			return false;
	*ret_next_header = plain[length - 1];
	*ret_payload = length - ESP_TRAILER - padding;
	return true;
}
