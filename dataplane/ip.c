/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip.h"

#include <string.h>

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void store16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* The ones' complement sum (RFC 1071) of big-endian words, not folded. */
static uint64_t sum16(const uint8_t *p, uint32_t length)
{
	uint64_t sum = 0;

	for (; length >= 2; p += 2, length -= 2)
		sum += load16(p);
	return length > 0 ? sum + (uint64_t)(p[0] << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static enum bgf_drop parse_ipv4(const uint8_t *h, uint32_t available, struct ip_packet *ret)
{
	if (available < IPV4_HEADER)
		return BGF_DROP_TRUNCATED;
	const uint32_t header = (h[0] & 15) * 4u, total = load16(h + 2);
	if (h[0] >> 4 != 4 || header < IPV4_HEADER || total < header)
		return BGF_DROP_IP_HEADER;
	if (total > available)
		return BGF_DROP_TRUNCATED;
	if (fold(sum16(h, header)) != 0xffff)
		return BGF_DROP_IP_HEADER;

	const uint16_t fragment = load16(h + 6);
	*ret = (struct ip_packet){
		.src = h + 12,
		.dst = h + 16,
		.payload = (uint16_t)(total - header),
		.l3_len = (uint8_t)header,
		.proto = h[9],
		.ttl = h[8],
		.dont_fragment = fragment & 0x4000,
		.defect = header > IPV4_HEADER ? BGF_DROP_IP_OPTIONS
			  : fragment & 0x3fff  ? BGF_DROP_FRAGMENT /* more fragments, or an offset */
					       : DROP_NONE,
	};
	return DROP_NONE;
}

/* IANA's list of IPv6 extension headers, but ESP; AH is what its number says in IPv4 too: a protocol. */
static bool is_extension(uint8_t next)
{
	switch (next) {
	case 0:	  /* hop-by-hop options */
	case 43:  /* routing */
	case 60:  /* destination options */
	case 135: /* mobility */
	case 139: /* HIP */
	case 140: /* shim6 */
		return true;
	default:
		return false;
	}
}

static enum bgf_drop parse_ipv6(const uint8_t *h, uint32_t available, struct ip_packet *ret)
{
	enum { FRAGMENT = 44 };

	if (available < IPV6_HEADER)
		return BGF_DROP_TRUNCATED;
	if (h[0] >> 4 != 6)
		return BGF_DROP_IP_HEADER;
	if (load16(h + 4) > available - IPV6_HEADER)
		return BGF_DROP_TRUNCATED;
	*ret = (struct ip_packet){
		.src = h + 8,
		.dst = h + 24,
		.payload = load16(h + 4),
		.l3_len = IPV6_HEADER,
		.proto = h[6],
		.ttl = h[7],
		.ipv6 = true,
		.dont_fragment = true,
		.defect = h[6] == FRAGMENT     ? BGF_DROP_FRAGMENT
			  : is_extension(h[6]) ? BGF_DROP_IP_EXTENSION
					       : DROP_NONE,
	};
	return DROP_NONE;
}

enum bgf_drop ip_parse(const uint8_t *header, uint32_t available, bool ipv6, struct ip_packet *ret)
{
	return ipv6 ? parse_ipv6(header, available, ret) : parse_ipv4(header, available, ret);
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

enum ip_scope ip_scope(const uint8_t *address, bool ipv6)
{
	return ipv6 ? scope_ipv6(address) : scope_ipv4(address);
}

void ip_rewrite(uint8_t *header, bool ipv6, uint16_t payload, uint8_t proto)
{
	if (ipv6) {
		store16(header + 4, payload);
		header[6] = proto;
		header[7]--;
		return;
	}
	store16(header + 2, (uint16_t)(IPV4_HEADER + payload));
	header[8]--;
	header[9] = proto;
	store16(header + 10, 0);
	store16(header + 10, (uint16_t)~fold(sum16(header, IPV4_HEADER)));
}

bool l4_sane(const uint8_t *l4, uint32_t payload, uint8_t proto)
{
	if (proto == IP_UDP)
		return payload >= UDP_HEADER && load16(l4 + 4) >= UDP_HEADER && load16(l4 + 4) <= payload;
	if (payload < TCP_HEADER)
		return false;
	const uint32_t header = (l4[12] >> 4) * 4u;
	return header >= TCP_HEADER && header <= payload;
}

bool l4_checksum_good(const struct ip_packet *ip, const uint8_t *l4)
{
	const uint16_t length = ip->proto == IP_UDP ? load16(l4 + 4) : ip->payload;

	if (ip->proto == IP_UDP && load16(l4 + 6) == 0)
		return !ip->ipv6;
	return fold(sum16(ip->src, ip->ipv6 ? 32 : 8) + ip->proto + length + sum16(l4, length)) == 0xffff;
}

uint32_t l4_data(const uint8_t *l4, uint32_t payload, uint8_t proto, const uint8_t **ret_data)
{
	const uint32_t header = proto == IP_UDP ? UDP_HEADER : (l4[12] >> 4) * 4u;

	*ret_data = l4 + header;
	return (proto == IP_UDP ? load16(l4 + 4) : payload) - header;
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
