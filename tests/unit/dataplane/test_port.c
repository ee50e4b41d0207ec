/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ports' queues: how many, whose, and what a device that sorts packets is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "config/config.h"
#include "owner.h"
#include "port.h"
#include "queues.h"
#include "rss.h"

enum { MANY = 4 };

static struct rte_mempool *pool;
static struct config_port config[PORT_SIDES];

/* A device of rings, with as many queues as there are rings. */
static void make_device(enum port_side side, const char *name, unsigned queues)
{
	struct rte_ring *ring[MANY];
	char text[32];

	for (unsigned q = 0; q < queues; q++) {
		snprintf(text, sizeof(text), "%s%u", name, q);
		ring[q] = rte_ring_create(text, 64, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		assert_non_null(ring[q]);
	}
	int id = rte_eth_from_rings(name, ring, queues, ring, queues, 0);
	assert_true(id >= 0);
	config[side] = (struct config_port){.mtu = 1500, .rx_descriptors = 64, .tx_descriptors = 64};
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)id, config[side].device), 0);
}

static int start_both(unsigned workers, struct port port[PORT_SIDES], char *error, unsigned size)
{
	const struct config_port *const both[PORT_SIDES] = {&config[PORT_ACCESS], &config[PORT_CORE]};
	struct rte_mempool *const pools[PORT_SIDES] = {pool, pool};
	int rc = port_find_both(both, (uint16_t)workers, port, error, size);

	return rc == 0 ? port_start_both(both, (uint16_t)workers, pools, port, error, size) : rc;
}

/* Each port for itself: a queue a worker, or what it has, or what the operator allows. */
static void a_port_has_a_queue_for_each_worker_or_what_it_can(void **state)
{
	static const struct {
		unsigned access, core, allowed, workers, want_access, want_core;
	} cases[] = {{MANY, 1, 0, MANY, MANY, 1},
		     {1, MANY, 0, MANY, 1, MANY},
		     {MANY, MANY, 0, 2, 2, 2},
		     {3, 2, 0, MANY, 3, 2},
		     {MANY, MANY, 1, MANY, 1, 1}};
	(void)state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct port port[PORT_SIDES];
		struct rte_eth_dev_info info;
		char name[16], error[256] = "";

		snprintf(name, sizeof(name), "a%u_", i);
		make_device(PORT_ACCESS, name, cases[i].access);
		snprintf(name, sizeof(name), "c%u_", i);
		make_device(PORT_CORE, name, cases[i].core);
		config[PORT_ACCESS].queues = config[PORT_CORE].queues = (uint16_t)cases[i].allowed;
		if (start_both(cases[i].workers, port, error, sizeof(error)) != 0)
			fail_msg("%s", error);
		for (int side = 0; side < PORT_SIDES; side++) {
			const unsigned want = side == PORT_ACCESS ? cases[i].want_access : cases[i].want_core;
			assert_int_equal(rte_eth_dev_info_get(port[side].dpdk_id, &info), 0);
			assert_int_equal(port[side].rx_queues, want);
			assert_int_equal(port[side].tx_queues, want);
			assert_int_equal(info.nb_rx_queues, want);
			assert_int_equal(info.nb_tx_queues, want);
			assert_false(port[side].rss); /* rings do not sort */
		}
		port_stop_both(port);
	}
}

static void a_device_that_is_not_there_is_named_with_its_side(void **state)
{
	struct port port[PORT_SIDES];
	char error[600] = "";
	(void)state;

	make_device(PORT_ACCESS, "there", 1);
	config[PORT_CORE] = config[PORT_ACCESS];
	strcpy(config[PORT_CORE].device, "0000:ff:1f.7");
	assert_true(start_both(1, port, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "port core: device 0000:ff:1f.7: is not there"));
}

/* DPDK's null device spreads nothing, but takes what is asked of a NIC: our key, kinds of packets without
 * ports, a table that leads each bucket to its owner's queue. */
static void a_device_with_rss_is_asked_for_ours(void **state)
{
	struct port port[PORT_SIDES];
	char error[600] = "";
	uint8_t key[OWNER_KEY_MAX] = {0};
	struct rte_eth_rss_conf rss = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct rte_eth_rss_reta_entry64 table[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	(void)state;

	for (int side = 0; side < PORT_SIDES; side++) {
		config[side] = (struct config_port){.mtu = 1500, .rx_descriptors = 64, .tx_descriptors = 64};
		snprintf(config[side].device, sizeof(config[side].device), "net_null%d", side);
	}
	if (start_both(3, port, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	for (int side = 0; side < PORT_SIDES; side++) {
		assert_true(port[side].rss);
		assert_int_equal(port[side].rx_queues, 3);
		assert_int_equal(rte_eth_dev_rss_hash_conf_get(port[side].dpdk_id, &rss), 0);
		assert_memory_equal(key, owner_rss_key, OWNER_KEY_LEAST);
		assert_true((rss.rss_hf & RTE_ETH_RSS_IPV4) && (rss.rss_hf & RTE_ETH_RSS_IPV6));
		assert_int_equal(rss.rss_hf & (RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP), 0);
		assert_int_equal(rte_eth_dev_rss_reta_query(port[side].dpdk_id, table, 128), 0);
		for (unsigned i = 0; i < 128; i++)
			assert_int_equal(table[i / 64].reta[i % 64], i % 3);
	}
	port_stop_both(port);
}

static void the_kinds_of_packets_asked_for_follow_what_is_offered(void **state)
{
#define ADDRESSES (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6)
#define EXACT                                                                             \
	(RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_FRAG_IPV6 | \
	 RTE_ETH_RSS_NONFRAG_IPV6_OTHER)
#define PORTS                                                                                         \
	(RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP | \
	 RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define OTHERS (RTE_ETH_RSS_ESP | RTE_ETH_RSS_L2_PAYLOAD | RTE_ETH_RSS_PORT)
	static const struct {
		uint64_t offered, want;
		bool by_address;
	} cases[] = {
		{0, 0, false},
		{ADDRESSES | EXACT | PORTS | OTHERS, ADDRESSES | EXACT, true},
		{ADDRESSES | PORTS, ADDRESSES, true},
		{EXACT | PORTS | OTHERS, EXACT | PORTS, false}, /* as i40e's */
		{RTE_ETH_RSS_IPV4 | PORTS, RTE_ETH_RSS_IPV4 | PORTS, false},
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool by_address = !cases[i].by_address;
		assert_int_equal(rss_types(cases[i].offered, &by_address), cases[i].want);
		assert_int_equal(by_address, cases[i].by_address);
	}
}

/* Each queue has one worker, each worker one queue that serves it; with a queue a worker, number n is n's. */
static void queues_are_given_out_once(void **state)
{
	(void)state;

	for (uint16_t workers = 1; workers <= 8; workers++)
		for (uint16_t queues = 1; queues <= workers; queues++)
			for (int side = 0; side < PORT_SIDES; side++) {
				unsigned taken = 0;
				for (uint16_t w = 0; w < workers; w++) {
					const uint16_t own = queue_of(side, queues, w, workers);
					const uint16_t by = queue_for(side, queues, w, workers);
					assert_true(by < queues && (own == QUEUE_NONE || own == by));
					taken |= own == QUEUE_NONE ? 0 : 1u << own;
					if (queues == workers)
						assert_int_equal(own, w);
				}
				assert_int_equal(taken, (1u << queues) - 1);
			}
	/* one queue a port: one worker takes what comes from the UEs, the other what comes from the core */
	assert_int_equal(queue_of(PORT_ACCESS, 1, 0, 2), 0);
	assert_int_equal(queue_of(PORT_CORE, 1, 1, 2), 0);
}

static int start(void **state)
{
	static char prefix[32];
	static char *argv[] = {"test",		 "--no-huge",	  "-m",	 "64", "--no-pci", "--no-shconf",
			       "--no-telemetry", "--log-level=1", prefix};
	(void)state;

	snprintf(prefix, sizeof(prefix), "--file-prefix=port%d", getpid());
	if (rte_eal_init(9, argv) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("pool", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_has_a_queue_for_each_worker_or_what_it_can),
		cmocka_unit_test(a_device_that_is_not_there_is_named_with_its_side),
		cmocka_unit_test(a_device_with_rss_is_asked_for_ours),
		cmocka_unit_test(the_kinds_of_packets_asked_for_follow_what_is_offered),
		cmocka_unit_test(queues_are_given_out_once),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
