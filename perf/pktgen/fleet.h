/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The phones: what each of them is follows from its number alone, but for its key's states, the gateway's
 * SPIs and where its counters are. A phone is 96 octets.
 *
 * `which` is everywhere one of the two protected pairs (TS 33.203 7.1): 0 is port_uc and port_ps, 1 is
 * port_us and port_pc.
 */
#ifndef PKTGEN_FLEET_H
#define PKTGEN_FLEET_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "bgf_addr.h"
#include "hmac.h"

enum { FLEET_MAX = 1000000, FLEET_IK = 16, FLEET_SEED = 32 };

/* One line: all that a packet from the phone needs. */
struct phone {
	struct hmac_key key;
	uint32_t spi[2];  /* the gateway's, host order: spi_ps, spi_pc */
	uint32_t sent[2]; /* the last ESP sequence number of the phone */
	uint64_t set_id;  /* 0: not installed */
};

/* What came and went otherwise, by pair. */
struct receipt {
	uint32_t up[2];	  /* the last ESP sequence number that came out at the core */
	uint32_t sent[2]; /* packets sent to the phone from the core */
	uint32_t down[2]; /* the last of them that came in */
	uint32_t esp[2];  /* the last ESP sequence number from the gateway */
};
static_assert(sizeof(struct phone) == 64 && sizeof(struct receipt) == 32, "memory of a million");

/* How the phones are laid out. */
struct fleet_plan {
	uint32_t count;
	uint8_t ipv6_percent;
	struct bgf_addr ue4, ue6;	  /* of phone 0; the next phone has the next address */
	struct bgf_addr served4, served6; /* the P-CSCF's */
	uint16_t port_ps, port_pc;
};

struct fleet {
	struct fleet_plan plan;
	uint8_t seed[FLEET_SEED]; /* random at each start: all keys follow from it */
	struct phone *phone;
	struct receipt *receipt;
};

/* 0 or -ENOMEM. */
int fleet_new(const struct fleet_plan *plan, struct fleet *ret);
void fleet_free(struct fleet *f);

/* Draws the phone's IK and expands it into its states. *ret_ik is the caller's to wipe. */
void fleet_key(struct fleet *f, uint32_t number, uint8_t ret_ik[FLEET_IK]);

bool fleet_is_ipv6(const struct fleet_plan *p, uint32_t number);
/* The address in network order: 4 or 16 octets. */
void fleet_address(const struct fleet_plan *p, uint32_t number, uint8_t *ret);
const uint8_t *fleet_served(const struct fleet_plan *p, bool ipv6);
/* Whether one of the phones has it. */
bool fleet_has(const struct fleet_plan *p, const uint8_t *address, bool ipv6);

/* port_uc or port_us; the phone's own SPI spi_uc or spi_us; and back: -1 if no phone has that SPI. */
uint16_t fleet_ue_port(uint32_t number, unsigned which);
uint16_t fleet_local_port(const struct fleet_plan *p, unsigned which);
uint32_t fleet_ue_spi(uint32_t number, unsigned which);
int64_t fleet_by_spi(const struct fleet_plan *p, uint32_t spi, unsigned *ret_which);

#endif
