/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is asked of a device that spreads packets over its queues by itself, so that each comes to the worker
 * that owns it (owner.h): which kinds of packets it hashes, and where its indirection table leads. Pure.
 */
#ifndef BGF_DP_RSS_H
#define BGF_DP_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

/* Of the kinds that a device can hash (RTE_ETH_RSS_*), those to ask for. ESP to the gateway has no ports,
 * what the P-CSCF sends back has: both come to one worker only if ports stay out of the hash. So a device
 * that hashes any IP packet over its addresses is asked for that alone. One that knows exact kinds only does
 * not hash what was not asked for, and would put all UDP and TCP into one queue: it is asked for them too,
 * with their ports, and what comes to the wrong worker is handed over. *ret_by_address: whether it is always
 * the owner who gets it. */
uint64_t rss_types(uint64_t offered, bool *ret_by_address);

/* The queue that entry `entry` of the indirection table leads to. */
uint16_t rss_queue(enum port_side side, uint16_t entry, uint16_t queues, uint16_t workers);

#endif
