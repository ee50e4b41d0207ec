/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the link tells of counters and ports.
 */
#ifndef BGF_DP_SHOW_H
#define BGF_DP_SHOW_H

#include "bgf_dplink.h"
#include "port.h"

struct exceptions;
struct nexthop_table;
struct worker;

struct show {
	struct worker *const *workers;
	uint16_t worker_count;
	const struct port *ports;	       /* PORT_SIDES */
	struct nexthop_table *const *nexthops; /* PORT_SIDES */
	const struct exceptions *exceptions;
};

/* For ctl_args.counters: row n is port n / workers, worker n % workers. What the main lcore did for a port is
 * added to its worker 0. Main lcore. 0 or -ENOENT. */
int show_counters(void *show, uint64_t n, struct dpl_counters *ret);

/* For ctl_args.port. */
int show_port(void *show, uint64_t n, struct dpl_port *ret);

#endif
