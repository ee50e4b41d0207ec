/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which memory is near to which processor. Nothing here needs libnuma, and on a machine with one node nothing
 * is asked of the kernel.
 */
#ifndef BGF_DP_NUMA_H
#define BGF_DP_NUMA_H

#include <stddef.h>
#include <stdint.h>

/* The node of a processor, or -1 where the kernel does not say. Any thread. */
int numa_node_of_core(unsigned core);

/* New memory of this thread comes from the nodes of these processors, page by page in turn where they are
 * several, until numa_any. 0, or a negative errno (a container may forbid it). Main thread. */
int numa_near(const uint32_t *cores, uint32_t count);
void numa_any(void);

/* On which nodes the pages of a map lie, as text ("0", "0 and 1", "unknown"); some are looked at. */
void numa_nodes_text(const void *start, size_t size, char *text, size_t text_size);

#endif
