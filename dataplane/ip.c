/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip.h"

#include <string.h>

/* The ones' complement sum (RFC 1071), folded, in host order; 32 bits at once, since the byte order of the
 * additions does not matter. */
static uint16_t sum16(const uint8_t *p, uint32_t length)
{
	uint8_t last[4] = {0};
	uint64_t sum = 0;

	for (; length >= 4; p += 4, length -= 4)
		sum += ip_load32_raw(p);
	memcpy(last, p, length);
	return be16toh(ip_fold(sum + ip_load32_raw(last)));
}

static enum ip_scope scope_ipv4(const uint8_t *a)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255}, zero[4];

	if (memcmp(a, zero, sizeof(zero)) == 0)
		return IP_UNSPECIFIED;
	if (a[0] >> 4 == 0xe || memcmp(a, broadcast, sizeof(broadcast)) == 0)
		return IP_GROUP;
	if (a[0] == 0 || a[0] == 127 || a[0] >> 4 == 0xf)
		return IP_NO_HOST;
	return a[0] == 169 && a[1] == 254 ? IP_LINK_LOCAL : IP_HOST;
}

static enum ip_scope scope_ipv6(const uint8_t *a)
{
	static const uint8_t zero[16], loopback[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a[0] == 0xff)
		return IP_GROUP;
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return IP_LINK_LOCAL;
	if (a[0] != 0)
		return IP_HOST;
	if (memcmp(a, zero, sizeof(zero)) == 0)
		return IP_UNSPECIFIED;
	if (memcmp(a, loopback, sizeof(loopback)) == 0 || memcmp(a, mapped, sizeof(mapped)) == 0)
		return IP_NO_HOST;
	return IP_HOST;
}

enum ip_scope ip_scope_doubtful(const uint8_t *address, bool ipv6)
{
	return ipv6 ? scope_ipv6(address) : scope_ipv4(address);
}

enum bgf_drop ip_parse_ipv4_unusual(const uint8_t *h, uint32_t available, struct ip_packet *ret)
{
	const uint32_t header = (h[0] & 15) * 4u;

	*ret = (struct ip_packet){.defect = DROP_NONE};
	if (h[0] >> 4 != 4 || header < IPV4_HEADER)
		return BGF_DROP_IP_HEADER;
	/* the length comes before: of options, too, no octet is read that is not there */
	return ip_parse_ipv4_of(h, header, available, ret);
}

bool l4_checksum_good(const struct ip_packet *ip, const uint8_t *l4)
{
	const uint16_t length = ip->proto == IP_UDP ? ip_load16(l4 + 4) : ip->payload;

	if (ip->proto == IP_UDP && ip_load16(l4 + 6) == 0)
		return !ip->ipv6;
	return ip_fold((uint64_t)sum16(ip->src, ip->ipv6 ? 32 : 8) + ip->proto + length +
		       sum16(l4, length)) == 0xffff;
}

uint32_t l4_data(const uint8_t *l4, uint32_t payload, uint8_t proto, const uint8_t **ret_data)
{
	const uint32_t header = proto == IP_UDP ? UDP_HEADER : (l4[12] >> 4) * 4u;

	*ret_data = l4 + header;
	return (proto == IP_UDP ? ip_load16(l4 + 4) : payload) - header;
}

bool icmp_quotes_esp(const uint8_t *icmp, uint32_t length, bool ipv6)
{
	enum { QUOTE = 8 };

	if (length < QUOTE + (ipv6 ? IPV6_HEADER : IPV4_HEADER))
		return false;
	if (ipv6)
		return icmp[0] < 128 && icmp[QUOTE + 6] == IP_ESP;
	const uint8_t type = icmp[0];
	const bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
	return error && icmp[QUOTE + 9] == IP_ESP;
}
