/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_help.h"
#include "zb.h"

#define DEFAULT_RFC2544_SIZES "128 512 1400 imix"

static int fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fault(const char *format, ...)
{
	va_list args;

	fputs("bgf-pktgen: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; 'bgf-pktgen --help' lists what there is\n", stderr);
	return -EINVAL;
}

/* --- values --- */

static int parse_number(const char *name, const char *text, double least, double most, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (*end == 'k' && end[1] == '\0')
		value *= 1e3, end++;
	else if (*end == 'M' && end[1] == '\0')
		value *= 1e6, end++;
	if (end == text || *end != '\0' || !(value >= least && value <= most))
		return fault("--%s %s: a number from %.10g to %.10g is wanted (k and M may follow)", name,
			     text, least, most);
	*ret = value;
	return 0;
}

static int parse_u32(const char *name, const char *text, uint32_t least, uint32_t most, uint32_t *ret)
{
	double value;
	int rc = parse_number(name, text, least, most, &value);

	if (rc == 0)
		*ret = (uint32_t)value;
	return rc;
}

static int parse_share(const char *name, const char *text, uint32_t *ret)
{
	return load_share_parse(text, ret) == 0
		       ? 0
		       : fault("--%s %s: a share from 0%% to 100%% is wanted", name, text);
}

static int parse_addr(const char *name, const char *text, struct bgf_addr *v4, struct bgf_addr *v6)
{
	struct bgf_addr a;

	if (bgf_addr_parse(text, &a) != 0)
		return fault("--%s %s: an IPv4 or IPv6 address is wanted", name, text);
	*(a.family == 4 ? v4 : v6) = a;
	return 0;
}

static int parse_hop(const char *name, const char *text, struct options *o, int side)
{
	if (o->hops[side] == NEIGHBOUR_ADDRESSES)
		return fault("--%s: %d addresses at most", name, NEIGHBOUR_ADDRESSES);
	if (bgf_addr_parse(text, &o->hop[side][o->hops[side]]) != 0)
		return fault("--%s %s: an IPv4 or IPv6 address is wanted", name, text);
	o->hops[side]++;
	return 0;
}

static int parse_mac(const char *name, const char *text, uint8_t mac[6])
{
	char rest;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		   &mac[5], &rest) != 6)
		return fault("--%s %s: a MAC address like 02:00:00:00:00:01 is wanted", name, text);
	return 0;
}

static int parse_direction(const char *text, struct options *o)
{
	const bool both = strcmp(text, "both") == 0;

	o->load.way[WAY_UP] = both || strcmp(text, "up") == 0;
	o->load.way[WAY_DOWN] = both || strcmp(text, "down") == 0;
	if (!o->load.way[WAY_UP] && !o->load.way[WAY_DOWN])
		return fault("--direction %s: up (phones to core), down (core to phones) or both is wanted",
			     text);
	return 0;
}

/* All bad kinds get an equal part. */
static int parse_bad(const char *text, struct options *o)
{
	uint32_t share;
	int rc = parse_share("bad", text, &share);

	for (int kind = LOAD_GOOD + 1; kind < LOAD_KINDS && rc == 0; kind++)
		o->load.bad_share[kind] = share / (LOAD_KINDS - 1);
	return rc;
}

static int add_sizes(const char *text, struct options *o)
{
	if (o->size_count == OPTIONS_SIZES)
		return fault("--size: %d at most", OPTIONS_SIZES);
	if (load_sizes_parse(text, &o->sizes[o->size_count]) != 0)
		return fault("--size %s: IP lengths from 1 to %d with weights are wanted, like 512 or "
			     "120:20,480:30,1360:50, or imix; %d weights in all at most",
			     text, PACKET_IP_MAX, LOAD_SLOTS);
	o->size_count++;
	return 0;
}

/* --- the table --- */

enum {
	OPT_ACCESS = 256,
	OPT_CORE,
	OPT_LCORE,
	OPT_MEMORY,
	OPT_NO_HUGE,
	OPT_PREFIX,
	OPT_MTU,
	OPT_ZB,
	OPT_PEER,
	OPT_CONNECTIONS,
	OPT_PHONES,
	OPT_IPV6,
	OPT_UE,
	OPT_SERVED,
	OPT_PORT_PS,
	OPT_PORT_PC,
	OPT_ACCESS_HOP,
	OPT_CORE_HOP,
	OPT_ACCESS_MAC,
	OPT_CORE_MAC,
	OPT_DIRECTION,
	OPT_SIZE,
	OPT_TCP,
	OPT_BAD,
	OPT_REPLAYED,
	OPT_FORGED,
	OPT_UNKNOWN,
	OPT_CLEAR,
	OPT_RATE,
	OPT_WINDOW,
	OPT_COUNT,
	OPT_SECONDS,
	OPT_ICV,
	OPT_RING,
	OPT_REPEATS,
	OPT_QUICK,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option table[] = {
	{"access", required_argument, NULL, OPT_ACCESS},
	{"core", required_argument, NULL, OPT_CORE},
	{"lcore", required_argument, NULL, OPT_LCORE},
	{"memory", required_argument, NULL, OPT_MEMORY},
	{"no-huge", no_argument, NULL, OPT_NO_HUGE},
	{"file-prefix", required_argument, NULL, OPT_PREFIX},
	{"mtu", required_argument, NULL, OPT_MTU},
	{"zb", required_argument, NULL, OPT_ZB},
	{"peer", required_argument, NULL, OPT_PEER},
	{"connections", required_argument, NULL, OPT_CONNECTIONS},
	{"phones", required_argument, NULL, OPT_PHONES},
	{"ipv6", required_argument, NULL, OPT_IPV6},
	{"ue", required_argument, NULL, OPT_UE},
	{"served", required_argument, NULL, OPT_SERVED},
	{"port-ps", required_argument, NULL, OPT_PORT_PS},
	{"port-pc", required_argument, NULL, OPT_PORT_PC},
	{"access-hop", required_argument, NULL, OPT_ACCESS_HOP},
	{"core-hop", required_argument, NULL, OPT_CORE_HOP},
	{"access-mac", required_argument, NULL, OPT_ACCESS_MAC},
	{"core-mac", required_argument, NULL, OPT_CORE_MAC},
	{"direction", required_argument, NULL, OPT_DIRECTION},
	{"size", required_argument, NULL, OPT_SIZE},
	{"tcp", required_argument, NULL, OPT_TCP},
	{"bad", required_argument, NULL, OPT_BAD},
	{"replayed", required_argument, NULL, OPT_REPLAYED},
	{"forged", required_argument, NULL, OPT_FORGED},
	{"unknown-spi", required_argument, NULL, OPT_UNKNOWN},
	{"clear", required_argument, NULL, OPT_CLEAR},
	{"rate", required_argument, NULL, OPT_RATE},
	{"window", required_argument, NULL, OPT_WINDOW},
	{"count", required_argument, NULL, OPT_COUNT},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"icv-every", required_argument, NULL, OPT_ICV},
	{"ring", required_argument, NULL, OPT_RING},
	{"repeats", required_argument, NULL, OPT_REPEATS},
	{"quick", no_argument, NULL, OPT_QUICK},
	{"json", required_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static int set_port(int option, const char *name, const char *value, struct options *o)
{
	uint32_t number = 0;
	int rc = 0;

	switch (option) {
	case OPT_ACCESS:
		o->ports.device[PORT_ACCESS] = value;
		return 0;
	case OPT_CORE:
		o->ports.device[PORT_CORE] = value;
		return 0;
	case OPT_LCORE:
		return parse_u32(name, value, 0, 1023, &o->ports.core);
	case OPT_MEMORY:
		return parse_u32(name, value, 64, 65536, &o->ports.memory_mb);
	case OPT_NO_HUGE:
		o->ports.huge_pages = false;
		return 0;
	case OPT_PREFIX:
		o->ports.file_prefix = value;
		return 0;
	case OPT_MTU:
		rc = parse_u32(name, value, 576, 1500, &number);
		o->ports.mtu = (uint16_t)number;
		return rc;
	case OPT_RING:
		return parse_u32(name, value, 64, 1 << 20, &o->ring);
	case OPT_ACCESS_MAC:
		return parse_mac(name, value, o->mac[PORT_ACCESS]);
	case OPT_CORE_MAC:
		return parse_mac(name, value, o->mac[PORT_CORE]);
	case OPT_ACCESS_HOP:
		return parse_hop(name, value, o, PORT_ACCESS);
	default:
		return parse_hop(name, value, o, PORT_CORE);
	}
}

static int set_phones(int option, const char *name, const char *value, struct options *o)
{
	uint32_t number = 0;
	int rc;

	switch (option) {
	case OPT_ZB:
		o->zb = value;
		return 0;
	case OPT_PEER:
		o->peer = value;
		return 0;
	case OPT_CONNECTIONS:
		return parse_u32(name, value, 1, 128, &o->connections);
	case OPT_PHONES:
		return parse_u32(name, value, 1, FLEET_MAX, &o->plan.count);
	case OPT_IPV6:
		rc = parse_share(name, value, &number);
		o->plan.ipv6_percent = (uint8_t)((number * 100ull + LOAD_SHARE / 2) / LOAD_SHARE);
		return rc;
	case OPT_UE:
		return parse_addr(name, value, &o->plan.ue4, &o->plan.ue6);
	case OPT_SERVED:
		return parse_addr(name, value, &o->plan.served4, &o->plan.served6);
	case OPT_PORT_PS:
		rc = parse_u32(name, value, 1, UINT16_MAX, &number);
		o->plan.port_ps = (uint16_t)number;
		return rc;
	default:
		rc = parse_u32(name, value, 1, UINT16_MAX, &number);
		o->plan.port_pc = (uint16_t)number;
		return rc;
	}
}

static int set_load(int option, const char *name, const char *value, struct options *o)
{
	double number = 0;
	int rc;

	switch (option) {
	case OPT_DIRECTION:
		return parse_direction(value, o);
	case OPT_SIZE:
		return add_sizes(value, o);
	case OPT_TCP:
		return parse_share(name, value, &o->load.tcp_share);
	case OPT_BAD:
		return parse_bad(value, o);
	case OPT_RATE:
		return parse_number(name, value, 1, 1e9, &o->load.rate);
	case OPT_WINDOW:
		return parse_u32(name, value, 1, 1 << 20, &o->load.window);
	case OPT_COUNT:
		rc = parse_number(name, value, 1, 1e12, &number);
		o->load.packets = (uint64_t)number;
		return rc;
	case OPT_SECONDS:
		return parse_number(name, value, 0.01, 1e6, &o->load.seconds);
	case OPT_REPEATS:
		return parse_u32(name, value, 0, 1000, &o->repeats);
	case OPT_ICV:
		return parse_u32(name, value, 1, 1000000, &o->load.icv_every);
	default:
		return parse_share(name, value,
				   &o->load.bad_share[option - OPT_REPLAYED + (int)LOAD_REPLAYED]);
	}
}

static int set(int option, const char *name, const char *value, struct options *o)
{
	switch (option) {
	case OPT_HELP:
		fputs(OPTIONS_HELP, stdout);
		return 1;
	case OPT_VERSION:
		puts("bgf-pktgen " BGF_VERSION);
		return 1;
	case OPT_JSON:
		o->json = value;
		return 0;
	case OPT_QUICK:
		o->quick = true;
		return 0;
	case '?':
		fputs("bgf-pktgen: 'bgf-pktgen --help' lists the options\n", stderr);
		return -EINVAL;
	default:
		break;
	}
	if (option <= OPT_MTU || option == OPT_RING || (option >= OPT_ACCESS_HOP && option <= OPT_CORE_MAC))
		return set_port(option, name, value, o);
	return option <= OPT_PORT_PC ? set_phones(option, name, value, o) : set_load(option, name, value, o);
}

/* --- the whole --- */

static void defaults(struct options *o)
{
	*o = (struct options){
		.ports = {.memory_mb = 320, .huge_pages = true, .file_prefix = "bgf-pktgen", .mtu = 1500},
		.plan = {.count = 1000, .port_ps = 6062, .port_pc = 6060},
		.zb = ZB_DEFAULT_PATH,
		.peer = "pktgen",
		.connections = 1,
		.load = {.way = {true, true}, .icv_every = 1},
		.ring = OPTIONS_RING,
		.repeats = 10,
	};
	bgf_addr_parse("10.128.0.1", &o->plan.ue4);
	bgf_addr_parse("fd00:45:1::1", &o->plan.ue6);
	bgf_addr_parse("10.50.0.1", &o->plan.served4);
	bgf_addr_parse("fd00:50::1", &o->plan.served6);
}

static int check_sizes(const struct options *o)
{
	const bool ipv6 = o->plan.ipv6_percent > 0;
	const uint8_t proto = o->load.tcp_share > 0 ? PACKET_TCP : PACKET_UDP;

	for (unsigned i = 0; i < o->size_count; i++) {
		const struct load_sizes *s = &o->sizes[i];
		if (s->least < packet_least(ipv6, proto))
			return fault("--size %s: %u is too short for the mark in %s over %s; at least %u",
				     s->name, s->least, proto == PACKET_TCP ? "TCP" : "UDP",
				     ipv6 ? "IPv6" : "IPv4", packet_least(ipv6, proto));
		if (s->greatest > packet_greatest(ipv6, o->ports.mtu))
			return fault("--size %s: %u does not fit an mtu of %u once ESP is on it; at most %u",
				     s->name, s->greatest, o->ports.mtu, packet_greatest(ipv6, o->ports.mtu));
	}
	return 0;
}

/* What is missing, and what does not go together. */
static int complete(struct options *o)
{
	char sizes[] = DEFAULT_RFC2544_SIZES;
	uint64_t bad = 0;

	if (o->ports.device[PORT_ACCESS] == NULL || o->ports.device[PORT_CORE] == NULL)
		return fault("--access and --core are wanted: the generator's own DPDK ports");
	if (o->size_count == 0 && o->command == COMMAND_RUN)
		add_sizes("imix", o);
	if (o->size_count == 0)
		for (char *rest = sizes; rest != NULL;)
			add_sizes(strsep(&rest, " "), o);
	for (int kind = LOAD_GOOD + 1; kind < LOAD_KINDS; kind++)
		bad += o->load.bad_share[kind];
	if (bad > LOAD_SHARE)
		return fault("the shares of bad traffic are more than 100%% together");
	if (o->load.seconds == 0)
		o->load.seconds = o->command == COMMAND_RUN ? 10 : 1;
	if (o->load.rate == 0 && o->load.window == 0)
		o->load.window = 4096;
	o->load.rate /= o->load.way[WAY_UP] && o->load.way[WAY_DOWN] ? 2 : 1;
	o->load.sizes = o->sizes[0];
	return check_sizes(o);
}

static int parse_command(const char *word, struct options *o)
{
	if (word != NULL && strcmp(word, "run") == 0)
		o->command = COMMAND_RUN;
	else if (word != NULL && strcmp(word, "rfc2544") == 0)
		o->command = COMMAND_RFC2544;
	else
		return fault("the first word is 'run' or 'rfc2544'");
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct options o;
	int option, rc = 0;

	defaults(&o);
	while (rc == 0) {
		int index = 0;
		option = getopt_long(argc, argv, "h", table, &index);
		if (option < 0)
			break;
		rc = set(option == 'h' ? (int)OPT_HELP : option, table[index].name, optarg, &o);
	}
	if (rc == 0 && optind + 1 < argc)
		rc = fault("'%s' is one word too many", argv[optind + 1]);
	if (rc == 0)
		rc = parse_command(argv[optind], &o);
	if (rc == 0)
		rc = complete(&o);
	if (rc == 0)
		*ret = o;
	return rc;
}
