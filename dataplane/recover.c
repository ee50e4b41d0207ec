/* SPDX-License-Identifier: BSD-3-Clause */
#include "recover.h"

#include <stdbool.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_prefetch.h>

#include "set_check.h"
#include "set_fill.h"

enum { AHEAD = 4 /* records whose memory is fetched before they are looked at */ };

struct job {
	struct store *store;
	const struct served_table *served;
	uint16_t workers;
	uint32_t capacity;
	const char **fault;
	uint32_t next; /* slot: the chunks from here on are nobody's yet. All lcores */
};

static const char *take_over(const struct job *j, uint32_t slot)
{
	const struct store_cold *c = store_cold(j->store, slot);
	uint16_t served;

	if (c->record != STORE_LIVE)
		return NULL;
	const char *fault = set_check_record(c, slot, j->served, &served);
	if (fault != NULL)
		return fault;
	return set_fill(c, served, j->workers, &store_hot(j->store)[slot]) == 0
		       ? NULL
		       : "its key does not suit its algorithm";
}

static void fetch(const struct job *j, uint32_t slot)
{
	if (slot >= j->capacity)
		return;
	const uint8_t *cold = (const uint8_t *)store_cold(j->store, slot);
	const uint8_t *hot = (const uint8_t *)&store_hot(j->store)[slot];
	for (size_t at = 0; at < sizeof(struct store_cold); at += SA_LINE)
		rte_prefetch0(cold + at);
	for (size_t at = 0; at < sizeof(struct sa_hot); at += SA_LINE)
		rte_prefetch0(hot + at);
}

static int run(void *job)
{
	struct job *j = job;

	for (;;) {
		const uint32_t from = __atomic_fetch_add(&j->next, RECOVER_CHUNK, __ATOMIC_RELAXED);
		if (from >= j->capacity)
			return 0;
		for (uint32_t slot = from; slot < j->capacity && slot < from + RECOVER_CHUNK; slot++) {
			fetch(j, slot + AHEAD);
			j->fault[slot] = take_over(j, slot);
		}
	}
}

void recover_records(struct store *store, const struct served_table *served, uint16_t workers,
		     const char **ret_fault)
{
	struct job j = {.store = store,
			.served = served,
			.workers = workers,
			.capacity = store_capacity(store),
			.fault = ret_fault};
	bool is_helping[RTE_MAX_LCORE] = {false};
	uint32_t chunks = (j.capacity + RECOVER_CHUNK - 1) / RECOVER_CHUNK;
	unsigned lcore;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (chunks-- <= 1)
			break;
		is_helping[lcore] = rte_eal_remote_launch(run, &j, lcore) == 0;
	}
	run(&j);
	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (is_helping[lcore])
			rte_eal_wait_lcore(lcore);
	}
}
