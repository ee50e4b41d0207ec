/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Next hops against a naive longest-prefix model, while routes, neighbours and own addresses come and go.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include "nexthop.h"

enum { MODEL_ROUTES = 96, GATEWAYS = 6, NEIGHBOURS = 40 };

static struct rte_rcu_qsbr *rcu;
static struct nexthop_table *table;
static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

static struct bgf_addr addr(const char *text)
{
	struct bgf_addr a;
	assert_int_equal(bgf_addr_parse(text, &a), 0);
	return a;
}

static uint16_t find(const struct bgf_addr *a)
{
	const uint8_t *octets = a->octet;
	uint8_t ipv6 = a->family == 6;
	uint16_t id = UINT16_MAX;

	nexthop_find_bulk(table, &octets, &ipv6, 1, &id);
	return id;
}

static uint64_t word_of(const char *text)
{
	struct bgf_addr a = addr(text);
	return nexthop_word(table, find(&a));
}

static uint64_t word(uint8_t last)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, last};
	uint64_t w = 0;

	memcpy(&w, mac, 6);
	return w | NEXTHOP_RESOLVED;
}

static void resolve(const char *text, uint8_t last)
{
	struct bgf_addr a = addr(text);
	const uint8_t mac[6] = {2, 0, 0, 0, 0, last};
	assert_int_equal(nexthop_neighbour_set(table, &a, mac), 0);
}

static int route(const char *prefix, uint8_t length, const char *gateway)
{
	struct bgf_addr p = addr(prefix), g = {0};
	if (gateway)
		g = addr(gateway);
	return nexthop_route_add(table, &p, length, gateway ? &g : NULL);
}

static int setup(void **state)
{
	(void)state;
	rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(8), 64);
	rte_rcu_qsbr_init(rcu, 8);
	table = nexthop_table_new("t", 0, rcu);
	return table == NULL;
}

static int teardown(void **state)
{
	(void)state;
	nexthop_table_free(table);
	rte_free(rcu);
	return 0;
}

/* ---- what a route and a neighbour do ---- */

static void a_gateway_leads_everything_behind_it(void **state)
{
	(void)state;
	struct bgf_addr far = addr("10.1.2.3"), neighbour;

	assert_int_equal(find(&far), NEXTHOP_NONE);
	assert_int_equal(route("10.0.0.0", 8, "10.60.0.2"), 0);
	assert_int_equal(word_of("10.1.2.3"), 0);
	assert_true(nexthop_neighbour_for(table, &far, &neighbour));
	assert_true(bgf_addr_equal(&neighbour, &(struct bgf_addr){.octet = {10, 60, 0, 2}, .family = 4}));
	resolve("10.60.0.2", 7);
	assert_int_equal(word_of("10.1.2.3"), word(7));
	assert_int_equal(nexthop_resolved(table), 1);
	/* Moved to another MAC address, the id stays. */
	uint16_t id = find(&far);
	resolve("10.60.0.2", 8);
	assert_int_equal(find(&far), id);
	assert_int_equal(word_of("10.1.2.3"), word(8));
	struct bgf_addr gateway = addr("10.60.0.2");
	assert_int_equal(nexthop_neighbour_set(table, &gateway, NULL), 0);
	assert_int_equal(word_of("10.1.2.3"), 0);
	assert_int_equal(nexthop_resolved(table), 0);
	assert_int_equal(nexthop_route_del(table, &(struct bgf_addr){.octet = {10}, .family = 4}, 8), 0);
	assert_int_equal(find(&far), NEXTHOP_NONE);
	assert_int_equal(nexthop_routes(table), 0);
}

static void on_link_destinations_have_their_own_neighbour(void **state)
{
	(void)state;
	struct bgf_addr phone = addr("fd00:45::2"), other = addr("fd00:45::3"), neighbour;

	assert_int_equal(route("fd00:45::", 64, NULL), 0);
	assert_int_equal(nexthop_word(table, find(&phone)), 0);
	assert_int_equal(find(&phone), find(&other));
	assert_true(nexthop_neighbour_for(table, &phone, &neighbour));
	assert_true(bgf_addr_equal(&neighbour, &phone));
	resolve("fd00:45::2", 9);
	assert_int_equal(word_of("fd00:45::2"), word(9));
	assert_int_equal(word_of("fd00:45::3"), 0);
	/* The neighbour alone is no route. */
	resolve("fd00:46::2", 9);
	assert_int_equal(word_of("fd00:46::2"), 0);
}

static void own_addresses_are_the_kernels(void **state)
{
	(void)state;
	struct bgf_addr own4 = addr("10.45.0.254"), own6 = addr("fd00:45::fe"), ll = addr("fe80::1"), got;

	assert_int_equal(route("10.45.0.0", 24, NULL), 0);
	assert_int_equal(nexthop_local_add(table, &own4), 0);
	assert_int_equal(nexthop_local_add(table, &ll), 0);
	assert_int_equal(nexthop_local_add(table, &own6), 0);
	assert_int_equal(nexthop_local_add(table, &own6), 0);
	assert_int_equal(find(&own4), NEXTHOP_LOCAL);
	assert_int_equal(find(&own6), NEXTHOP_LOCAL);
	assert_true(nexthop_is_local(table, &own6));
	assert_false(nexthop_neighbour_for(table, &own4, &got));
	assert_int_equal(nexthop_routes(table), 1);
	/* A route to the very address does not take it from the kernel, and cannot be deleted in its stead.
	 */
	assert_int_equal(route("10.45.0.254", 32, "10.45.0.1"), 0);
	assert_int_equal(find(&own4), NEXTHOP_LOCAL);
	assert_int_equal(nexthop_route_del(table, &own4, 32), -ENOENT);
	assert_true(nexthop_local_for(table, &(struct bgf_addr){.octet = {10, 45, 0, 2}, .family = 4}, &got));
	assert_true(bgf_addr_equal(&got, &own4));
	struct bgf_addr far = addr("2001:db8::1"), near = addr("fe80::2");
	assert_true(nexthop_local_for(table, &far, &got));
	assert_true(bgf_addr_equal(&got, &own6));
	assert_true(nexthop_local_for(table, &near, &got));
	assert_true(bgf_addr_equal(&got, &ll));
	assert_int_equal(nexthop_local_del(table, &own6), 0);
	assert_false(nexthop_local_for(table, &far, &got));
	assert_int_equal(find(&own6), NEXTHOP_NONE);
}

static void what_is_no_prefix_is_refused(void **state)
{
	(void)state;
	struct bgf_addr v4 = addr("10.0.0.0"), none = {0};

	assert_int_equal(nexthop_route_add(table, &v4, 33, NULL), -EINVAL);
	assert_int_equal(nexthop_route_add(table, &none, 0, NULL), -EINVAL);
	assert_int_equal(nexthop_route_del(table, &v4, 8), -ENOENT);
	assert_int_equal(nexthop_local_del(table, &v4), -ENOENT);
	assert_int_equal(nexthop_neighbour_set(table, &v4, NULL), -ENOENT);
	/* Host bits are no part of a prefix. */
	assert_int_equal(route("10.1.2.3", 8, "10.60.0.2"), 0);
	assert_int_equal(nexthop_route_del(table, &v4, 8), 0);
}

static void the_best_rank_of_a_dump_counts_and_blackholes_cover(void **state)
{
	(void)state;
	struct nexthop_route r = {
		.prefix = addr("10.0.0.0"), .gateway = addr("10.60.0.2"), .length = 8, .rank = 20};
	struct bgf_addr far = addr("10.1.2.3"), neighbour;

	nexthop_dump_begin(table);
	assert_int_equal(nexthop_route_offer(table, &r), 0);
	r.rank = 10;
	r.gateway = addr("10.60.0.3");
	assert_int_equal(nexthop_route_offer(table, &r), 0);
	r.rank = 30;
	r.gateway = addr("10.60.0.4");
	assert_int_equal(nexthop_route_offer(table, &r), 0);
	nexthop_dump_end(table);
	assert_true(nexthop_neighbour_for(table, &far, &neighbour));
	assert_int_equal(neighbour.octet[3], 3);
	struct bgf_addr gateway;
	uint16_t cursor = 0;
	assert_true(nexthop_gateway_next(table, &cursor, &gateway));
	assert_int_equal(gateway.octet[3], 3);
	assert_false(nexthop_gateway_next(table, &cursor, &gateway));
	/* The better one is gone in the next dump. */
	nexthop_dump_begin(table);
	assert_int_equal(nexthop_route_offer(table, &r), 0);
	nexthop_dump_end(table);
	assert_true(nexthop_neighbour_for(table, &far, &neighbour));
	assert_int_equal(neighbour.octet[3], 4);

	struct nexthop_route hole = {.prefix = addr("10.1.0.0"), .length = 16, .discard = true};
	assert_int_equal(nexthop_route_offer(table, &hole), 0);
	assert_int_equal(find(&far), NEXTHOP_NONE);
	assert_false(nexthop_neighbour_for(table, &far, &neighbour));
}

static void a_dump_sweeps_what_it_did_not_tell(void **state)
{
	(void)state;
	struct bgf_addr own = addr("10.45.0.254"), gone = addr("10.45.0.253");

	route("10.45.0.0", 24, NULL);
	route("10.60.0.0", 16, "10.45.0.1");
	route("fd00::", 16, "fe80::1");
	nexthop_local_add(table, &own);
	nexthop_local_add(table, &gone);
	resolve("10.45.0.1", 1);
	resolve("10.45.0.2", 2);
	nexthop_dump_begin(table);
	/* Until its end the former state serves. */
	assert_int_equal(word_of("10.60.1.1"), word(1));
	assert_int_equal(find(&gone), NEXTHOP_LOCAL);
	route("10.45.0.0", 24, NULL);
	nexthop_local_add(table, &own);
	resolve("10.45.0.2", 3);
	nexthop_dump_end(table);
	assert_int_equal(nexthop_routes(table), 1);
	assert_int_equal(nexthop_resolved(table), 1);
	assert_int_equal(find(&own), NEXTHOP_LOCAL);
	assert_int_equal(word_of("10.45.0.253"), 0);
	assert_int_not_equal(find(&gone), NEXTHOP_LOCAL);
	assert_int_equal(word_of("10.45.0.2"), word(3));
	assert_int_equal(word_of("10.60.1.1"), 0);
	struct bgf_addr far = addr("10.60.1.1");
	assert_int_equal(find(&far), NEXTHOP_NONE);
}

/* Where something flaps all the time, no dump is ever whole. */
static void a_torn_dump_takes_what_it_told_and_keeps_the_rest(void **state)
{
	(void)state;
	struct bgf_addr own = addr("10.45.0.254"), got;

	route("10.1.0.0", 16, "10.45.0.1");
	route("10.2.0.0", 16, "10.45.0.2");
	nexthop_local_add(table, &own);
	for (uint8_t i = 1; i <= 3; i++) {
		char text[BGF_ADDR_STRLEN];
		snprintf(text, sizeof(text), "10.45.0.%u", i);
		resolve(text, i);
	}
	for (int dump = 0; dump < 3; dump++) {
		nexthop_dump_begin(table);
		route("10.1.0.0", 16, "10.45.0.3");
		route("10.3.0.0", 16, "10.45.0.1");
		assert_int_equal(word_of("10.1.1.1"), word(dump == 0 ? 1 : 3)); /* until its end */
		if (dump < 2)
			resolve("10.45.0.3", 3);
		resolve("10.45.0.1", 1);
		nexthop_dump_end_torn(table);
		assert_int_equal(word_of("10.1.1.1"), word(3));
		assert_int_equal(word_of("10.3.1.1"), word(1));
		/* what three in a row did not tell is gone; what the last two did not, is there */
		assert_int_equal(word_of("10.2.1.1"), dump < 2 ? word(2) : 0);
		assert_int_equal(find(&own) == NEXTHOP_LOCAL, dump < 2);
		assert_int_equal(nexthop_local_for(table, &own, &got), dump < 2);
		assert_int_equal(nexthop_resolved(table), dump < 2 ? 3 : 2);
	}
	assert_int_equal(nexthop_routes(table), 2);
	nexthop_dump_begin(table); /* a whole one forgets at once */
	route("10.3.0.0", 16, "10.45.0.1");
	resolve("10.45.0.1", 1);
	nexthop_dump_end(table);
	assert_int_equal(nexthop_routes(table), 1);
	assert_int_equal(nexthop_resolved(table), 1);
}

static void a_dump_that_came_to_no_end_is_none_of_those_that_forget(void **state)
{
	(void)state;
	route("10.2.0.0", 16, "10.45.0.2");
	resolve("10.45.0.2", 2);
	for (int dump = 0; dump < 5; dump++)
		nexthop_dump_begin(table); /* the kernel was busy, or fell silent */
	nexthop_dump_end_torn(table);
	assert_int_equal(word_of("10.2.1.1"), word(2));
}

/* ---- against a naive model ---- */

struct model_route {
	struct bgf_addr prefix;
	uint8_t length;
	int gateway; /* -1: on-link */
	bool live;
};
static struct model_route model[MODEL_ROUTES];
static uint8_t model_mac[2][GATEWAYS + NEIGHBOURS]; /* 0: not resolved */

static bool covers(const struct model_route *r, const struct bgf_addr *a)
{
	if (!r->live || r->prefix.family != a->family)
		return false;
	for (unsigned bit = 0; bit < r->length; bit++)
		if ((r->prefix.octet[bit / 8] ^ a->octet[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

/* Few bits differ, so that prefixes nest, and some are longer than a /24 and a /64. */
static struct bgf_addr random_address(bool ipv6)
{
	struct bgf_addr a = {.octet = {10}, .family = ipv6 ? 6 : 4};

	a.octet[1] = (uint8_t)random_below(2);
	a.octet[2] = (uint8_t)(random_below(2) << 7);
	a.octet[3] = (uint8_t)random_below(NEIGHBOURS);
	if (ipv6) {
		a.octet[8] = (uint8_t)random_below(2);
		a.octet[15] = (uint8_t)random_below(NEIGHBOURS);
	}
	return a;
}

static struct bgf_addr gateway_address(bool ipv6, unsigned i)
{
	struct bgf_addr a = {.octet = {192, 0, 2, (uint8_t)i}, .family = ipv6 ? 6 : 4};
	return a;
}

static void change_route(unsigned i, bool ipv6)
{
	static const uint8_t lengths[2][8] = {{0, 8, 15, 16, 17, 24, 29, 32},
					      {0, 8, 16, 24, 60, 65, 121, 128}};
	struct model_route *r = &model[i];

	if (r->live) {
		assert_int_equal(nexthop_route_del(table, &r->prefix, r->length), 0);
		r->live = false;
		return;
	}
	struct model_route fresh = {.prefix = random_address(ipv6),
				    .length = lengths[ipv6][random_below(8)],
				    .gateway = (int)random_below(GATEWAYS + 1) - 1,
				    .live = true};
	for (unsigned k = 0; k < MODEL_ROUTES; k++) { /* the same prefix: it is replaced */
		if (model[k].length == fresh.length && covers(&model[k], &fresh.prefix))
			model[k].live = false;
	}
	struct bgf_addr gateway = {0};
	if (fresh.gateway >= 0)
		gateway = gateway_address(ipv6, (unsigned)fresh.gateway);
	assert_int_equal(nexthop_route_add(table, &fresh.prefix, fresh.length, &gateway), 0);
	*r = fresh;
}

static void change_gateway(bool ipv6)
{
	unsigned i = random_below(GATEWAYS);
	struct bgf_addr a = gateway_address(ipv6, i);
	uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(1 + random_below(200))};
	bool away = random_below(3) == 0;

	int r = nexthop_neighbour_set(table, &a, away ? NULL : mac);
	assert_true(r == 0 || (away && r == -ENOENT));
	model_mac[ipv6][i] = away ? 0 : mac[5];
}

static void check_bulk(void)
{
	struct bgf_addr a[NEXTHOP_BURST];
	const uint8_t *octets[NEXTHOP_BURST];
	uint8_t ipv6[NEXTHOP_BURST];
	uint16_t id[NEXTHOP_BURST], n = (uint16_t)(1 + random_below(NEXTHOP_BURST));

	for (uint16_t i = 0; i < n; i++) {
		ipv6[i] = random_below(2);
		a[i] = random_address(ipv6[i]);
		octets[i] = a[i].octet;
	}
	nexthop_find_bulk(table, octets, ipv6, n, id);
	for (uint16_t i = 0; i < n; i++) {
		const struct model_route *best = NULL;
		for (unsigned k = 0; k < MODEL_ROUTES; k++)
			if (covers(&model[k], &a[i]) && (!best || model[k].length > best->length))
				best = &model[k];
		if (!best) {
			assert_int_equal(id[i], NEXTHOP_NONE);
			continue;
		}
		uint8_t mac = best->gateway < 0 ? 0 : model_mac[ipv6[i]][best->gateway];
		assert_int_not_equal(id[i], NEXTHOP_NONE);
		assert_int_equal(nexthop_word(table, id[i]), mac ? word(mac) : 0);
		struct bgf_addr neighbour, expect = a[i];
		if (best->gateway >= 0)
			expect = gateway_address(ipv6[i], (unsigned)best->gateway);
		assert_true(nexthop_neighbour_for(table, &a[i], &neighbour));
		assert_true(bgf_addr_equal(&neighbour, &expect));
	}
}

static void agrees_with_a_naive_model_under_churn(void **state)
{
	(void)state;
	memset(model, 0, sizeof(model));
	memset(model_mac, 0, sizeof(model_mac));
	for (int turn = 0; turn < 4000; turn++) {
		unsigned i = random_below(MODEL_ROUTES);
		change_route(i, i % 2);
		if (random_below(4) == 0)
			change_gateway(random_below(2));
		if (turn % 4 == 0)
			check_bulk();
	}
	/* Nothing leaks: when all is gone, all is as it was. */
	nexthop_dump_begin(table);
	nexthop_dump_end(table);
	assert_int_equal(nexthop_routes(table), 0);
	assert_int_equal(nexthop_resolved(table), 0);
}

static void neighbours_come_and_go_without_end(void **state)
{
	(void)state;
	const uint8_t mac[6] = {2};

	route("10.0.0.0", 8, NULL);
	/* Three times as many as there are ids. */
	for (uint32_t i = 1; i < 100000; i++) {
		struct bgf_addr a = {.octet = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
				     .family = 4};
		assert_int_equal(nexthop_neighbour_set(table, &a, mac), 0);
		assert_int_equal(nexthop_neighbour_set(table, &a, NULL), 0);
	}
	assert_int_equal(nexthop_resolved(table), 0);
	int r = 0;
	uint32_t took = 0;
	for (; took < 40000 && r == 0; took++) {
		struct bgf_addr a = {.octet = {10, 9, (uint8_t)(took >> 8), (uint8_t)took}, .family = 4};
		r = nexthop_neighbour_set(table, &a, mac);
	}
	assert_int_equal(r, -ENOSPC);
	assert_in_range(took, 32000, NEXTHOP_MAX);
}

/* ---- read while it changes ---- */

static volatile int stop;

/* A worker that looks up two destinations, of which one's route never changes. */
static void *reader(void *failures)
{
	static const uint8_t steady[4] = {10, 7, 7, 7}, moving[4] = {10, 8, 8, 200};
	const uint8_t *dst[2] = {steady, moving};
	const uint8_t ipv6[2] = {0, 0};
	uint16_t id[2];

	rte_rcu_qsbr_thread_register(rcu, 1);
	rte_rcu_qsbr_thread_online(rcu, 1);
	while (!stop) {
		nexthop_find_bulk(table, dst, ipv6, 2, id);
		uint64_t first = nexthop_word(table, id[0]), second = nexthop_word(table, id[1]);
		if (first != word(1) || (second != word(2) && second != word(3) && id[1] != NEXTHOP_NONE))
			++*(unsigned long *)failures;
		rte_rcu_qsbr_quiescent(rcu, 1);
	}
	rte_rcu_qsbr_thread_offline(rcu, 1);
	rte_rcu_qsbr_thread_unregister(rcu, 1);
	return NULL;
}

static void a_reader_never_sees_another_prefixs_next_hop(void **state)
{
	(void)state;
	unsigned long failures = 0;
	pthread_t thread;

	route("10.7.7.0", 25, "10.0.0.1");
	route("10.8.0.0", 16, "10.0.0.2");
	resolve("10.0.0.1", 1);
	resolve("10.0.0.2", 2);
	resolve("10.0.0.3", 3);
	resolve("10.0.0.4", 4);
	stop = 0;
	assert_int_equal(pthread_create(&thread, NULL, reader, &failures), 0);
	for (int i = 0; i < 500; i++) {
		struct bgf_addr a = addr("10.8.8.128"), b = addr("10.9.9.128");
		route("10.8.8.128", 25, "10.0.0.3");
		assert_int_equal(nexthop_route_del(table, &a, 25), 0);
		/* Takes the group of entries that the other had. */
		route("10.9.9.128", 25, "10.0.0.4");
		assert_int_equal(nexthop_route_del(table, &b, 25), 0);
	}
	stop = 1;
	pthread_join(thread, NULL);
	assert_int_equal(failures, 0);
}

/* The least memory the gateway is configured with: both ports' tables beside 16,384 packet buffers. */
static void two_tables_fit_256_mb_beside_the_packet_buffers(void **state)
{
	(void)state;
	struct nexthop_table *second = nexthop_table_new("second", 0, rcu);
	struct rte_mempool *pool = rte_pktmbuf_pool_create("p", 16384, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);

	assert_non_null(second);
	assert_non_null(pool);
	rte_mempool_free(pool);
	nexthop_table_free(second);
}

int main(void)
{
	static char prefix[48];
	snprintf(prefix, sizeof(prefix), "--file-prefix=nexthop%d", getpid());
	char *args[] = {"test_nexthop",	  "--no-huge",	       "-m",   "256", "--no-pci", "--no-shconf",
			"--no-telemetry", "--log-level=error", prefix, NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_gateway_leads_everything_behind_it, setup, teardown),
		cmocka_unit_test_setup_teardown(on_link_destinations_have_their_own_neighbour, setup,
						teardown),
		cmocka_unit_test_setup_teardown(own_addresses_are_the_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_prefix_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(the_best_rank_of_a_dump_counts_and_blackholes_cover, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_dump_sweeps_what_it_did_not_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_dump_takes_what_it_told_and_keeps_the_rest, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_dump_that_came_to_no_end_is_none_of_those_that_forget,
						setup, teardown),
		cmocka_unit_test_setup_teardown(agrees_with_a_naive_model_under_churn, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_come_and_go_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_never_sees_another_prefixs_next_hop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(two_tables_fit_256_mb_beside_the_packet_buffers, setup,
						teardown),
	};

	if (rte_eal_init(9, args) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
