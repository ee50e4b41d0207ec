/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The packets: built octet by octet, and read back without believing anything. Pure: neither DPDK nor the
 * gateway's own code is in here. A packet begins with its IP header.
 *
 * The payload of UDP or TCP is a mark that tells all about the packet, and then a fixed pattern:
 *
 *     | mark 32 | the pattern's first octets ... |
 */
#ifndef PKTGEN_PACKET_H
#define PKTGEN_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet.h"

enum { PACKET_IP_MAX = 1600, PACKET_UDP = 17, PACKET_TCP = 6, PACKET_ESP = 50, PACKET_TTL = 64 };

enum way { WAY_UP, WAY_DOWN, WAYS }; /* phone to core; core to phone */

/* What a packet is. */
struct packet {
	uint32_t phone;
	uint32_t sequence; /* up: of ESP; down: the phone's and pair's own count */
	uint32_t trial;	   /* packets of another trial are none of this one's business */
	uint64_t time;	   /* TSC when it was made */
	uint16_t length;   /* octets of the plain IP packet */
	uint8_t proto;	   /* PACKET_UDP, PACKET_TCP */
	uint8_t which, way;
	uint8_t bad; /* not 0: it must not come through */
};

/* What can be wrong with one that came back. X(NAME, text) */
#define PACKET_FAULT_LIST(X)                                                      \
	X(NONE, "good")                                                           \
	X(FOREIGN, "not of this generator")                                       \
	X(STALE, "of an earlier trial")                                           \
	X(IP, "IP header, length, hop limit or checksum is wrong")                \
	X(ADDRESS, "addresses are not the phone's and the P-CSCF's")              \
	X(PORTS, "ports are not those of the phone's pair")                       \
	X(L4, "UDP or TCP header, length or checksum is wrong")                   \
	X(CONTENT, "payload is not what was sent")                                \
	X(ESP_FAULT, "ESP length or trailer is wrong")                            \
	X(ICV, "ICV is wrong")                                                    \
	X(SEQUENCE, "ESP sequence number does not rise")                          \
	X(REPEATED, "came twice, or after a later one")                           \
	X(CLEAR, "came in the clear where ESP belongs, or ESP where it does not") \
	X(BAD_PASSED, "was sent as bad traffic, and came through")
#define PACKET_FAULT_ENUM(name, text) PACKET_##name,
enum packet_fault { PACKET_FAULT_LIST(PACKET_FAULT_ENUM) PACKET_FAULTS };
const char *packet_fault_text(enum packet_fault fault);

/* Once, before anything else here. */
void packet_init(void);

/* The least and the greatest `length` that can be sent. */
uint16_t packet_least(bool ipv6, uint8_t proto);
uint16_t packet_greatest(bool ipv6, uint16_t mtu);

/* Writes the plain packet. Returns its octets. */
uint16_t packet_plain(const struct fleet_plan *plan, const struct packet *p, uint8_t *ret_ip);

/* Writes the packet in ESP, all but the ICV, whose place is the last HMAC_ICV octets; what it covers begins
 * at ret_ip + *ret_esp. Returns the octets of the whole IP packet. */
uint16_t packet_esp(const struct fleet_plan *plan, const struct packet *p, uint32_t spi, uint32_t sequence,
		    uint8_t *ret_ip, uint16_t *ret_esp);

/* Reads a plain packet that went through the gateway in the direction `way`. PACKET_NONE with *ret filled. */
enum packet_fault packet_read_plain(const struct fleet_plan *plan, const uint8_t *ip, uint32_t available,
				    enum way way, struct packet *ret);

/* An ESP packet from the gateway: whose it is, before and without any check of its ICV. */
struct packet_sealed {
	const uint8_t *esp;
	uint16_t length; /* of ESP, ICV included */
	uint32_t phone, sequence;
	unsigned which;
};
enum packet_fault packet_read_esp(const struct fleet_plan *plan, const uint8_t *ip, uint32_t available,
				  struct packet_sealed *ret);
/* What is in it, once the ICV was found good. */
enum packet_fault packet_unseal(const struct fleet_plan *plan, const struct packet_sealed *sealed,
				struct packet *ret);

/* Plain or ESP, by the IP header; false for what is neither IPv4 nor IPv6 without options. */
bool packet_is_esp(const uint8_t *ip, uint32_t available);

#endif
