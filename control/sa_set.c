/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sa_set.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 256, CACHE_LINE = 64 };

/* --- hashes of the keys: each is packed without gaps, for padding is not part of a key --- */

/* The data plane gives ids, and their low bits are a slot's: no two are alike, and no UE chooses them. So an
 * id is its own hash, and ids with the same low bits lie together (sa_table_of_ids). */
static uint64_t hash_id(uint64_t id)
{
	return id;
}

static uint64_t hash_reference(const struct peer *peer, uint64_t reference)
{
	uint64_t key[2] = {(uintptr_t)peer, reference};

	return hash_octets(key, sizeof(key));
}

static uint64_t hash_registration(const struct peer *peer, const char *subscriber,
				  const char *registration_id)
{
	uint8_t key[sizeof(peer) + BGF_SUBSCRIBER_MAX + 1 + BGF_REGISTRATION_ID_MAX];
	size_t subscriber_length = strlen(subscriber) + 1, length = sizeof(peer);

	memcpy(key, &peer, sizeof(peer));
	memcpy(key + length, subscriber, subscriber_length); /* its NUL parts the two */
	length += subscriber_length;
	memcpy(key + length, registration_id, strlen(registration_id));
	return hash_octets(key, length + strlen(registration_id));
}

static uint64_t hash_subscriber(const char *subscriber)
{
	return hash_octets(subscriber, strlen(subscriber));
}

static uint64_t hash_ue(const struct bgf_addr *ue)
{
	return hash_octets(ue->octet, sizeof(ue->octet));
}

static uint64_t hash_pair(const struct bgf_set_selectors *s, uint16_t port_ue, uint16_t port_local)
{
	uint16_t key[18];

	memcpy(key, s->ue.octet, sizeof(s->ue.octet));
	memcpy(key + 8, s->served.octet, sizeof(s->served.octet));
	key[16] = port_ue;
	key[17] = port_local;
	return hash_octets(key, sizeof(key));
}

static uint64_t hash_spi(const struct bgf_addr *ue, uint32_t spi)
{
	uint32_t key[5];

	memcpy(key, ue->octet, sizeof(ue->octet));
	key[4] = spi;
	return hash_octets(key, sizeof(key));
}

/* --- a set --- */

/* Sets that ended, for the next ones: their memory is never broken up by smaller things, so that it stays as
 * large as the most sets at one time needed. A sanitizer is to see a use after the end, so it gets them back.
 */
static SLIST_HEAD(, sa_set) spare = SLIST_HEAD_INITIALIZER(spare);

struct sa_set *sa_set_new(void)
{
	struct sa_set *set = SLIST_FIRST(&spare);

	if (set != NULL) {
		SLIST_REMOVE_HEAD(&spare, spare);
		memset(set, 0, sizeof(*set));
	} else {
		set = calloc(1, sizeof(*set));
	}
	if (set != NULL)
		STAILQ_INIT(&set->waiting);
	return set;
}

void sa_set_free(struct sa_set *set)
{
	/* name.content is a digest over the keys. */
	OPENSSL_cleanse(set, sizeof(*set));
#ifdef __SANITIZE_ADDRESS__
	free(set);
#else
	SLIST_INSERT_HEAD(&spare, set, spare);
#endif
}

bool sa_set_is_older(const struct sa_set *set, const struct sa_set *than)
{
	return set->name.installed < than->name.installed &&
	       !((set->name.flags ^ than->name.flags) & BGF_SET_EMERGENCY);
}

/* --- the table --- */

int sa_table_init(struct sa_table *t)
{
	struct hash *hashes[] = {&t->id, &t->reference, &t->registration, &t->subscriber,
				 &t->ue, &t->uc,	&t->us,		  &t->spi};

	*t = (struct sa_table){0};
	for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++) {
		if (hash_init(hashes[i]) != 0) {
			sa_table_free(t);
			return -ENOMEM;
		}
	}
	return 0;
}

void sa_table_free(struct sa_table *t)
{
	hash_free(&t->id);
	hash_free(&t->reference);
	hash_free(&t->registration);
	hash_free(&t->subscriber);
	hash_free(&t->ue);
	hash_free(&t->uc);
	hash_free(&t->us);
	hash_free(&t->spi);
	free(t->slot);
	free(t->free_slot);
	*t = (struct sa_table){0};
}

void sa_table_reserve(struct sa_table *t, uint32_t count)
{
	hash_reserve(&t->id, count);
	hash_reserve(&t->reference, count);
	hash_reserve(&t->registration, count);
	hash_reserve(&t->subscriber, count);
	hash_reserve(&t->ue, count);
	hash_reserve(&t->uc, count);
	hash_reserve(&t->us, count);
	hash_reserve(&t->spi, 2 * (size_t)count);
}

static int grow_slots(struct sa_table *t)
{
	uint32_t slots = t->slots == 0 ? SLOTS_MIN : t->slots * 2;
	struct sa_set **slot = realloc(t->slot, slots * sizeof(*slot));
	if (slot == NULL)
		return -ENOMEM;
	t->slot = slot;
	uint32_t *free_slot = realloc(t->free_slot, slots * sizeof(*free_slot));
	if (free_slot == NULL)
		return -ENOMEM;
	t->free_slot = free_slot;

	/* The lowest is taken first, so that a listing is dense. */
	for (uint32_t i = slots; i-- > t->slots;) {
		t->slot[i] = NULL;
		t->free_slot[t->free_slots++] = i;
	}
	t->slots = slots;
	return 0;
}

int sa_table_enter(struct sa_table *t, struct sa_set *set)
{
	const struct bgf_set_selectors *s = &set->selectors;
	const struct dpl_set_name *name = &set->name;
	const struct {
		struct hash *table;
		struct hash_node *node;
		uint64_t hash;
	} place[] = {
		{&t->reference, &set->by_reference, hash_reference(set->peer, name->reference)},
		{&t->registration, &set->by_registration,
		 hash_registration(set->peer, name->subscriber, name->registration_id)},
		{&t->subscriber, &set->by_subscriber, hash_subscriber(name->subscriber)},
		{&t->ue, &set->by_ue, hash_ue(&s->ue)},
		{&t->uc, &set->by_uc, hash_pair(s, s->port_uc, s->port_ps)},
		{&t->us, &set->by_us, hash_pair(s, s->port_us, s->port_pc)},
		{&t->spi, &set->by_spi_uc, hash_spi(&s->ue, s->spi_uc)},
		{&t->spi, &set->by_spi_us, hash_spi(&s->ue, s->spi_us)},
	};
	enum { PLACES = sizeof(place) / sizeof(*place) };

	if (t->free_slots == 0 && grow_slots(t) != 0)
		return -ENOMEM;
	set->slot = t->free_slot[--t->free_slots];
	t->slot[set->slot] = set;
	t->count++;
	for (size_t i = 0; i < PLACES; i++) /* waited for together */
		hash_prefetch(place[i].table, place[i].hash);
	for (size_t i = 0; i < PLACES; i++)
		hash_insert(place[i].table, place[i].node, place[i].hash, set);
	if (set->id != 0)
		sa_table_identify(t, set, set->id);
	return 0;
}

void sa_table_identify(struct sa_table *t, struct sa_set *set, uint64_t id)
{
	set->id = id;
	hash_insert(&t->id, &set->by_id, hash_id(id), set);
}

void sa_table_leave(struct sa_table *t, struct sa_set *set)
{
	hash_remove(&t->id, &set->by_id);
	hash_remove(&t->reference, &set->by_reference);
	hash_remove(&t->registration, &set->by_registration);
	hash_remove(&t->subscriber, &set->by_subscriber);
	hash_remove(&t->ue, &set->by_ue);
	hash_remove(&t->uc, &set->by_uc);
	hash_remove(&t->us, &set->by_us);
	hash_remove(&t->spi, &set->by_spi_uc);
	hash_remove(&t->spi, &set->by_spi_us);
	t->slot[set->slot] = NULL;
	t->free_slot[t->free_slots++] = set->slot;
	t->count--;
}

void sa_table_prefetch(const struct sa_table *t, const struct peer *peer, uint64_t reference,
		       const char *subscriber, const char *registration_id, const struct bgf_set_selectors *s)
{
	hash_prefetch(&t->reference, hash_reference(peer, reference));
	hash_prefetch(&t->registration, hash_registration(peer, subscriber, registration_id));
	hash_prefetch(&t->subscriber, hash_subscriber(subscriber));
	hash_prefetch(&t->ue, hash_ue(&s->ue));
	hash_prefetch(&t->uc, hash_pair(s, s->port_uc, s->port_ps));
	hash_prefetch(&t->us, hash_pair(s, s->port_us, s->port_pc));
	hash_prefetch(&t->spi, hash_spi(&s->ue, s->spi_uc));
	hash_prefetch(&t->spi, hash_spi(&s->ue, s->spi_us));
}

void sa_table_prefetch_id(const struct sa_table *t, uint64_t id)
{
	hash_prefetch(&t->id, hash_id(id));
}

void sa_table_prefetch_set(const struct sa_table *t, uint64_t id)
{
	const struct hash_node *node = hash_peek(&t->id, hash_id(id));

	if (node == NULL)
		return;
	const uint8_t *set = (const uint8_t *)node - offsetof(struct sa_set, by_id);
	for (size_t at = 0; at < sizeof(struct sa_set); at += CACHE_LINE)
		__builtin_prefetch(set + at);
}

/* --- look-ups --- */

static struct hash_node *step(const struct hash *h, uint64_t hash, struct hash_node *at)
{
	return at == NULL ? hash_first(h, hash) : hash_next(at);
}

struct sa_set *sa_table_by_id(const struct sa_table *t, uint64_t id)
{
	for (struct hash_node *n = hash_first(&t->id, hash_id(id)); n != NULL; n = hash_next(n)) {
		struct sa_set *set = n->owner;
		if (set->id == id)
			return set;
	}
	return NULL;
}

struct sa_set *sa_table_of_ids(const struct sa_table *t, size_t step, size_t rest, struct hash_walk *walk)
{
	struct hash_node *n = hash_next_of(&t->id, step, rest, walk); /* hash_id is the id itself */

	return n != NULL ? n->owner : NULL;
}

struct sa_set *sa_table_by_reference(const struct sa_table *t, const struct peer *peer, uint64_t reference)
{
	struct hash_node *n = hash_first(&t->reference, hash_reference(peer, reference));

	for (; n != NULL; n = hash_next(n)) {
		struct sa_set *set = n->owner;
		if (set->peer == peer && set->name.reference == reference)
			return set;
	}
	return NULL;
}

struct sa_set *sa_table_of_registration(const struct sa_table *t, const struct peer *peer,
					const char *subscriber, const char *registration_id,
					struct hash_node **at)
{
	uint64_t hash = hash_registration(peer, subscriber, registration_id);

	while ((*at = step(&t->registration, hash, *at)) != NULL) {
		struct sa_set *set = (*at)->owner;
		if (set->peer == peer && strcmp(set->name.subscriber, subscriber) == 0 &&
		    strcmp(set->name.registration_id, registration_id) == 0)
			return set;
	}
	return NULL;
}

struct sa_set *sa_table_of_subscriber(const struct sa_table *t, const char *subscriber, struct hash_node **at)
{
	uint64_t hash = hash_subscriber(subscriber);

	while ((*at = step(&t->subscriber, hash, *at)) != NULL) {
		struct sa_set *set = (*at)->owner;
		if (strcmp(set->name.subscriber, subscriber) == 0)
			return set;
	}
	return NULL;
}

struct sa_set *sa_table_of_ue(const struct sa_table *t, const struct bgf_addr *ue, struct hash_node **at)
{
	uint64_t hash = hash_ue(ue);

	while ((*at = step(&t->ue, hash, *at)) != NULL) {
		struct sa_set *set = (*at)->owner;
		if (bgf_addr_equal(&set->selectors.ue, ue))
			return set;
	}
	return NULL;
}

struct sa_set *sa_table_of_uc(const struct sa_table *t, const struct bgf_set_selectors *s,
			      struct hash_node **at)
{
	uint64_t hash = hash_pair(s, s->port_uc, s->port_ps);

	while ((*at = step(&t->uc, hash, *at)) != NULL) {
		const struct bgf_set_selectors *other = &((struct sa_set *)(*at)->owner)->selectors;
		if (other->port_uc == s->port_uc && other->port_ps == s->port_ps &&
		    bgf_addr_equal(&other->ue, &s->ue) && bgf_addr_equal(&other->served, &s->served))
			return (*at)->owner;
	}
	return NULL;
}

struct sa_set *sa_table_of_us(const struct sa_table *t, const struct bgf_set_selectors *s,
			      struct hash_node **at)
{
	uint64_t hash = hash_pair(s, s->port_us, s->port_pc);

	while ((*at = step(&t->us, hash, *at)) != NULL) {
		const struct bgf_set_selectors *other = &((struct sa_set *)(*at)->owner)->selectors;
		if (other->port_us == s->port_us && other->port_pc == s->port_pc &&
		    bgf_addr_equal(&other->ue, &s->ue) && bgf_addr_equal(&other->served, &s->served))
			return (*at)->owner;
	}
	return NULL;
}

struct sa_set *sa_table_of_spi(const struct sa_table *t, const struct bgf_addr *ue, uint32_t spi,
			       struct hash_node **at)
{
	uint64_t hash = hash_spi(ue, spi);

	while ((*at = step(&t->spi, hash, *at)) != NULL) {
		const struct bgf_set_selectors *other = &((struct sa_set *)(*at)->owner)->selectors;
		if ((other->spi_uc == spi || other->spi_us == spi) && bgf_addr_equal(&other->ue, ue))
			return (*at)->owner;
	}
	return NULL;
}
