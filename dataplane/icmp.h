/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ICMP errors about packets that the gateway did not forward. Pure.
 */
#ifndef BGF_DP_ICMP_H
#define BGF_DP_ICMP_H

#include <stddef.h>
#include <stdint.h>

#include "bgf_addr.h"

enum icmp_error {
	ICMP_ERROR_TOO_BIG, /* RFC 1191 'fragmentation needed', RFC 4443 3.2 */
	ICMP_ERROR_TTL,	    /* time exceeded in transit, RFC 792, RFC 4443 3.3 */
};

enum {
	ICMP_ERROR_MAX =
		1280 /* octets of the whole error (RFC 4443 2.4 c); 576 for IPv4 (RFC 1812 4.3.2.3) */
};

/* Builds the whole IP packet into out[] of ICMP_ERROR_MAX octets. `packet` is the offending IP packet, of
 * which `length` octets are there; `source` an own address of its family. Returns the octets built, or 0
 * where no error may be sent (RFC 1812 4.3.2.7, RFC 4443 2.4 e): about ICMP errors and redirects, packets to
 * many, from what is no host, and fragments but the first; and about what is no whole IP header. */
size_t icmp_error_build(enum icmp_error kind, const uint8_t *packet, size_t length, uint16_t mtu,
			const struct bgf_addr *source, uint8_t *out);

#endif
