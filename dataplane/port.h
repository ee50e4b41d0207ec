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

/* Filled by port_start; afterwards only `up` changes (main lcore). */
struct port {
	enum port_side side;
	uint16_t dpdk_id;
	uint16_t queues; /* rx and tx, one pair a worker; the same on both sides */
	uint16_t mtu;	 /* octets of IP */
	uint8_t mac[6];
	bool verify_l4;
	bool up;
	int socket;
	char device[64];
	char tap[16];
};

/* Configures and starts the port of one side with one rx and tx queue a worker (fewer where the device has
 * fewer: then `queues` says how many). 0 or a negative errno, with the reason in error[]. Main lcore. */
int port_start(enum port_side side, const struct config_port *config, uint16_t workers,
	       struct rte_mempool *pool, struct port *ret_port, char *error, unsigned error_size);
void port_stop(struct port *port);

/* Configures and starts both ports as port_start does, with the same number of queues on both: where one
 * device has fewer than `workers` the other gets no more, since nobody would poll what comes to them;
 * port->queues says how many. 0 or a negative errno, with the reason in error[]. Main lcore. */
int port_start_both(const struct config_port *const config[PORT_SIDES], uint16_t workers,
		    struct rte_mempool *pool, struct port ret_port[PORT_SIDES], char *error,
		    unsigned error_size);
void port_stop_both(struct port port[PORT_SIDES]);

/* Asks the device whether its link is up; whether that changed. Main lcore. */
bool port_poll(struct port *port);

#endif
