/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/admit.h"

#include <string.h>

#include "control/life.h"

struct judge {
	const struct sa_table *table;
	const struct peer *peer;
	const struct install *in;
	unsigned stay; /* sets of the registration that stay */
};

/* Rule 15 is applied before the duplicate check (rule 6): what goes does not count any more. */
static bool goes(const struct admission *a, const struct sa_set *set)
{
	for (unsigned i = 0; i < a->go_count; i++)
		if (a->go[i] == set)
			return true;
	return set == a->replaces;
}

/* Rule 15: what the new challenge does to the subscriber's other sets. */
static void judge_registration(struct judge *j, struct admission *a)
{
	struct hash_node *at = NULL;
	struct sa_set *set;

	while ((set = sa_table_of_registration(j->table, j->peer, j->in->subscriber, j->in->registration_id,
					       &at)) != NULL) {
		bool is_via = set->id == j->in->via_set;
		struct life_step step = life_step(set->state, is_via ? LIFE_CHALLENGE_VIA : LIFE_CHALLENGE);
		if (set->id == 0)
			a->wait = set;
		if (step.action == LIFE_END && a->go_count < ADMIT_GO_MAX) {
			a->go[a->go_count++] = set;
			continue;
		}
		if (step.action == LIFE_LINGER) {
			a->via = set; /* it has ended too, but for the 401 */
			continue;
		}
		j->stay++;
		if (is_via && set->state == BGF_SET_ESTABLISHED)
			a->in_use = set;
	}
}

/* Whether a set may be missed: only what is on its way out. The one that carries the 401 may not. */
static bool is_dispensable(const struct judge *j, const struct admission *a, const struct sa_set *set)
{
	if (goes(a, set) || set->id == j->in->via_set)
		return false;
	if (set->state == BGF_SET_ESTABLISHED)
		return a->in_use != NULL && sa_set_is_older(set, a->in_use);
	return set->state == BGF_SET_SUPERSEDED || set->state == BGF_SET_DRAINING;
}

/* A draining one goes before a superseded one, for nothing new begins on it, and of several the one that ends
 * first; of superseded ones the oldest, on which the least is still under way. */
static bool is_more_dispensable(const struct sa_set *set, const struct sa_set *than)
{
	bool is_draining = set->state == BGF_SET_DRAINING;

	if (is_draining != (than->state == BGF_SET_DRAINING))
		return is_draining;
	return is_draining ? set->expires < than->expires : set->name.installed < than->name.installed;
}

static struct sa_set *most_dispensable(const struct judge *j, const struct admission *a)
{
	struct sa_set *set, *most = NULL;
	struct hash_node *at = NULL;

	while ((set = sa_table_of_registration(j->table, j->peer, j->in->subscriber, j->in->registration_id,
					       &at)) != NULL)
		if (is_dispensable(j, a, set) && (most == NULL || is_more_dispensable(set, most)))
			most = set;
	return most;
}

typedef struct sa_set *(*pair_walk)(const struct sa_table *t, const struct bgf_set_selectors *s,
				    struct hash_node **at);

/* Rule 6 for one protected pair. A set that waits to replace another holds its ports too, so with
 * BGF_SET_REPLACE there may be one set in the way, not two. */
static int judge_pair(const struct judge *j, pair_walk walk, enum zb_attribute attr, struct admission *a,
		      struct refusal *r)
{
	struct sa_set *set, *in_way = NULL;
	struct hash_node *at = NULL;
	unsigned count = 0;

	while ((set = walk(j->table, &j->in->selectors, &at)) != NULL) {
		if (goes(a, set) && set != a->replaces)
			continue;
		in_way = set;
		count++;
	}
	if (count == 0)
		return 0;
	if (in_way->id == 0) {
		a->wait = in_way;
		return 0;
	}
	bool one = count == 1 && in_way->name.replaces == 0 && (a->replaces == NULL || a->replaces == in_way);
	if ((j->in->flags & BGF_SET_REPLACE) && one) {
		a->replaces = in_way;
		return 0;
	}
	return refuse(r, ZB_CAUSE_PORT_IN_USE, attr, "set %llu of this UE address has these ports%s",
		      (unsigned long long)in_way->id,
		      attr == ZB_ATTR_PORT_US ? "; another port_pc would do" : "");
}

/* Rule 6: at most three sets. The one that is replaced at CONFIRM does not count; and those that the UE has
 * left, which only wait for stragglers, give way rather than lock it out. */
static int judge_number(const struct judge *j, struct admission *a, struct refusal *r)
{
	const struct sa_set *old = a->replaces;
	unsigned stay = j->stay;

	if (old != NULL && old != a->via && old->peer == j->peer &&
	    strcmp(old->name.subscriber, j->in->subscriber) == 0 &&
	    strcmp(old->name.registration_id, j->in->registration_id) == 0)
		stay--;
	for (; stay >= LIFE_SETS_MAX; stay--) {
		struct sa_set *set = most_dispensable(j, a);
		if (set == NULL || a->go_count == ADMIT_GO_MAX)
			return refuse(r, ZB_CAUSE_TOO_MANY_SETS, ZB_ATTR_SUBSCRIBER,
				      "this subscriber and registration id have %u sets; allowed: %d",
				      j->stay, LIFE_SETS_MAX);
		a->go[a->go_count++] = set;
	}
	return 0;
}

static int judge_pairs(const struct judge *j, struct admission *a, struct refusal *r)
{
	int error = judge_pair(j, sa_table_of_uc, ZB_ATTR_PORT_UC, a, r);

	if (error == 0 && a->wait == NULL)
		error = judge_pair(j, sa_table_of_us, ZB_ATTR_PORT_US, a, r);
	if (error != 0)
		a->replaces = NULL;
	return error;
}

/* Rule 6: the ports of who gives way are free. With as many port_pc as there may be sets, those of the oldest
 * are the only ones that a fourth can get. */
static int judge_place(const struct judge *j, struct admission *a, struct refusal *r)
{
	struct refusal number;
	int in_use = judge_pairs(j, a, r);

	if (a->wait != NULL)
		return 0;
	if (in_use == 0)
		return judge_number(j, a, r);
	return judge_number(j, a, &number) != 0 ? in_use : judge_pairs(j, a, r);
}

/* Rule 4: a UE address never has one SPI twice. */
static int judge_spi(const struct judge *j, uint32_t spi, enum zb_attribute attr, const struct admission *a,
		     struct refusal *r)
{
	struct hash_node *at = NULL;
	struct sa_set *set;

	while ((set = sa_table_of_spi(j->table, &j->in->selectors.ue, spi, &at)) != NULL)
		if (!goes(a, set))
			return refuse(r, ZB_CAUSE_SPI_IN_USE, attr,
				      "another set of this UE address has SPI %u", spi);
	return 0;
}

/* The set that the 401 travels on must be there, or the P-CSCF believes in what is gone. */
static int judge_via(const struct judge *j, struct refusal *r)
{
	if (j->in->via_set == 0)
		return 0;
	const struct sa_set *via = sa_table_by_id(j->table, j->in->via_set);
	if (via == NULL || via->peer != j->peer)
		return refuse(r, ZB_CAUSE_UNKNOWN_SET, ZB_ATTR_VIA_SET, "no set %llu of this peer",
			      (unsigned long long)j->in->via_set);
	return 0;
}

int admit(const struct sa_table *table, const struct peer *peer, const struct install *in,
	  struct admission *ret, struct refusal *r)
{
	struct judge j = {.table = table, .peer = peer, .in = in};
	struct admission a = {0};
	int error = judge_via(&j, r);

	if (error == 0)
		judge_registration(&j, &a);
	if (error == 0 && a.wait == NULL)
		error = judge_place(&j, &a, r);
	if (error == 0 && a.wait == NULL)
		error = judge_spi(&j, in->selectors.spi_uc, ZB_ATTR_SPI_UC, &a, r);
	if (error == 0 && a.wait == NULL)
		error = judge_spi(&j, in->selectors.spi_us, ZB_ATTR_SPI_US, &a, r);
	if (error == 0)
		*ret = a;
	return error;
}
