/* SPDX-License-Identifier: BSD-3-Clause */
#include "field.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "bgf_spi.h"
#include "dataplane/crypto.h"
#include "dataplane/nexthop.h"
#include "dataplane/served.h"
#include "dataplane/sets.h"
#include "dataplane/trouble.h"
#include "dataplane/tuple.h"
#include "dataplane/worker.h"

struct field_inside {
	struct store *store;
	struct tuple_table *tuples;
	struct sets *sets;
	struct trouble *trouble; /* it only lies there: what it takes is counted */
	struct nexthop_table *hops[PORT_SIDES];
	struct rte_rcu_qsbr *rcu;
	struct rte_ring *to_kernel, *notices, *handover[FIELD_WORKERS_MAX];
	struct served_table served;
	int wake;
	volatile int stop;
};

void field_ue_address(uint32_t ue, bool ipv6, uint8_t ret[16])
{
	const uint32_t number = htonl(ipv6 ? ue : 10u << 24 | 1u << 23 | ue);

	memset(ret, 0, 16);
	if (ipv6) {
		memcpy(ret, (uint8_t[4]){0xfd, 0, 0, 0x64}, 4);
		ret[15] = 1;
	}
	memcpy(ret + (ipv6 ? 4 : 0), &number, sizeof(number));
}

void field_served_address(bool ipv6, uint8_t ret[16])
{
	static const uint8_t v4[16] = {10, 50, 0, 1}, v6[16] = {0xfd, 0, 0, 0x50, [15] = 1};
	memcpy(ret, ipv6 ? v6 : v4, 16);
}

static struct bgf_addr parsed(const char *text)
{
	struct bgf_addr a = {.family = 0};
	bgf_addr_parse(text, &a);
	return a;
}

/* One route each way, as to a packet gateway on the one side and the P-CSCFs' router on the other. */
static int route(struct nexthop_table *t, const char *prefix, uint8_t length, const char *gateway)
{
	static const uint8_t mac[6] = {0x02, 0, 0, 0, 0x45, 1};
	const struct bgf_addr p = parsed(prefix), g = parsed(gateway);
	const int rc = nexthop_route_add(t, &p, length, &g);

	return rc != 0 ? rc : nexthop_neighbour_set(t, &g, mac);
}

static int routes(struct field_inside *in)
{
	int rc = 0;

	rc |= route(in->hops[PORT_ACCESS], "10.128.0.0", 9, "10.45.0.1");
	rc |= route(in->hops[PORT_ACCESS], "fd00:64::", 32, "fd00:45::1");
	rc |= route(in->hops[PORT_CORE], "10.50.0.1", 32, "10.60.0.2");
	rc |= route(in->hops[PORT_CORE], "fd00:50::1", 128, "fd00:60::2");
	return rc == 0 ? 0 : -EINVAL;
}

/* Opens the store and removes its name at once: nothing is left, whatever ends this process. */
static int store_make(struct field *f, char *error, size_t error_size)
{
	static const char *const folders[] = {"/dev/hugepages", "/dev/shm"};
	static unsigned count;
	struct stat st;
	char path[64];
	int rc = -ENOENT;

	count++;
	for (int i = 0; i < 2 && rc < 0; i++) {
		snprintf(path, sizeof(path), "%s/bgf-bench-%d-%u.sets", folders[i], (int)getpid(), count);
		rc = store_open(path, f->args.ues, &f->inside->store, error, error_size);
		f->huge = rc >= 0 && i == 0;
	}
	if (rc < 0)
		return rc;
	if (stat(path, &st) == 0)
		f->bytes_per_ue = (double)st.st_size / f->args.ues;
	unlink(path);
	return 0;
}

static struct rte_ring *ring(const char *name, unsigned n, const struct field *f)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s%u_%x", name, n, (unsigned)(uintptr_t)f);
	return rte_ring_create(full, 4096, SOCKET_ID_ANY, RING_F_SC_DEQ);
}

/* Octets that this process has, of DPDK's heap and of the C library's. */
static size_t heaps_used(void)
{
	const struct mallinfo2 process = mallinfo2();
	struct rte_malloc_socket_stats stats;
	const bool known = rte_malloc_get_socket_stats(0, &stats) == 0;

	return process.uordblks + process.hblkhd + (known ? stats.heap_allocsz_bytes : 0);
}

/* What the product took since `before`, whatever it is for: each array by set counts as it is allocated. */
static void count_memory(struct field *f, size_t before)
{
	f->bytes_per_ue += ((double)heaps_used() - (double)before) / f->args.ues;
}

static bool trouble_none(void *context, const struct dpl_trouble *record)
{
	(void)context;
	(void)record;
	return true;
}

static int tables_make(struct field *f)
{
	struct field_inside *in = f->inside;
	static const char *const sides[] = {"access", "core"};

	in->rcu = rte_zmalloc("rcu", rte_rcu_qsbr_get_memsize(f->args.workers), RTE_CACHE_LINE_SIZE);
	if (in->rcu == NULL || rte_rcu_qsbr_init(in->rcu, f->args.workers) != 0)
		return -ENOMEM;
	in->to_kernel = ring("to_kernel", 0, f);
	in->notices = ring("notices", 0, f);
	for (unsigned i = 0; i < f->args.workers; i++)
		in->handover[i] = ring("handover", i, f);
	in->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (int side = 0; side < PORT_SIDES; side++) {
		char name[32];
		snprintf(name, sizeof(name), "%s%x", sides[side], (unsigned)(uintptr_t)f);
		in->hops[side] = nexthop_table_new(name, 0, in->rcu);
		if (in->hops[side] == NULL)
			return -ENOMEM;
	}
	for (int v = 0; v < 2; v++) {
		struct served_address a = {.address = parsed(v ? "fd00:50::1" : "10.50.0.1"),
					   .unprotected = {htons(5060)}};
		if (served_add(&in->served, &a) != 0)
			return -EINVAL;
	}
	const size_t before = heaps_used();
	in->tuples = tuple_table_new(store_hot(in->store), f->args.ues, 0);
	in->trouble = trouble_new(in->store, trouble_none, NULL);
	count_memory(f, before);
	return in->tuples == NULL || in->trouble == NULL ? -ENOMEM : routes(in);
}

/* The set is in: what its UE must know. The ticket's txn is the UE's number. */
static void installed(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	struct field *f = context;
	const uint32_t ue = (uint32_t)ticket->txn;
	struct walk *w = &f->walk[set->owner];

	f->ue[ue].spi_in = ue % 2 == 0 ? set->selectors.spi_ps : set->selectors.spi_pc;
	w->ue[w->count++] = ue;
}

static void order(struct dpl_set_add *add, uint32_t ue, bool ipv6, const uint8_t key[FIELD_KEY])
{
	uint8_t octets[16];

	*add = (struct dpl_set_add){
		.header = {.type = DPL_SET_ADD, .length = sizeof(*add), .txn = ue},
		.selectors = {.port_uc = FIELD_UC,
			      .port_us = FIELD_US,
			      .port_pc = FIELD_PC,
			      .port_ps = FIELD_PS,
			      .spi_uc = BGF_SPI_MIN + 2 * ue,
			      .spi_us = BGF_SPI_MIN + 2 * ue + 1},
		.name = {.alg = BGF_ALG_HMAC_SHA_1_96, .peer = "bench", .subscriber = "bench"},
		.expires = UINT64_MAX,
		.state = BGF_SET_ESTABLISHED,
		.key_length = FIELD_KEY,
	};
	field_ue_address(ue, ipv6, octets);
	bgf_addr_from_octets(octets, ipv6 ? 16 : 4, &add->selectors.ue);
	field_served_address(ipv6, octets);
	bgf_addr_from_octets(octets, ipv6 ? 16 : 4, &add->selectors.served);
	memcpy(add->auth_key, key, FIELD_KEY);
}

static int install(struct field *f, uint32_t ue)
{
	struct field_key *key = &f->key[ue];
	struct dpl_set_add add;
	struct dpl_set_state clash;
	const struct sets_ticket ticket = {.client = 1, .type = DPL_SET_ADD, .txn = ue};

	for (int i = 0; i < FIELD_KEY; i++)
		key->key[i] = (uint8_t)rte_rand();
	int rc = crypto_precompute(key->key, FIELD_KEY, key->inner, key->outer);
	memcpy(f->ue[ue].inner, key->inner, SA_HMAC_STATE);
	memcpy(f->ue[ue].outer, key->outer, SA_HMAC_STATE);
	order(&add, ue, f->args.ipv6, key->key);
	if (rc == 0)
		rc = sets_add(f->inside->sets, &add, &ticket, &clash);
	sets_poll(f->inside->sets);
	return rc;
}

static void shuffle(struct walk *w)
{
	for (uint32_t i = w->count; i > 1; i--) {
		const uint32_t j = (uint32_t)rte_rand_max(i), ue = w->ue[j];
		w->ue[j] = w->ue[i - 1];
		w->ue[i - 1] = ue;
	}
}

static int install_all(struct field *f)
{
	const struct sets_args args = {.store = f->inside->store,
				       .tuples = f->inside->tuples,
				       .served = &f->inside->served,
				       .rcu = f->inside->rcu,
				       .workers = f->args.workers,
				       .done = installed,
				       .context = f};
	const size_t before = heaps_used();
	int rc = sets_new(&args, &f->inside->sets);

	count_memory(f, before);
	f->ue = rte_zmalloc("ues", f->args.ues * sizeof(*f->ue), 64);
	f->key = rte_zmalloc("keys", f->args.ues * sizeof(*f->key), 64);
	for (int w = 0; w < f->args.workers; w++)
		f->walk[w].ue = calloc(f->args.ues, sizeof(uint32_t));
	if (rc != 0 || f->ue == NULL || f->key == NULL)
		return -ENOMEM;
	for (uint32_t ue = 0; ue < f->args.ues && rc == 0; ue++)
		rc = install(f, ue);
	for (int w = 0; w < f->args.workers; w++)
		shuffle(&f->walk[w]);
	return rc;
}

static int workers_make(struct field *f)
{
	struct field_inside *in = f->inside;
	struct worker_args args = {
		.count = f->args.workers,
		.clear_rate = 200,
		.clear_burst = 400,
		.port = {field_port(PORT_ACCESS), field_port(PORT_CORE)},
		.store = in->store,
		.tuples = in->tuples,
		.served = &in->served,
		.nexthops = {in->hops[PORT_ACCESS], in->hops[PORT_CORE]},
		.rcu = in->rcu,
		.to_kernel = in->to_kernel,
		.to_kernel_wake = in->wake,
		.notices = in->notices,
		.stop = &in->stop,
	};
	int rc = 0;

	for (uint16_t w = 0; w < f->args.workers && rc == 0; w++) {
		args.id = w;
		args.lcore = w;
		args.handover = f->args.workers > 1 ? in->handover[w] : NULL;
		args.peers = f->args.workers > 1 ? in->handover : NULL;
		rc = worker_new(&args, &f->worker[w]);
	}
	return rc;
}

struct field *field_new(const struct field_args *args, char *error, size_t error_size)
{
	struct field *f = calloc(1, sizeof(*f));
	struct field_inside *in = calloc(1, sizeof(*in));

	if (f == NULL || in == NULL) {
		free(f);
		free(in);
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	*f = (struct field){.args = *args, .inside = in};
	in->wake = -1;
	if (store_make(f, error, error_size) != 0) {
		field_free(f);
		return NULL;
	}
	int rc = tables_make(f);
	if (rc == 0)
		rc = install_all(f);
	if (rc == 0)
		rc = workers_make(f);
	if (rc == 0)
		return f;
	snprintf(error, error_size, "%u UEs: %s", args->ues, strerror(-rc));
	field_free(f);
	return NULL;
}

void field_free(struct field *f)
{
	struct field_inside *in = f->inside;

	for (int w = 0; w < FIELD_WORKERS_MAX; w++) {
		worker_free(f->worker[w]);
		free(f->walk[w].ue);
		rte_ring_free(in->handover[w]);
	}
	sets_free(in->sets);
	trouble_free(in->trouble);
	for (int side = 0; side < PORT_SIDES; side++)
		if (in->hops[side] != NULL)
			nexthop_table_free(in->hops[side]);
	tuple_table_free(in->tuples);
	rte_free(in->rcu);
	rte_ring_free(in->to_kernel);
	rte_ring_free(in->notices);
	if (in->wake >= 0)
		close(in->wake);
	if (in->store != NULL)
		store_close(in->store);
	rte_free(f->ue);
	rte_free(f->key);
	free(in);
	free(f);
}
