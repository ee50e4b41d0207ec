/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The served addresses: those of P-CSCFs behind the gateway, from the configuration, fixed while the process
 * runs.
 */
#ifndef BGF_DP_SERVED_H
#define BGF_DP_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_addr.h"

enum { SERVED_MAX = 64, SERVED_PORTS = 4, SERVED_NONE = 0xffff };

struct served_address {
	struct bgf_addr address;
	uint16_t unprotected[SERVED_PORTS]; /* network order; unused ones 0 */
	bool digest_clients;		    /* rule 29 is off */
};

struct served_table {
	struct served_address entry[SERVED_MAX];
	uint16_t count;
	uint16_t slot[256]; /* open addressing by a hash of the address: index + 1, or 0 */
};

/* Fills an empty table; -ENOSPC, -EEXIST. Main lcore, before workers run. */
int served_add(struct served_table *t, const struct served_address *a);

/* Index of an address or SERVED_NONE; `octets` points at 4 or 16 octets in the packet. Any worker. */
uint16_t served_find(const struct served_table *t, const uint8_t *octets, bool ipv6);

/* Whether port (network order) is one of the unprotected SIP ports. Any worker. */
static inline bool served_unprotected(const struct served_address *a, uint16_t port)
{
	bool hit = false;
	for (int i = 0; i < SERVED_PORTS; i++)
		hit |= a->unprotected[i] == port;
	return hit && port != 0;
}

#endif
