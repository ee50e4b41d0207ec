/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A data plane's state without packets: EAL, store, tables and sets, for test_sets.c and test_ctl.c.
 */
#ifndef STATE_FIXTURE_H
#define STATE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "bgf_spi.h"
#include "sets.h"

enum { CAPACITY = 8, WORKERS = 2 };

struct state {
	char folder[64], path[96];
	struct store *store;
	struct tuple_table *tuples;
	struct served_table served;
	struct rte_rcu_qsbr *rcu;
	struct sets *sets;
	uint16_t workers;
	uint32_t capacity; /* 0: CAPACITY */
	void (*done)(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set);
	void (*tcp_gone)(void *context, const struct bgf_set_selectors *selectors, unsigned which);
	void *context;
};

static inline int eal_up(void)
{
	static char prefix[32];
	static char *args[] = {"test",		 "--no-huge",	      "-m",  "64", "--no-pci", "--no-shconf",
			       "--no-telemetry", "--log-level=error", prefix};

	snprintf(prefix, sizeof(prefix), "--file-prefix=state%d", getpid());
	return rte_eal_init(9, args) < 0 ? -1 : 0;
}

/* Opens the store and takes over what it holds, as a start of the process does. */
static inline void state_open(struct state *s)
{
	const uint32_t capacity = s->capacity != 0 ? s->capacity : CAPACITY;
	char error[512];

	assert_true(store_open(s->path, capacity, &s->store, error, sizeof(error)) == 0);
	s->tuples = tuple_table_new(store_hot(s->store), capacity, 0);
	assert_non_null(s->tuples);
	s->rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(WORKERS), 64);
	assert_int_equal(rte_rcu_qsbr_init(s->rcu, WORKERS), 0);
	struct sets_args args = {.store = s->store,
				 .tuples = s->tuples,
				 .served = &s->served,
				 .rcu = s->rcu,
				 .workers = s->workers,
				 .done = s->done,
				 .context = s->context,
				 .tcp_gone = s->tcp_gone,
				 .tcp_context = s->context};
	assert_int_equal(sets_new(&args, &s->sets), 0);
}

static inline void state_close(struct state *s)
{
	sets_free(s->sets);
	tuple_table_free(s->tuples);
	rte_free(s->rcu);
	store_close(s->store);
}

static inline void state_serve(struct state *s, const char *address)
{
	struct served_address a = {.unprotected = {__builtin_bswap16(5060)}};

	assert_int_equal(bgf_addr_parse(address, &a.address), 0);
	assert_int_equal(served_add(&s->served, &a), 0);
}

static inline void state_new(struct state *s)
{
	strcpy(s->folder, "/dev/shm/bgf-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/sets", s->folder);
	s->workers = WORKERS;
	state_serve(s, "10.50.0.1");
	state_serve(s, "fd00:50::1");
	state_open(s);
}

static inline void state_free(struct state *s)
{
	state_close(s);
	unlink(s->path);
	rmdir(s->folder);
}

/* An order for the nth UE's set; all differ in address only. */
static inline struct dpl_set_add order(unsigned n)
{
	struct dpl_set_add a = {
		.header = {.type = DPL_SET_ADD, .length = sizeof(a), .txn = n},
		.selectors = {.port_uc = 5001,
			      .port_us = 5002,
			      .port_pc = 6060,
			      .port_ps = 6062,
			      .spi_uc = 1000 + n,
			      .spi_us = 2000 + n},
		.name = {.alg = BGF_ALG_HMAC_SHA_1_96, .peer = "pcscf1", .subscriber = "alice"},
		.expires = 42,
		.state = BGF_SET_TEMPORARY,
		.key_length = 20};
	char text[BGF_ADDR_STRLEN];

	snprintf(text, sizeof(text), n % 2 ? "fd00:45::%x" : "10.45.0.%u", n + 2);
	assert_int_equal(bgf_addr_parse(text, &a.selectors.ue), 0);
	assert_int_equal(bgf_addr_parse(n % 2 ? "fd00:50::1" : "10.50.0.1", &a.selectors.served), 0);
	memcpy(a.auth_key, "twenty octets of key", 20);
	return a;
}

#endif
