/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one worker counts on one port. Written by that worker alone, without atomics; read by the main lcore,
 * to whom a value may be a burst old.
 */
#ifndef BGF_DP_COUNTERS_H
#define BGF_DP_COUNTERS_H

#include <stdalign.h>
#include <stdint.h>

#include "bgf_drop.h"

struct counters {
	alignas(64) uint64_t rx_packets;
	uint64_t rx_octets, tx_packets, tx_octets; /* octets of Ethernet frames, without FCS */
	uint64_t exceptions;			   /* handed to the kernel */
	uint64_t forwarded_esp;			   /* inbound: out of an SA; outbound: into one */
	uint64_t forwarded_clear;
	uint64_t drops[BGF_DROP_COUNT];
};

#endif
