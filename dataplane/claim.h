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

/* Rule 6: the tuple of a set's out[0], from port_ps to port_uc, from an older set. A UE that lost its sets
 * can answer nothing that leaves under the old one; over TCP not even the REGISTER would come, without which
 * there is no CONFIRM. Nothing begins on that pair at the P-CSCF, so the old set loses answers only. For a
 * temporary set whose keys the UE is known to have. */
void claim_borrow(const struct store *store, struct tuple_table *tuples, uint32_t slot);

/* Takes an outbound tuple out of the look-up, if it is the set's. That of out[0] of a set that was never
 * confirmed goes to the set that it was to replace, if that lives: with one store. The set's record is not
 * LIVE any more. */
void claim_drop(const struct store *store, struct tuple_table *tuples, uint32_t slot, uint32_t which);

#endif
