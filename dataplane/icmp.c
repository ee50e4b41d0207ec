/* SPDX-License-Identifier: BSD-3-Clause */
#include "icmp.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>

enum { ICMP_HEADER = 8, V4_ERROR_MAX = 576, TTL = 64, TOS_INTERNETWORK_CONTROL = 0xc0 };

/* One's complement sum of 16-bit words as they lie in memory (RFC 1071). */
static uint32_t sum(const void *data, size_t length, uint32_t so_far)
{
	const uint8_t *octet = data;
	uint16_t word;

	for (; length > 1; length -= 2, octet += 2) {
		memcpy(&word, octet, 2);
		so_far += word;
	}
	if (length == 1) {
		word = 0;
		memcpy(&word, octet, 1);
		so_far += word;
	}
	return so_far;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static bool v4_is_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/* RFC 1812 4.3.2.7. */
static bool v4_allowed(const uint8_t *packet, size_t length)
{
	struct ip ip;
	struct bgf_addr source;

	memcpy(&ip, packet, sizeof(ip));
	size_t header = (size_t)ip.ip_hl * 4;
	bgf_addr_from_octets(&ip.ip_src, 4, &source);
	if (ip.ip_v != 4 || header < sizeof(ip) || header > length)
		return false;
	if (ntohs(ip.ip_off) & IP_OFFMASK)
		return false;
	if (ntohl(ip.ip_dst.s_addr) >> 28 >= 0xe) /* multicast, reserved, broadcast */
		return false;
	if (!bgf_addr_is_host(&source))
		return false;
	return ip.ip_p != IPPROTO_ICMP || (header < length && !v4_is_error(packet[header]));
}

static size_t v4_build(enum icmp_error kind, const uint8_t *packet, size_t length, uint16_t mtu,
		       const struct bgf_addr *source, uint8_t *out)
{
	size_t quote = V4_ERROR_MAX - sizeof(struct ip) - ICMP_HEADER;
	struct ip ip = {.ip_v = 4,
			.ip_hl = 5,
			.ip_tos = TOS_INTERNETWORK_CONTROL,
			.ip_off = htons(IP_DF), /* so its id may be 0 (RFC 6864) */
			.ip_ttl = TTL,
			.ip_p = IPPROTO_ICMP};
	struct icmphdr icmp = {.type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL};
	uint16_t total;

	/* Padding of short Ethernet frames is none of the packet. */
	memcpy(&total, packet + 2, 2);
	if (length > ntohs(total))
		length = ntohs(total);
	if (quote > length)
		quote = length;
	if (kind == ICMP_ERROR_TOO_BIG) {
		icmp = (struct icmphdr){.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};
		icmp.un.frag.mtu = htons(mtu);
	}
	icmp.checksum = fold(sum(packet, quote, sum(&icmp, sizeof(icmp), 0)));
	ip.ip_len = htons((uint16_t)(sizeof(ip) + sizeof(icmp) + quote));
	memcpy(&ip.ip_src, source->octet, 4);
	memcpy(&ip.ip_dst, packet + offsetof(struct ip, ip_src), 4);
	ip.ip_sum = fold(sum(&ip, sizeof(ip), 0));

	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), &icmp, sizeof(icmp));
	memcpy(out + sizeof(ip) + sizeof(icmp), packet, quote);
	return sizeof(ip) + sizeof(icmp) + quote;
}

/* RFC 4443 2.4 e. A packet to many never gets here, so its exception for 'too big' is not needed. */
static bool v6_allowed(const uint8_t *packet, size_t length)
{
	struct ip6_hdr ip;
	struct bgf_addr source;
	uint8_t next;
	size_t at = sizeof(ip);

	memcpy(&ip, packet, sizeof(ip));
	bgf_addr_from_octets(&ip.ip6_src, 16, &source);
	bool link_local = source.octet[0] == 0xfe && (source.octet[1] & 0xc0) == 0x80;
	if (ip.ip6_vfc >> 4 != 6 || ip.ip6_dst.s6_addr[0] == 0xff)
		return false;
	if (!link_local && !bgf_addr_is_host(&source))
		return false;
	next = ip.ip6_nxt;
	if (next == IPPROTO_FRAGMENT) {
		if (length < at + sizeof(struct ip6_frag) ||
		    ((packet[at + 2] << 8 | packet[at + 3]) & 0xfff8))
			return false;
		next = packet[at];
		at += sizeof(struct ip6_frag);
	}
	if (next != IPPROTO_ICMPV6)
		return true;
	return at < length && packet[at] >= 128 && packet[at] != ND_REDIRECT;
}

static size_t v6_build(enum icmp_error kind, const uint8_t *packet, size_t length, uint16_t mtu,
		       const struct bgf_addr *source, uint8_t *out)
{
	struct ip6_hdr ip = {.ip6_nxt = IPPROTO_ICMPV6, .ip6_hlim = TTL};
	struct icmp6_hdr icmp = {.icmp6_type = ICMP6_TIME_EXCEEDED, .icmp6_code = ICMP6_TIME_EXCEED_TRANSIT};
	size_t quote = ICMP_ERROR_MAX - sizeof(ip) - sizeof(icmp);
	uint16_t payload;

	memcpy(&payload, packet + 4, 2);
	if (length > sizeof(ip) + ntohs(payload))
		length = sizeof(ip) + ntohs(payload);
	if (quote > length)
		quote = length;
	if (kind == ICMP_ERROR_TOO_BIG) {
		icmp = (struct icmp6_hdr){.icmp6_type = ICMP6_PACKET_TOO_BIG};
		icmp.icmp6_mtu = htonl(mtu);
	}
	ip.ip6_vfc = 6 << 4;
	payload = htons((uint16_t)(sizeof(icmp) + quote));
	ip.ip6_plen = payload;
	memcpy(&ip.ip6_src, source->octet, 16);
	memcpy(&ip.ip6_dst, packet + offsetof(struct ip6_hdr, ip6_src), 16);
	/* The pseudo header of RFC 8200 8.1: addresses, length, next header. */
	uint32_t s = sum(&ip.ip6_src, 32, (uint32_t)payload + htons(IPPROTO_ICMPV6));
	icmp.icmp6_cksum = fold(sum(packet, quote, sum(&icmp, sizeof(icmp), s)));

	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), &icmp, sizeof(icmp));
	memcpy(out + sizeof(ip) + sizeof(icmp), packet, quote);
	return sizeof(ip) + sizeof(icmp) + quote;
}

size_t icmp_error_build(enum icmp_error kind, const uint8_t *packet, size_t length, uint16_t mtu,
			const struct bgf_addr *source, uint8_t *out)
{
	if (source->family == 4 && length >= sizeof(struct ip) && v4_allowed(packet, length))
		return v4_build(kind, packet, length, mtu, source, out);
	if (source->family == 6 && length >= sizeof(struct ip6_hdr) && v6_allowed(packet, length))
		return v6_build(kind, packet, length, mtu, source, out);
	return 0;
}
