/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What DPDK's telemetry socket tells of the gateway beside DPDK's own: /bgf/workers, /bgf/counters,
 * /bgf/sets. Numbers only: no key, no address, no subscriber. Answers are made by DPDK's thread while
 * everything runs.
 */
#ifndef BGF_DP_TELEMETRY_H
#define BGF_DP_TELEMETRY_H

struct sets;
struct show;

/* Whether a folder may hold DPDK's run-time files: made if it is not there, ours or root's, writable for
 * nobody else, so that none but us and root makes what the socket lies in. 0 or a negative errno. */
int telemetry_folder(const char *path);

/* Tells of these from now on, until telemetry_stop, which waits for an answer that is being made; both
 * outlive it. 0 or a negative errno. Main lcore. */
int telemetry_start(const struct show *show, const struct sets *sets);
void telemetry_stop(void);

#endif
