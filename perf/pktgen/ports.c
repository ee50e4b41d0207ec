/* SPDX-License-Identifier: BSD-3-Clause */
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "config/config.h"
#include "dataplane/eal.h"
#include "stop.h"

enum { CACHE = 256, ROOM = RTE_MBUF_DEFAULT_BUF_SIZE, LINK_WAIT_MS = 10000, STEP_MS = 20 };

static const char *const side_name[PORT_SIDES] = {"--access", "--core"};

static struct config_port port_config(const struct ports_args *args, int side)
{
	struct config_port c = {
		.mtu = args->mtu, .rx_descriptors = PORTS_DESCRIPTORS, .tx_descriptors = PORTS_DESCRIPTORS};

	snprintf(c.device, sizeof(c.device), "%s", args->device[side]);
	return c;
}

static int eal(const struct ports_args *args, char *error, unsigned size)
{
	struct config_dataplane dp = {.main_core = args->core,
				      .memory_mb = args->memory_mb,
				      .huge_pages = args->huge_pages,
				      .access = port_config(args, PORT_ACCESS),
				      .core = port_config(args, PORT_CORE)};

	snprintf(dp.file_prefix, sizeof(dp.file_prefix), "%s", args->file_prefix);
	return eal_start(&dp, error, size);
}

static int pools(struct ports *p, char *error, unsigned size)
{
	p->rx = rte_pktmbuf_pool_create("pktgen_rx", PORTS_BUFFERS, CACHE, 0, ROOM, (int)rte_socket_id());
	p->tx = rte_pktmbuf_pool_create("pktgen_tx", PORTS_BUFFERS, CACHE, 0, ROOM, (int)rte_socket_id());
	if (p->rx != NULL && p->tx != NULL)
		return 0;
	snprintf(error, size, "no room for two times %u packet buffers: %s; raise --memory", PORTS_BUFFERS,
		 rte_strerror(rte_errno));
	rte_mempool_free(p->rx);
	return -ENOMEM;
}

/* A memif link is up once the other end is there. */
static int wait_for_links(struct ports *p, char *error, unsigned size)
{
	for (int waited = 0; waited < LINK_WAIT_MS && !stop_asked(); waited += STEP_MS) {
		port_poll(&p->port[PORT_ACCESS]);
		port_poll(&p->port[PORT_CORE]);
		if (p->port[PORT_ACCESS].up && p->port[PORT_CORE].up)
			return 0;
		usleep(STEP_MS * 1000);
	}
	const int down = p->port[PORT_ACCESS].up ? PORT_CORE : PORT_ACCESS;
	snprintf(error, size,
		 "%s: no link on %s within %d s: is the other end there? Of memif, `id` and `socket` must be "
		 "the "
		 "gateway's, and an abstract socket is of one network namespace",
		 side_name[down], p->port[down].device, LINK_WAIT_MS / 1000);
	return -ENOLINK;
}

int ports_start(const struct ports_args *args, struct ports *ret, char *error, unsigned size)
{
	struct ports p = {.rx = NULL};
	struct config_port config[PORT_SIDES];
	const struct config_port *const both[PORT_SIDES] = {&config[PORT_ACCESS], &config[PORT_CORE]};
	int rc = eal(args, error, size);

	if (rc != 0)
		return rc;
	if ((rc = pools(&p, error, size)) != 0)
		goto undo_eal;
	struct rte_mempool *const rx[PORT_SIDES] = {p.rx, p.rx};
	for (int side = 0; side < PORT_SIDES; side++)
		config[side] = port_config(args, side);
	if ((rc = port_find_both(both, 1, p.port, error, size)) != 0)
		goto undo_pools;
	if ((rc = port_start_both(both, 1, rx, p.port, error, size)) != 0)
		goto undo_pools;
	if ((rc = wait_for_links(&p, error, size)) != 0)
		goto undo_ports;
	*ret = p;
	return 0;
undo_ports:
	port_stop_both(p.port);
undo_pools:
	rte_mempool_free(p.rx);
	rte_mempool_free(p.tx);
undo_eal:
	rte_eal_cleanup();
	return rc;
}

void ports_stop(struct ports *p)
{
	port_stop_both(p->port);
	rte_mempool_free(p->rx);
	rte_mempool_free(p->tx);
	rte_eal_cleanup();
}
