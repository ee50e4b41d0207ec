/* SPDX-License-Identifier: BSD-3-Clause */
#include "served.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SLOTS = sizeof(((struct served_table *)0)->slot) / sizeof(uint16_t) };
static_assert(SLOTS >= 4 * SERVED_MAX, "probes stay short");

/* Where the search of an address begins: the upper bits of a multiplication (Fibonacci hashing). */
static unsigned slot_of(const uint8_t *octets, bool ipv6)
{
	uint64_t a = 0, b = 0;

	memcpy(&a, octets, ipv6 ? 8 : 4);
	if (ipv6)
		memcpy(&b, octets + 8, 8);
	return (unsigned)((a ^ (b << 31 | b >> 33)) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

uint16_t served_find(const struct served_table *t, const uint8_t *octets, bool ipv6)
{
	uint8_t family = ipv6 ? 6 : 4;

	for (unsigned at = slot_of(octets, ipv6); t->slot[at] != 0; at = (at + 1) % SLOTS) {
		uint16_t index = t->slot[at] - 1;
		const struct bgf_addr *a = &t->entry[index].address;
		if (a->family == family && memcmp(a->octet, octets, ipv6 ? 16 : 4) == 0)
			return index;
	}
	return SERVED_NONE;
}

int served_add(struct served_table *t, const struct served_address *a)
{
	bool ipv6 = a->address.family == 6;

	if (t->count == SERVED_MAX)
		return -ENOSPC;
	if (served_find(t, a->address.octet, ipv6) != SERVED_NONE)
		return -EEXIST;
	unsigned at = slot_of(a->address.octet, ipv6);
	while (t->slot[at] != 0)
		at = (at + 1) % SLOTS;
	t->entry[t->count] = *a;
	t->slot[at] = ++t->count; /* index + 1: an empty table is all zeros */
	return 0;
}
