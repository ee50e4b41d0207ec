/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ports' queues: one pair a worker, on both sides the same number.
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
#include "port.h"

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

/* A queue that no worker polls would swallow what the device puts there. */
static void the_smaller_device_says_how_many_workers_there_are(void **state)
{
	static const struct {
		unsigned access, core, workers, want;
	} cases[] = {{MANY, 1, MANY, 1}, {1, MANY, MANY, 1}, {MANY, MANY, 2, 2}, {3, 2, MANY, 2}};
	const struct config_port *const both[PORT_SIDES] = {&config[PORT_ACCESS], &config[PORT_CORE]};
	(void)state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct port port[PORT_SIDES];
		struct rte_eth_dev_info info;
		char name[16], error[256] = "";

		snprintf(name, sizeof(name), "a%u_", i);
		make_device(PORT_ACCESS, name, cases[i].access);
		snprintf(name, sizeof(name), "c%u_", i);
		make_device(PORT_CORE, name, cases[i].core);
		if (port_start_both(both, (uint16_t)cases[i].workers, pool, port, error, sizeof(error)) != 0)
			fail_msg("%s", error);
		for (int side = 0; side < PORT_SIDES; side++) {
			assert_int_equal(rte_eth_dev_info_get(port[side].dpdk_id, &info), 0);
			assert_int_equal(port[side].queues, cases[i].want);
			assert_int_equal(info.nb_rx_queues, cases[i].want);
			assert_int_equal(info.nb_tx_queues, cases[i].want);
		}
		port_stop_both(port);
	}
}

static void a_device_that_is_not_there_is_named_with_its_side(void **state)
{
	const struct config_port *const both[PORT_SIDES] = {&config[PORT_ACCESS], &config[PORT_CORE]};
	struct port port[PORT_SIDES];
	char error[600] = "";
	(void)state;

	make_device(PORT_ACCESS, "there", 1);
	config[PORT_CORE] = config[PORT_ACCESS];
	strcpy(config[PORT_CORE].device, "0000:ff:1f.7");
	assert_true(port_start_both(both, 1, pool, port, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "port core: device 0000:ff:1f.7: is not there"));
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
		cmocka_unit_test(the_smaller_device_says_how_many_workers_there_are),
		cmocka_unit_test(a_device_that_is_not_there_is_named_with_its_side),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
