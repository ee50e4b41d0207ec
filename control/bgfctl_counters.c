/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl show counters: one line a counter, one column a port, workers added up; JSON has every row.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgf_drop.h"
#include "bgfctl.h"
#include "bgfctl_out.h"

enum { PORTS_MAX = 16, PAGE = 256 };

static const struct {
	const char *name, *text;
} meanings[] = {
	{"rx_packets", "packets received"},
	{"rx_octets", "octets received"},
	{"tx_packets", "packets sent"},
	{"tx_octets", "octets sent"},
	{"exceptions", "handed to the kernel: ARP, neighbour discovery, ICMP, routing"},
	{"forwarded_esp", "forwarded under protection"},
	{"forwarded_clear", "forwarded in the clear"},
	{"poll_gap_us", "us in which workers were kept from polling"},
	{"poll_gaps_1ms", "such gaps of 1 ms and more"},
	{"poll_gaps_2ms", "of 2 ms and more"},
	{"poll_gaps_4ms", "of 4 ms and more"},
	{"poll_gaps_8ms", "of 8 ms and more"},
	{"poll_gaps_16ms", "of 16 ms and more"},
	{"poll_gaps_32ms", "of 32 ms and more"},
	{"poll_gaps_64ms", "of 64 ms and more"},
	{"clock_us", "the clock that these are to be compared by"},
	{"busy_us", "us in turns that took packets"},
	{"busy_cycles", "the same in cycles"},
	{"turns", "turns of the poll loop"},
	{"busy_turns", "turns that took packets"},
	{"busy_packets", "packets that they took"},
	{"rx_queue", "packets that wait in receive queues now"},
	{"handover_queue", "packets that wait for a worker now"},
	{"outgoing_queue", "finished packets that wait for a transmit queue that workers share"},
	{"kernel_queue", "packets that wait for the kernel now"},
};

struct columns {
	struct zb_port port[PORTS_MAX];
	size_t count;
	bool other; /* there are counters of no port */
};

const char *ctl_drop_sentence(const char *name)
{
	for (unsigned reason = 0; bgf_drop_text(reason) != NULL; reason++)
		if (strcmp(zb_drop_name(reason), name) == 0)
			return bgf_drop_text(reason);
	return NULL;
}

static const char *meaning_of(const char *name)
{
	const char *drop = ctl_drop_sentence(name);

	if (drop != NULL)
		return drop;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(meanings[i].name, name) == 0)
			return meanings[i].text;
	return "";
}

int ctl_fetch_stats(struct ctl *c, struct ctl_stats *all)
{
	uint64_t cursor = 0;
	size_t n;

	do {
		if (all->room - all->count < PAGE) {
			all->room += 4 * PAGE;
			void *grown = realloc(all->row, all->room * sizeof(*all->row));
			if (grown == NULL) {
				free(all->row);
				fputs("bgfctl: no memory\n", stderr);
				exit(1);
			}
			all->row = grown;
		}
		int r = zb_counters(c->zb, &cursor, all->row + all->count, PAGE, &n, &c->error);
		if (r < 0)
			return r;
		all->count += n;
	} while (cursor != 0);
	return 0;
}

static const char *side_of(const struct columns *cols, uint16_t port)
{
	for (size_t i = 0; i < cols->count; i++)
		if (cols->port[i].port == port)
			return cols->port[i].access ? "access" : "core";
	return "";
}

static void print_json(const struct ctl_stats *all, const struct columns *cols)
{
	json_open(NULL, '{');
	json_open("counters", '[');
	for (size_t i = 0; i < all->count; i++) {
		const struct zb_stat *s = &all->row[i];
		json_open(NULL, '{');
		if (s->port != UINT16_MAX) {
			json_number("port", s->port);
			json_string("side", side_of(cols, s->port));
		}
		if (s->worker != UINT16_MAX)
			json_number("worker", s->worker);
		json_string("name", s->name);
		json_number("value", s->value);
		json_bool("drop", ctl_drop_sentence(s->name) != NULL);
		json_close('}');
	}
	json_close(']');
	json_close('}');
	json_end();
}

/* What one counter says on one port (UINT16_MAX: on none), all workers together. */
static uint64_t sum_of(const struct ctl_stats *all, const char *name, uint16_t port)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < all->count; i++)
		if (all->row[i].port == port && strcmp(all->row[i].name, name) == 0)
			sum += all->row[i].value;
	return sum;
}

static uint64_t total_of(const struct ctl_stats *all, const char *name)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->row[i].name, name) == 0)
			sum += all->row[i].value;
	return sum;
}

static bool seen_before(const struct ctl_stats *all, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(all->row[i].name, all->row[index].name) == 0)
			return true;
	return false;
}

static void begin_table(struct table *t, const struct columns *cols, const char *first)
{
	const char *titles[PORTS_MAX + 4];
	char sides[PORTS_MAX][24];
	size_t n = 0;

	titles[n++] = first;
	for (size_t i = 0; i < cols->count; i++) {
		snprintf(sides[i], sizeof(sides[i]), ">%s (%u)", cols->port[i].access ? "ACCESS" : "CORE",
			 cols->port[i].port);
		titles[n++] = sides[i];
	}
	if (cols->other)
		titles[n++] = ">ELSEWHERE";
	titles[n++] = "MEANING";
	table_begin(t, titles, n);
}

/* Either the drops or the others. Returns how many lines. */
static size_t print_part(const struct ctl_stats *all, const struct columns *cols, bool drops, bool zeros)
{
	struct table t;
	size_t lines = 0;

	begin_table(&t, cols, drops ? "DROPPED" : "COUNTER");
	for (size_t i = 0; i < all->count; i++) {
		const char *name = all->row[i].name;
		if (seen_before(all, i) || (ctl_drop_sentence(name) != NULL) != drops ||
		    (!zeros && total_of(all, name) == 0))
			continue;
		table_cell(&t, "%s", name);
		for (size_t p = 0; p < cols->count; p++)
			table_cell(&t, "%" PRIu64, sum_of(all, name, cols->port[p].port));
		if (cols->other)
			table_cell(&t, "%" PRIu64, sum_of(all, name, UINT16_MAX));
		table_cell(&t, "%s", meaning_of(name));
		lines++;
	}
	if (lines > 0)
		table_end(&t, 0);
	else
		table_forget(&t);
	return lines;
}

int show_counters(struct ctl *c)
{
	struct ctl_stats all = {0};
	struct columns cols = {0};
	bool zeros = c->option[CTL_OPT_ALL] != NULL;
	int r = zb_ports(c->zb, cols.port, PORTS_MAX, &cols.count, &c->error);

	if (r == 0)
		r = ctl_fetch_stats(c, &all);
	if (r < 0) {
		free(all.row);
		return ctl_failed(c, r);
	}
	for (size_t i = 0; i < all.count; i++)
		cols.other |= all.row[i].port == UINT16_MAX;
	if (c->json) {
		print_json(&all, &cols);
	} else {
		if (print_part(&all, &cols, false, zeros) > 0)
			putchar('\n');
		if (print_part(&all, &cols, true, zeros) == 0)
			puts("No packet was dropped.");
		else if (!zeros)
			puts("(what is 0 is not shown; --all shows it)");
	}
	free(all.row);
	return 0;
}
