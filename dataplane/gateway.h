/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All that the process consists of: made in order, run, unmade in the reverse order.
 */
#ifndef BGF_DP_GATEWAY_H
#define BGF_DP_GATEWAY_H

#include <stddef.h>

struct bgf_config;

/* Starts all, says `ready`, serves until a signal comes on the signalfd, and stops in order. 0 after a
 * signal, or a negative errno with a sentence in error[]. Main thread. */
int gateway_run(const struct bgf_config *config, int signals, char *error, size_t error_size);

#endif
