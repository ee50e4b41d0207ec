/* SPDX-License-Identifier: BSD-3-Clause */
#include "served.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert((int)SERVED_SLOTS >= 4 * (int)SERVED_MAX, "probes stay short");

int served_add(struct served_table *t, const struct served_address *a)
{
	bool ipv6 = a->address.family == 6;

	if (t->count == SERVED_MAX)
		return -ENOSPC;
	if (served_find(t, a->address.octet, ipv6) != SERVED_NONE)
		return -EEXIST;
	unsigned at = served_slot_of(a->address.octet, ipv6);
	while (t->slot[at] != 0)
		at = (at + 1) % SERVED_SLOTS;
	t->entry[t->count] = *a;
	t->slot[at] = ++t->count; /* index + 1: an empty table is all zeros */
	return 0;
}
