/* SPDX-License-Identifier: BSD-3-Clause */
#include "memport.h"

#include <stdio.h>
#include <string.h>

#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_ethdev.h>

enum { MTU = 1500 };

static struct memport_queue queues[PORT_SIDES][MEMPORT_QUEUES];
static void *queue_data[PORT_SIDES][MEMPORT_QUEUES];

static uint16_t receive(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct memport_queue *q = queue;
	const uint32_t left = q->rx_count - q->rx_at;

	n = RTE_MIN(n, q->burst);
	n = (uint16_t)RTE_MIN(n, left);
	memcpy(m, q->rx + q->rx_at, n * sizeof(*m));
	q->rx_at += n;
	return n;
}

static uint16_t transmit(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct memport_queue *q = queue;

	n = (uint16_t)RTE_MIN(n, q->tx_room - q->tx_count);
	memcpy(q->tx + q->tx_count, m, n * sizeof(*m));
	q->tx_count += n;
	return n;
}

struct memport_queue *memport_queue(enum port_side side, uint16_t queue)
{
	return &queues[side][queue];
}

/* DPDK's drivers' own interface is not installed everywhere. So a null device gives the port its number, and
 * the table of fast-path functions, which is public, leads to the functions above. */
int memport_start(enum port_side side, struct port *ret_port)
{
	char name[32];
	uint16_t id;

	snprintf(name, sizeof(name), "net_null%d", side);
	int rc = rte_vdev_init(name, "");
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, &id);
	if (rc != 0)
		return rc;
	for (int q = 0; q < MEMPORT_QUEUES; q++)
		queue_data[side][q] = &queues[side][q];
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[id];
	ops->rx_pkt_burst = receive;
	ops->tx_pkt_burst = transmit;
	ops->rxq.data = queue_data[side];
	ops->txq.data = queue_data[side];
	*ret_port = (struct port){.side = side,
				  .dpdk_id = id,
				  .rx_queues = MEMPORT_QUEUES,
				  .tx_queues = MEMPORT_QUEUES,
				  .rss = true,
				  .mtu = MTU,
				  .mac = {0x02, 0, 0, 0, 0, (uint8_t)(0xf0 + side)},
				  .up = true};
	return 0;
}
