/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which set an outbound tuple leads to: its entry in the look-up table, and the bit in the records of those
 * who claim it, by which a start finds the owner again. Main lcore only.
 */
#ifndef BGF_DP_CLAIM_H
#define BGF_DP_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"
#include "tuple.h"

/* The outbound tuple of out[which] of the set in a slot (rule 1). */
struct tuple_key claim_key(const struct store *store, uint32_t slot, uint32_t which);

/* Gives a set an outbound tuple that is free, or, with `take`, one that another set has (rule 6): with one
 * store, so that no packet finds neither. 0 too where another keeps it; -ENOSPC: the table is full. */
int claim_one(const struct store *store, struct tuple_table *tuples, uint32_t slot, uint32_t which,
	      bool take);

/* The same for both of a set's: both, or none and all is as before. */
int claim_both(const struct store *store, struct tuple_table *tuples, uint32_t slot, bool take);

#endif
