/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A token bucket for each source of clear packets: one IPv4 address, or one IPv6 /64, since a host has all of
 * its own to send from. The table is bounded; when a place is needed, the source whose bucket is the fullest
 * (the most silent one) loses it.
 */
#ifndef BGF_DP_POLICER_H
#define BGF_DP_POLICER_H

#include <stdbool.h>
#include <stdint.h>

struct policer;

enum { POLICER_SOURCES = 8192 };

/* rate: packets a second; burst: packets at once; both at least 1. tsc_hz: of the clock that `now` is read
 * from. hash_key: random, so that nobody chooses which sources meet in a place. 0, -ENOMEM, -EINVAL. Main
 * lcore. */
int policer_new(uint32_t rate, uint32_t burst, uint64_t tsc_hz, uint64_t hash_key, int socket,
		struct policer **ret);
void policer_free(struct policer *p);

/* Whether a packet from `source` (4 or 16 octets) may pass at TSC `now`; takes a token if so. Its worker. */
bool policer_admit(struct policer *p, const uint8_t *source, bool ipv6, uint64_t now);

#endif
