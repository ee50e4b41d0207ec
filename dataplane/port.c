/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "config/config.h"
#include "log.h"
#include "owner.h"
#include "port_list.h"
#include "rss.h"

static const char *const side_name[PORT_SIDES] = {"access", "core"};

/* What goes wrong where, in one sentence. Returns rc. */
__attribute__((format(printf, 5, 6))) static int fault(const struct port *p, int rc, char *error,
						       unsigned size, const char *format, ...)
{
	int n = snprintf(error, size, "port %s: device %s: ", side_name[p->side], p->device);
	va_list args;

	va_start(args, format);
	if (n >= 0 && (unsigned)n < size)
		vsnprintf(error + n, size - (unsigned)n, format, args);
	va_end(args);
	return rc;
}

/* The DPDK name of a device text: what comes before the first comma; of a PCI address the long form. */
static void device_name(const char *device, char *name, size_t size)
{
	unsigned domain = 0, bus, dev, function;

	snprintf(name, size, "%.*s", (int)strcspn(device, ","), device);
	if (sscanf(name, "%x:%x:%x.%x", &domain, &bus, &dev, &function) == 4 ||
	    (domain = 0, sscanf(name, "%x:%x.%x", &bus, &dev, &function) == 3))
		snprintf(name, size, "%04x:%02x:%02x.%x", domain, bus, dev, function);
}

static int device_find(struct port *p, char *error, unsigned size)
{
	char name[sizeof(p->device) + 8], there[512];
	uint16_t id;

	device_name(p->device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &id) != 0) {
		int rc = rte_dev_probe(p->device);
		if (rc == 0)
			rc = rte_eth_dev_get_port_by_name(name, &id);
		if (rc != 0) {
			port_list_available(there, sizeof(there));
			/* drivers return -1 for whatever it was: no text is better than "not permitted" */
			return fault(p, -ENODEV, error, size, "is not there or cannot be used; there are: %s",
				     there);
		}
	}
	p->dpdk_id = id;
	return 0;
}

/* RSS with the key that owner_of computes with, where there are several queues. */
static struct rte_eth_rss_conf rss_wanted(const struct port *p, const struct rte_eth_dev_info *info,
					  bool *ret_by_address)
{
	const uint8_t length = info->hash_key_size > 0 ? info->hash_key_size : OWNER_KEY_LEAST;

	*ret_by_address = false;
	return (struct rte_eth_rss_conf){
		.rss_key = (uint8_t *)(uintptr_t)owner_rss_key,
		.rss_key_len = RTE_MIN(length, OWNER_KEY_MAX),
		.rss_hf = p->rx_queues > 1 ? rss_types(info->flow_type_rss_offloads, ret_by_address) : 0,
	};
}

/* Whether the device hashes as it was asked: by its own word, for some take no key and say nothing. */
static bool rss_taken(const struct port *p, const struct rte_eth_rss_conf *wanted)
{
	uint8_t key[UINT8_MAX] = {0};
	struct rte_eth_rss_conf is = {.rss_key = key, .rss_key_len = sizeof(key)};

	return rte_eth_dev_rss_hash_conf_get(p->dpdk_id, &is) == 0 && is.rss_hf == wanted->rss_hf &&
	       memcmp(key, owner_rss_key, OWNER_KEY_LEAST) == 0;
}

/* A device that checks UDP and TCP by itself spares the worker the sum over whole payloads. The IPv4 header's
 * checksum is neither left to it on the way in nor on the way out: ten instructions on a line that is in the
 * cache are less than what asking for it takes. */
static uint64_t offloads(const struct port *p, const struct rte_eth_dev_info *info)
{
	return p->verify_l4
		       ? info->rx_offload_capa & (RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
		       : 0;
}

static int configure(const struct port *p, const struct rte_eth_dev_info *info,
		     const struct rte_eth_rss_conf *rss)
{
	struct rte_eth_conf conf = {.rxmode = {.mtu = p->mtu, .offloads = offloads(p, info)}};

	if (rss->rss_hf != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = *rss;
	}
	return rte_eth_dev_configure(p->dpdk_id, p->rx_queues, p->tx_queues, &conf);
}

static int queues_setup(struct port *p, const struct config_port *config, struct rte_mempool *pool)
{
	uint16_t rx = config->rx_descriptors, tx = config->tx_descriptors;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->dpdk_id, &rx, &tx);

	for (uint16_t q = 0; q < p->rx_queues && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->dpdk_id, q, rx, (unsigned)p->socket, NULL, pool);
	for (uint16_t q = 0; q < p->tx_queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->dpdk_id, q, tx, (unsigned)p->socket, NULL);
	return rc;
}

/* The indirection table leads each bucket of owner_of to its worker's queue; a table whose length is no
 * multiple of the buckets' number cannot. */
static bool indirection_set(const struct port *p, uint16_t size, uint16_t workers)
{
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE] = {0};

	if (size == 0 || size > RTE_ETH_RSS_RETA_SIZE_512)
		return false;
	for (uint16_t i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];
		group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = rss_queue(p->side, i, p->rx_queues, workers);
	}
	return rte_eth_dev_rss_reta_update(p->dpdk_id, table, size) == 0 && size % OWNER_BUCKETS == 0;
}

/* p->rss: whether the device brings each packet to its owner. Where it does not, workers hand over. */
static void rss_start(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_rss_conf *wanted,
		      bool by_address, uint16_t workers)
{
	if (wanted->rss_hf == 0)
		return;
	rte_eth_dev_rss_hash_update(p->dpdk_id, wanted); /* for those that take it only once they run */
	const bool led = indirection_set(p, info->reta_size, workers);
	p->rss = led && by_address && p->rx_queues == workers && rss_taken(p, wanted);
}

static int info_get(const struct port *p, struct rte_eth_dev_info *ret_info, char *error, unsigned size)
{
	int rc = rte_eth_dev_info_get(p->dpdk_id, ret_info);

	return rc == 0 ? 0 : fault(p, rc, error, size, "tells nothing of itself: %s", strerror(-rc));
}

static int bring_up(struct port *p, const struct config_port *config, uint16_t workers,
		    struct rte_mempool *pool, char *error, unsigned size)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc = info_get(p, &info, error, size);

	if (rc != 0)
		return rc;
	if (p->mtu > info.max_mtu || p->mtu < info.min_mtu)
		return fault(p, -EINVAL, error, size, "mtu %u; the device can %u to %u", p->mtu, info.min_mtu,
			     info.max_mtu);
	bool by_address;
	struct rte_eth_rss_conf rss = rss_wanted(p, &info, &by_address);
	rc = configure(p, &info, &rss);
	if (rc != 0)
		return fault(p, rc, error, size,
			     "cannot be configured for %u receive and %u transmit queues: %s", p->rx_queues,
			     p->tx_queues, strerror(-rc));
	rc = queues_setup(p, config, pool);
	if (rc != 0)
		return fault(p, rc, error, size, "queues with %u and %u descriptors: %s (more `mbufs`?)",
			     config->rx_descriptors, config->tx_descriptors, strerror(-rc));
	rc = rte_eth_dev_start(p->dpdk_id);
	if (rc != 0)
		return fault(p, rc, error, size, "does not start: %s", strerror(-rc));
	rss_start(p, &info, &rss, by_address, workers);
	/* only frames to the port's own MAC, but all of the multicast: neighbour discovery is among it; what
	 * a device cannot do here, classify does */
	rte_eth_promiscuous_disable(p->dpdk_id);
	rte_eth_allmulticast_enable(p->dpdk_id);
	rc = rte_eth_macaddr_get(p->dpdk_id, &mac);
	if (rc != 0)
		return fault(p, rc, error, size, "has no MAC address: %s", strerror(-rc));
	memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
	port_poll(p);
	return 0;
}

/* As many as there are workers, or as the device has; no more than the operator allows: memif's drivers, for
 * one, do not know how many the other side will have. */
static uint16_t queues_wanted(uint16_t workers, uint16_t device, uint32_t allowed)
{
	const uint32_t n = RTE_MIN(workers, device);

	return (uint16_t)(allowed > 0 ? RTE_MIN(n, allowed) : n);
}

static int port_find(enum port_side side, const struct config_port *config, uint16_t workers,
		     struct port *ret_port, char *error, unsigned size)
{
	struct port p = {.side = side, .mtu = config->mtu, .verify_l4 = config->verify_l4};
	struct rte_eth_dev_info info;

	snprintf(p.device, sizeof(p.device), "%s", config->device);
	snprintf(p.tap, sizeof(p.tap), "%s", config->tap);
	int rc = device_find(&p, error, size);
	if (rc == 0)
		rc = info_get(&p, &info, error, size);
	if (rc != 0)
		return rc;
	p.socket = rte_eth_dev_socket_id(p.dpdk_id);
	if (p.socket < 0) /* a device without a place, as all virtual ones: the main lcore's */
		p.socket = (int)rte_socket_id();
	p.rx_queues = queues_wanted(workers, info.max_rx_queues, config->queues);
	p.tx_queues = queues_wanted(workers, info.max_tx_queues, config->queues);
	*ret_port = p;
	return 0;
}

int port_find_both(const struct config_port *const config[PORT_SIDES], uint16_t workers,
		   struct port ret_port[PORT_SIDES], char *error, unsigned error_size)
{
	int rc = 0;

	for (int side = 0; side < PORT_SIDES && rc == 0; side++)
		rc = port_find((enum port_side)side, config[side], workers, &ret_port[side], error,
			       error_size);
	return rc;
}

static void port_stop(struct port *p)
{
	int rc = rte_eth_dev_stop(p->dpdk_id);

	if (rc != 0)
		dp_log(DP_WARNING, "port %s: does not stop: %s", side_name[p->side], strerror(-rc));
	rte_eth_dev_close(p->dpdk_id);
}

int port_start_both(const struct config_port *const config[PORT_SIDES], uint16_t workers,
		    struct rte_mempool *const pool[PORT_SIDES], struct port port[PORT_SIDES], char *error,
		    unsigned error_size)
{
	int rc = 0;

	for (int side = 0; side < PORT_SIDES && rc == 0; side++) {
		rc = bring_up(&port[side], config[side], workers, pool[side], error, error_size);
		if (rc == 0)
			continue;
		rte_eth_dev_close(port[side].dpdk_id);
		while (side-- > 0)
			port_stop(&port[side]);
		break;
	}
	return rc;
}

void port_stop_both(struct port port[PORT_SIDES])
{
	for (int side = PORT_SIDES; side-- > 0;)
		port_stop(&port[side]);
}

bool port_poll(struct port *p)
{
	struct rte_eth_link link = {0};
	bool was = p->up;

	if (rte_eth_link_get_nowait(p->dpdk_id, &link) == 0)
		p->up = link.link_status == RTE_ETH_LINK_UP;
	return p->up != was;
}
