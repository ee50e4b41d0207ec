/* SPDX-License-Identifier: BSD-3-Clause */
#include "crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UC_FIRST = 20000, UC_ROUNDS = 8, US_FIRST = 30000, SPI_FIRST = 256 };

int crowd_new(struct crowd *c)
{
	c->one = calloc(c->count, sizeof(*c->one));
	return c->one != NULL ? 0 : -ENOMEM;
}

void crowd_free(struct crowd *c)
{
	free(c->one);
	c->one = NULL;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185;
	x = (x ^ x >> 27) * 0x81dadef4bc2dd44d;
	return x ^ x >> 33;
}

/* The address `number` steps behind the first one. */
static struct bgf_addr address_of(const struct bgf_addr *first, uint32_t number)
{
	struct bgf_addr a = *first;
	uint64_t carry = number;

	for (unsigned i = bgf_addr_len(&a); i-- > 0 && carry > 0; carry >>= 8) {
		carry += a.octet[i];
		a.octet[i] = (uint8_t)carry;
	}
	return a;
}

void crowd_install(struct crowd *c, uint32_t number, char name[static CROWD_NAME], struct zb_install *ret)
{
	const uint32_t round = c->one[number].rounds++;
	const uint64_t key[2] = {mix(c->seed ^ number), mix(c->seed + round + ((uint64_t)number << 32))};
	const uint32_t spi = SPI_FIRST + round % UC_ROUNDS * 2;

	snprintf(name, CROWD_NAME, "subscriber-%u@zbload.example", number);
	*ret = (struct zb_install){.reference = ++c->reference,
				   .subscriber = name,
				   .alg = BGF_ALG_HMAC_SHA_1_96,
				   .selectors = {.ue = address_of(&c->ue, number),
						 .served = c->served,
						 .port_uc = (uint16_t)(UC_FIRST + round % UC_ROUNDS),
						 .port_us = US_FIRST,
						 .port_pc = (uint16_t)(c->port_pc + round % CROWD_PORTS),
						 .port_ps = c->port_ps,
						 .spi_uc = spi,
						 .spi_us = spi + 1}};
	memcpy(ret->ik, key, sizeof(key));
}
