/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel's interface beside a port: a persistent tap that has the port's MAC address and MTU. It stays
 * when the process ends, and so do the addresses and routes that operators gave it.
 */
#ifndef BGF_DP_TAP_H
#define BGF_DP_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tap_args {
	const char *name;
	const char *netns; /* as `ip netns` names it; "": the process's own */
	uint8_t mac[6];
	uint16_t mtu; /* octets of IP */
};

/* Takes the tap, made if it is not there: MAC and MTU of the port, up, and a host towards its network: no
 * forwarding, no redirects and router advertisements believed, ARP only for its own addresses. *ret_fd does
 * not block. 0 or a negative errno with what is to be done in error[]. Main lcore. */
int tap_open(const struct tap_args *args, int *ret_fd, unsigned *ret_ifindex, char *error, size_t error_size);

/* The port's link went up or down: the kernel's routes over the tap follow it. 0 or a negative errno. */
int tap_carrier(int fd, bool up);

#endif
