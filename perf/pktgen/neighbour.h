/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers to ARP (RFC 826) and neighbour solicitations (RFC 4861) for the addresses that this generator
 * plays: its phones and the routers it names. Nothing else on the link is touched.
 */
#ifndef PKTGEN_NEIGHBOUR_H
#define PKTGEN_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_addr.h"
#include "fleet.h"

enum { NEIGHBOUR_ADDRESSES = 8 };

/* What one port answers for. */
struct neighbour {
	const struct fleet_plan *phones; /* NULL on the core side */
	struct bgf_addr address[NEIGHBOUR_ADDRESSES];
	unsigned count;
	uint8_t mac[6];
};

/* Turns a question for one of them into its answer, in place. False: it is none, and was left alone. */
bool neighbour_answer(const struct neighbour *n, uint8_t *frame, uint32_t length);

#endif
