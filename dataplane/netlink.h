/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the kernel knows of the network beside a port, told to the port's next-hop table: addresses of the
 * tap, routes over it and neighbours on it. Main lcore only.
 */
#ifndef BGF_DP_NETLINK_H
#define BGF_DP_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bgf_addr;
struct nexthop_table;
struct netlink;
struct served_table;

/* Opens netlink in the namespace of the tap and asks for everything. A served address on the tap is a
 * mistake: it is logged, and never one of the gateway's own. 0 or a negative errno with the reason in
 * error[]. */
int netlink_open(const char *netns, unsigned ifindex, struct nexthop_table *table,
		 const struct served_table *served, struct netlink **ret, char *error, size_t error_size);
void netlink_close(struct netlink *n);
int netlink_fd(const struct netlink *n);

/* Reads what has come; now in ms of a monotonic clock. Call it when the descriptor is readable and ten times
 * a second. Never blocks. */
void netlink_run(struct netlink *n, uint64_t now);
/* The first full dump has been read. */
bool netlink_filled(const struct netlink *n);

/* The packet path needs this neighbour: the kernel finds out its MAC address and keeps it fresh. */
void netlink_want(struct netlink *n, const struct bgf_addr *neighbour);

#endif
