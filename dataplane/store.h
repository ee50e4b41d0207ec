/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The SA store: a file that outlives the process (hugetlbfs, or /dev/shm and mlocked), with one record a set:
 * hot (sa.h) and cold. ARCHITECTURE 'Where state lives' is its specification.
 */
#ifndef BGF_DP_STORE_H
#define BGF_DP_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "bgf_dplink.h"
#include "sa.h"

struct store;

enum store_record { STORE_FREE, STORE_FILLING, STORE_LIVE, STORE_DYING };

/* Cold part of a record: main lcore only, but `drops`, which the owner counts. */
struct store_cold {
	uint8_t record; /* enum store_record */
	uint8_t state;	/* enum bgf_set_state */
	uint8_t first_used;
	uint8_t key_length;
	uint32_t generation; /* of the slot's SPIs */
	uint64_t set_id;
	uint64_t expires; /* CLOCK_BOOTTIME, ns */
	struct bgf_set_selectors selectors;
	struct dpl_set_name name;
	uint8_t auth_key[BGF_AUTH_KEY_MAX]; /* raw: precomputed states are made again at each start */
	uint32_t drops[BGF_DROP_COUNT];
	uint32_t checksum; /* of the identity, so that a torn or foreign record is refused */
};

/* Opens, or makes, the store of `capacity` sets. Returns 0 or a negative errno with a sentence in error[]:
 * another layout, size or make is refused with the reason, after its keys were wiped and it was set aside as
 * PATH.refused. FILLING and DYING records are wiped. Main lcore, before any worker runs. */
int store_open(const char *path, uint32_t capacity, struct store **ret_store, char *error, size_t error_size);
void store_close(struct store *store);

uint32_t store_capacity(const struct store *store);
uint64_t store_epoch(const struct store *store);

/* The arrays, indexed by slot; for the packet path, which does its own bounds check against capacity. */
struct sa_hot *store_hot(const struct store *store);
struct store_cold *store_cold(const struct store *store, uint32_t slot);

#endif
