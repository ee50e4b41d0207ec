/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The subscribers: what each of them asks for follows from its number and from how often it has
 * authenticated.
 */
#ifndef ZBLOAD_CROWD_H
#define ZBLOAD_CROWD_H

#include <stdint.h>

#include "zb.h"

enum { CROWD_MAX = 4000000, CROWD_NAME = 48 };

struct subscriber {
	uint64_t set_id; /* of its newest set; 0: none */
	uint32_t rounds; /* authentications so far */
};

struct crowd {
	uint32_t count;
	struct bgf_addr ue, served; /* of the first one: the next has the next address */
	uint16_t port_ps, port_pc;  /* the P-CSCF's; port_pc is the first of CROWD_PORTS */
	uint64_t seed;		    /* keys and references follow from it */
	uint64_t reference;	    /* the last one used */
	struct subscriber *one;
};

enum { CROWD_PORTS = 3 };

int crowd_new(struct crowd *c); /* the plan is filled; 0 or -ENOMEM */
void crowd_free(struct crowd *c);

/* What a subscriber's next authentication installs. `name` is where its IMPI goes. The key is the caller's to
 * wipe. Port_us and port_ps stay, port_uc and port_pc change (rule 7). */
void crowd_install(struct crowd *c, uint32_t number, char name[static CROWD_NAME], struct zb_install *ret);

#endif
