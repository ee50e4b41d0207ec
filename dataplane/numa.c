/* SPDX-License-Identifier: BSD-3-Clause */
#include "numa.h"

#include <dirent.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NODES_MAX = 64, SAMPLES = 64 };

int numa_node_of_core(unsigned core)
{
	char path[64];
	int node = -1;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", core);
	DIR *dir = opendir(path);
	for (struct dirent *e; dir != NULL && node < 0 && (e = readdir(dir)) != NULL;)
		if (sscanf(e->d_name, "node%d", &node) != 1)
			node = -1;
	if (dir != NULL)
		closedir(dir);
	return node;
}

/* A bit a node. */
static uint64_t nodes_of(const uint32_t *cores, uint32_t count)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < count; i++) {
		const int node = numa_node_of_core(cores[i]);
		if (node >= 0 && node < NODES_MAX)
			nodes |= UINT64_C(1) << node;
	}
	return nodes;
}

int numa_near(const uint32_t *cores, uint32_t count)
{
	const uint64_t nodes = nodes_of(cores, count);
	const int policy = (nodes & (nodes - 1)) != 0 ? MPOL_INTERLEAVE : MPOL_PREFERRED;

	/* a machine with one node has no second directory, and nothing to choose */
	if (nodes == 0 || access("/sys/devices/system/node/node1", F_OK) != 0)
		return 0;
	return syscall(SYS_set_mempolicy, policy, &nodes, NODES_MAX + 1) == 0 ? 0 : -errno;
}

void numa_any(void)
{
	/* fails only where numa_near did, and then nothing was set */
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

void numa_nodes_text(const void *start, size_t size, char *text, size_t text_size)
{
	void *page[SAMPLES];
	int node[SAMPLES];
	uint64_t seen = 0;
	size_t used = 0;

	for (size_t i = 0; i < SAMPLES; i++)
		page[i] = (uint8_t *)(uintptr_t)start + size / SAMPLES * i;
	snprintf(text, text_size, "unknown");
	/* without a wish where they should be: it tells where they are */
	if (syscall(SYS_move_pages, 0, (unsigned long)SAMPLES, page, NULL, node, 0) != 0)
		return;
	for (int i = 0; i < SAMPLES; i++)
		if (node[i] >= 0 && node[i] < NODES_MAX)
			seen |= UINT64_C(1) << node[i];
	for (int n = 0; n < NODES_MAX && used < text_size; n++)
		if ((seen >> n & 1) != 0)
			used += (size_t)snprintf(text + used, text_size - used, "%s%d",
						 used > 0 ? " and " : "", n);
}
