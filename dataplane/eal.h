/* SPDX-License-Identifier: BSD-3-Clause
 *
 * DPDK's environment, out of the configuration: memory, lcores, devices.
 */
#ifndef BGF_DP_EAL_H
#define BGF_DP_EAL_H

#include <stddef.h>

struct config_dataplane;

/* Starts it: the main lcore is 0, worker n is lcore n + 1. Several may share a core. Main thread, once. 0 or
 * a negative errno with a sentence in error[]. */
int eal_start(const struct config_dataplane *config, char *error, size_t error_size);

#endif
