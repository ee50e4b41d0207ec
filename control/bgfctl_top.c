/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl show workers, bgfctl top: two looks at what the workers count, and what was in between.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bgfctl.h"
#include "bgfctl_out.h"

enum { INTERVAL_MS = 1000, INTERVAL_LEAST_MS = 50, INTERVAL_MOST_MS = 3600 * 1000 };

/* Two looks at all counters; rows of the same index are the same counter unless the data plane restarted. */
struct looks {
	struct ctl_stats before, now;
};

/* What a worker did in between. */
struct work {
	uint64_t clock_us, busy_us, busy_cycles, turns, busy_turns, busy_packets;
};

static uint64_t value_of(const struct ctl_stats *all, uint16_t worker, const char *name)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < all->count; i++)
		if (all->row[i].worker == worker && strcmp(all->row[i].name, name) == 0)
			sum += all->row[i].value;
	return sum;
}

/* 0 where it fell: another data plane counts from 0. */
static uint64_t growth_of(const struct looks *l, uint16_t worker, const char *name)
{
	const uint64_t before = value_of(&l->before, worker, name), now = value_of(&l->now, worker, name);

	return now > before ? now - before : 0;
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

static struct work work_of(const struct looks *l, uint16_t worker)
{
	return (struct work){
		.clock_us = growth_of(l, worker, "clock_us"),
		.busy_us = growth_of(l, worker, "busy_us"),
		.busy_cycles = growth_of(l, worker, "busy_cycles"),
		.turns = growth_of(l, worker, "turns"),
		.busy_turns = growth_of(l, worker, "busy_turns"),
		.busy_packets = growth_of(l, worker, "busy_packets"),
	};
}

static uint64_t drops_of(const struct looks *l, uint16_t worker)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->now.count; i++) {
		const struct zb_stat *s = &l->now.row[i];
		if (s->worker == worker && i < l->before.count && ctl_drop_sentence(s->name) != NULL &&
		    s->value > l->before.row[i].value)
			sum += s->value - l->before.row[i].value;
	}
	return sum;
}

static bool is_worker(const struct ctl_stats *all, size_t i)
{
	return all->row[i].worker != UINT16_MAX && strcmp(all->row[i].name, "clock_us") == 0;
}

static void print_workers(const struct looks *l)
{
	static const char *const titles[] = {">WORKER",	 ">PACKETS/S", ">CYCLES/PACKET", ">BUSY",
					     ">BURST",	 ">TURNS/S",   ">DROPS/S",	 ">FROM WORKERS",
					     ">TO SEND", ">TO KERNEL"};
	struct table t = {0};

	table_begin(&t, titles, sizeof(titles) / sizeof(*titles));
	for (size_t i = 0; i < l->now.count; i++) {
		if (!is_worker(&l->now, i))
			continue;
		const uint16_t id = l->now.row[i].worker;
		const struct work w = work_of(l, id);
		table_cell(&t, "%u", id);
		table_cell(&t, "%.0f", ratio(w.busy_packets, w.clock_us) * 1e6);
		table_cell(&t, "%.0f", ratio(w.busy_cycles, w.busy_packets));
		table_cell(&t, "%.1f %%", ratio(w.busy_us, w.clock_us) * 100);
		table_cell(&t, "%.1f", ratio(w.busy_packets, w.busy_turns));
		table_cell(&t, "%.0f", ratio(w.turns, w.clock_us) * 1e6);
		table_cell(&t, "%.0f", ratio(drops_of(l, id), w.clock_us) * 1e6);
		table_cell(&t, "%" PRIu64, value_of(&l->now, id, "handover_queue"));
		table_cell(&t, "%" PRIu64, value_of(&l->now, id, "outgoing_queue"));
		table_cell(&t, "%" PRIu64, value_of(&l->now, id, "kernel_queue"));
	}
	table_end(&t, 0);
}

/* A counter of one worker on one port; NULL where it is not told. */
static const struct zb_stat *find_stat(const struct ctl_stats *all, uint16_t port, uint16_t worker,
				       const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->row[i].port == port && all->row[i].worker == worker &&
		    strcmp(all->row[i].name, name) == 0)
			return &all->row[i];
	return NULL;
}

static uint64_t growth_on(const struct looks *l, uint16_t port, uint16_t worker, const char *name)
{
	const struct zb_stat *before = find_stat(&l->before, port, worker, name),
			     *now = find_stat(&l->now, port, worker, name);

	return before != NULL && now != NULL && now->value > before->value ? now->value - before->value : 0;
}

static bool is_pair(const struct ctl_stats *all, size_t i)
{
	return all->row[i].port != UINT16_MAX && strcmp(all->row[i].name, "rx_packets") == 0;
}

/* What each worker took from each port and sent on it, and what waits for it there. */
static void print_ports(const struct looks *l)
{
	static const char *const titles[] = {">PORT", ">WORKER", ">RECEIVED/S", ">SENT/S", ">WAITING"};
	struct table t = {0};

	table_begin(&t, titles, sizeof(titles) / sizeof(*titles));
	for (size_t i = 0; i < l->now.count; i++) {
		if (!is_pair(&l->now, i))
			continue;
		const uint16_t port = l->now.row[i].port, id = l->now.row[i].worker;
		const uint64_t us = work_of(l, id).clock_us;
		const struct zb_stat *queue = find_stat(&l->now, port, id, "rx_queue");
		table_cell(&t, "%u", port);
		table_cell(&t, "%u", id);
		table_cell(&t, "%.0f", ratio(growth_on(l, port, id, "rx_packets"), us) * 1e6);
		table_cell(&t, "%.0f", ratio(growth_on(l, port, id, "tx_packets"), us) * 1e6);
		if (queue != NULL)
			table_cell(&t, "%" PRIu64, queue->value);
		else
			table_cell(&t, "-");
	}
	table_end(&t, 0);
}

/* What was dropped in between, by port and reason. */
static void print_drops(const struct looks *l)
{
	static const char *const titles[] = {"DROPPED", ">PORT", ">WORKER", ">PACKETS", "MEANING"};
	struct table t = {0};
	size_t lines = 0;

	table_begin(&t, titles, sizeof(titles) / sizeof(*titles));
	for (size_t i = 0; i < l->now.count && i < l->before.count; i++) {
		const struct zb_stat *s = &l->now.row[i];
		const char *meaning = ctl_drop_sentence(s->name);
		if (meaning == NULL || s->value <= l->before.row[i].value)
			continue;
		table_cell(&t, "%s", s->name);
		table_cell(&t, "%u", s->port);
		table_cell(&t, "%u", s->worker);
		table_cell(&t, "%" PRIu64, s->value - l->before.row[i].value);
		table_cell(&t, "%s", meaning);
		lines++;
	}
	if (lines > 0)
		table_end(&t, 0);
	else
		table_forget(&t);
}

static void print_json_ports(const struct looks *l, uint16_t worker)
{
	json_open("ports", '[');
	for (size_t i = 0; i < l->now.count; i++) {
		if (!is_pair(&l->now, i) || l->now.row[i].worker != worker)
			continue;
		const uint16_t port = l->now.row[i].port;
		const struct zb_stat *queue = find_stat(&l->now, port, worker, "rx_queue");
		json_open(NULL, '{');
		json_number("port", port);
		json_number("rx_packets", growth_on(l, port, worker, "rx_packets"));
		json_number("tx_packets", growth_on(l, port, worker, "tx_packets"));
		if (queue != NULL)
			json_number("rx_queue", queue->value);
		json_close('}');
	}
	json_close(']');
}

static void print_json(const struct looks *l)
{
	json_open(NULL, '{');
	json_open("workers", '[');
	for (size_t i = 0; i < l->now.count; i++) {
		if (!is_worker(&l->now, i))
			continue;
		const uint16_t id = l->now.row[i].worker;
		const struct work w = work_of(l, id);
		json_open(NULL, '{');
		json_number("worker", id);
		json_number("clock_us", w.clock_us);
		json_number("busy_us", w.busy_us);
		json_number("busy_cycles", w.busy_cycles);
		json_number("turns", w.turns);
		json_number("busy_turns", w.busy_turns);
		json_number("busy_packets", w.busy_packets);
		json_number("drops", drops_of(l, id));
		json_number("handover_queue", value_of(&l->now, id, "handover_queue"));
		json_number("outgoing_queue", value_of(&l->now, id, "outgoing_queue"));
		json_number("kernel_queue", value_of(&l->now, id, "kernel_queue"));
		print_json_ports(l, id);
		json_close('}');
	}
	json_close(']');
	json_close('}');
	json_end();
}

static void wait_ms(uint64_t ms)
{
	const struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* On a terminal each view takes the place of the one before; elsewhere they follow each other. */
static void print_view(const struct ctl *c, const struct looks *l, bool in_place)
{
	if (c->json) {
		print_json(l);
		return;
	}
	if (in_place)
		fputs("\033[H\033[J", stdout);
	print_workers(l);
	print_ports(l);
	print_drops(l);
	fflush(stdout);
}

/* `views` of them; 0: for ever. */
static int view(struct ctl *c, uint64_t views, bool in_place)
{
	const uint64_t ms = ctl_number(c, CTL_OPT_INTERVAL, INTERVAL_LEAST_MS, INTERVAL_MOST_MS, INTERVAL_MS);
	struct looks l = {0};
	int r = ctl_fetch_stats(c, &l.before);

	for (uint64_t n = 0; r == 0 && (views == 0 || n < views); n++) {
		wait_ms(ms);
		r = ctl_fetch_stats(c, &l.now);
		if (r < 0)
			break;
		print_view(c, &l, in_place);
		free(l.before.row);
		l.before = l.now;
		l.now = (struct ctl_stats){0};
	}
	free(l.before.row);
	free(l.now.row);
	return r < 0 ? ctl_failed(c, r) : 0;
}

int show_workers(struct ctl *c)
{
	return view(c, 1, false);
}

int follow_workers(struct ctl *c)
{
	return view(c, ctl_number(c, CTL_OPT_COUNT, 1, UINT32_MAX, 0),
		    !c->json && isatty(STDOUT_FILENO) != 0);
}
