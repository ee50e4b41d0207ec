/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of orders share: one P-CSCF, and how it installs sets.
 */
#ifndef BGF_TEST_ORDERS_H
#define BGF_TEST_ORDERS_H

#include "harness.h"

#define SECOND UINT64_C(1000000000)

static struct client client;

static inline void hello(struct harness *h)
{
	client_hello(&client, h, "pcscf1", 5, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&client), ZB_CAUSE_DONE);
	client_subscribe(&client);
}

static inline struct zb_set installed(const struct install *in)
{
	assert_int_equal(client_install(&client, in), ZB_CAUSE_DONE);
	return client_set(&client);
}

static inline unsigned why(void)
{
	return (unsigned)zb_get_number(&client.event.attrs, ZB_ATTR_WHY, 0);
}

/* The nth INSTALL of the sample's subscriber, with ports and SPIs of its own. */
static inline struct install nth(unsigned n)
{
	struct install in = sample_install();

	in.reference = 100 + n;
	in.selectors.port_uc = (uint16_t)(10000 + n);
	in.selectors.port_us = (uint16_t)(20000 + n);
	in.selectors.spi_uc = 3000 + 2 * n;
	in.selectors.spi_us = 3001 + 2 * n;
	return in;
}

#endif
