/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two longest-prefix tables (rte_fib) lead to ids, a hash leads from addresses on the link to ids, and a
 * vector of words leads from ids to MAC addresses. An id is the position of a neighbour's address in the
 * hash, so that it lives as long as the neighbour is known or a route goes through it, and is given out again
 * only after an RCU grace period.
 */
#include "nexthop.h"

#include <errno.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_pause.h>
#include <rte_random.h>
#include <rte_rcu_qsbr.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ID_ON_LINK = 2, /* on a link, and its neighbour has no entry: word 0 for ever */
	ID_FIRST = 3,	/* of neighbours: their position in the hash is added */
	NEIGHBOURS_MAX = NEXTHOP_MAX - ID_FIRST - 1,
	ROUTES_MAX = 8192,
	TBL8_V4 = 2048, /* groups of 256: one for each /24 that holds longer prefixes */
	TBL8_V6 = 8192, /* up to 13 for each prefix longer than /24 that shares nothing */
	LOCALS_MAX = 64,
	GRACE_WAIT_US = 2000,
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

struct nexthop_table {
	/* workers read these */
	struct rte_fib *v4;
	struct rte_fib6 *v6;
	struct rte_hash *ids; /* struct bgf_addr → position */
	/* main lcore */
	struct rte_hash *prefixes; /* struct bgf_addr with the prefix length in zero[0] → index of route[] */
	struct route *route;
	struct neighbour *neighbour; /* by id */
	struct rte_rcu_qsbr *rcu;
	uint64_t grace; /* RCU token of the last removal of a prefix */
	bool grace_open;
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

static int lookups_new(struct nexthop_table *t, const char *name, int socket)
{
	struct rte_fib_conf v4 = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = NEXTHOP_NONE,
		.max_routes = ROUTES_MAX,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = TBL8_V4},
	};
	struct rte_fib6_conf v6 = {
		.type = RTE_FIB6_TRIE,
		.default_nh = NEXTHOP_NONE,
		.max_routes = ROUTES_MAX,
		.trie = {.nh_sz = RTE_FIB6_TRIE_2B, .num_tbl8 = TBL8_V6},
	};
	struct rte_hash_rcu_config reclaim = {.v = t->rcu, .mode = RTE_HASH_QSBR_MODE_DQ};

	t->v4 = rte_fib_create(name, socket, &v4);
	t->v6 = rte_fib6_create(name, socket, &v6);
	t->ids = hash_new(name, "ids", NEIGHBOURS_MAX, socket,
			  RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE);
	t->prefixes = hash_new(name, "prefixes", ROUTES_MAX, socket, RTE_HASH_EXTRA_FLAGS_EXT_TABLE);
	if (!t->v4 || !t->v6 || !t->ids || !t->prefixes)
		return -ENOMEM;
	return rte_hash_rcu_qsbr_add(t->ids, &reclaim) == 0 ? 0 : -ENOMEM;
}

struct nexthop_table *nexthop_table_new(const char *name, int socket, struct rte_rcu_qsbr *rcu)
{
	struct nexthop_table *t = rte_zmalloc_socket(name, sizeof(*t), 64, socket);
	if (!t)
		return NULL;
	t->rcu = rcu;
	t->dump = 1;
	t->route = calloc(ROUTES_MAX + 1, sizeof(*t->route));
	t->neighbour = calloc(NEXTHOP_MAX + 1, sizeof(*t->neighbour));
	if (!t->route || !t->neighbour || lookups_new(t, name, socket) < 0) {
		nexthop_table_free(t);
		return NULL;
	}
	return t;
}

void nexthop_table_free(struct nexthop_table *t)
{
	if (!t)
		return;
	rte_hash_free(t->prefixes);
	rte_hash_free(t->ids);
	rte_fib6_free(t->v6);
	rte_fib_free(t->v4);
	free(t->neighbour);
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
	uint32_t v4[NEXTHOP_BURST];
	uint8_t v6[NEXTHOP_BURST][16];
	uint16_t where[2][NEXTHOP_BURST], count[2] = {0, 0};
	uint64_t hop[NEXTHOP_BURST];
	struct bgf_addr on_link[NEXTHOP_BURST];
	uint16_t on_link_where[NEXTHOP_BURST], on_links = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t at = count[ipv6[i]]++;
		where[ipv6[i]][at] = i;
		if (ipv6[i]) {
			memcpy(v6[at], dst[i], 16);
		} else {
			memcpy(&v4[at], dst[i], 4);
			v4[at] = rte_be_to_cpu_32(v4[at]);
		}
	}
	for (int family = 0; family < 2; family++) {
		if (count[family] == 0)
			continue;
		if (family == 0)
			rte_fib_lookup_bulk(t->v4, v4, hop, count[0]);
		else
			rte_fib6_lookup_bulk(t->v6, v6, hop, count[1]);
		for (uint16_t i = 0; i < count[family]; i++) {
			uint16_t at = where[family][i];
			ret_id[at] = (uint16_t)hop[i];
			if (hop[i] != ID_ON_LINK)
				continue;
			on_link[on_links] = (struct bgf_addr){.family = family ? 6 : 4};
			memcpy(on_link[on_links].octet, dst[at], family ? 16 : 4);
			on_link_where[on_links++] = at;
		}
	}
	if (on_links > 0)
		on_link_bulk(t, on_link, on_link_where, on_links, ret_id);
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

/* rte_fib gives a group of 256 entries that a removed prefix had to the next prefix at once, and does not
 * know RCU. A worker that is between its two loads must not find another prefix's ids in it: so the first
 * addition after a removal waits until all have passed, one turn of their loop. Not for ever: what could
 * happen then is one packet to another of our next hops. */
static void grace_wait(struct nexthop_table *t)
{
	uint64_t until = rte_get_timer_cycles() + rte_get_timer_hz() / 1000000 * GRACE_WAIT_US;

	while (t->grace_open && rte_get_timer_cycles() < until) {
		if (rte_rcu_qsbr_check(t->rcu, t->grace, false) == 1)
			break;
		rte_pause();
	}
	t->grace_open = false;
}

static int fib_add(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length, uint16_t id)
{
	uint32_t v4;

	grace_wait(t);
	if (prefix->family == 6)
		return rte_fib6_add(t->v6, prefix->octet, length, id);
	memcpy(&v4, prefix->octet, 4);
	return rte_fib_add(t->v4, rte_be_to_cpu_32(v4), length, id);
}

static void fib_delete(struct nexthop_table *t, const struct bgf_addr *prefix, uint8_t length)
{
	uint32_t v4;

	if (prefix->family == 6) {
		rte_fib6_delete(t->v6, prefix->octet, length);
	} else {
		memcpy(&v4, prefix->octet, 4);
		rte_fib_delete(t->v4, rte_be_to_cpu_32(v4), length);
	}
	t->grace = rte_rcu_qsbr_start(t->rcu);
	t->grace_open = true;
}

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

static void gateway_release(struct nexthop_table *t, uint16_t id)
{
	if (id < ID_FIRST)
		return;
	t->neighbour[id].routes--;
	neighbour_drop_unused(t, id);
}

static uint16_t gateway_take(struct nexthop_table *t, const struct bgf_addr *gateway)
{
	uint16_t id = neighbour_id(t, gateway);
	if (id != NEXTHOP_NONE)
		t->neighbour[id].routes++;
	return id;
}

/* Puts a route, made or changed, into the look-up and into the books. */
static int route_put(struct nexthop_table *t, const struct nexthop_route *r, const struct bgf_addr *key,
		     bool local)
{
	uint16_t id = local ? NEXTHOP_LOCAL : r->discard ? NEXTHOP_NONE : ID_ON_LINK;
	if (!local && !r->discard && r->gateway.family != 0) {
		id = gateway_take(t, &r->gateway);
		if (id == NEXTHOP_NONE)
			return -ENOSPC;
	}
	int32_t at = rte_hash_lookup(t->prefixes, key);
	bool had = at >= 0;
	if (!had)
		at = rte_hash_add_key(t->prefixes, key);
	if (at < 0 || ((!had || t->route[at].id != id) && fib_add(t, key, r->length, id) < 0)) {
		if (at >= 0 && !had)
			rte_hash_del_key(t->prefixes, key);
		gateway_release(t, id);
		return -ENOSPC;
	}
	if (had) {
		gateway_release(t, t->route[at].id);
		t->routes -= !t->route[at].local;
	}
	t->route[at] = (struct route){.told = *r, .seen = t->dump, .id = id, .local = local};
	t->routes += !local;
	return 0;
}

static void route_drop(struct nexthop_table *t, const struct bgf_addr *key, int32_t at)
{
	struct route *r = &t->route[at];

	fib_delete(t, key, r->told.length);
	gateway_release(t, r->id);
	t->routes -= !r->local;
	for (uint32_t i = 0; r->local && i < t->locals; i++)
		if (bgf_addr_equal(&t->local[i], &r->told.prefix))
			t->local[i] = t->local[--t->locals];
	rte_hash_del_key(t->prefixes, key);
	*r = (struct route){0};
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
	t->dump++;
}

void nexthop_dump_end(struct nexthop_table *t)
{
	struct bgf_addr key;

	for (int32_t at = 0; at <= ROUTES_MAX; at++) {
		const struct route *r = &t->route[at];
		if (r->seen == t->dump || !prefix_key(&r->told.prefix, r->told.length, &key))
			continue;
		route_drop(t, &key, at);
	}
	for (uint32_t id = ID_FIRST; id <= NEXTHOP_MAX; id++)
		if (t->neighbour[id].known && t->neighbour[id].seen != t->dump)
			nexthop_neighbour_set(t, &t->neighbour[id].address, NULL);
}

uint32_t nexthop_resolved(const struct nexthop_table *t)
{
	return t->resolved;
}

uint32_t nexthop_routes(const struct nexthop_table *t)
{
	return t->routes;
}
