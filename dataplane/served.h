/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The served addresses: those of P-CSCFs behind the gateway, from the configuration, fixed while the process
 * runs.
 */
#ifndef BGF_DP_SERVED_H
#define BGF_DP_SERVED_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bgf_addr.h"
#include "ip.h"

enum { SERVED_MAX = 64, SERVED_PORTS = 4, SERVED_NONE = 0xffff, SERVED_SLOTS = 256 };

struct served_address {
	struct bgf_addr address;
	uint16_t unprotected[SERVED_PORTS]; /* network order; unused ones 0 */
	bool digest_clients;		    /* rule 29 is off */
};

struct served_table {
	struct served_address entry[SERVED_MAX];
	uint16_t count;
	uint16_t slot[SERVED_SLOTS]; /* open addressing by a hash of the address: index + 1, or 0 */
};

/* Fills an empty table; -ENOSPC, -EEXIST. Main lcore, before workers run. */
int served_add(struct served_table *t, const struct served_address *a);

/* Where the search of an address begins: the upper bits of a multiplication (Fibonacci hashing). */
static inline unsigned served_slot_of(const uint8_t *octets, bool ipv6)
{
	uint64_t a = 0, b = 0;

	memcpy(&a, octets, ipv6 ? 8 : 4);
	if (ipv6)
		memcpy(&b, octets + 8, 8);
	return (unsigned)((a ^ (b << 31 | b >> 33)) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* Index of an address or SERVED_NONE; `octets` points at 4 or 16 octets in the packet. Any worker. Inline: it
 * is asked twice for each packet from the access side, and a constant `ipv6` leaves a dozen instructions. */
static inline uint16_t served_find(const struct served_table *t, const uint8_t *octets, bool ipv6)
{
	const uint8_t family = ipv6 ? 6 : 4;

	for (unsigned at = served_slot_of(octets, ipv6); t->slot[at] != 0; at = (at + 1) % SERVED_SLOTS) {
		const uint16_t index = t->slot[at] - 1;
		const struct bgf_addr *a = &t->entry[index].address;
		if (a->family == family && ip_address_equal(a->octet, octets, ipv6))
			return index;
	}
	return SERVED_NONE;
}

/* Whether port (network order) is one of the unprotected SIP ports. Any worker. All four are compared at
 * once: a lane of the word is 0 where the port is that one, and whether a word has such a lane is one
 * expression. */
static inline bool served_unprotected(const struct served_address *a, uint16_t port)
{
	const uint64_t ones = UINT64_C(0x0001000100010001);
	uint64_t lanes;

	static_assert(sizeof(a->unprotected) == sizeof(lanes), "four ports, one word");
	memcpy(&lanes, a->unprotected, sizeof(lanes));
	lanes ^= ones * port;
	return ((lanes - ones) & ~lanes & ones << 15) != 0 && port != 0;
}

#endif
