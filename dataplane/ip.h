/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IPv4, IPv6, UDP and TCP headers as the fast path reads and rewrites them. Nothing here trusts an octet, and
 * nothing here knows DPDK.
 *
 * What every packet needs is inline: `ipv6` is a constant where it is called, so that each family gets code
 * of its own without a question, and what is read stays in registers. Out of line it was 140 instructions a
 * packet.
 */
#ifndef BGF_DP_IP_H
#define BGF_DP_IP_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bgf_drop.h"

enum { ETH_HEADER = 14, ETH_IPV4 = 0x0800, ETH_ARP = 0x0806, ETH_IPV6 = 0x86dd, ETH_ARP_LENGTH = 28 };

/* A constant of 16 bits as it lies in a packet: what is compared needs no turning round. */
#define IP_RAW16(value) ((uint16_t)(((value) >> 8 & 0xff) | (value) << 8))

enum {
	IP_HOP_BY_HOP = 0,
	IP_ICMP = 1,
	IP_IGMP = 2,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_ESP = 50,
	IP_ICMPV6 = 58,
	IP_NO_NEXT = 59,
	IP_EIGRP = 88,
	IP_OSPF = 89,
	IP_PIM = 103,
	IP_VRRP = 112,
};

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, UDP_HEADER = 8, TCP_HEADER = 20 };

#define IP_INLINE static inline __attribute__((always_inline))

/* "Not dropped", where a function returns a reason. */
#define DROP_NONE ((enum bgf_drop)BGF_DROP_COUNT)

struct ip_packet {
	const uint8_t *src, *dst; /* 4 or 16 octets, dst right behind src */
	uint16_t payload;	  /* octets behind the header */
	uint8_t l3_len;
	uint8_t proto;
	uint8_t ttl;
	bool ipv6;
	/* Options, an extension header or a fragment: judged only after the addresses. DROP_NONE: none. */
	enum bgf_drop defect;
};

/* A 16-bit field of a header, in host order. */
IP_INLINE uint16_t ip_load16(const uint8_t *p)
{
	uint16_t value;
	memcpy(&value, p, sizeof(value));
	return be16toh(value);
}

/* The same in network order. */
IP_INLINE uint16_t ip_load16_raw(const uint8_t *p)
{
	uint16_t value;
	memcpy(&value, p, sizeof(value));
	return value;
}

IP_INLINE uint32_t ip_load32_raw(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return value;
}

/* A ones' complement sum (RFC 1071), folded: it does not matter in which byte order the words were added. */
IP_INLINE uint16_t ip_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Whether the checksum of an IPv4 header is right: its ones' complement sum is 0xffff. That is a sum, of
 * 32-bit words as well, which 65535 divides, for it is never 0; to ask that is one multiplication, to fold it
 * three additions in a row. */
IP_INLINE bool ip_checksum_good(const uint8_t *h, uint32_t header)
{
	uint64_t sum = (uint64_t)ip_load32_raw(h) + ip_load32_raw(h + 4) + ip_load32_raw(h + 8) +
		       ip_load32_raw(h + 12) + ip_load32_raw(h + 16);

	for (uint32_t i = IPV4_HEADER; i < header; i += 4)
		sum += ip_load32_raw(h + i);
	return sum % 0xffff == 0;
}

/* ip_parse_ipv4 for a header of which the first octet is read. */
IP_INLINE enum bgf_drop ip_parse_ipv4_of(const uint8_t *h, uint32_t header, uint32_t available,
					 struct ip_packet *ret)
{
	const uint32_t total = ip_load16(h + 2);

	if (total < header)
		return BGF_DROP_IP_HEADER;
	if (total > available)
		return BGF_DROP_TRUNCATED;
	if (!ip_checksum_good(h, header))
		return BGF_DROP_IP_HEADER;
	*ret = (struct ip_packet){
		.src = h + 12,
		.dst = h + 16,
		.payload = (uint16_t)(total - header),
		.l3_len = (uint8_t)header,
		.proto = h[9],
		.ttl = h[8],
		.defect = DROP_NONE,
	};
	if (header > IPV4_HEADER)
		ret->defect = BGF_DROP_IP_OPTIONS;
	else if (__builtin_expect((ip_load16_raw(h + 6) & IP_RAW16(0x3fff)) != 0, 0)) /* more, or an offset */
		ret->defect = BGF_DROP_FRAGMENT;
	return DROP_NONE;
}

/* ip_parse_ipv4 for what is no header without options. */
enum bgf_drop ip_parse_ipv4_unusual(const uint8_t *h, uint32_t available, struct ip_packet *ret);

IP_INLINE enum bgf_drop ip_parse_ipv4(const uint8_t *h, uint32_t available, struct ip_packet *ret)
{
	if (available < IPV4_HEADER)
		return BGF_DROP_TRUNCATED;
	if (__builtin_expect(h[0] != (4 << 4 | IPV4_HEADER / 4), 0)) {
		struct ip_packet unusual; /* whose address is known outside: ret's stay in registers */
		const enum bgf_drop fault = ip_parse_ipv4_unusual(h, available, &unusual);
		*ret = unusual;
		return fault;
	}
	return ip_parse_ipv4_of(h, IPV4_HEADER, available, ret);
}

/* What a next header says against forwarding: IANA's list of IPv6 extension headers, but ESP; AH is what its
 * number says in IPv4 too: a protocol. */
IP_INLINE enum bgf_drop ip_extension_defect(uint8_t next)
{
	switch (next) {
	case 44:
		return BGF_DROP_FRAGMENT;
	case IP_HOP_BY_HOP:
	case 43:  /* routing */
	case 60:  /* destination options */
	case 135: /* mobility */
	case 139: /* HIP */
	case 140: /* shim6 */
		return BGF_DROP_IP_EXTENSION;
	default:
		return DROP_NONE;
	}
}

IP_INLINE enum bgf_drop ip_parse_ipv6(const uint8_t *h, uint32_t available, struct ip_packet *ret)
{
	if (available < IPV6_HEADER)
		return BGF_DROP_TRUNCATED;
	if (h[0] >> 4 != 6)
		return BGF_DROP_IP_HEADER;
	if (ip_load16(h + 4) > available - IPV6_HEADER)
		return BGF_DROP_TRUNCATED;
	*ret = (struct ip_packet){
		.src = h + 8,
		.dst = h + 24,
		.payload = ip_load16(h + 4),
		.l3_len = IPV6_HEADER,
		.proto = h[6],
		.ttl = h[7],
		.ipv6 = true,
		.defect = ip_extension_defect(h[6]),
	};
	return DROP_NONE;
}

/* Reads a header of which `available` octets are there. DROP_NONE, or TRUNCATED or IP_HEADER with *ret
 * undefined. */
IP_INLINE enum bgf_drop ip_parse(const uint8_t *header, uint32_t available, bool ipv6, struct ip_packet *ret)
{
	return ipv6 ? ip_parse_ipv6(header, available, ret) : ip_parse_ipv4(header, available, ret);
}

/* Where the addresses are in a header that ip_parse liked. */
IP_INLINE const uint8_t *ip_source(const uint8_t *header, bool ipv6)
{
	return header + (ipv6 ? 8 : 12);
}

IP_INLINE const uint8_t *ip_destination(const uint8_t *header, bool ipv6)
{
	return header + (ipv6 ? 24 : 16);
}

/* Whether a packet may not be fragmented on its way. */
IP_INLINE bool ip_dont_fragment(const uint8_t *header, bool ipv6)
{
	return ipv6 || (header[6] & 0x40) != 0;
}

/* Whether two addresses of a family are equal: two compares of constant length, neither a call. */
IP_INLINE bool ip_address_equal(const uint8_t *a, const uint8_t *b, bool ipv6)
{
	return ipv6 ? memcmp(a, b, 16) == 0 : memcmp(a, b, 4) == 0;
}

/* What an address can be. */
enum ip_scope {
	IP_HOST,	/* one host's, anywhere */
	IP_LINK_LOCAL,	/* one host's, on this link */
	IP_GROUP,	/* multicast, limited broadcast */
	IP_UNSPECIFIED, /* 0.0.0.0, :: */
	IP_NO_HOST,	/* loopback, 0.0.0.0/8, 240.0.0.0/4, v4-mapped */
};
/* Of an address whose first octet leaves a doubt. */
enum ip_scope ip_scope_doubtful(const uint8_t *address, bool ipv6);

IP_INLINE enum ip_scope ip_scope(const uint8_t *address, bool ipv6)
{
	/* first octets of nothing but hosts */
	static const bool host4[256] = {[1 ... 126] = true, [128 ... 168] = true, [170 ... 0xdf] = true};
	static const bool host6[256] = {[1 ... 0xfd] = true};
	const bool host = ipv6 ? host6[address[0]] : host4[address[0]];
	return __builtin_expect(host, 1) ? IP_HOST : ip_scope_doubtful(address, ipv6);
}

IP_INLINE void ip_store16(uint8_t *p, uint16_t value)
{
	value = htobe16(value);
	memcpy(p, &value, sizeof(value));
}

/* What a header says of what follows it. */
struct ip_body {
	uint32_t payload; /* octets */
	uint8_t proto;
};

/* ip_rewrite of IPv4. The header is read, changed and written as three words: written in one size and read
 * again in another, each field would wait for the former store. The checksum changes by the differences alone
 * (RFC 1624, equation 3, with all three fields at once; twice 65535 keeps the sum above 0). */
IP_INLINE void ip_rewrite_ipv4(uint8_t *to, const uint8_t *from, struct ip_body was, struct ip_body is)
{
	uint64_t first, addresses;

	memcpy(&first, from, sizeof(first));
	memcpy(&addresses, from + 12, sizeof(addresses));
	uint32_t sum = 2 * 0xffff - ip_load16(from + 10) + is.payload - was.payload + is.proto - was.proto -
		       (1 << 8); /* one hop */
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	const uint16_t length = htobe16((uint16_t)(IPV4_HEADER + is.payload)),
		       checksum = htobe16((uint16_t)~sum);
	const uint32_t second = (uint8_t)(from[8] - 1) | (uint32_t)is.proto << 8 | (uint32_t)checksum << 16;
	first = (first & ~(UINT64_C(0xffff) << 16)) | (uint64_t)length << 16;
	memcpy(to, &first, sizeof(first));
	memcpy(to + 8, &second, sizeof(second));
	memcpy(to + 12, &addresses, sizeof(addresses));
}

IP_INLINE void ip_rewrite_ipv6(uint8_t *to, const uint8_t *from, struct ip_body is)
{
	struct {
		uint8_t octet[32];
	} addresses;
	uint64_t first;

	memcpy(&first, from, sizeof(first));
	memcpy(&addresses, from + 8, sizeof(addresses));
	first = (uint32_t)first | (uint64_t)htobe16((uint16_t)is.payload) << 32 | (uint64_t)is.proto << 48 |
		((first >> 56) - 1) << 56;
	memcpy(to, &first, sizeof(first));
	memcpy(to + 8, &addresses, sizeof(addresses));
}

/* Rewrites a header without options, whose checksum is right, for another body: its length and protocol, one
 * hop less, and the checksum of IPv4. `to` may be `from`, or overlap it. */
IP_INLINE void ip_rewrite(uint8_t *to, const uint8_t *from, bool ipv6, struct ip_body was, struct ip_body is)
{
	if (ipv6)
		ip_rewrite_ipv6(to, from, is);
	else
		ip_rewrite_ipv4(to, from, was, is);
}

/* Whether UDP or TCP headers are whole and their lengths fit `payload` octets. */
IP_INLINE bool l4_sane(const uint8_t *l4, uint32_t payload, uint8_t proto)
{
	if (proto == IP_UDP) {
		const uint16_t length = payload >= UDP_HEADER ? ip_load16(l4 + 4) : 0;
		return length >= UDP_HEADER && length <= payload;
	}
	if (payload < TCP_HEADER)
		return false;
	const uint32_t header = (l4[12] >> 4) * 4u;
	return header >= TCP_HEADER && header <= payload;
}

/* Whether the checksum of UDP or TCP is right; l4_sane held. A UDP checksum of 0 is none, with IPv4 only. */
bool l4_checksum_good(const struct ip_packet *ip, const uint8_t *l4);

/* Where the application's octets are in UDP or TCP; l4_sane held. Returns how many. */
uint32_t l4_data(const uint8_t *l4, uint32_t payload, uint8_t proto, const uint8_t **ret_data);

/* Source and destination port, network order; at least four octets. */
IP_INLINE uint16_t l4_source(const uint8_t *l4)
{
	uint16_t port;
	__builtin_memcpy(&port, l4, sizeof(port));
	return port;
}

IP_INLINE uint16_t l4_destination(const uint8_t *l4)
{
	return l4_source(l4 + 2);
}

/* Whether an ICMP or ICMPv6 message of `length` octets is an error that quotes an ESP packet. */
bool icmp_quotes_esp(const uint8_t *icmp, uint32_t length, bool ipv6);

#endif
