/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The main lcore's loop: it sleeps until the link, the kernel's taps, the workers or a signal have something
 * for it, and never polls.
 */
#ifndef BGF_DP_LOOP_H
#define BGF_DP_LOOP_H

#include <stddef.h>

#include "port.h"

struct ctl;
struct exceptions;
struct rte_ring;
struct sets;
struct trouble;
struct worker;

struct loop_args {
	struct ctl *ctl;
	struct sets *sets;
	struct trouble *trouble;
	struct worker *const *workers;
	uint16_t worker_count;
	struct exceptions *exceptions;
	struct rte_ring *notices; /* of first use (rules 6, 20), from the workers */
	struct port *ports;	  /* PORT_SIDES */
	int wake;		  /* eventfd that workers write */
	int signals;		  /* signalfd of what ends the process */
};

/* Runs until a signal comes. 0, or a negative errno with a sentence in error[]. Main lcore. */
int loop_run(const struct loop_args *args, char *error, size_t error_size);

#endif
