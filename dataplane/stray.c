/* SPDX-License-Identifier: BSD-3-Clause */
#include "stray.h"

#include <stdalign.h>
#include <string.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "ip.h"

/* One writer at a time: the worker while it is empty, and of `count` alone while it is not; the main lcore
 * only empties it. An increment that falls between a look and the emptying is lost. */
struct note {
	alignas(RTE_CACHE_LINE_SIZE) uint32_t is_taken;
	struct stray stray;
};

struct strays {
	uint64_t secret;
	struct note note[STRAYS];
	unsigned next; /* the main lcore's: where its next look begins */
};

struct strays *strays_new(uint64_t secret, int socket)
{
	struct strays *s = rte_zmalloc_socket("strays", sizeof(*s), RTE_CACHE_LINE_SIZE, socket);

	if (s != NULL)
		s->secret = secret | 1;
	return s;
}

void strays_free(struct strays *s)
{
	rte_free(s);
}

/* Multiply and fold: the result depends on every bit of the address and on the secret. */
static struct note *place_of(struct strays *s, const uint8_t source[static 16])
{
	uint64_t half[2];

	memcpy(half, source, sizeof(half));
	const unsigned __int128 product =
		(unsigned __int128)(half[0] ^ s->secret) * ((half[1] ^ s->secret << 32) | 1);
	const uint64_t mixed = ((uint64_t)product ^ (uint64_t)(product >> 64)) * s->secret;
	return &s->note[(mixed >> 40) % STRAYS];
}

void stray_note(struct strays *s, const uint8_t *ip, bool ipv6, uint32_t spi)
{
	const unsigned length = ipv6 ? 16 : 4;
	uint8_t source[16] = {0};

	memcpy(source, ip_source(ip, ipv6), length);
	struct note *note = place_of(s, source);
	if (__atomic_load_n(&note->is_taken, __ATOMIC_ACQUIRE) != 0) {
		if (note->stray.ipv6 == ipv6 && memcmp(note->stray.source, source, sizeof(source)) == 0)
			__atomic_store_n(&note->stray.count, note->stray.count + 1, __ATOMIC_RELAXED);
		return;
	}
	note->stray = (struct stray){.spi = spi, .count = 1, .ipv6 = ipv6};
	memcpy(note->stray.source, source, sizeof(source));
	memcpy(note->stray.served, ip_destination(ip, ipv6), length);
	__atomic_store_n(&note->is_taken, 1, __ATOMIC_RELEASE);
}

/* A look begins where the last one stopped, or a flood that fills the table again at once would have the
 * first places told for ever and the others never. */
void strays_take(struct strays *s, bool (*tell)(void *context, const struct stray *stray), void *context)
{
	for (unsigned i = 0; i < STRAYS; i++, s->next = (s->next + 1) % STRAYS) {
		struct note *note = &s->note[s->next];
		if (__atomic_load_n(&note->is_taken, __ATOMIC_ACQUIRE) == 0)
			continue;
		struct stray stray = {.spi = note->stray.spi,
				      .count = __atomic_load_n(&note->stray.count, __ATOMIC_RELAXED),
				      .ipv6 = note->stray.ipv6};
		memcpy(stray.source, note->stray.source, sizeof(stray.source));
		memcpy(stray.served, note->stray.served, sizeof(stray.served));
		if (!tell(context, &stray))
			return;
		__atomic_store_n(&note->is_taken, 0, __ATOMIC_RELEASE);
	}
}
