/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets for and from the kernel beside the ports (ARCHITECTURE 'Exceptions'). Everything here is the main
 * lcore's; workers only put mbufs on `to_kernel` and send what `from_kernel` has.
 */
#ifndef BGF_DP_EXCEPTION_H
#define BGF_DP_EXCEPTION_H

#include <stdint.h>

#include "counters.h"
#include "port.h"

struct bgf_set_selectors;
struct config_port;
struct nexthop_table;
struct rte_mempool;
struct rte_ring;
struct served_table;

/* Why a worker hands a packet over; in its metadata (pkt.h). */
enum exception_kind {
	EXCEPTION_KERNEL,    /* write it to the tap of the port that it came from */
	EXCEPTION_NEIGHBOUR, /* finished but for its Ethernet addresses: find out the next hop's MAC, then
				send it */
	EXCEPTION_TOO_BIG, /* counted as dropped; send an ICMP 'too big' with pkt.mtu back, where ICMP allows
			      it */
	EXCEPTION_TTL,	   /* counted as dropped; send an ICMP 'time exceeded' back, where ICMP allows it */
	EXCEPTION_RESET,   /* counted as dropped; a TCP segment of the core side that no set takes: reset the
			      connection if its set went lately (rule 24) */
};

struct exceptions;

struct exceptions_args {
	const struct port *port[PORT_SIDES];
	const struct config_port *config[PORT_SIDES];
	struct nexthop_table *nexthops[PORT_SIDES];
	const struct served_table *served;
	struct rte_ring *to_kernel;
	struct rte_ring *from_kernel[PORT_SIDES]; /* whole frames for that port */
	struct rte_mempool *pool;
	uint32_t rate; /* packets a second to the kernel, a port */
};

/* Makes the taps (persistent, with the port's MAC and MTU, up, forwarding off), opens netlink in their
 * namespaces and fills the next-hop tables. 0 or a negative errno with the reason in error[]. */
int exceptions_start(const struct exceptions_args *args, struct exceptions **ret, char *error,
		     unsigned error_size);
void exceptions_stop(struct exceptions *e);

/* File descriptors to poll for reading (taps, netlink), at most `room`; how many. The main loop adds the wake
 * eventfd. */
int exceptions_fds(const struct exceptions *e, int *fds, int room);

/* Moves what waits: ring → taps, taps → ring, netlink → next hops, held packets whose neighbour came or whose
 * time is up. Never blocks. Call it when a descriptor is readable, and ten times a second. */
void exceptions_run(struct exceptions *e);

/* sets_args.tcp_gone, with a struct exceptions: the P-CSCF's end of the connection on this pair of ports is
 * reset (rule 24), at once as far as the rate allows, else when the P-CSCF next sends something on it. */
void exceptions_tcp_gone(void *exceptions, const struct bgf_set_selectors *selectors, unsigned which);

/* 0, or -ENODEV with a sentence in error[] when a tap is gone: its descriptor would wake the caller for ever,
 * and nothing finds its way any more. */
int exceptions_fault(const struct exceptions *e, char *error, unsigned error_size);

/* What the main lcore dropped, by port: added to the workers' counters where these are shown. */
const struct counters *exceptions_counters(const struct exceptions *e, enum port_side side);

#endif
