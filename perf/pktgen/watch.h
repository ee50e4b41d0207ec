/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the gateway says of itself over Zb: its ports, and what it accepted, forwarded and dropped.
 */
#ifndef PKTGEN_WATCH_H
#define PKTGEN_WATCH_H

#include <stdint.h>

#include "bgf_drop.h"
#include "zb.h"

enum { WATCH_ACCESS, WATCH_CORE, WATCH_SIDES };

/* The gateway's poll gaps, as its workers count them: longer ones than 1, 2, 4, ... ms. */
enum { WATCH_GAPS = 7 };

struct watch {
	struct zb *zb;
	uint16_t port[WATCH_SIDES]; /* the gateway's number of its port on that side */
	uint8_t mac[WATCH_SIDES][6];
	uint16_t mtu[WATCH_SIDES];
	char device[WATCH_SIDES][64];
};

/* Over all workers, of the port where a packet came in. */
struct watch_port {
	uint64_t rx_packets, exceptions, forwarded_esp, forwarded_clear, drops[BGF_DROP_COUNT];
};

struct watch_counters {
	struct watch_port side[WATCH_SIDES];
	uint64_t gaps[WATCH_GAPS]; /* of all workers: longer than 1 << i ms */
	uint64_t gap_us;	   /* the sum of those of a tenth of a millisecond and more */
};

/* Asks for the ports. Takes the connection over. 0, or a negative errno with the reason in error[]. */
int watch_start(struct zb *zb, struct watch *ret, char *error, unsigned size);
void watch_stop(struct watch *w);

int watch_read(struct watch *w, struct watch_counters *ret, char *error, unsigned size);

/* What was counted between the two. */
struct watch_counters watch_since(const struct watch_counters *now, const struct watch_counters *then);

uint64_t watch_drops(const struct watch_port *p);
/* Accepted, and neither sent, given to the kernel, nor dropped by name. */
int64_t watch_unaccounted(const struct watch_port *p);

#endif
