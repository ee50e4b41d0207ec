/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What bgf-zbload can do, by name, and the figures that come of it.
 */
#ifndef ZBLOAD_PHASES_H
#define ZBLOAD_PHASES_H

#include <stdbool.h>
#include <stdio.h>

#include "../pktgen/json.h"
#include "driver.h"

struct options;

/* Subscribers behind the --subscribers, for the phases single, rate and expire. */
enum { PHASES_SPARE = 200000 };

struct figures {
	double pipelined, one_by_one, registrations, at_rate; /* sets a second; 0: not measured */
	double install_p99_ms;				      /* at_rate */
	double bytes_per_set, timers_cpu_percent, idle_cpu_percent, late_p99_ms, late_max_ms;
	uint64_t storm_lost; /* subscribers that a storm left without a set */
	bool stormed;
	uint64_t live; /* sets, at most */
	uint64_t resident;
};

bool phases_known(const char *name);
void phases_help(FILE *to);

/* Runs one; prints a line, and writes an object to the JSON (may be NULL). 0, 1: something was refused, or a
 * negative errno with ret_error. */
int phases_run(const char *name, struct driver *d, const struct options *o, struct figures *f,
	       struct json *json, struct zb_error *ret_error);

#endif
