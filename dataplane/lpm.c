/* SPDX-License-Identifier: BSD-3-Clause */
#include "lpm.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdalign.h>
#include <stdlib.h>

typedef unsigned __int128 key128;

enum { DEPTH_MAX = 130 /* prefixes nested in each other: lengths 0 to 128 */ };

/* Range i of a family begins at from[i] and ends where i + 1 begins. from[0] is 0. Each prefix makes two at
 * most: one at its begin, and one behind its end. */
struct lpm {
	uint32_t count4, count6;
	uint32_t room; /* ranges a family */
	alignas(16) uint8_t data[];
};

static key128 *from6(const struct lpm *l)
{
	return (key128 *)(uintptr_t)l->data;
}

static uint32_t *from4(const struct lpm *l)
{
	return (uint32_t *)(uintptr_t)(l->data + l->room * sizeof(key128));
}

static uint16_t *id6(const struct lpm *l)
{
	return (uint16_t *)(uintptr_t)(l->data + l->room * (sizeof(key128) + sizeof(uint32_t)));
}

static uint16_t *id4(const struct lpm *l)
{
	return id6(l) + l->room;
}

size_t lpm_size(uint32_t n)
{
	return sizeof(struct lpm) +
	       (2 * (size_t)n + 1) * (sizeof(key128) + sizeof(uint32_t) + 2 * sizeof(uint16_t));
}

static key128 load6(const uint8_t *octets)
{
	uint64_t half[2];

	memcpy(half, octets, 16);
	return (key128)be64toh(half[0]) << 64 | be64toh(half[1]);
}

static uint32_t load4(const uint8_t *octets)
{
	uint32_t v;

	memcpy(&v, octets, 4);
	return ntohl(v);
}

/* IPv4 first; then by address, the shorter first: so that a prefix comes before those in it. */
static int order(const void *a, const void *b)
{
	const struct lpm_prefix *x = a, *y = b;

	if (x->prefix.family != y->prefix.family)
		return x->prefix.family < y->prefix.family ? -1 : 1;
	int r = memcmp(x->prefix.octet, y->prefix.octet, 16);
	return r ? r : (int)x->length - y->length;
}

/* The ranges of one family as they are made: `first` of a range already there is overwritten. */
struct sweep {
	key128 *from;
	uint16_t *id;
	uint32_t count;
};

static void emit(struct sweep *s, key128 from, uint16_t id)
{
	if (s->count > 0 && s->from[s->count - 1] == from) {
		s->id[s->count - 1] = id;
		return;
	}
	s->from[s->count] = from;
	s->id[s->count++] = id;
}

/* The open prefixes, outermost first. */
struct open {
	key128 last; /* address that the prefix covers */
	uint16_t id;
};

static void close_before(struct sweep *s, const struct open *stack, unsigned *depth, key128 until, bool all,
			 key128 end)
{
	while (*depth > 1 && (all || stack[*depth - 1].last < until)) {
		key128 last = stack[--*depth].last;
		if (last != end)
			emit(s, last + 1, stack[*depth - 1].id);
	}
}

static uint32_t sweep_family(key128 *from, uint16_t *id, const struct lpm_prefix *p, uint32_t n,
			     unsigned bits)
{
	const key128 end = bits == 128 ? ~(key128)0 : ((key128)1 << bits) - 1;
	struct sweep s = {.from = from, .id = id};
	struct open stack[DEPTH_MAX] = {{.last = end}};
	unsigned depth = 1;

	emit(&s, 0, 0);
	for (uint32_t i = 0; i < n; i++) {
		key128 first = bits == 128 ? load6(p[i].prefix.octet) : load4(p[i].prefix.octet);
		key128 last = p[i].length == bits ? first : first | end >> p[i].length;
		close_before(&s, stack, &depth, first, false, end);
		emit(&s, first, p[i].id);
		stack[depth++] = (struct open){.last = last, .id = p[i].id};
	}
	close_before(&s, stack, &depth, 0, true, end);
	return s.count;
}

void lpm_build(struct lpm *ret, struct lpm_prefix *p, uint32_t n)
{
	uint32_t v4 = 0;

	qsort(p, n, sizeof(*p), order);
	while (v4 < n && p[v4].prefix.family == 4)
		v4++;
	ret->room = 2 * n + 1;
	/* IPv4 is swept in the wide vector and then narrowed. */
	ret->count4 = sweep_family(from6(ret), id4(ret), p, v4, 32);
	for (uint32_t i = 0; i < ret->count4; i++)
		from4(ret)[i] = (uint32_t)from6(ret)[i];
	ret->count6 = sweep_family(from6(ret), id6(ret), p + v4, n - v4, 128);
}

/* The last range that does not begin behind the destination; without branches that depend on it. */
static uint32_t search4(const struct lpm *l, const uint8_t *octets)
{
	const uint32_t *base = from4(l), key = load4(octets);

	for (uint32_t n = l->count4; n > 1; n -= n / 2)
		base = base[n / 2] <= key ? base + n / 2 : base;
	return (uint32_t)(base - from4(l));
}

static uint32_t search6(const struct lpm *l, const uint8_t *octets)
{
	const key128 *base = from6(l), key = load6(octets);

	for (uint32_t n = l->count6; n > 1; n -= n / 2)
		base = base[n / 2] <= key ? base + n / 2 : base;
	return (uint32_t)(base - from6(l));
}

uint16_t lpm_find4(const struct lpm *l, const uint8_t *octets)
{
	return id4(l)[search4(l, octets)];
}

uint16_t lpm_find6(const struct lpm *l, const uint8_t *octets)
{
	return id6(l)[search6(l, octets)];
}

uint16_t lpm_range(const struct lpm *l, const uint8_t *octets, bool ipv6, struct lpm_range *ret)
{
	const uint32_t i = ipv6 ? search6(l, octets) : search4(l, octets);
	const bool last = i + 1 == (ipv6 ? l->count6 : l->count4);

	ret->first = ipv6 ? from6(l)[i] : from4(l)[i];
	if (ipv6)
		ret->span = (last ? ~(key128)0 : from6(l)[i + 1] - 1) - ret->first;
	else
		ret->span = (last ? UINT32_MAX : from4(l)[i + 1] - 1) - ret->first;
	return ipv6 ? id6(l)[i] : id4(l)[i];
}
