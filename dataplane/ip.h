/* SPDX-License-Identifier: BSD-3-Clause
 *
 * IPv4, IPv6, UDP and TCP headers as the fast path reads and rewrites them. Nothing here trusts an octet, and
 * nothing here knows DPDK.
 */
#ifndef BGF_DP_IP_H
#define BGF_DP_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_drop.h"

enum { ETH_HEADER = 14, ETH_IPV4 = 0x0800, ETH_ARP = 0x0806, ETH_IPV6 = 0x86dd, ETH_ARP_LENGTH = 28 };

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

/* "Not dropped", where a function returns a reason. */
#define DROP_NONE ((enum bgf_drop)BGF_DROP_COUNT)

struct ip_packet {
	const uint8_t *src, *dst; /* 4 or 16 octets, dst right behind src */
	uint16_t payload;	  /* octets behind the header */
	uint8_t l3_len;
	uint8_t proto;
	uint8_t ttl;
	bool ipv6;
	bool dont_fragment; /* IPv4 DF, or IPv6 */
	/* Options, an extension header or a fragment: judged only after the addresses. DROP_NONE: none. */
	enum bgf_drop defect;
};

/* Reads a header of which `available` octets are there. DROP_NONE, or TRUNCATED or IP_HEADER with *ret
 * undefined. */
enum bgf_drop ip_parse(const uint8_t *header, uint32_t available, bool ipv6, struct ip_packet *ret);

/* Where the addresses are in a header that ip_parse liked. */
static inline const uint8_t *ip_source(const uint8_t *header, bool ipv6)
{
	return header + (ipv6 ? 8 : 12);
}

static inline const uint8_t *ip_destination(const uint8_t *header, bool ipv6)
{
	return header + (ipv6 ? 24 : 16);
}

/* What an address can be. */
enum ip_scope {
	IP_HOST,	/* one host's, anywhere */
	IP_LINK_LOCAL,	/* one host's, on this link */
	IP_GROUP,	/* multicast, limited broadcast */
	IP_UNSPECIFIED, /* 0.0.0.0, :: */
	IP_NO_HOST,	/* loopback, 0.0.0.0/8, 240.0.0.0/4, v4-mapped */
};
enum ip_scope ip_scope(const uint8_t *address, bool ipv6);

/* Rewrites a header without options for another payload: its length and protocol, one hop less, and the
 * checksum of IPv4. */
void ip_rewrite(uint8_t *header, bool ipv6, uint16_t payload, uint8_t proto);

/* Whether UDP or TCP headers are whole and their lengths fit `payload` octets. */
bool l4_sane(const uint8_t *l4, uint32_t payload, uint8_t proto);

/* Whether the checksum of UDP or TCP is right; l4_sane held. A UDP checksum of 0 is none, with IPv4 only. */
bool l4_checksum_good(const struct ip_packet *ip, const uint8_t *l4);

/* Where the application's octets are in UDP or TCP; l4_sane held. Returns how many. */
uint32_t l4_data(const uint8_t *l4, uint32_t payload, uint8_t proto, const uint8_t **ret_data);

/* Source and destination port, network order; at least four octets. */
static inline uint16_t l4_source(const uint8_t *l4)
{
	uint16_t port;
	__builtin_memcpy(&port, l4, sizeof(port));
	return port;
}

static inline uint16_t l4_destination(const uint8_t *l4)
{
	return l4_source(l4 + 2);
}

/* Whether an ICMP or ICMPv6 message of `length` octets is an error that quotes an ESP packet. */
bool icmp_quotes_esp(const uint8_t *icmp, uint32_t length, bool ipv6);

#endif
