/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What packets see of a set, made from its record.
 */
#ifndef BGF_DP_SET_FILL_H
#define BGF_DP_SET_FILL_H

#include <stdint.h>

#include "sa.h"
#include "store.h"

/* Fills the hot lines from the cold record, all but inbound SPIs, sequence numbers, windows and counters.
 * `served`: the index of the set's served address. 0, or -errno for a key that does not suit. Any lcore,
 * while nobody else has the set. */
int set_fill(const struct store_cold *cold, uint16_t served, uint16_t workers, struct sa_hot *hot);

#endif
