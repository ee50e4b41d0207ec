/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A longest-prefix table (lpm.h) leads to ids, a hash leads from addresses on the link to ids, and a vector
 * of words leads from ids to MAC addresses. An id is the position of a neighbour's address in the hash, so
 * that it lives as long as the neighbour is known or a route goes through it, and is given out again only
 * after an RCU grace period. The prefix table is never changed but replaced, a whole dump at once.
 */
#include "nexthop.h"

#include <errno.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_rcu_qsbr.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "lpm.h"

enum {
	ID_ON_LINK = 2, /* on a link, and its neighbour has no entry: word 0 for ever */
	ID_FIRST = 3,	/* of neighbours: their position in the hash is added */
	NEIGHBOURS_MAX = NEXTHOP_MAX - ID_FIRST - 1,
	ROUTES_MAX = 8192,
	LOCALS_MAX = 64,
	TORN_DUMPS = 3, /* that do not tell of what is there: no chance is as bad as that */
};

/* A neighbour or gateway; main lcore only. */
struct neighbour {
	struct bgf_addr address;
	uint32_t routes; /* that go through it */
	uint32_t seen;	 /* dump in which it was last told */
	bool known;	 /* to the kernel: with a MAC address */
};

struct route {
	struct nexthop_route told;
	uint32_t seen;
	uint16_t id;
	bool local;
};

/* A prefix table that workers may still read. */
struct retired {
	struct retired *next;
	struct lpm *lpm;
	uint64_t token; /* RCU */
};

struct nexthop_table {
	/* workers read these */
	struct lpm *lpm;      /* exchanged with one store */
	struct rte_hash *ids; /* struct bgf_addr → position */
	/* main lcore */
	struct rte_hash *prefixes; /* struct bgf_addr with the prefix length in zero[0] → index of route[] */
	struct route *route;
	struct lpm_prefix *scratch;  /* as long as route[] */
	struct neighbour *neighbour; /* by id */
	struct rte_rcu_qsbr *rcu;
	struct retired *retired;
	int socket;
	bool dumping; /* changes are published at its end */
	uint32_t dump, resolved, routes;
	struct bgf_addr local[LOCALS_MAX]; /* own addresses, to choose a source from */
	uint32_t locals;
	alignas(64) uint64_t word[NEXTHOP_MAX + 1]; /* workers read, main lcore stores */
};

static struct rte_hash *hash_new(const char *name, const char *suffix, uint32_t entries, int socket,
				 uint8_t flags)
{
	char full[RTE_HASH_NAMESIZE];
	snprintf(full, sizeof(full), "%.20s_%s", name, suffix);
	const struct rte_hash_parameters parameters = {
		.name = full,
		.entries = entries,
		.key_len = sizeof(struct bgf_addr),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(), /* neighbours choose their addresses */
		.socket_id = socket,
		.extra_flag = flags,
	};
	return rte_hash_create(&parameters);
}

static int publish(struct nexthop_table *t);

static int lookups_new(struct nexthop_table *t, const char *name)
{
	struct rte_hash_rcu_config reclaim = {.v = t->rcu, .mode = RTE_HASH_QSBR_MODE_DQ};

	t->ids = hash_new(name, "ids", NEIGHBOURS_MAX, t->socket,
			  RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE);
	t->prefixes = hash_new(name, "prefixes", ROUTES_MAX, t->socket, RTE_HASH_EXTRA_FLAGS_EXT_TABLE);
	if (!t->ids || !t->prefixes || rte_hash_rcu_qsbr_add(t->ids, &reclaim) != 0)
		return -ENOMEM;
	return publish(t);
}

struct nexthop_table *nexthop_table_new(const char *name, int socket, struct rte_rcu_qsbr *rcu)
{
	struct nexthop_table *t = rte_zmalloc_socket(name, sizeof(*t), 64, socket);
	if (!t)
		return NULL;
	t->rcu = rcu;
	t->socket = socket;
	t->dump = 1;
	t->route = calloc(ROUTES_MAX, sizeof(*t->route));
	t->scratch = calloc(ROUTES_MAX, sizeof(*t->scratch));
	t->neighbour = calloc(NEXTHOP_MAX + 1, sizeof(*t->neighbour));
	if (!t->route || !t->scratch || !t->neighbour || lookups_new(t, name) < 0) {
		nexthop_table_free(t);
		return NULL;
	}
	return t;
}

void nexthop_table_free(struct nexthop_table *t)
{
	if (!t)
		return;
	for (struct retired *r = t->retired, *next; r; r = next) {
		next = r->next;
		rte_free(r->lpm);
		free(r);
	}
	rte_free(t->lpm);
	rte_hash_free(t->prefixes);
	rte_hash_free(t->ids);
	free(t->neighbour);
	free(t->scratch);
	free(t->route);
	rte_free(t);
}

/* ---- look-up: workers ---- */

/* Destinations on a link: the neighbour's own id where there is one. */
static void on_link_bulk(const struct nexthop_table *t, const struct bgf_addr *address, const uint16_t *where,
			 uint16_t n, uint16_t *ret_id)
{
	const void *key[NEXTHOP_BURST];
	int32_t position[NEXTHOP_BURST];

	for (uint16_t i = 0; i < n; i++)
		key[i] = &address[i];
	if (rte_hash_lookup_bulk(t->ids, key, n, position) != 0)
		return;
	for (uint16_t i = 0; i < n; i++)
		if (position[i] >= 0)
			ret_id[where[i]] = (uint16_t)(position[i] + ID_FIRST);
}

void nexthop_find_bulk(const struct nexthop_table *t, const uint8_t *const *dst, const uint8_t *ipv6,
		       uint16_t n, uint16_t *ret_id)
{
	const struct lpm *lpm = __atomic_load_n(&t->lpm, __ATOMIC_ACQUIRE);
	struct bgf_addr on_link[NEXTHOP_BURST];
	uint16_t where[NEXTHOP_BURST], on_links = 0;

	for (uint16_t i = 0; i < n; i++) {
		ret_id[i] = ipv6[i] ? lpm_find6(lpm, dst[i]) : lpm_find4(lpm, dst[i]);
		if (ret_id[i] != ID_ON_LINK)
			continue;
		on_link[on_links] = (struct bgf_addr){.family = ipv6[i] ? 6 : 4};
		memcpy(on_link[on_links].octet, dst[i], ipv6[i] ? 16 : 4);
		where[on_links++] = i;
	}
	if (on_links > 0)
		on_link_bulk(t, on_link, where, on_links, ret_id);
}

uint16_t nexthop_range(const struct nexthop_table *t, const uint8_t *dst, bool ipv6,
		       struct lpm_range *ret_range)
{
	return lpm_range(__atomic_load_n(&t->lpm, __ATOMIC_ACQUIRE), dst, ipv6, ret_range);
}

uint64_t nexthop_word(const struct nexthop_table *t, uint16_t id)
{
	return __atomic_load_n(&t->word[id], __ATOMIC_RELAXED);
}

/* ---- neighbours: main lcore ---- */

/* The id of an address, made if need be; 0: no room. */
static uint16_t neighbour_id(struct nexthop_table *t, const struct bgf_addr *address)
{
	int32_t position = rte_hash_lookup(t->ids, address);
	if (position < 0) {
		position = rte_hash_add_key(t->ids, address);
		if (position < 0)
			return NEXTHOP_NONE;
		t->neighbour[position + ID_FIRST] = (struct neighbour){.address = *address};
	}
	return (uint16_t)(position + ID_FIRST);
}

static void word_store(struct nexthop_table *t, uint16_t id, uint64_t word)
{
	t->resolved += word != 0;
	t->resolved -= t->word[id] != 0;
	__atomic_store_n(&t->word[id], word, __ATOMIC_RELEASE);
}

/* Forgets a neighbour that nobody needs; its id comes back when every worker has passed. */
static void neighbour_drop_unused(struct nexthop_table *t, uint16_t id)
{
	struct neighbour *n = &t->neighbour[id];
	if (n->known || n->routes > 0)
		return;
	word_store(t, id, 0);
	rte_hash_del_key(t->ids, &n->address);
	*n = (struct neighbour){0};
}

int nexthop_neighbour_set(struct nexthop_table *t, const struct bgf_addr *address, const uint8_t mac[6])
{
	int32_t position = rte_hash_lookup(t->ids, address);
	if (!mac && position < 0)
		return -ENOENT;
	if (bgf_addr_len(address) == 0)
		return -EINVAL;
	uint16_t id = neighbour_id(t, address);
	if (id == NEXTHOP_NONE)
		return -ENOSPC;

	uint64_t word = 0;
	if (mac) {
		memcpy(&word, mac, 6);
		word |= NEXTHOP_RESOLVED;
	}
	t->neighbour[id].known = mac;
	t->neighbour[id].seen = t->dump;
	word_store(t, id, word);
	neighbour_drop_unused(t, id);
	return 0;
}

uint64_t nexthop_neighbour_word(const struct nexthop_table *t, const struct bgf_addr *address)
{
	int32_t position = rte_hash_lookup(t->ids, address);
	return position < 0 ? 0 : nexthop_word(t, (uint16_t)(position + ID_FIRST));
}

bool nexthop_neighbour_for(const struct nexthop_table *t, const struct bgf_addr *dst,
			   struct bgf_addr *ret_neighbour)
{
	const uint8_t *octets = dst->octet;
	uint8_t ipv6 = dst->family == 6;
	uint16_t id;

	nexthop_find_bulk(t, &octets, &ipv6, 1, &id);
	if (id == NEXTHOP_NONE || id == NEXTHOP_LOCAL)
		return false;
	*ret_neighbour = id == ID_ON_LINK ? *dst : t->neighbour[id].address;
	return true;
}

bool nexthop_gateway_next(const struct nexthop_table *t, uint16_t *cursor, struct bgf_addr *ret_gateway)
{
	for (uint32_t id = *cursor < ID_FIRST ? ID_FIRST : *cursor; id <= NEXTHOP_MAX; id++) {
		if (t->neighbour[id].routes == 0)
			continue;
		*ret_gateway = t->neighbour[id].address;
		*cursor = (uint16_t)(id + 1);
		return true;
	}
	return false;
}

bool nexthop_is_gateway(const struct nexthop_table *t, const struct bgf_addr *address)
{
	int32_t position = rte_hash_lookup(t->ids, address);
	return position >= 0 && t->neighbour[position + ID_FIRST].routes > 0;
}

/* ---- routes: main lcore ---- */

/* The prefix without host bits and with its length inside; false: no such prefix. */
static bool prefix_key(const struct bgf_addr *prefix, uint8_t length, struct bgf_addr *ret_key)
{
	uint8_t octets = bgf_addr_len(prefix);
	if (octets == 0 || length > octets * 8)
		return false;
	struct bgf_addr key = {.family = prefix->family, .zero = {length}};
	memcpy(key.octet, prefix->octet, length / 8);
	if (length % 8)
		key.octet[length / 8] = prefix->octet[length / 8] & (uint8_t)(0xff00 >> length % 8);
	*ret_key = key;
	return true;
}

/* Frees the former tables that every worker has left. */
static void reclaim(struct nexthop_table *t)
{
	for (struct retired **at = &t->retired; *at;) {
		struct retired *r = *at;
		if (rte_rcu_qsbr_check(t->rcu, r->token, false) != 1) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		rte_free(r->lpm);
		free(r);
	}
}

/* Gateways that no published route goes through any more are forgotten. */
static void recount_gateways(struct nexthop_table *t)
{
	for (uint32_t id = ID_FIRST; id <= NEXTHOP_MAX; id++)
		t->neighbour[id].routes = 0;
	for (uint32_t at = 0; at < ROUTES_MAX; at++)
		if (t->route[at].id >= ID_FIRST)
			t->neighbour[t->route[at].id].routes++;
	for (uint32_t id = ID_FIRST; id <= NEXTHOP_MAX; id++)
		if (t->neighbour[id].address.family != 0)
			neighbour_drop_unused(t, (uint16_t)id);
}

/* Gives the workers the routes as they are now. 0 or -ENOMEM: the former ones stay. */
static int publish(struct nexthop_table *t)
{
	uint32_t n = 0;

	if (t->dumping)
		return 0;
	for (uint32_t at = 0; at < ROUTES_MAX; at++) {
		const struct route *r = &t->route[at];
		struct lpm_prefix *p = &t->scratch[n];
		if (!prefix_key(&r->told.prefix, r->told.length, &p->prefix))
			continue;
		*p = (struct lpm_prefix){.prefix = p->prefix, .length = r->told.length, .id = r->id};
		p->prefix.zero[0] = 0;
		n++;
	}
	struct retired *former = malloc(sizeof(*former));
	struct lpm *fresh = rte_malloc_socket(NULL, lpm_size(n), 64, t->socket);
	if (!former || !fresh) {
		free(former);
		rte_free(fresh);
		return -ENOMEM;
	}
	lpm_build(fresh, t->scratch, n);
	former->lpm = __atomic_exchange_n(&t->lpm, fresh, __ATOMIC_ACQ_REL);
	former->token = rte_rcu_qsbr_start(t->rcu);
	former->next = t->retired;
	t->retired = former;
	reclaim(t);
	recount_gateways(t);
	return 0;
}

/* Counted at once, so that it stays until the route is published; counted off by publish. */
static uint16_t gateway_take(struct nexthop_table *t, const struct bgf_addr *gateway)
{
	uint16_t id = neighbour_id(t, gateway);
	if (id != NEXTHOP_NONE)
		t->neighbour[id].routes++;
	return id;
}

/* Enters a route, new or changed. */
static int route_put(struct nexthop_table *t, const struct nexthop_route *r, const struct bgf_addr *key,
		     bool local)
{
	uint16_t id = local ? NEXTHOP_LOCAL : r->discard ? NEXTHOP_NONE : ID_ON_LINK;
	if (id == ID_ON_LINK && r->gateway.family != 0) {
		id = gateway_take(t, &r->gateway);
		if (id == NEXTHOP_NONE)
			return -ENOSPC;
	}
	int32_t at = rte_hash_add_key(t->prefixes, key);
	if (at < 0)
		return -ENOSPC;
	struct route *entry = &t->route[at];
	bool had = entry->told.prefix.family != 0;
	t->routes -= had && !entry->local;
	t->routes += !local;
	*entry = (struct route){.told = *r, .seen = t->dump, .id = id, .local = local};
	return publish(t) < 0 ? -ENOSPC : 0;
}

static void route_drop(struct nexthop_table *t, const struct bgf_addr *key, int32_t at)
{
	struct route *r = &t->route[at];

	t->routes -= !r->local;
	for (uint32_t i = 0; r->local && i < t->locals; i++)
		if (bgf_addr_equal(&t->local[i], &r->told.prefix))
			t->local[i] = t->local[--t->locals];
	rte_hash_del_key(t->prefixes, key);
	*r = (struct route){0};
	(void)publish(t); /* without memory the former routes serve until the next change */
}

int nexthop_route_offer(struct nexthop_table *t, const struct nexthop_route *route)
{
	struct bgf_addr key;

	if (!prefix_key(&route->prefix, route->length, &key))
		return -EINVAL;
	int32_t at = rte_hash_lookup(t->prefixes, &key);
	if (at >= 0 && t->route[at].seen == t->dump &&
	    (t->route[at].local || t->route[at].told.rank < route->rank))
		return 0;
	return route_put(t, route, &key, false);
}

int nexthop_route_add(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length,
		      const struct bgf_addr *gateway)
{
	struct nexthop_route route = {.prefix = *prefix, .length = length};
	if (gateway)
		route.gateway = *gateway;
	return nexthop_route_offer(t, &route);
}

static int prefix_del(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length, bool local)
{
	struct bgf_addr key;

	if (!prefix_key(prefix, length, &key))
		return -EINVAL;
	int32_t at = rte_hash_lookup(t->prefixes, &key);
	if (at < 0 || t->route[at].local != local)
		return -ENOENT;
	route_drop(t, &key, at);
	return 0;
}

int nexthop_route_del(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length)
{
	return prefix_del(t, prefix, length, false);
}

/* ---- own addresses: main lcore ---- */

int nexthop_local_add(struct nexthop_table *t, const struct bgf_addr *address)
{
	struct nexthop_route route = {.prefix = *address, .length = (uint8_t)(bgf_addr_len(address) * 8)};
	struct bgf_addr key;

	if (!prefix_key(address, route.length, &key))
		return -EINVAL;
	int r = route_put(t, &route, &key, true);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < t->locals; i++)
		if (bgf_addr_equal(&t->local[i], address))
			return 0;
	if (t->locals < LOCALS_MAX)
		t->local[t->locals++] = *address;
	return 0;
}

int nexthop_local_del(struct nexthop_table *t, const struct bgf_addr *address)
{
	return prefix_del(t, address, (uint8_t)(bgf_addr_len(address) * 8), true);
}

bool nexthop_is_local(const struct nexthop_table *t, const struct bgf_addr *address)
{
	const uint8_t *octets = address->octet;
	uint8_t ipv6 = address->family == 6;
	uint16_t id;

	nexthop_find_bulk(t, &octets, &ipv6, 1, &id);
	return id == NEXTHOP_LOCAL;
}

static bool link_local(const struct bgf_addr *a)
{
	return a->family == 6 && a->octet[0] == 0xfe && (a->octet[1] & 0xc0) == 0x80;
}

static unsigned common_bits(const struct bgf_addr *a, const struct bgf_addr *b)
{
	unsigned bits = 0;
	while (bits < 128 && !((a->octet[bits / 8] ^ b->octet[bits / 8]) & 0x80 >> bits % 8))
		bits++;
	return bits;
}

bool nexthop_local_for(const struct nexthop_table *t, const struct bgf_addr *dst, struct bgf_addr *ret_local)
{
	int best = -1;
	unsigned best_bits = 0;

	for (uint32_t i = 0; i < t->locals; i++) {
		const struct bgf_addr *a = &t->local[i];
		if (a->family != dst->family || link_local(a) != link_local(dst))
			continue;
		unsigned bits = common_bits(a, dst);
		if (best >= 0 && bits <= best_bits)
			continue;
		best = (int)i;
		best_bits = bits;
	}
	if (best < 0)
		return false;
	*ret_local = t->local[best];
	return true;
}

/* ---- full dumps: main lcore ---- */

void nexthop_dump_begin(struct nexthop_table *t)
{
	if (!t->dumping) /* else the one before came to no end: what it told is this one's */
		t->dump++;
	t->dumping = true;
}

/* Forgets what no dump since `oldest` has told. */
static void forget_older(struct nexthop_table *t, uint32_t oldest)
{
	struct bgf_addr key;

	for (int32_t at = 0; at < ROUTES_MAX; at++) {
		const struct route *r = &t->route[at];
		if ((int32_t)(r->seen - oldest) >= 0 || !prefix_key(&r->told.prefix, r->told.length, &key))
			continue;
		route_drop(t, &key, at);
	}
	t->dumping = false;
	(void)publish(t);
	for (uint32_t id = ID_FIRST; id <= NEXTHOP_MAX; id++)
		if (t->neighbour[id].known && (int32_t)(t->neighbour[id].seen - oldest) < 0)
			nexthop_neighbour_set(t, &t->neighbour[id].address, NULL);
}

void nexthop_dump_end(struct nexthop_table *t)
{
	forget_older(t, t->dump);
}

void nexthop_dump_end_torn(struct nexthop_table *t)
{
	forget_older(t, t->dump + 1 - TORN_DUMPS);
}

uint32_t nexthop_resolved(const struct nexthop_table *t)
{
	return t->resolved;
}

uint32_t nexthop_routes(const struct nexthop_table *t)
{
	return t->routes;
}
