/* SPDX-License-Identifier: BSD-3-Clause */
#include "bgf_addr.h"

#include <arpa/inet.h>
#include <errno.h>

int bgf_addr_from_octets(const void *octets, uint8_t length, struct bgf_addr *ret_addr)
{
	if (length != 4 && length != 16)
		return -EINVAL;
	struct bgf_addr a = {.family = length == 4 ? 4 : 6};
	memcpy(a.octet, octets, length);
	*ret_addr = a;
	return 0;
}

int bgf_addr_parse(const char *text, struct bgf_addr *ret_addr)
{
	uint8_t octets[16];

	if (inet_pton(AF_INET, text, octets) == 1)
		return bgf_addr_from_octets(octets, 4, ret_addr);
	if (inet_pton(AF_INET6, text, octets) == 1)
		return bgf_addr_from_octets(octets, 16, ret_addr);
	return -EINVAL;
}

const char *bgf_addr_text(const struct bgf_addr *a, char buf[static BGF_ADDR_STRLEN])
{
	if (a->family == 0 ||
	    inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->octet, buf, BGF_ADDR_STRLEN) == NULL)
		strcpy(buf, "-");
	return buf;
}

static bool ipv4_is_host(const uint8_t *o)
{
	/* 0/8 'this network', 127/8 loopback, 224/3 multicast, reserved and broadcast (RFC 6890) */
	return o[0] != 0 && o[0] != 127 && o[0] < 224;
}

static bool ipv6_is_host(const uint8_t *o)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t zeros[15];

	if (memcmp(o, zeros, sizeof(zeros)) == 0 && o[15] <= 1)
		return false; /* :: and ::1 */
	if (memcmp(o, mapped, sizeof(mapped)) == 0)
		return false;
	if (o[0] == 0xfe && (o[1] & 0xc0) == 0x80)
		return false; /* fe80::/10 */
	return o[0] != 0xff;
}

bool bgf_addr_is_host(const struct bgf_addr *a)
{
	if (a->family == 4)
		return ipv4_is_host(a->octet);
	return a->family == 6 && ipv6_is_host(a->octet);
}
