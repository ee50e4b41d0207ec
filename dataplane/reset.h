/* SPDX-License-Identifier: BSD-3-Clause
 *
 * TCP connections whose set is gone (rule 24): the P-CSCF's end is reset, or it would wait for a UE that
 * cannot hear it any more. Nothing here keeps TCP's state, nor has to:
 *
 * - what the P-CSCF sends on such a connection is answered by a reset, as a host answers that has no such
 *   connection (RFC 9293 3.10.7.1). Its numbers are right because they are taken from the segment.
 * - a connection that is idle says nothing for hours. So it is asked: an acknowledgment with numbers that no
 *   connection is likely to expect is answered by one with the right numbers (RFC 9293 3.10.7.4, first), and
 *   that by a reset. Where there is no connection any more the answer is a reset, which ends it.
 *
 * Both have the UE's address as source: it is the UE's end that is gone. Pure.
 */
#ifndef BGF_DP_RESET_H
#define BGF_DP_RESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bgf_set_selectors;

enum { RESET_MAX = 60 /* octets of an IPv6 and a TCP header */ };

/* The ends of a connection, addresses as in bgf_addr.octet, ports in network order. No gaps: it is hashed. */
struct reset_pair {
	uint8_t ue[16], served[16];
	uint16_t port_ue, port_served;
};

/* Builds the IP packet that answers the P-CSCF's segment `packet`, an IP packet without options with
 * `payload` octets behind its header. Returns its octets; 0 where nothing is to be answered: to a reset,
 * ever, and to what TCP would not take for a segment (RFC 9293 3.10.7.1, 3.1). `ret_pair` is filled unless it
 * is 0. */
size_t reset_build(const uint8_t *packet, bool ipv6, uint16_t payload, uint8_t ret_packet[static RESET_MAX],
		   struct reset_pair *ret_pair);

/* The same for the question about one of the two connections that a set may have: `which` as sa_hot.out[].
 * `seq` and `ack` are random. */
size_t reset_probe(const struct bgf_set_selectors *set, unsigned which, uint32_t seq, uint32_t ack,
		   uint8_t ret_packet[static RESET_MAX], struct reset_pair *ret_pair);

#endif
