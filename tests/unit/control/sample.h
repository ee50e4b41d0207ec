/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A configuration with two served addresses, an INSTALL that is right, and sets made of it.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <string.h>

#include "control/install.h"
#include "control/peer.h"
#include "control/sa_set.h"

static inline struct bgf_addr sample_addr(const char *text)
{
	struct bgf_addr a = {0};

	bgf_addr_parse(text, &a);
	return a;
}

static inline struct bgf_config sample_config(void)
{
	struct bgf_config c = {.name = "bgf-test",
			       .served_count = 2,
			       .control = {.connections_max = 4,
					   .await_auth_s = 240,
					   .supersede_s = 128,
					   .heartbeat_s = 10,
					   .frame_timeout_s = 5,
					   .zb_mode = 0660}};

	c.served[0].address = sample_addr("10.50.0.1");
	c.served[1].address = sample_addr("fd00:50::1");
	for (int i = 0; i < 2; i++) {
		c.served[i].unprotected_ports[0] = 5060;
		c.served[i].unprotected_ports[1] = 5070;
		c.served[i].unprotected_count = 2;
	}
	return c;
}

static inline struct install sample_install(void)
{
	return (struct install){.reference = 1,
				.subscriber = "alice@ims.example",
				.selectors = {.ue = sample_addr("10.45.0.2"),
					      .served = sample_addr("10.50.0.1"),
					      .port_uc = 5062,
					      .port_us = 5063,
					      .port_pc = 6060,
					      .port_ps = 6062,
					      .spi_uc = 1000,
					      .spi_us = 1001},
				.alg = BGF_ALG_HMAC_SHA_1_96,
				.ik = {1, 2, 3}};
}

/* A set as the data plane would have it; into the table at once. */
static inline struct sa_set *sample_enter(struct sa_table *t, struct peer *peer, const struct install *in,
					  uint64_t id, uint8_t state)
{
	struct sa_set *set = sa_set_new();

	set->id = id;
	set->peer = peer;
	set->state = state;
	set->selectors = in->selectors;
	set->name.reference = in->reference;
	memcpy(set->name.subscriber, in->subscriber, sizeof(in->subscriber));
	memcpy(set->name.registration_id, in->registration_id, sizeof(in->registration_id));
	sa_table_enter(t, set);
	return set;
}

static inline void sample_free_all(struct sa_table *t)
{
	for (uint32_t i = 0; i < t->slots; i++) {
		struct sa_set *set = t->slot[i];
		if (set == NULL)
			continue;
		sa_table_leave(t, set);
		sa_set_free(set);
	}
	sa_table_free(t);
}

#endif
