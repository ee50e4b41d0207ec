/* SPDX-License-Identifier: BSD-3-Clause */
#include "set_fill.h"

#include <arpa/inet.h>
#include <string.h>

#include "bgf_spi.h"
#include "crypto.h"
#include "owner.h"

uint8_t set_temporary(uint8_t state, uint8_t flags)
{
	if (state == BGF_SET_TEMPORARY)
		return SA_TEMPORARY;
	return state == BGF_SET_DRAINING ? flags & SA_TEMPORARY : 0;
}

int set_fill(const struct store_cold *c, uint16_t served, uint16_t workers, struct sa_hot *h)
{
	const struct bgf_set_selectors *sel = &c->selectors;
	int rc = crypto_precompute(c->auth_key, c->key_length, h->shared.inner, h->shared.outer);

	if (rc != 0)
		return rc;
	memcpy(h->shared.ue, sel->ue.octet, sizeof(h->shared.ue));
	h->shared.served = served;
	h->shared.owner = owner_of(&sel->ue, &sel->served, workers);
	h->shared.flags =
		(uint8_t)((h->shared.flags & (SA_WATCH_FIRST | SA_TCP | SA_WATCH_KEYS)) |
			  (sel->ue.family == 6 ? SA_IPV6 : 0) | set_temporary(c->state, h->shared.flags));
	h->in[BGF_SPI_PS].port_ue = htons(sel->port_uc);
	h->in[BGF_SPI_PS].port_local = htons(sel->port_ps);
	h->in[BGF_SPI_PC].port_ue = htons(sel->port_us);
	h->in[BGF_SPI_PC].port_local = htons(sel->port_pc);
	h->out[0].spi = htonl(sel->spi_uc);
	h->out[0].port_local = htons(sel->port_ps);
	h->out[0].port_ue = htons(sel->port_uc);
	h->out[1].spi = htonl(sel->spi_us);
	h->out[1].port_local = htons(sel->port_pc);
	h->out[1].port_ue = htons(sel->port_us);
	return 0;
}
