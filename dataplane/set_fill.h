/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What packets see of a set, made from its record.
 */
#ifndef BGF_DP_SET_FILL_H
#define BGF_DP_SET_FILL_H

#include <stdint.h>

#include "sa.h"
#include "store.h"

/* SA_TEMPORARY or 0, for a set that comes to this state with these flags: rule 16 applies until the set is
 * confirmed, also while it drains because its authentication failed. */
uint8_t set_temporary(uint8_t state, uint8_t flags);

/* Fills the hot lines from the cold record, all but inbound SPIs, sequence numbers, windows and counters.
 * `served`: the index of the set's served address. 0, or -errno for a key that does not suit. Any lcore,
 * while nobody else has the set. */
int set_fill(const struct store_cold *cold, uint16_t served, uint16_t workers, struct sa_hot *hot);

#endif
