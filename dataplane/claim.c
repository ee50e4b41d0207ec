/* SPDX-License-Identifier: BSD-3-Clause */
#include "claim.h"

#include <string.h>

#include "bgf_spi.h"

struct tuple_key claim_key(const struct store *store, uint32_t slot, uint32_t which)
{
	const struct sa_hot *h = &store_hot(store)[slot];
	struct tuple_key key = {.served = h->shared.served,
				.port_local = h->out[which].port_local,
				.port_ue = h->out[which].port_ue,
				.ipv6 = (h->shared.flags & SA_IPV6) != 0};

	memcpy(key.ue, h->shared.ue, sizeof(key.ue));
	return key;
}

static uint8_t *claims_of(const struct store *store, uint32_t ref)
{
	return &store_cold(store, ref >> 1)->tuples;
}

static uint8_t bit_of(uint32_t ref)
{
	return (uint8_t)(1 << (ref & 1));
}

/* The record of the new owner comes first, so that after a crash in between both claim it and the younger
 * gets it. */
int claim_one(const struct store *store, struct tuple_table *tuples, uint32_t slot, uint32_t which, bool take)
{
	const struct tuple_key key = claim_key(store, slot, which);
	const uint32_t ref = tuple_ref(slot, which), other = tuple_find(tuples, &key);

	if (other == ref || (other != TUPLE_NONE && !take))
		return 0;
	int rc = other == TUPLE_NONE ? tuple_add(tuples, &key, ref) : tuple_replace(tuples, &key, ref);
	if (rc != 0)
		return rc;
	*claims_of(store, ref) |= bit_of(ref);
	if (other != TUPLE_NONE)
		*claims_of(store, other) &= (uint8_t)~bit_of(other);
	return 0;
}

/* Gives back what claim_one took: to the set that had it, or to nobody. One store here too. */
static void give_back(const struct store *store, struct tuple_table *tuples, uint32_t slot, uint32_t which,
		      uint32_t former)
{
	const struct tuple_key key = claim_key(store, slot, which);
	const uint32_t ref = tuple_ref(slot, which);

	if (former == ref || tuple_find(tuples, &key) != ref)
		return;
	if (former != TUPLE_NONE) {
		*claims_of(store, former) |= bit_of(former);
		tuple_replace(tuples, &key, former);
	} else {
		tuple_remove(tuples, &key, ref);
	}
	*claims_of(store, ref) &= (uint8_t)~bit_of(ref);
}

/* The set that claim_borrow took from, or one before it did, if it lives: what has out[0]'s tuple again when
 * this one goes. */
static uint32_t lender_of(const struct store *store, uint32_t slot)
{
	const uint64_t id = store_cold(store, slot)->name.replaces;
	const uint32_t from = (uint32_t)id & (BGF_SPI_SLOTS - 1);

	if (id == 0 || from >= store_capacity(store))
		return TUPLE_NONE;
	const struct store_cold *c = store_cold(store, from);
	const struct tuple_key own = claim_key(store, slot, 0), its = claim_key(store, from, 0);
	const bool lends = c->record == STORE_LIVE && c->set_id == id && memcmp(&own, &its, sizeof(own)) == 0;
	return lends ? tuple_ref(from, 0) : TUPLE_NONE;
}

void claim_borrow(const struct store *store, struct tuple_table *tuples, uint32_t slot)
{
	const struct tuple_key key = claim_key(store, slot, 0);
	const uint32_t other = tuple_find(tuples, &key);

	if (other != TUPLE_NONE && store_cold(store, other >> 1)->set_id < store_cold(store, slot)->set_id)
		claim_one(store, tuples, slot, 0, true); /* an exchange, which needs no room */
}

void claim_drop(const struct store *store, struct tuple_table *tuples, uint32_t slot, uint32_t which)
{
	const struct tuple_key key = claim_key(store, slot, which);
	const bool is_temporary = store_hot(store)[slot].shared.flags & SA_TEMPORARY;
	const uint32_t lender = which == 0 && is_temporary ? lender_of(store, slot) : TUPLE_NONE;

	if (lender != TUPLE_NONE)
		give_back(store, tuples, slot, which, lender);
	else
		tuple_remove(tuples, &key, tuple_ref(slot, which)); /* -ENOENT: another's */
}

int claim_both(const struct store *store, struct tuple_table *tuples, uint32_t slot, bool take)
{
	const struct tuple_key key = claim_key(store, slot, 0);
	const uint32_t former = tuple_find(tuples, &key);
	int rc = claim_one(store, tuples, slot, 0, take);

	if (rc != 0)
		return rc;
	rc = claim_one(store, tuples, slot, 1, take);
	if (rc != 0)
		give_back(store, tuples, slot, 0, former);
	return rc;
}
