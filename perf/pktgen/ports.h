/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The generator's two ports, opened as the gateway opens its own, and the buffers for both ways: what is sent
 * has a pool of its own, so that a full receive side never starves it.
 */
#ifndef PKTGEN_PORTS_H
#define PKTGEN_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/port.h"

enum { PORTS_DESCRIPTORS = 1024, PORTS_BUFFERS = 32768 };

struct ports_args {
	const char *device[PORT_SIDES];
	uint32_t core; /* the one that sends and receives */
	uint32_t memory_mb;
	bool huge_pages;
	const char *file_prefix;
	uint16_t mtu;
};

struct ports {
	struct port port[PORT_SIDES];
	struct rte_mempool *rx, *tx;
};

/* Starts DPDK and both ports, and waits until both links are up. 0, or a negative errno with the reason in
 * error[]. */
int ports_start(const struct ports_args *args, struct ports *ret, char *error, unsigned size);
void ports_stop(struct ports *p);

#endif
