/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread that sends and receives on both ports: a trial's load goes out, everything that comes in is
 * checked, and all is counted.
 */
#ifndef PKTGEN_TRAFFIC_H
#define PKTGEN_TRAFFIC_H

#include <stdint.h>

#include "histogram.h"
#include "load.h"
#include "neighbour.h"
#include "ports.h"

struct hmac;

/* What one way's packets did. `sent` is by kind; what is sent down is all good. */
struct tally {
	uint64_t sent[LOAD_KINDS];
	uint64_t octets_sent, octets_received; /* of IP */
	uint64_t ring_full;		       /* due while the port took no more: not offered */
	uint64_t late; /* due while this thread did not run, or could not keep up: not offered */
	uint64_t result[PACKET_FAULTS]; /* [PACKET_NONE]: came back good */
	struct histogram latency;	/* ns */
};

struct traffic_counts {
	struct tally way[WAYS];
	uint64_t answered[PORT_SIDES]; /* ARP and ND */
	uint64_t hash_failed;
	double seconds;		   /* while it sent */
	double idle;		   /* share of the time in turns that did nothing */
	uint64_t gap_us, gap_most; /* turns of a quarter of a millisecond and more: sum, longest; µs */
};

struct traffic_args {
	struct ports *ports;
	struct fleet *fleet;
	struct hmac *hmac;
	struct neighbour neighbour[PORT_SIDES];
	uint8_t gateway_mac[PORT_SIDES][6];
};

struct traffic;

/* 0 or -ENOMEM. */
int traffic_new(const struct traffic_args *args, struct traffic **ret);
void traffic_free(struct traffic *t);

/* One trial: sends, and waits as traffic_wait does. *ret is large, and stays in use until the next trial. */
void traffic_run(struct traffic *t, const struct load *load, struct traffic_counts *ret);

/* As many packets of one way as are asked for, made before the first is sent and then sent as fast as the
 * port takes them. Returns how many it took before it first refused; all others are never sent. */
uint32_t traffic_back_to_back(struct traffic *t, const struct load *load, enum way way, uint32_t packets,
			      struct traffic_counts *ret);

/* Takes what still comes of the trial: until all is back, or nothing came for 20 ms. */
void traffic_wait(struct traffic *t);

/* Answers ARP and ND for so long, and checks nothing. */
void traffic_listen(struct traffic *t, double seconds);

uint64_t tally_sent(const struct tally *t);
uint64_t tally_good(const struct tally *t);  /* sent, and should come back */
uint64_t tally_wrong(const struct tally *t); /* came back, and not as it should */

#endif
