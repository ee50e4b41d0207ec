/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A DPDK port of the gateway: one on the access side, one on the core side.
 */
#ifndef BGF_DP_PORT_H
#define BGF_DP_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct bgf_config;
struct config_port;
struct rte_mempool;

enum port_side { PORT_ACCESS = 0, PORT_CORE = 1, PORT_SIDES = 2 };

/* Filled by port_find_both and port_start_both; afterwards only `up` changes (main lcore). */
struct port {
	enum port_side side;
	uint16_t dpdk_id;
	uint16_t rx_queues, tx_queues; /* one a worker, or fewer where the device has fewer (queues.h) */
	uint16_t mtu;		       /* octets of IP */
	uint8_t mac[6];
	bool verify_l4;
	bool rss; /* brings each packet to the worker that owns it: nobody has to look (steer.h) */
	bool up;
	int socket;
	char device[64];
	char tap[16];
};

/* The side of a DPDK port, which is one of the two. */
static inline enum port_side port_side_of(const struct port *const port[PORT_SIDES], uint16_t dpdk_id)
{
	return dpdk_id == port[PORT_ACCESS]->dpdk_id ? PORT_ACCESS : PORT_CORE;
}

/* Finds both devices: names, sockets, MTUs, and how many queues each gets for so many workers: one a worker,
 * or as many as it has. Nothing is started. 0 or a negative errno, with the reason in error[]. Main lcore. */
int port_find_both(const struct config_port *const config[PORT_SIDES], uint16_t workers,
		   struct port ret_port[PORT_SIDES], char *error, unsigned error_size);

/* Configures and starts both ports, each with buffers of its own pool. 0 or a negative errno, with the reason
 * in error[]; then neither runs. Main lcore. */
int port_start_both(const struct config_port *const config[PORT_SIDES], uint16_t workers,
		    struct rte_mempool *const pool[PORT_SIDES], struct port port[PORT_SIDES], char *error,
		    unsigned error_size);
void port_stop_both(struct port port[PORT_SIDES]);

/* Asks the device whether its link is up; whether that changed. Main lcore. */
bool port_poll(struct port *port);

#endif
