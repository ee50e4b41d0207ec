/* SPDX-License-Identifier: BSD-3-Clause */
#include "policer.h"

#include <errno.h>
#include <stdalign.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <string.h>

enum { WAYS = 4, PLACES = POLICER_SOURCES / WAYS };

/* The bucket as one number (ITU-T I.371, GCRA): the time at which it is full again. */
struct source {
	uint64_t address;
	uint64_t full_at; /* TSC; 0: nobody's */
};

struct policer {
	uint64_t period;    /* TSC a token */
	uint64_t tolerance; /* TSC of all tokens but one */
	uint64_t hash_key;
	alignas(RTE_CACHE_LINE_SIZE) struct source source[PLACES][WAYS];
};

int policer_new(uint32_t rate, uint32_t burst, uint64_t tsc_hz, uint64_t hash_key, int socket,
		struct policer **ret)
{
	struct policer *p;

	if (rate == 0 || burst == 0 || tsc_hz < rate)
		return -EINVAL;
	p = rte_zmalloc_socket("policer", sizeof(*p), RTE_CACHE_LINE_SIZE, socket);
	if (p == NULL)
		return -ENOMEM;
	p->period = tsc_hz / rate;
	p->tolerance = p->period * (burst - 1);
	p->hash_key = hash_key | 1;
	*ret = p;
	return 0;
}

void policer_free(struct policer *p)
{
	rte_free(p);
}

/* The first four octets of a /64 are never 0 where it is a host's: an IPv4 address goes behind them. */
static uint64_t address_key(const uint8_t *source, bool ipv6)
{
	uint64_t key = 0;
	uint32_t ipv4;

	if (ipv6) {
		memcpy(&key, source, sizeof(key));
		return key;
	}
	memcpy(&ipv4, source, sizeof(ipv4));
	return (uint64_t)ipv4 << 32;
}

/* Multiply and fold: the high half depends on every bit of the address and on the secret. */
static uint32_t place_of(const struct policer *p, uint64_t address)
{
	const unsigned __int128 product = (unsigned __int128)(address ^ p->hash_key) * p->hash_key;
	const uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64);
	return (uint32_t)(mixed >> 32 ^ mixed) % PLACES;
}

static struct source *find(struct policer *p, uint64_t address, uint64_t now)
{
	struct source *place = p->source[place_of(p, address)];
	struct source *fullest = &place[0];

	for (int i = 0; i < WAYS; i++) {
		if (place[i].address == address && place[i].full_at != 0)
			return &place[i];
		if (place[i].full_at < fullest->full_at)
			fullest = &place[i];
	}
	*fullest = (struct source){address, now};
	return fullest;
}

bool policer_admit(struct policer *p, const uint8_t *source, bool ipv6, uint64_t now)
{
	struct source *s = find(p, address_key(source, ipv6), now);
	const uint64_t full_at = s->full_at > now ? s->full_at : now;

	if (full_at - now > p->tolerance)
		return false;
	s->full_at = full_at + p->period;
	return true;
}
