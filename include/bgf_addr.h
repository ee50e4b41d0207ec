/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An IP address of either family, as every part of the gateway passes it around.
 */
#ifndef BGF_ADDR_H
#define BGF_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BGF_ADDR_STRLEN 46 /* the longest text of an IPv6 address, and its NUL */

/* An address in network byte order. IPv4 fills the first four octets and the rest are zero, so that two
 * addresses are equal exactly if their memory is. */
struct bgf_addr {
	uint8_t octet[16];
	uint8_t family; /* 4 or 6; 0: no address */
	uint8_t zero[3];
};

/* Octets that an address of its family has on the wire: 4 or 16; 0 for no address. */
static inline uint8_t bgf_addr_len(const struct bgf_addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

static inline bool bgf_addr_equal(const struct bgf_addr *a, const struct bgf_addr *b)
{
	return a->family == b->family && memcmp(a->octet, b->octet, sizeof(a->octet)) == 0;
}

/* Makes an address of 4 or 16 octets. Returns 0, or -EINVAL for any other length. Any thread. */
int bgf_addr_from_octets(const void *octets, uint8_t length, struct bgf_addr *ret_addr);

/* Reads the text form of either family (RFC 4291 2.2, dotted quad; no zone, no prefix length).
 * Returns 0, or -EINVAL and leaves *ret_addr alone. Any thread. */
int bgf_addr_parse(const char *text, struct bgf_addr *ret_addr);

/* Writes the text form (RFC 5952) into buf and returns buf; "-" for no address. Any thread. */
const char *bgf_addr_text(const struct bgf_addr *a, char buf[static BGF_ADDR_STRLEN]);

/* Whether one UE or one server can have it: not zero, multicast, broadcast, loopback or, for IPv6, link-local
 * and v4-mapped. Any thread. */
bool bgf_addr_is_host(const struct bgf_addr *a);

#endif
