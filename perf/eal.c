/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all fields of a process share: DPDK, the packets' pool, two ports.
 */
#include "field.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "dataplane/pkt.h"

enum {
	POOL = 2 * 4096 + 512,
	ROOM = 2048 + RTE_PKTMBUF_HEADROOM, /* as the gateway's own, for an MTU of 1500 */
	NO_HUGE_MB = 1024,
};

static struct rte_mempool *pool;
static struct port port[PORT_SIDES];

/* The cores for the two lcores, as "0@1,1@0": the last one is the main lcore's, because interrupts tend to go
 * to the first. With one core there is one lcore. */
static int lcores(char *text, size_t size)
{
	cpu_set_t set;
	int core[2], n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return -errno;
	for (int c = CPU_SETSIZE - 1; c >= 0 && n < 2; c--)
		if (CPU_ISSET(c, &set))
			core[n++] = c;
	if (n == 2)
		snprintf(text, size, "--lcores=0@%d,1@%d", core[0], core[1]);
	else
		snprintf(text, size, "--lcores=0@%d", core[0]);
	return 0;
}

static int free_huge_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	int n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static int start(char *error, size_t error_size)
{
	static char cores[32], memory[16];
	static char *huge[] = {"bgf-bench", "--in-memory",	 "--no-shconf", "--no-telemetry",
			       "--no-pci",  "--log-level=error", cores,		"-m",
			       memory,	    "--main-lcore=0",	 NULL};
	const bool any = free_huge_pages() >= 64;

	snprintf(memory, sizeof(memory), "%d", any ? 64 : NO_HUGE_MB);
	if (!any)
		huge[1] = "--no-huge";
	int rc = lcores(cores, sizeof(cores));
	if (rc == 0 && rte_eal_init(10, huge) < 0)
		rc = -rte_errno;
	if (rc != 0)
		snprintf(error, error_size, "DPDK does not start: %s", strerror(-rc));
	return rc;
}

int field_eal(char *error, size_t error_size)
{
	int rc = start(error, error_size);

	if (rc != 0)
		return rc;
	rc = pkt_register();
	pool = rte_pktmbuf_pool_create("packets", POOL, 256, 0, ROOM, SOCKET_ID_ANY);
	if (rc != 0 || pool == NULL) {
		snprintf(error, error_size, "%d packet buffers: %s", POOL, rte_strerror(rte_errno));
		return rc != 0 ? rc : -ENOMEM;
	}
	for (int side = 0; side < PORT_SIDES && rc == 0; side++)
		rc = memport_start((enum port_side)side, &port[side]);
	if (rc != 0)
		snprintf(error, error_size, "the null device (librte-net-null) does not start: %s",
			 strerror(-rc));
	return rc;
}

struct rte_mempool *field_pool(void)
{
	return pool;
}

const struct port *field_port(enum port_side side)
{
	return &port[side];
}
