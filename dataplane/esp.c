/* SPDX-License-Identifier: BSD-3-Clause */
#include "esp.h"

uint32_t esp_payload_max(uint32_t room)
{
	if (room < ESP_MIN)
		return 0;
	return (room - ESP_HEADER - ESP_ICV) / ESP_ALIGN * ESP_ALIGN - ESP_TRAILER;
}

bool esp_padding_good(const uint8_t *plain, uint32_t length, uint32_t padding)
{
	if (padding > length - ESP_TRAILER)
		return false;
	const uint8_t *first = plain + length - ESP_TRAILER - padding;
	for (uint32_t i = 0; i < padding; i++)
		if (first[i] != i + 1)
			return false;
	return true;
}
