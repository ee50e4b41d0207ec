/* SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "stop.h"

static const char *const way_name[WAYS] = {"phones_to_core", "core_to_phones"};
static const char *const way_title[WAYS] = {"phones to core", "core to phones"};

enum {
	WARM_WINDOW = 4096, /* a quarter of what a ring of memif holds */
	PROBES = 128,	    /* so that some are of each family */
	PROBE_ROUNDS = 60,
};
#define PROBE_PAUSE_S 0.2

static unsigned long as_long(uint64_t n)
{
	return (unsigned long)n;
}

/* One question of the account: a line, and whether it holds. */
static bool holds(const char *what, uint64_t found, uint64_t wanted)
{
	const bool good = found == wanted;

	printf("  %-58s %12lu %s", what, as_long(found), good ? "ok\n" : "NOT ");
	if (!good)
		printf("%lu\n", as_long(wanted));
	return good;
}

/* The gateway dropped exactly what was bad, and under the right names. */
static bool drops_account(const struct tally *sent, const struct watch_port *port)
{
	uint64_t wanted[BGF_DROP_COUNT] = {0};
	bool good = true;
	char what[96];

	for (int kind = LOAD_GOOD + 1; kind < LOAD_KINDS; kind++)
		wanted[load_kind_drop((enum load_kind)kind)] += sent->sent[kind];
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++) {
		if (wanted[i] == 0 && port->drops[i] == 0)
			continue;
		snprintf(what, sizeof(what), "dropped as '%s'", zb_drop_name(i));
		good = holds(what, port->drops[i], wanted[i]) && good;
	}
	return good;
}

static bool results_account(const struct tally *t)
{
	bool good = true;
	char what[96];

	for (int fault = PACKET_NONE + 1; fault < PACKET_FAULTS; fault++) {
		if (t->result[fault] == 0)
			continue;
		snprintf(what, sizeof(what), "came back, but: %s",
			 packet_fault_text((enum packet_fault)fault));
		if (fault == PACKET_FOREIGN)
			printf("  %-58s %12lu\n", what, as_long(t->result[fault]));
		else
			good = holds(what, t->result[fault], 0) && good;
	}
	return good;
}

static bool way_accounts(const struct trial *t, int way)
{
	const struct tally *tally = &t->sent.way[way];
	const struct watch_port *port = &t->gateway.side[way];

	printf("%s:\n", way_title[way]);
	printf("  %-58s %12lu\n", "sent", as_long(tally_sent(tally)));
	for (int kind = LOAD_GOOD + 1; kind < LOAD_KINDS; kind++)
		if (tally->sent[kind] > 0)
			printf("    of it %-52s %12lu\n", load_kind_name((enum load_kind)kind),
			       as_long(tally->sent[kind]));
	bool good =
		holds("accepted by the gateway", port->rx_packets, tally_sent(tally) + t->sent.answered[way]);
	good = holds("forwarded through an SA", port->forwarded_esp, tally_good(tally)) && good;
	good = drops_account(tally, port) && good;
	good = holds("accepted, and neither sent nor dropped by name", (uint64_t)watch_unaccounted(port),
		     0) &&
	       good;
	good = holds("came back, and everything about it is right", tally->result[PACKET_NONE],
		     tally_good(tally)) &&
	       good;
	return results_account(tally) && good;
}

static void print_latency(const struct tally *t)
{
	const struct histogram *h = &t->latency;

	if (h->count > 0)
		printf("  latency, us: least %.1f, median %.1f, 99 %% %.1f, 99.9 %% %.1f, most %.1f\n",
		       (double)h->least / 1e3, (double)histogram_percentile(h, 50) / 1e3,
		       (double)histogram_percentile(h, 99) / 1e3, (double)histogram_percentile(h, 99.9) / 1e3,
		       (double)h->most / 1e3);
}

static void write_way(struct json *j, const struct trial *t, int way)
{
	const struct tally *tally = &t->sent.way[way];
	const struct watch_port *port = &t->gateway.side[way];

	json_begin(j, way_name[way], '{');
	json_count(j, "sent", tally_sent(tally));
	for (int kind = 0; kind < LOAD_KINDS; kind++) {
		char name[32];
		snprintf(name, sizeof(name), "sent_%s", load_kind_name((enum load_kind)kind));
		json_count(j, name, tally->sent[kind]);
	}
	json_count(j, "received_good", tally->result[PACKET_NONE]);
	json_count(j, "received_wrong", tally_wrong(tally));
	json_count(j, "ring_full", tally->ring_full);
	json_count(j, "late", tally->late);
	json_count(j, "gateway_accepted", port->rx_packets);
	json_count(j, "gateway_forwarded", port->forwarded_esp);
	json_begin(j, "gateway_dropped", '{');
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
		if (port->drops[i] > 0)
			json_count(j, zb_drop_name(i), port->drops[i]);
	json_end(j, '}');
	json_number(j, "latency_p50_us", (double)histogram_percentile(&tally->latency, 50) / 1e3);
	json_number(j, "latency_p99_us", (double)histogram_percentile(&tally->latency, 99) / 1e3);
	json_end(j, '}');
}

static void write_json(struct json *j, const struct trial *t, bool good)
{
	json_number(j, "seconds", t->sent.seconds);
	json_number(j, "offered_packets_per_second", t->offered);
	json_count(j, "gateway_unaccounted", (uint64_t)t->unaccounted);
	json_bool(j, "disturbed", t->disturbed);
	json_bool(j, "accounted", good);
	for (int way = 0; way < WAYS; way++)
		write_way(j, t, way);
}

/* Until a packet of each way and family goes through: the gateway's kernel asks for its neighbours first. */
static int wait_until_forwarding(struct bench *b, struct load *load, char *error, unsigned size)
{
	static struct traffic_counts counts; /* large */

	load->packets = PROBES;
	for (int i = 0; i < PROBE_ROUNDS && !stop_asked(); i++) {
		bool whole = true;
		traffic_run(b->traffic, load, &counts);
		for (int way = 0; way < WAYS; way++)
			whole = whole && counts.way[way].result[PACKET_NONE] >= tally_good(&counts.way[way]);
		if (whole)
			return 0;
		traffic_listen(b->traffic, PROBE_PAUSE_S);
	}
	snprintf(error, size,
		 "the gateway forwards nothing%s: its taps' namespace needs routes to the phones and to the "
		 "served "
		 "addresses by way of --access-hop and --core-hop ('bgfctl show counters' tells what it "
		 "dropped)",
		 stop_asked() ? " (interrupted)" : "");
	return -ENETUNREACH;
}

int run_warm_up(struct bench *b, char *error, unsigned size)
{
	static struct trial trial; /* large */
	struct load load = b->base;

	memset(load.bad_share, 0, sizeof(load.bad_share));
	load.rate = 0;
	load.window = WARM_WINDOW;
	load.report = false;
	int rc = wait_until_forwarding(b, &load, error, size);
	if (rc != 0)
		return rc;
	load.packets = 2ull * b->phones;
	load.report = true;
	printf("the gateway forwards; now one packet over each pair of each phone\n");
	rc = trial_run(b, &load, &trial, error, size);
	return rc == 0 && stop_asked() ? -EINTR : rc;
}

int run(struct bench *b, struct json *json, char *error, unsigned size)
{
	static struct trial trial; /* large */
	struct load load = b->base;

	load.report = true;
	int rc = trial_run(b, &load, &trial, error, size);
	if (rc != 0)
		return rc;
	bool good = true;
	for (int way = 0; way < WAYS; way++) {
		if (!load.way[way])
			continue;
		good = way_accounts(&trial, way) && good;
		print_latency(&trial.sent.way[way]);
	}
	printf("%.0f packets a second in %.2f s; limit: %s%s\n", trial.offered, trial.sent.seconds,
	       trial_limit_text(trial.limit),
	       trial.disturbed ? "; a process was kept from running, so rates mean little" : "");
	printf(good ? "every packet is accounted for\n" : "NOT every packet is accounted for\n");
	write_json(json, &trial, good);
	return good ? 0 : 1;
}
