/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where packets go next: routes and neighbours as the kernel beside the ports knows them (netlink.c fills, on
 * the main lcore; workers read). One table a port; a route counts only for the port whose tap it leaves
 * through.
 */
#ifndef BGF_DP_NEXTHOP_H
#define BGF_DP_NEXTHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_addr.h"
#include "lpm.h"

struct rte_rcu_qsbr;
struct nexthop_table;

enum {
	NEXTHOP_NONE = 0,
	NEXTHOP_LOCAL = 1 /* the gateway's own address: for the kernel */,
	NEXTHOP_MAX = 32767,
	NEXTHOP_BURST = 64
};

/* What a worker needs: 0 or the MAC address. One aligned word, so that it is read at once.
 * Bits 0..47 the MAC as it lies in memory, bit 63: resolved. */
#define NEXTHOP_RESOLVED (UINT64_C(1) << 63)

/* Main lcore. NULL when memory is short. */
struct nexthop_table *nexthop_table_new(const char *name, int socket, struct rte_rcu_qsbr *rcu);
void nexthop_table_free(struct nexthop_table *t);

/* For n up to NEXTHOP_BURST destinations (pointers at 4 or 16 octets in the packets): ret_id[i] is
 * NEXTHOP_NONE when no route leads there, else an id for nexthop_word(). An on-link destination that has no
 * entry yet yields the id of the 'on-link' next hop, whose word is never resolved: hand the packet to the
 * main lcore as EXCEPTION_NEIGHBOUR. Any worker. */
void nexthop_find_bulk(const struct nexthop_table *t, const uint8_t *const *dst, const uint8_t *ipv6,
		       uint16_t n, uint16_t *ret_id);
/* The id of one destination, never a neighbour's on the link itself but 'on-link', and the destinations
 * around it that have the same one. Any worker. */
uint16_t nexthop_range(const struct nexthop_table *t, const uint8_t *dst, bool ipv6,
		       struct lpm_range *ret_range);
uint64_t nexthop_word(const struct nexthop_table *t, uint16_t id);

/* A route as the kernel tells it. Of several to one prefix the one of the lowest rank counts. */
struct nexthop_route {
	struct bgf_addr prefix, gateway; /* gateway of family 0: on-link */
	uint64_t rank;
	uint8_t length; /* bits */
	bool discard;	/* blackhole, unreachable, prohibit: what it covers has no route, whatever shorter
			   prefix there is */
};
/* Main lcore, between dump_begin and dump_end: enters a route unless this dump has told a better one. 0,
 * -ENOSPC, -EINVAL. */
int nexthop_route_offer(struct nexthop_table *t, const struct nexthop_route *route);

/* Main lcore, from netlink. Prefix length in bits; gateway of family 0: on-link. 0, -ENOSPC, -ENOENT,
 * -EINVAL. */
int nexthop_route_add(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length,
		      const struct bgf_addr *gateway);
int nexthop_route_del(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length);
/* An address of the tap itself: look-ups of it yield NEXTHOP_LOCAL. */
int nexthop_local_add(struct nexthop_table *t, const struct bgf_addr *address);
int nexthop_local_del(struct nexthop_table *t, const struct bgf_addr *address);
/* mac NULL: not resolved (any more). */
int nexthop_neighbour_set(struct nexthop_table *t, const struct bgf_addr *address, const uint8_t mac[6]);
/* The neighbour that a packet to dst needs: its gateway or itself; false: no route. */
bool nexthop_neighbour_for(const struct nexthop_table *t, const struct bgf_addr *dst,
			   struct bgf_addr *ret_neighbour);
/* The word of a neighbour's address; 0: not resolved. Main lcore. */
uint64_t nexthop_neighbour_word(const struct nexthop_table *t, const struct bgf_addr *address);
/* The gateways of routes one by one; *cursor is 0 at first. Main lcore. */
bool nexthop_gateway_next(const struct nexthop_table *t, uint16_t *cursor, struct bgf_addr *ret_gateway);
bool nexthop_is_gateway(const struct nexthop_table *t, const struct bgf_addr *address);
/* Whether it is an address of the tap itself. Main lcore. */
bool nexthop_is_local(const struct nexthop_table *t, const struct bgf_addr *address);
/* The own address to send from to dst: of its family and scope, with the longest prefix in common (RFC 6724
 * 5, rules 2 and 8); false: none. Main lcore. */
bool nexthop_local_for(const struct nexthop_table *t, const struct bgf_addr *dst, struct bgf_addr *ret_local);
/* Everything but what is marked since `begin` goes at `end`: a full dump after ENOBUFS. Workers see its
 * routes from then on. */
void nexthop_dump_begin(struct nexthop_table *t);
void nexthop_dump_end(struct nexthop_table *t);
/* The same for a dump under which things changed, so that it may have missed what is there: what it told
 * counts, and only what several dumps in a row have not told goes. */
void nexthop_dump_end_torn(struct nexthop_table *t);
uint32_t nexthop_resolved(const struct nexthop_table *t);
uint32_t nexthop_routes(const struct nexthop_table *t);

#endif
