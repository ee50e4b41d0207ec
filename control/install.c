/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/install.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>

#include "control/digest.h"

enum { SIP_PORT = 5060 };

int refuse(struct refusal *r, unsigned cause, unsigned attribute, const char *format, ...)
{
	va_list ap;

	r->fault = (struct zb_fault){.cause = (uint16_t)cause, .attribute = (uint16_t)attribute};
	va_start(ap, format);
	vsnprintf(r->text, sizeof(r->text), format, ap);
	va_end(ap);
	return -EREMOTEIO;
}

static uint16_t get_port(const struct zb_attrs *attrs, enum zb_attribute attr)
{
	return (uint16_t)zb_get_number(attrs, attr, 0);
}

void install_get(const struct zb_attrs *attrs, struct install *ret)
{
	*ret = (struct install){
		.reference = zb_get_number(attrs, ZB_ATTR_REFERENCE, 0),
		.via_set = zb_get_number(attrs, ZB_ATTR_VIA_SET, 0),
		.selectors = {.port_uc = get_port(attrs, ZB_ATTR_PORT_UC),
			      .port_us = get_port(attrs, ZB_ATTR_PORT_US),
			      .port_pc = get_port(attrs, ZB_ATTR_PORT_PC),
			      .port_ps = get_port(attrs, ZB_ATTR_PORT_PS),
			      .spi_uc = (uint32_t)zb_get_number(attrs, ZB_ATTR_SPI_UC, 0),
			      .spi_us = (uint32_t)zb_get_number(attrs, ZB_ATTR_SPI_US, 0)},
		.alg = (uint8_t)zb_get_number(attrs, ZB_ATTR_ALG, 0),
		.ealg = (uint8_t)zb_get_number(attrs, ZB_ATTR_EALG, BGF_EALG_NONE), /* rule 13 */
		.mod = (uint8_t)zb_get_number(attrs, ZB_ATTR_MOD, BGF_MOD_TRANS),
		.flags = (uint8_t)zb_get_number(attrs, ZB_ATTR_FLAGS, 0),
		.has_ck = zb_has(attrs, ZB_ATTR_CK),
		.await_auth_s = (uint16_t)zb_get_number(attrs, ZB_ATTR_AWAIT_AUTH, 0),
	};
	zb_get_string(attrs, ZB_ATTR_SUBSCRIBER, ret->subscriber, sizeof(ret->subscriber));
	zb_get_string(attrs, ZB_ATTR_REGISTRATION_ID, ret->registration_id, sizeof(ret->registration_id));
	zb_get_addr(attrs, ZB_ATTR_UE_ADDRESS, &ret->selectors.ue);
	zb_get_addr(attrs, ZB_ATTR_SERVED_ADDRESS, &ret->selectors.served);
	zb_get_octets(attrs, ZB_ATTR_IK, ret->ik, sizeof(ret->ik));
	zb_get_octets(attrs, ZB_ATTR_CK, ret->ck, sizeof(ret->ck));
}

void install_wipe(struct install *in)
{
	OPENSSL_cleanse(in, sizeof(*in));
}

static int check_algorithms(const struct install *in, struct refusal *r)
{
	if (in->alg != BGF_ALG_HMAC_SHA_1_96)
		return refuse(r, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_ALG,
			      "alg %u (%s) is not supported; allowed: hmac-sha-1-96", in->alg,
			      bgf_alg_text(in->alg));
	if (in->ealg != BGF_EALG_NONE)
		return refuse(r, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_EALG,
			      "ealg %u (%s) is not supported; allowed: null", in->ealg,
			      bgf_ealg_text(in->ealg));
	if (in->mod != BGF_MOD_TRANS)
		return refuse(r, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_MOD,
			      "mod %u (%s) is not supported; allowed: trans", in->mod, bgf_mod_text(in->mod));
	return 0;
}

static const struct config_served *find_served(const struct bgf_config *config,
					       const struct bgf_addr *address)
{
	for (uint32_t i = 0; i < config->served_count; i++)
		if (bgf_addr_equal(&config->served[i].address, address))
			return &config->served[i];
	return NULL;
}

static int check_addresses(const struct install *in, const struct bgf_config *config, struct refusal *r)
{
	const struct bgf_set_selectors *s = &in->selectors;
	char ue[BGF_ADDR_STRLEN], served[BGF_ADDR_STRLEN];

	bgf_addr_text(&s->ue, ue);
	bgf_addr_text(&s->served, served);
	if (find_served(config, &s->served) == NULL)
		return refuse(r, ZB_CAUSE_NOT_SERVED, ZB_ATTR_SERVED_ADDRESS,
			      "%s is not a served address of this gateway", served);
	if (s->ue.family != s->served.family)
		return refuse(r, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS,
			      "%s and %s are of different families", ue, served);
	if (find_served(config, &s->ue) != NULL)
		return refuse(r, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS,
			      "%s is a served address, not a UE's", ue);
	if (!bgf_addr_is_host(&s->ue))
		return refuse(r, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS,
			      "%s is an address that no UE can have", ue);
	return 0;
}

static bool is_unprotected(const struct config_served *served, uint16_t port)
{
	for (uint8_t i = 0; i < served->unprotected_count; i++)
		if (served->unprotected_ports[i] == port)
			return true;
	return false;
}

/* Rule 7. A UE's protected ports are not the one it uses in the clear either (7.1). */
static int check_ports(const struct install *in, const struct config_served *served, struct refusal *r)
{
	const struct bgf_set_selectors *s = &in->selectors;
	const struct {
		uint16_t port;
		enum zb_attribute attr;
		bool is_ue;
	} ports[] = {{s->port_uc, ZB_ATTR_PORT_UC, true},
		     {s->port_us, ZB_ATTR_PORT_US, true},
		     {s->port_pc, ZB_ATTR_PORT_PC, false},
		     {s->port_ps, ZB_ATTR_PORT_PS, false}};

	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		if (ports[i].port == 0)
			return refuse(r, ZB_CAUSE_BAD_PORT, ports[i].attr, "port 0 is no port");
		if (ports[i].is_ue ? ports[i].port == SIP_PORT : is_unprotected(served, ports[i].port))
			return refuse(r, ZB_CAUSE_BAD_PORT, ports[i].attr, "%u is an unprotected port",
				      ports[i].port);
	}
	if (s->port_uc == s->port_us)
		return refuse(r, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_US, "port_uc and port_us are both %u",
			      s->port_us);
	if (s->port_pc == s->port_ps)
		return refuse(r, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_PC, "port_pc and port_ps are both %u",
			      s->port_pc);
	return 0;
}

/* Rules 4 and 5. */
static int check_spis(const struct install *in, struct refusal *r)
{
	const struct bgf_set_selectors *s = &in->selectors;

	if (s->spi_uc < BGF_SPI_MIN)
		return refuse(r, ZB_CAUSE_BAD_SPI, ZB_ATTR_SPI_UC, "SPI %u is reserved", s->spi_uc);
	if (s->spi_us < BGF_SPI_MIN)
		return refuse(r, ZB_CAUSE_BAD_SPI, ZB_ATTR_SPI_US, "SPI %u is reserved", s->spi_us);
	if (s->spi_uc == s->spi_us)
		return refuse(r, ZB_CAUSE_BAD_SPI, ZB_ATTR_SPI_US, "spi_uc and spi_us are both %u",
			      s->spi_us);
	return 0;
}

int install_check(const struct install *in, const struct bgf_config *config, struct refusal *r)
{
	int error = check_algorithms(in, r);

	if (error == 0)
		error = check_addresses(in, config, r);
	if (error == 0)
		error = check_ports(in, find_served(config, &in->selectors.served), r);
	if (error == 0)
		error = check_spis(in, r);
	return error;
}

/* The content in one fixed order, strings with their NUL, numbers as they are in this host's memory: the
 * digest never leaves the host. */
static size_t pack(const struct install *in, uint8_t *out)
{
	const struct bgf_set_selectors *s = &in->selectors;
	const struct {
		const void *data;
		size_t length;
	} parts[] = {{in->subscriber, strlen(in->subscriber) + 1},
		     {in->registration_id, strlen(in->registration_id) + 1},
		     {&s->ue, sizeof(s->ue)},
		     {&s->served, sizeof(s->served)},
		     {&s->port_uc, 2},
		     {&s->port_us, 2},
		     {&s->port_pc, 2},
		     {&s->port_ps, 2},
		     {&s->spi_uc, 4},
		     {&s->spi_us, 4},
		     {&in->alg, 1},
		     {&in->ealg, 1},
		     {&in->mod, 1},
		     {&in->flags, 1},
		     {in->ik, sizeof(in->ik)},
		     {&in->has_ck, 1},
		     {in->ck, sizeof(in->ck)},
		     {&in->await_auth_s, 2},
		     {&in->via_set, 8}};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		memcpy(out + used, parts[i].data, parts[i].length);
		used += parts[i].length;
	}
	return used;
}

int install_digest(const struct install *in, uint8_t ret_digest[static 32])
{
	uint8_t packed[sizeof(*in)]; /* the parts are members of it, so they fit */
	size_t length = pack(in, packed);
	int error = digest_sha256(packed, length, ret_digest);

	OPENSSL_cleanse(packed, sizeof(packed));
	return error;
}

void install_refine_fault(struct refusal *r)
{
	if (r->fault.cause != ZB_CAUSE_BAD_VALUE)
		return;
	switch (r->fault.attribute) {
	case ZB_ATTR_PORT_UC:
	case ZB_ATTR_PORT_US:
	case ZB_ATTR_PORT_PC:
	case ZB_ATTR_PORT_PS:
		refuse(r, ZB_CAUSE_BAD_PORT, r->fault.attribute, "port 0 is no port");
		break;
	case ZB_ATTR_SPI_UC:
	case ZB_ATTR_SPI_US:
		refuse(r, ZB_CAUSE_BAD_SPI, r->fault.attribute, "SPI 0 to 255 are reserved (RFC 4303)");
		break;
	}
}
