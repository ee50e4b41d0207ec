/* SPDX-License-Identifier: BSD-3-Clause */
#include "set_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bgf_spi.h"

enum { HMAC_SHA_1_KEY = 20 /* octets (rule 11) */ };

/* What follows the octets of an address is zero: addresses are compared and hashed whole. */
static bool is_normal(const struct bgf_addr *a)
{
	struct bgf_addr same;

	return bgf_addr_len(a) != 0 && bgf_addr_from_octets(a->octet, bgf_addr_len(a), &same) == 0 &&
	       memcmp(&same, a, sizeof(same)) == 0;
}

static bool ports_are_sane(const struct bgf_set_selectors *s, const struct served_address *served)
{
	if (s->port_uc == 0 || s->port_us == 0 || s->port_pc == 0 || s->port_ps == 0)
		return false;
	if (s->port_uc == s->port_us || s->port_pc == s->port_ps)
		return false;
	return !served_unprotected(served, htons(s->port_pc)) &&
	       !served_unprotected(served, htons(s->port_ps));
}

int set_check_selectors(const struct bgf_set_selectors *s, const struct served_table *served,
			uint16_t *ret_served)
{
	if (!is_normal(&s->ue) || !is_normal(&s->served) || s->ue.family != s->served.family ||
	    !bgf_addr_is_host(&s->ue))
		return -EINVAL;
	bool ipv6 = s->ue.family == 6;
	uint16_t index = served_find(served, s->served.octet, ipv6);
	if (index == SERVED_NONE)
		return -EADDRNOTAVAIL;
	if (served_find(served, s->ue.octet, ipv6) != SERVED_NONE)
		return -EINVAL;
	if (!ports_are_sane(s, &served->entry[index]))
		return -EINVAL;
	if (s->spi_uc < BGF_SPI_MIN || s->spi_us < BGF_SPI_MIN || s->spi_uc == s->spi_us)
		return -EINVAL;
	*ret_served = index;
	return 0;
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

int set_check_name(const struct dpl_set_name *n)
{
	return n->peer[0] != '\0' && n->subscriber[0] != '\0' && ends(n->peer, sizeof(n->peer)) &&
			       ends(n->subscriber, sizeof(n->subscriber)) &&
			       ends(n->registration_id, sizeof(n->registration_id))
		       ? 0
		       : -EINVAL;
}

int set_check_state(uint8_t state)
{
	return state >= BGF_SET_TEMPORARY && state <= BGF_SET_DRAINING ? 0 : -EINVAL;
}

int set_check_key(const struct dpl_set_name *n, uint8_t key_length)
{
	return n->alg == BGF_ALG_HMAC_SHA_1_96 && n->ealg == BGF_EALG_NONE && n->mod == BGF_MOD_TRANS &&
			       key_length == HMAC_SHA_1_KEY
		       ? 0
		       : -EINVAL;
}

const char *set_check_record(const struct store_cold *c, uint32_t slot, const struct served_table *served,
			     uint16_t *ret_served)
{
	const struct bgf_set_selectors *sel = &c->selectors;

	if (!store_sealed(c) || (uint32_t)(c->set_id & (BGF_SPI_SLOTS - 1)) != slot || c->generation == 0 ||
	    c->generation > BGF_SPI_GENERATION_MAX)
		return "its record is damaged";
	if (sel->spi_ps != bgf_spi_make(c->generation, slot, BGF_SPI_PS) ||
	    sel->spi_pc != bgf_spi_make(c->generation, slot, BGF_SPI_PC))
		return "its SPIs are not its slot's";
	switch (set_check_selectors(sel, served, ret_served)) {
	case 0:
		break;
	case -EADDRNOTAVAIL:
		return "its served address is not in the configuration any more";
	default:
		return "its selectors are out of bounds, or its P-CSCF ports are unprotected ones now";
	}
	if (set_check_name(&c->name) != 0 || set_check_state(c->state) != 0 ||
	    set_check_key(&c->name, c->key_length) != 0)
		return "its record holds what this version does not know";
	return NULL;
}
