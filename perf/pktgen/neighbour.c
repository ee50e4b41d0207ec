/* SPDX-License-Identifier: BSD-3-Clause */
#include "neighbour.h"

#include <string.h>

enum {
	ETH = 14,
	ARP = 28,
	IPV6 = 40,
	SOLICITATION = 135,
	ADVERTISEMENT = 136,
	SOLICIT_LENGTH = 24, /* type to target */
	OPTION = 8,	     /* a link-layer address */
	TARGET_LINK_LAYER = 2,
	SOLICITED_OVERRIDE = 0x60,
};

static bool ours(const struct neighbour *n, const uint8_t *address, bool ipv6)
{
	for (unsigned i = 0; i < n->count; i++)
		if ((n->address[i].family == 6) == ipv6 &&
		    memcmp(n->address[i].octet, address, ipv6 ? 16 : 4) == 0)
			return true;
	return n->phones != NULL && fleet_has(n->phones, address, ipv6);
}

static void turn_ethernet(const struct neighbour *n, uint8_t *frame)
{
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, n->mac, 6);
}

static bool answer_arp(const struct neighbour *n, uint8_t *frame, uint32_t length)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *arp = frame + ETH, target[4];

	if (length < ETH + ARP || memcmp(arp, request, sizeof(request)) != 0 || !ours(n, arp + 24, false))
		return false;
	memcpy(target, arp + 24, sizeof(target));
	arp[7] = 2;
	memcpy(arp + 18, arp + 8, 10); /* who asked: MAC and address */
	memcpy(arp + 8, n->mac, 6);
	memcpy(arp + 14, target, sizeof(target));
	turn_ethernet(n, frame);
	return true;
}

/* RFC 4443 2.3: over the pseudo-header too. */
static uint16_t icmp6_sum(const uint8_t *ip, uint32_t length)
{
	uint32_t sum = length + 58;

	for (uint32_t i = 8; i < IPV6 + length; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A solicitation that carries the asker's link-layer address, as a kernel's does, has the very length of its
 * answer; one without (a probe for a duplicate address) asks for nobody here. */
static bool answer_nd(const struct neighbour *n, uint8_t *frame, uint32_t length)
{
	uint8_t *ip = frame + ETH, *icmp = ip + IPV6;
	const uint32_t payload = SOLICIT_LENGTH + OPTION;

	if (length < ETH + IPV6 + payload || ip[6] != 58 || ip[7] != 255 || ip[4] != 0 || ip[5] != payload ||
	    icmp[0] != SOLICITATION || icmp[SOLICIT_LENGTH + 1] != 1 || !ours(n, icmp + 8, true))
		return false;
	memcpy(ip + 24, ip + 8, 16);
	memcpy(ip + 8, icmp + 8, 16);
	memset(icmp, 0, 8);
	icmp[0] = ADVERTISEMENT;
	icmp[4] = SOLICITED_OVERRIDE;
	icmp[SOLICIT_LENGTH] = TARGET_LINK_LAYER;
	memcpy(icmp + SOLICIT_LENGTH + 2, n->mac, 6);
	const uint16_t sum = icmp6_sum(ip, payload);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	turn_ethernet(n, frame);
	return true;
}

bool neighbour_answer(const struct neighbour *n, uint8_t *frame, uint32_t length)
{
	if (length < ETH)
		return false;
	switch (frame[12] << 8 | frame[13]) {
	case 0x0806:
		return answer_arp(n, frame, length);
	case 0x86dd:
		return answer_nd(n, frame, length);
	default:
		return false;
	}
}
