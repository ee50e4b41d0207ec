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
	uint32_t generation; /* of the slot's SPIs; outlives the set, 0: never used */
	uint64_t set_id;
	uint64_t expires; /* CLOCK_BOOTTIME, ns */
	struct bgf_set_selectors selectors;
	struct dpl_set_name name;
	uint8_t auth_key[BGF_AUTH_KEY_MAX]; /* raw: precomputed states are made again at each start */
	uint32_t drops[BGF_DROP_COUNT];
	uint32_t checksum; /* of the identity, so that a torn or foreign record is refused */
	uint8_t tuples; /* bit n: the outbound tuple of out[n] leads to this set (rule 6: or to an older) */
	uint8_t watch;	/* FIRST_USED was asked for (rule 20) */
	uint8_t watch_keys; /* a first good packet was asked for (rule 6) */
	uint8_t spare[1];
};

/* Opens, or makes, the store of `capacity` sets. A store of another layout, size, make or boot is refused:
 * its keys are wiped, what is left of it is set aside as PATH.refused and a new store, with a new epoch,
 * takes its place. An operator who changes `capacity` or the version gets a gateway that serves, and P-CSCFs
 * hear that their sets are lost. FILLING and DYING records are wiped. Main lcore, before any worker runs.
 *
 * Returns 0; STORE_REFUSED when a former store was refused, with the reason in error[]; or a negative errno
 * with a sentence in error[]: -EBUSY another process has it, -ENOSPC no room, -EINVAL no place for keys. */
enum { STORE_REFUSED = 1 };
int store_open(const char *path, uint32_t capacity, struct store **ret_store, char *error, size_t error_size);
void store_close(struct store *store);

uint32_t store_capacity(const struct store *store);
uint64_t store_epoch(const struct store *store);
const uint8_t *store_boot_id(const struct store *store); /* 16 octets */

/* The arrays, indexed by slot; for the packet path, which does its own bounds check against capacity. */
struct sa_hot *store_hot(const struct store *store);
struct store_cold *store_cold(const struct store *store, uint32_t slot);

/* A set id that this store never gave before; its low BGF_SPI_SLOT_BITS are the slot. Main lcore. */
uint64_t store_set_id_next(struct store *store, uint32_t slot);

/* The change of a set that is being made; none while its set_id is 0. It is written here whole before its
 * record is touched, so that a crash in between leaves it done and not torn: who opens the store makes it
 * again. Main lcore. */
struct dpl_set_update *store_change(struct store *store);

/* Seals a filled record with its checksum; whether a record's checksum is right. Main lcore. */
void store_seal(struct store_cold *cold);
int store_sealed(const struct store_cold *cold);

/* Wipes keys and all else of a record but its generation and makes it FREE. Main lcore, when no worker can
 * hold it any more. */
void store_wipe(struct store *store, uint32_t slot);

#endif
