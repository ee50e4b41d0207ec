/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A visit to another network namespace, to open there what then works from anywhere. Only the calling thread
 * moves.
 */
#ifndef BGF_DP_NETNS_H
#define BGF_DP_NETNS_H

/* Moves the thread into the namespace that `ip netns` calls `name`; "" stays. *ret_back is for netns_leave.
 * 0, -ENOENT (no such namespace), -EPERM, -errno. */
int netns_enter(const char *name, int *ret_back);
/* Back, or the process ends: a main lcore in the wrong namespace would open its next socket there. */
void netns_leave(int back);

#endif
