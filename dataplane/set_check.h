/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether what control orders, or what a store holds, is a set that this data plane can serve. Pure.
 */
#ifndef BGF_DP_SET_CHECK_H
#define BGF_DP_SET_CHECK_H

#include <stdint.h>

#include "bgf_dplink.h"
#include "served.h"
#include "store.h"

/* Selectors in bounds (rules 2, 4, 5, 7) and the served address one of ours. 0 with the index of the served
 * address, -EADDRNOTAVAIL when it is none, -EINVAL. */
int set_check_selectors(const struct bgf_set_selectors *s, const struct served_table *served,
			uint16_t *ret_served);

/* All of the name's texts end. 0 or -EINVAL. */
int set_check_name(const struct dpl_set_name *name);

/* A state of BGF_SET_STATE_LIST. 0 or -EINVAL. */
int set_check_state(uint8_t state);

/* An algorithm that the packet path has, with a key of its length (rules 11, 13). 0 or -EINVAL. */
int set_check_key(const struct dpl_set_name *name, uint8_t key_length);

/* Why a LIVE record that a start found in a slot cannot be served, or NULL with the index of its served
 * address. */
const char *set_check_record(const struct store_cold *cold, uint32_t slot, const struct served_table *served,
			     uint16_t *ret_served);

#endif
