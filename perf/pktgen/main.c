/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgf-pktgen: a traffic generator for the gateway. README.md has the whole.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "enlist.h"
#include "hmac.h"
#include "json.h"
#include "options.h"
#include "rfc2544.h"
#include "run.h"
#include "stop.h"
#include "trial.h"

enum { STATUS_GOOD, STATUS_BAD, STATUS_USAGE, STATUS_FAILED };

struct generator {
	struct options options;
	struct fleet fleet;
	struct ports ports;
	struct hmac *hmac;
	struct enlist enlist;
	struct bench bench;
	char error[512];
};

static int fail(struct generator *g, int rc, const char *what)
{
	if (g->error[0] == '\0')
		snprintf(g->error, sizeof(g->error), "%s: %s", what, strerror(-rc));
	return rc;
}

/* The gateway must answer over Zb before anything else is tried. */
static int meet_gateway(struct generator *g)
{
	struct zb_error why = {0};
	struct zb *zb;
	int rc;

	g->enlist = (struct enlist){.path = g->options.zb,
				    .name = g->options.peer,
				    .connections = g->options.connections,
				    .expires_s = 7 * 24 * 3600,
				    .reference = 3ull * FLEET_MAX,
				    .fleet = &g->fleet};
	sched_getaffinity(0, sizeof(g->enlist.cores), &g->enlist.cores);
	if (getrandom(&g->enlist.instance_id, sizeof(g->enlist.instance_id), 0) < 0)
		return fail(g, -errno, "random numbers");
	g->enlist.instance_id |= 1;
	rc = enlist_open(&g->enlist, &zb, &why);
	if (rc != 0) {
		snprintf(g->error, sizeof(g->error), "%s: %s", g->options.zb, why.text);
		return rc;
	}
	rc = watch_start(zb, &g->bench.watch, g->error, sizeof(g->error));
	if (rc != 0)
		zb_close(zb);
	return rc;
}

static struct neighbour neighbour_of(const struct generator *g, int side)
{
	struct neighbour n = {.phones = side == PORT_ACCESS ? &g->fleet.plan : NULL,
			      .count = g->options.hops[side]};

	memcpy(n.address, g->options.hop[side], sizeof(n.address));
	memcpy(n.mac, g->ports.port[side].mac, sizeof(n.mac));
	return n;
}

static int make_traffic(struct generator *g)
{
	static const uint8_t none[6];
	struct traffic_args args = {.ports = &g->ports, .fleet = &g->fleet, .hmac = g->hmac};

	for (int side = 0; side < PORT_SIDES; side++) {
		const uint8_t *mac = memcmp(g->options.mac[side], none, sizeof(none)) != 0
					     ? g->options.mac[side]
					     : g->bench.watch.mac[side];
		args.neighbour[side] = neighbour_of(g, side);
		memcpy(args.gateway_mac[side], mac, sizeof(args.gateway_mac[side]));
	}
	g->bench.base = g->options.load;
	g->bench.base.backlog = g->options.ring / 2; /* what the ring takes in, besides what is in it */
	g->bench.ring = g->options.ring;
	g->bench.repeats = g->options.repeats;
	g->bench.enlist = &g->enlist;
	g->bench.phones = g->fleet.plan.count;
	return traffic_new(&args, &g->bench.traffic);
}

static int measure(struct generator *g, struct json *json)
{
	int rc = run_warm_up(&g->bench, g->error, sizeof(g->error));

	if (rc != 0)
		return fail(g, rc, "interrupted");
	if (g->options.command == COMMAND_RUN)
		rc = run(&g->bench, json, g->error, sizeof(g->error));
	else
		rc = rfc2544(&g->bench, g->options.sizes, g->options.size_count, g->options.quick, json,
			     g->error, sizeof(g->error));
	return stop_asked() ? fail(g, -EINTR, "interrupted") : rc;
}

static int measure_and_write(struct generator *g)
{
	struct json json;

	if (g->options.json == NULL)
		return measure(g, NULL);
	int rc = json_open(g->options.json, &json);
	if (rc != 0)
		return fail(g, rc, g->options.json);
	json_text(&json, "program", "bgf-pktgen " BGF_VERSION);
	json_text(&json, "crypto", hmac_describe(g->hmac));
	json_text(&json, "gateway_access_device", g->bench.watch.device[WATCH_ACCESS]);
	json_text(&json, "gateway_core_device", g->bench.watch.device[WATCH_CORE]);
	json_count(&json, "phones", g->fleet.plan.count);
	json_count(&json, "ipv6_percent", g->fleet.plan.ipv6_percent);
	rc = measure(g, &json);
	const int written = json_close(&json);
	return rc >= 0 && written != 0 ? fail(g, written, g->options.json) : rc;
}

/* The gateway's kernel may ask for its neighbours at any time. */
static void meanwhile(void *traffic)
{
	traffic_listen(traffic, 0.0005);
}

/* With the phones installed. They are released whatever happens. */
static int with_phones(struct generator *g)
{
	char error[512] = "";

	g->enlist.meanwhile = meanwhile;
	g->enlist.arg = g->bench.traffic;
	int rc = enlist_all(&g->enlist, g->error, sizeof(g->error));

	if (rc == 0)
		rc = measure_and_write(g);
	printf("releasing the phones' sets\n");
	fflush(stdout);
	const int64_t released = enlist_release(&g->enlist, error, sizeof(error));
	if (released < 0)
		fprintf(stderr, "bgf-pktgen: %s\n", error);
	else
		printf("released %ld sets\n", (long)released);
	return rc;
}

static int with_gateway(struct generator *g)
{
	int rc = hmac_new(&g->hmac);

	if (rc != 0)
		return fail(g, rc, "intel-ipsec-mb");
	if ((rc = fleet_new(&g->options.plan, &g->fleet)) != 0) {
		fail(g, rc, "memory for the phones");
		goto undo_hmac;
	}
	if ((rc = ports_start(&g->options.ports, &g->ports, g->error, sizeof(g->error))) != 0)
		goto undo_fleet;
	if ((rc = make_traffic(g)) != 0) {
		fail(g, rc, "memory");
		goto undo_ports;
	}
	printf("%u phones; %s; gateway's ports %s and %s\n", g->fleet.plan.count, hmac_describe(g->hmac),
	       g->bench.watch.device[WATCH_ACCESS], g->bench.watch.device[WATCH_CORE]);
	fflush(stdout);
	rc = with_phones(g);
	traffic_free(g->bench.traffic);
undo_ports:
	ports_stop(&g->ports);
undo_fleet:
	fleet_free(&g->fleet);
undo_hmac:
	hmac_free(g->hmac);
	return rc;
}

int main(int argc, char **argv)
{
	static struct generator generator; /* large */
	struct generator *g = &generator;
	int rc = options_parse(argc, argv, &g->options);

	if (rc != 0)
		return rc > 0 ? STATUS_GOOD : STATUS_USAGE;
	stop_catch();
	packet_init();
	rc = meet_gateway(g);
	if (rc == 0) {
		rc = with_gateway(g);
		watch_stop(&g->bench.watch);
	}
	if (rc < 0) {
		fprintf(stderr, "bgf-pktgen: %s\n", g->error);
		return STATUS_FAILED;
	}
	return rc == 0 ? STATUS_GOOD : STATUS_BAD;
}
