/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/records.h"

#include <string.h>

static void put_selectors(struct zb_frame *f, const struct bgf_set_selectors *s)
{
	zb_put_addr(f, ZB_ATTR_UE_ADDRESS, &s->ue);
	zb_put_addr(f, ZB_ATTR_SERVED_ADDRESS, &s->served);
	zb_put_number(f, ZB_ATTR_PORT_UC, s->port_uc);
	zb_put_number(f, ZB_ATTR_PORT_US, s->port_us);
	zb_put_number(f, ZB_ATTR_PORT_PC, s->port_pc);
	zb_put_number(f, ZB_ATTR_PORT_PS, s->port_ps);
	zb_put_number(f, ZB_ATTR_SPI_UC, s->spi_uc);
	zb_put_number(f, ZB_ATTR_SPI_US, s->spi_us);
	zb_put_number(f, ZB_ATTR_SPI_PC, s->spi_pc);
	zb_put_number(f, ZB_ATTR_SPI_PS, s->spi_ps);
}

static void put_traffic(struct zb_frame *f, const struct zb_set *set)
{
	for (unsigned i = 0; i < 4; i++) {
		zb_group_begin(f, ZB_ATTR_SA);
		zb_put_number(f, ZB_ATTR_PACKETS, set->packets[i]);
		zb_put_number(f, ZB_ATTR_OCTETS_COUNT, set->octets[i]);
		zb_put_number(f, ZB_ATTR_SEQUENCE, set->sequence[i]);
		zb_group_end(f);
	}
	for (unsigned i = 0; i < set->drop_count && i < ZB_SET_DROPS; i++) {
		zb_group_begin(f, ZB_ATTR_DROP);
		zb_put_number(f, ZB_ATTR_DROP_REASON, set->drops[i].reason);
		zb_put_string(f, ZB_ATTR_STAT_NAME, zb_drop_name(set->drops[i].reason));
		zb_put_number(f, ZB_ATTR_STAT_VALUE, set->drops[i].count);
		zb_group_end(f);
	}
}

void zb_put_set(struct zb_frame *f, const struct zb_set *set)
{
	zb_group_begin(f, ZB_ATTR_SET);
	zb_put_number(f, ZB_ATTR_SET_ID, set->set_id);
	zb_put_number(f, ZB_ATTR_REFERENCE, set->reference);
	zb_put_string(f, ZB_ATTR_NAME, set->peer);
	zb_put_string(f, ZB_ATTR_SUBSCRIBER, set->subscriber);
	if (set->registration_id[0] != '\0')
		zb_put_string(f, ZB_ATTR_REGISTRATION_ID, set->registration_id);
	put_selectors(f, &set->selectors);
	zb_put_number(f, ZB_ATTR_ALG, set->alg);
	zb_put_number(f, ZB_ATTR_EALG, set->ealg);
	zb_put_number(f, ZB_ATTR_MOD, set->mod);
	zb_put_number(f, ZB_ATTR_FLAGS, set->flags);
	zb_put_number(f, ZB_ATTR_STATE, set->state);
	zb_put_number(f, ZB_ATTR_REMAINING, set->remaining_ms);
	zb_put_number(f, ZB_ATTR_FIRST_USE, set->first_used);
	zb_put_octets(f, ZB_ATTR_FINGERPRINT, set->fingerprint, sizeof(set->fingerprint));
	put_traffic(f, set);
	zb_group_end(f);
}

static void get_selectors(const struct zb_attrs *g, struct bgf_set_selectors *ret)
{
	zb_get_addr(g, ZB_ATTR_UE_ADDRESS, &ret->ue);
	zb_get_addr(g, ZB_ATTR_SERVED_ADDRESS, &ret->served);
	ret->port_uc = (uint16_t)zb_get_number(g, ZB_ATTR_PORT_UC, 0);
	ret->port_us = (uint16_t)zb_get_number(g, ZB_ATTR_PORT_US, 0);
	ret->port_pc = (uint16_t)zb_get_number(g, ZB_ATTR_PORT_PC, 0);
	ret->port_ps = (uint16_t)zb_get_number(g, ZB_ATTR_PORT_PS, 0);
	ret->spi_uc = (uint32_t)zb_get_number(g, ZB_ATTR_SPI_UC, 0);
	ret->spi_us = (uint32_t)zb_get_number(g, ZB_ATTR_SPI_US, 0);
	ret->spi_pc = (uint32_t)zb_get_number(g, ZB_ATTR_SPI_PC, 0);
	ret->spi_ps = (uint32_t)zb_get_number(g, ZB_ATTR_SPI_PS, 0);
}

static void get_traffic(const struct zb_attrs *g, struct zb_set *ret)
{
	struct zb_attrs row;
	size_t position = 0;

	for (unsigned i = 0; i < 4 && zb_group_next(g, ZB_ATTR_SA, &position, &row); i++) {
		ret->packets[i] = zb_get_number(&row, ZB_ATTR_PACKETS, 0);
		ret->octets[i] = zb_get_number(&row, ZB_ATTR_OCTETS_COUNT, 0);
		ret->sequence[i] = zb_get_number(&row, ZB_ATTR_SEQUENCE, 0);
	}
	position = 0;
	while (ret->drop_count < ZB_SET_DROPS && zb_group_next(g, ZB_ATTR_DROP, &position, &row)) {
		ret->drops[ret->drop_count].reason = (uint16_t)zb_get_number(&row, ZB_ATTR_DROP_REASON, 0);
		ret->drops[ret->drop_count++].count = zb_get_number(&row, ZB_ATTR_STAT_VALUE, 0);
	}
}

void zb_get_set(const struct zb_attrs *group, struct zb_set *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->set_id = zb_get_number(group, ZB_ATTR_SET_ID, 0);
	ret->reference = zb_get_number(group, ZB_ATTR_REFERENCE, 0);
	zb_get_string(group, ZB_ATTR_NAME, ret->peer, sizeof(ret->peer));
	zb_get_string(group, ZB_ATTR_SUBSCRIBER, ret->subscriber, sizeof(ret->subscriber));
	zb_get_string(group, ZB_ATTR_REGISTRATION_ID, ret->registration_id, sizeof(ret->registration_id));
	get_selectors(group, &ret->selectors);
	ret->alg = (uint8_t)zb_get_number(group, ZB_ATTR_ALG, 0);
	ret->ealg = (uint8_t)zb_get_number(group, ZB_ATTR_EALG, 0);
	ret->mod = (uint8_t)zb_get_number(group, ZB_ATTR_MOD, 0);
	ret->flags = (uint8_t)zb_get_number(group, ZB_ATTR_FLAGS, 0);
	ret->state = (uint8_t)zb_get_number(group, ZB_ATTR_STATE, 0);
	ret->remaining_ms = zb_get_number(group, ZB_ATTR_REMAINING, 0);
	ret->first_used = (uint8_t)zb_get_number(group, ZB_ATTR_FIRST_USE, 0);
	zb_get_octets(group, ZB_ATTR_FINGERPRINT, ret->fingerprint, sizeof(ret->fingerprint));
	get_traffic(group, ret);
}

/* 0xffff in zb_stat says 'not per port' or 'all workers': on the wire the attribute is absent then. */
static void put_stat(struct zb_frame *f, uint16_t port, uint16_t worker, const char *name, uint64_t value)
{
	zb_group_begin(f, ZB_ATTR_STAT);
	if (port != UINT16_MAX)
		zb_put_number(f, ZB_ATTR_PORT_NUMBER, port);
	if (worker != UINT16_MAX)
		zb_put_number(f, ZB_ATTR_WORKER, worker);
	zb_put_string(f, ZB_ATTR_STAT_NAME, name);
	zb_put_number(f, ZB_ATTR_STAT_VALUE, value);
	zb_group_end(f);
}

void zb_put_stat(struct zb_frame *f, const struct zb_stat *stat)
{
	put_stat(f, stat->port, stat->worker, stat->name, stat->value);
}

void zb_get_stat(const struct zb_attrs *group, struct zb_stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->port = (uint16_t)zb_get_number(group, ZB_ATTR_PORT_NUMBER, UINT16_MAX);
	ret->worker = (uint16_t)zb_get_number(group, ZB_ATTR_WORKER, UINT16_MAX);
	zb_get_string(group, ZB_ATTR_STAT_NAME, ret->name, sizeof(ret->name));
	ret->value = zb_get_number(group, ZB_ATTR_STAT_VALUE, 0);
}

/* The driver's counters of a port, as STAT groups by these names. */
static const struct {
	const char *name;
	size_t offset;
} port_stats[] = {
	{"rx_packets", offsetof(struct zb_port, rx_packets)},
	{"tx_packets", offsetof(struct zb_port, tx_packets)},
	{"rx_missed", offsetof(struct zb_port, rx_missed)},
	{"rx_errors", offsetof(struct zb_port, rx_errors)},
	{"tx_errors", offsetof(struct zb_port, tx_errors)},
};

void zb_put_port(struct zb_frame *f, const struct zb_port *port)
{
	zb_group_begin(f, ZB_ATTR_PORT);
	zb_put_number(f, ZB_ATTR_PORT_NUMBER, port->port);
	zb_put_number(f, ZB_ATTR_ACCESS_SIDE, port->access);
	zb_put_number(f, ZB_ATTR_UP, port->up);
	zb_put_number(f, ZB_ATTR_MTU, port->mtu);
	zb_put_number(f, ZB_ATTR_NEIGHBOURS, port->neighbours);
	zb_put_number(f, ZB_ATTR_ROUTES, port->routes);
	zb_put_octets(f, ZB_ATTR_MAC, port->mac, sizeof(port->mac));
	zb_put_string(f, ZB_ATTR_DEVICE, port->device);
	zb_put_string(f, ZB_ATTR_TAP, port->tap);
	for (size_t i = 0; i < sizeof(port_stats) / sizeof(port_stats[0]); i++) {
		uint64_t value;
		memcpy(&value, (const char *)port + port_stats[i].offset, sizeof(value));
		put_stat(f, UINT16_MAX, UINT16_MAX, port_stats[i].name, value);
	}
	zb_group_end(f);
}

static void get_port_stats(const struct zb_attrs *group, struct zb_port *ret)
{
	struct zb_attrs row;
	struct zb_stat stat;
	size_t position = 0;

	while (zb_group_next(group, ZB_ATTR_STAT, &position, &row)) {
		zb_get_stat(&row, &stat);
		for (size_t i = 0; i < sizeof(port_stats) / sizeof(port_stats[0]); i++)
			if (strcmp(stat.name, port_stats[i].name) == 0)
				memcpy((char *)ret + port_stats[i].offset, &stat.value, sizeof(stat.value));
	}
}

void zb_get_port(const struct zb_attrs *group, struct zb_port *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->port = (uint16_t)zb_get_number(group, ZB_ATTR_PORT_NUMBER, 0);
	ret->access = (uint8_t)zb_get_number(group, ZB_ATTR_ACCESS_SIDE, 0);
	ret->up = (uint8_t)zb_get_number(group, ZB_ATTR_UP, 0);
	ret->mtu = (uint16_t)zb_get_number(group, ZB_ATTR_MTU, 0);
	ret->neighbours = (uint16_t)zb_get_number(group, ZB_ATTR_NEIGHBOURS, 0);
	ret->routes = (uint16_t)zb_get_number(group, ZB_ATTR_ROUTES, 0);
	zb_get_octets(group, ZB_ATTR_MAC, ret->mac, sizeof(ret->mac));
	zb_get_string(group, ZB_ATTR_DEVICE, ret->device, sizeof(ret->device));
	zb_get_string(group, ZB_ATTR_TAP, ret->tap, sizeof(ret->tap));
	get_port_stats(group, ret);
}

void zb_put_peer(struct zb_frame *f, const struct zb_peer *peer)
{
	zb_group_begin(f, ZB_ATTR_PEER);
	zb_put_string(f, ZB_ATTR_NAME, peer->name);
	zb_put_number(f, ZB_ATTR_INSTANCE_ID, peer->instance_id);
	zb_put_number(f, ZB_ATTR_ROLE, peer->role);
	zb_put_number(f, ZB_ATTR_CONNECTIONS, peer->connections);
	zb_put_number(f, ZB_ATTR_SET_COUNT, peer->sets);
	zb_group_end(f);
}

void zb_get_peer(const struct zb_attrs *group, struct zb_peer *ret)
{
	memset(ret, 0, sizeof(*ret));
	zb_get_string(group, ZB_ATTR_NAME, ret->name, sizeof(ret->name));
	ret->instance_id = zb_get_number(group, ZB_ATTR_INSTANCE_ID, 0);
	ret->role = (uint8_t)zb_get_number(group, ZB_ATTR_ROLE, 0);
	ret->connections = (uint32_t)zb_get_number(group, ZB_ATTR_CONNECTIONS, 0);
	ret->sets = (uint32_t)zb_get_number(group, ZB_ATTR_SET_COUNT, 0);
}
