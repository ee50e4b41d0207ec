/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SA sets as control intends them, and the indexes that find them. A set's life: sa_set_new when INSTALL was
 * admitted (id 0, until the data plane has given its id and SPIs), sa_table_enter, sa_table_identify,
 * sa_table_leave when it is to end, sa_set_free when the data plane has said so. One thread.
 */
#ifndef CONTROL_SA_SET_H
#define CONTROL_SA_SET_H

#include <stdbool.h>
#include <sys/queue.h>

#include "bgf_dplink.h"
#include "control/hash.h"

struct op;
struct peer;

struct sa_set {
	uint64_t id; /* the data plane's; 0: it has not answered yet */
	struct bgf_set_selectors selectors;
	struct dpl_set_name name;
	uint64_t expires; /* CLOCK_BOOTTIME, ns */
	uint8_t state;	  /* enum bgf_set_state */
	uint8_t first_used;
	uint8_t doomed;	  /* enum bgf_removed: ends as soon as the data plane has answered its ADD; 0: no */
	uint8_t ended;	  /* enum zb_event_kind that is told once the data plane has removed it */
	struct op *ender; /* the RELEASE that waits for its end, or for its ADD first; or NULL */
	bool removing;	  /* the data plane was told to remove it and has not answered */
	uint16_t seen;	  /* serial of the last resynchronisation that saw it */
	uint32_t swept;	  /* serial of the last sweep that saw to it */
	uint64_t stray_told; /* when an SPI was told that its UE sent and no SA has, CLOCK_BOOTTIME, ns */
	uint64_t strays;     /* such packets since then */
	uint64_t digest;     /* as it is in its peer's sums (audit.h) */
	bool is_digested;
	uint32_t slot;	   /* its place in sa_table.slot: the order of QUERY */
	uint32_t heap;	   /* its place among the timers + 1; 0: no timer */
	struct peer *peer; /* a reference is held */
	TAILQ_ENTRY(sa_set) of_peer;
	SLIST_ENTRY(sa_set) spare;
	STAILQ_HEAD(, op) waiting; /* requests that can only be judged when ADD or REMOVE is answered */
	struct hash_node by_id, by_reference, by_registration, by_subscriber, by_ue, by_uc, by_us, by_spi_uc,
		by_spi_us;
};

struct sa_table {
	struct hash id, reference, registration, subscriber, ue, uc, us, spi;
	struct sa_set **slot; /* NULL: free */
	uint32_t *free_slot;
	uint32_t slots, free_slots; /* how many there are, and are free */
	uint32_t count;
};

int sa_table_init(struct sa_table *t);	/* 0 or -ENOMEM */
void sa_table_free(struct sa_table *t); /* the sets are the caller's */

/* Of two sets of one registration, whether `set` came before `than`. An emergency registration and a normal
 * one are two, also where the P-CSCF named both alike (rules 20, 21). */
bool sa_set_is_older(const struct sa_set *set, const struct sa_set *than);

/* Makes room for `count` sets at once, in a table without any. */
void sa_table_reserve(struct sa_table *t, uint32_t count);

/* The set is the caller's until entered. NULL when memory is short. */
struct sa_set *sa_set_new(void);
void sa_set_free(struct sa_set *set); /* wipes; it must have left */

/* Enters a set whose selectors, name, peer (and id, if it has one) are filled. 0 or -ENOMEM. */
int sa_table_enter(struct sa_table *t, struct sa_set *set);
/* The data plane has answered: the set has its id. */
void sa_table_identify(struct sa_table *t, struct sa_set *set, uint64_t id);
void sa_table_leave(struct sa_table *t, struct sa_set *set);

/* Fetches the places where a set of these would be looked for and entered: with a million sets they are in no
 * cache, and while they come something else can be done. */
void sa_table_prefetch(const struct sa_table *t, const struct peer *peer, uint64_t reference,
		       const char *subscriber, const char *registration_id,
		       const struct bgf_set_selectors *s);

/* The same for a set of an id that will be looked for: first its place in the index, then, once that has
 * come, all of the set that is there. */
void sa_table_prefetch_id(const struct sa_table *t, uint64_t id);
void sa_table_prefetch_set(const struct sa_table *t, uint64_t id);

struct sa_set *sa_table_by_id(const struct sa_table *t, uint64_t id);
struct sa_set *sa_table_by_reference(const struct sa_table *t, const struct peer *peer, uint64_t reference);

/* Goes through the sets whose id, divided by `step` (a power of two), leaves `rest`: *walk is zero at first.
 * NULL after the last. The table must not change in between. */
struct sa_set *sa_table_of_ids(const struct sa_table *t, size_t step, size_t rest, struct hash_walk *walk);

/* Goes through the sets of one key: *at is NULL at first. NULL after the last. The table must not change in
 * between. */
struct sa_set *sa_table_of_registration(const struct sa_table *t, const struct peer *peer,
					const char *subscriber, const char *registration_id,
					struct hash_node **at);
struct sa_set *sa_table_of_subscriber(const struct sa_table *t, const char *subscriber,
				      struct hash_node **at);
struct sa_set *sa_table_of_ue(const struct sa_table *t, const struct bgf_addr *ue, struct hash_node **at);
/* Sets with the protected pair (UE, port_uc, port_ps) or (UE, port_us, port_pc) of rule 6, toward the same
 * served address: each P-CSCF has an SA table of its own, and two may use the same port numbers. */
struct sa_set *sa_table_of_uc(const struct sa_table *t, const struct bgf_set_selectors *s,
			      struct hash_node **at);
struct sa_set *sa_table_of_us(const struct sa_table *t, const struct bgf_set_selectors *s,
			      struct hash_node **at);
/* Sets for which this UE address chose this SPI, for either direction (rule 4). */
struct sa_set *sa_table_of_spi(const struct sa_table *t, const struct bgf_addr *ue, uint32_t spi,
			       struct hash_node **at);

#endif
