/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/digest.h"

#include <string.h>

#include "zb.h"
#include "zb/siphash.h"

enum {
	DIGESTED_MAX =
		2 * 8 + 5 + 1 + 2 * 16 + 4 * 2 + 4 * 4 + 2 + BGF_SUBSCRIBER_MAX + BGF_REGISTRATION_ID_MAX
};

static uint8_t *put(uint8_t *at, uint64_t number, unsigned octets)
{
	while (octets-- > 0)
		*at++ = (uint8_t)(number >> 8 * octets);
	return at;
}

static uint8_t *put_octets(uint8_t *at, const void *octets, size_t length)
{
	memcpy(at, octets, length);
	return at + length;
}

static uint8_t *put_text(uint8_t *at, const char *text, size_t most)
{
	size_t length = strnlen(text, most);

	return put_octets(put(at, length, 1), text, length);
}

static uint8_t *put_selectors(uint8_t *at, const struct bgf_set_selectors *s)
{
	unsigned address = bgf_addr_len(&s->ue);

	at = put(at, address, 1);
	at = put_octets(at, s->ue.octet, address);
	at = put_octets(at, s->served.octet, address);
	at = put(at, s->port_uc, 2);
	at = put(at, s->port_us, 2);
	at = put(at, s->port_pc, 2);
	at = put(at, s->port_ps, 2);
	at = put(at, s->spi_uc, 4);
	at = put(at, s->spi_us, 4);
	at = put(at, s->spi_pc, 4);
	return put(at, s->spi_ps, 4);
}

/* The key is public: it keeps nobody from making a digest, and the reference's vectors can be used to check.
 */
uint64_t digest_of(const struct digest_subject *s)
{
	static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t digested[DIGESTED_MAX], *at = digested;

	at = put(at, s->set_id, 8);
	at = put(at, s->reference, 8);
	at = put(at, s->state, 1);
	at = put(at, s->flags, 1);
	at = put(at, s->alg, 1);
	at = put(at, s->ealg, 1);
	at = put(at, s->mod, 1);
	at = put_selectors(at, s->selectors);
	at = put_text(at, s->subscriber, BGF_SUBSCRIBER_MAX);
	at = put_text(at, s->registration_id, BGF_REGISTRATION_ID_MAX);
	return siphash(key, digested, (size_t)(at - digested));
}

uint64_t zb_set_digest(const struct zb_set *set)
{
	const struct digest_subject subject = {.set_id = set->set_id,
					       .reference = set->reference,
					       .state = set->state,
					       .flags = set->flags,
					       .alg = set->alg,
					       .ealg = set->ealg,
					       .mod = set->mod,
					       .selectors = &set->selectors,
					       .subscriber = set->subscriber,
					       .registration_id = set->registration_id};

	return digest_of(&subject);
}
