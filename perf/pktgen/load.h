/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a trial sends.
 */
#ifndef PKTGEN_LOAD_H
#define PKTGEN_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

enum { LOAD_SLOTS = 256, LOAD_SHARE = 1 << 20 /* shares are parts of it */ };

/* Bad traffic from the phones, and the name under which the gateway must drop it. X(NAME, name, drop, text)
 */
#define LOAD_KIND_LIST(X)                                                               \
	X(GOOD, good, NONE, "valid")                                                    \
	X(REPLAYED, replayed, REPLAY, "valid, with the last sequence number once more") \
	X(FORGED, forged, ICV, "its ICV is wrong")                                      \
	X(UNKNOWN, unknown, UNKNOWN_SPI, "an SPI of no SA")                             \
	X(CLEAR, clear, CLEAR_PORT, "in the clear to a protected port")
#define LOAD_KIND_ENUM(NAME, name, drop, text) LOAD_##NAME,
enum load_kind { LOAD_KIND_LIST(LOAD_KIND_ENUM) LOAD_KINDS };

/* Lengths of plain IP packets, each as often as its weight has it. */
struct load_sizes {
	char name[32]; /* "512", "imix" */
	uint16_t length[LOAD_SLOTS];
	uint16_t slots, least, greatest;
	double mean;
};

struct load {
	bool way[WAYS];
	struct load_sizes sizes;
	uint32_t tcp_share;		/* of LOAD_SHARE */
	uint32_t bad_share[LOAD_KINDS]; /* of LOAD_SHARE; of GOOD: not used */
	double rate;			/* packets a second of each way that is on; 0: as `window` allows */
	uint32_t window;		/* packets of a way under way at once; 0: no bound */
	uint64_t backlog; /* with a rate: what is due beyond so many packets is not made up for */
	uint64_t packets; /* of each way; 0: until `seconds` have passed */
	double seconds;
	uint32_t icv_every; /* check the ICV of each nth packet from the gateway */
	bool report;	    /* a line a second */
};

/* "512", "64:7,576:4,1500:1" or "imix": lengths with weights. 0, or -EINVAL. */
int load_sizes_parse(const char *text, struct load_sizes *ret);

/* "5%", "0.5%" or "5" to parts of LOAD_SHARE. 0, or -EINVAL. */
int load_share_parse(const char *text, uint32_t *ret);

const char *load_kind_name(enum load_kind kind);
/* The enum bgf_drop of what must not pass. */
unsigned load_kind_drop(enum load_kind kind);

/* A kind for a draw of 20 random bits. */
enum load_kind load_kind_drawn(const struct load *l, uint32_t draw);

#endif
