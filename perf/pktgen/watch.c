/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PORTS = 8, ROWS = 256 };

static int say(char *error, unsigned size, const struct zb_error *why, int rc, const char *what)
{
	snprintf(error, size, "the gateway's %s: %s%s", what, why->text,
		 rc == -ENOTCONN ? "; is bgf-control running, and is --zb its socket?" : "");
	return rc;
}

int watch_start(struct zb *zb, struct watch *ret, char *error, unsigned size)
{
	struct zb_error why = {0};
	struct zb_port rows[PORTS];
	struct watch w = {.zb = zb};
	bool seen[WATCH_SIDES] = {false};
	size_t count;
	int rc = zb_ports(zb, rows, PORTS, &count, &why);

	if (rc != 0)
		return say(error, size, &why, rc, "ports");
	for (size_t i = 0; i < count; i++) {
		const int side = rows[i].access ? WATCH_ACCESS : WATCH_CORE;
		w.port[side] = rows[i].port;
		w.mtu[side] = rows[i].mtu;
		memcpy(w.mac[side], rows[i].mac, sizeof(w.mac[side]));
		memcpy(w.device[side], rows[i].device, sizeof(w.device[side]));
		seen[side] = true;
	}
	if (!seen[WATCH_ACCESS] || !seen[WATCH_CORE]) {
		snprintf(error, size, "the gateway has no port on each side: is bgf-dataplane running?");
		return -ENODEV;
	}
	*ret = w;
	return 0;
}

void watch_stop(struct watch *w)
{
	zb_close(w->zb);
	w->zb = NULL;
}

static void add_port(struct watch_port *p, const struct zb_stat *s)
{
	const struct {
		const char *name;
		uint64_t *value;
	} totals[] = {{"rx_packets", &p->rx_packets},
		      {"exceptions", &p->exceptions},
		      {"forwarded_esp", &p->forwarded_esp},
		      {"forwarded_clear", &p->forwarded_clear}};

	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		if (strcmp(totals[i].name, s->name) == 0)
			*totals[i].value += s->value;
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
		if (strcmp(zb_drop_name(i), s->name) == 0)
			p->drops[i] += s->value;
}

/* The workers' own rows. */
static void add_worker(struct watch_counters *c, const struct zb_stat *s)
{
	unsigned ms;

	if (strcmp(s->name, "poll_gap_us") == 0)
		c->gap_us += s->value;
	else if (sscanf(s->name, "poll_gaps_%ums", &ms) == 1 && ms > 0)
		for (unsigned i = 0; i < WATCH_GAPS; i++)
			if (ms == 1u << i)
				c->gaps[i] += s->value;
}

int watch_read(struct watch *w, struct watch_counters *ret, char *error, unsigned size)
{
	struct watch_counters c = {0};
	struct zb_stat rows[ROWS];
	struct zb_error why = {0};
	uint64_t cursor = 0;

	do {
		size_t count;
		int rc = zb_counters(w->zb, &cursor, rows, ROWS, &count, &why);
		if (rc != 0)
			return say(error, size, &why, rc, "counters");
		for (size_t i = 0; i < count; i++) {
			add_worker(&c, &rows[i]);
			for (int side = 0; side < WATCH_SIDES; side++)
				if (rows[i].port == w->port[side])
					add_port(&c.side[side], &rows[i]);
		}
	} while (cursor != 0);
	*ret = c;
	return 0;
}

struct watch_counters watch_since(const struct watch_counters *now, const struct watch_counters *then)
{
	struct watch_counters c;
	uint64_t *to = (uint64_t *)&c;
	const uint64_t *from = (const uint64_t *)now, *minus = (const uint64_t *)then;

	for (size_t i = 0; i < sizeof(c) / sizeof(*to); i++)
		to[i] = from[i] - minus[i];
	return c;
}

uint64_t watch_drops(const struct watch_port *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < BGF_DROP_COUNT; i++)
		sum += p->drops[i];
	return sum;
}

int64_t watch_unaccounted(const struct watch_port *p)
{
	return (int64_t)(p->rx_packets - p->exceptions - p->forwarded_esp - p->forwarded_clear -
			 watch_drops(p));
}
