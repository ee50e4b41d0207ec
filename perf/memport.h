/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A DPDK port without a NIC: what a worker receives is taken from an array of buffers, what it sends is put
 * into another one. Its cost is a copy of pointers.
 */
#ifndef BGF_PERF_MEMPORT_H
#define BGF_PERF_MEMPORT_H

#include <stdint.h>

#include "dataplane/port.h"

struct rte_mbuf;

enum { MEMPORT_QUEUES = 2 };

/* One queue pair; its worker's alone while a round runs. */
struct memport_queue {
	struct rte_mbuf *const *rx; /* what will be received */
	uint32_t rx_count, rx_at;
	uint16_t burst; /* the most that one receive gives */
	struct rte_mbuf **tx;
	uint32_t tx_count, tx_room;
};

/* Makes the DPDK port of a side, and fills *ret_port for the workers. 0 or a negative errno. Once a side. */
int memport_start(enum port_side side, struct port *ret_port);

struct memport_queue *memport_queue(enum port_side side, uint16_t queue);

#endif
