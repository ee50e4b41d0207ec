/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command line.
 */
#ifndef PKTGEN_OPTIONS_H
#define PKTGEN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet.h"
#include "load.h"
#include "neighbour.h"
#include "ports.h"

enum { OPTIONS_SIZES = 12, OPTIONS_RING = 16384 };

enum command { COMMAND_RUN, COMMAND_RFC2544 };

struct options {
	enum command command;
	struct ports_args ports;
	struct fleet_plan plan;
	struct bgf_addr hop[PORT_SIDES][NEIGHBOUR_ADDRESSES]; /* routers that the generator plays */
	unsigned hops[PORT_SIDES];
	uint8_t mac[PORT_SIDES][6]; /* where frames go; all zero: the gateway's port itself */
	const char *zb, *peer, *json;
	unsigned connections;
	struct load load;
	struct load_sizes sizes[OPTIONS_SIZES]; /* rfc2544; the first of them is run's */
	unsigned size_count;
	uint32_t repeats; /* of a disturbed trial */
	uint32_t ring;	  /* packets that wait between generator and gateway at most */
	bool quick;
};

/* Fills *ret. 0: go on; 1: all is done, status 0 (--help, --version); -EINVAL: a sentence was printed. */
int options_parse(int argc, char **argv, struct options *ret);

#endif
