/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Taking over a store at start: what concerns each record alone, so that all lcores share a large store. What
 * concerns several, the outbound tuples, is done by sets.c afterwards.
 */
#ifndef BGF_DP_RECOVER_H
#define BGF_DP_RECOVER_H

#include <stdint.h>

#include "served.h"
#include "store.h"

enum { RECOVER_CHUNK = 2048 /* slots that a lcore takes at once */ };

/* Checks every LIVE record and fills its hot lines again. ret_fault, one a slot and all NULL: why the record
 * there cannot be served. Main lcore, while the others are idle; returns when all are done. */
void recover_records(struct store *store, const struct served_table *served, uint16_t workers,
		     const char **ret_fault);

#endif
