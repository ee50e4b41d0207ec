/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phases.h"

static const char usage[] =
	"usage: bgf-zbload [OPTION]... [PHASE]...\n"
	"Loads a gateway's control over Zb as a P-CSCF with many subscribers would, one phase after the "
	"other, and tells\n"
	"how fast it was. Whatever it installed is released at its end, also after ctrl-C.\n"
	"\n"
	"Phases (default: idle install single confirm timers reauth storm expire release):\n";

static const char options_text[] =
	"\n"
	"      --zb PATH          the gateway's socket (" ZB_DEFAULT_PATH ")\n"
	"      --peer NAME        the name of this P-CSCF, as control.peers allows it (zbload)\n"
	"      --subscribers N    how many there are (100k; k and M may follow)\n"
	"      --storm N          subscribers of the phases reauth and storm (all)\n"
	"      --connections N    over which they come, in the phases with many requests under way (1)\n"
	"      --pending N        subscribers under way at once on each of them (512)\n"
	"      --rate N           of the phase rate: sets a second (10k)\n"
	"      --seconds S        of the phases single, rate, idle and timers (3)\n"
	"      --ue ADDR          address of the first subscriber; the next has the next one (10.128.0.1)\n"
	"      --served ADDR      the P-CSCF's served address (10.50.0.1)\n"
	"      --port-ps PORT     the P-CSCF's port_ps (6062)\n"
	"      --port-pc PORT     the first of its three port_pc, all one apart (6063)\n"
	"      --json FILE        writes the figures to FILE\n"
	"  -h, --help             this text\n"
	"      --version          the version\n"
	"\n"
	"Exit status: 0 all went well; 1 a request was refused that should not have been; 2 the command line "
	"is wrong;\n"
	"3 the gateway could not be reached, or went away.\n";

enum {
	OPT_ZB = 256,
	OPT_PEER,
	OPT_N,
	OPT_STORM,
	OPT_CONNECTIONS,
	OPT_PENDING,
	OPT_RATE,
	OPT_SECONDS,
	OPT_UE,
	OPT_SERVED,
	OPT_PS,
	OPT_PC,
	OPT_JSON,
	OPT_VERSION
};

static const struct option table[] = {
	{"zb", required_argument, NULL, OPT_ZB},
	{"peer", required_argument, NULL, OPT_PEER},
	{"subscribers", required_argument, NULL, OPT_N},
	{"storm", required_argument, NULL, OPT_STORM},
	{"connections", required_argument, NULL, OPT_CONNECTIONS},
	{"pending", required_argument, NULL, OPT_PENDING},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"ue", required_argument, NULL, OPT_UE},
	{"served", required_argument, NULL, OPT_SERVED},
	{"port-ps", required_argument, NULL, OPT_PS},
	{"port-pc", required_argument, NULL, OPT_PC},
	{"json", required_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static int fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fault(const char *format, ...)
{
	va_list args;

	fputs("bgf-zbload: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; 'bgf-zbload --help' lists what there is\n", stderr);
	return -EINVAL;
}

static int number(const char *name, const char *text, double least, double most, double *ret)
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

static int address(const char *name, const char *text, struct bgf_addr *ret)
{
	return bgf_addr_parse(text, ret) == 0
		       ? 0
		       : fault("--%s %s: an IPv4 or IPv6 address is wanted", name, text);
}

static int set_count(int option, const char *name, const char *value, struct options *o)
{
	double n = 0;
	int rc = 0;

	switch (option) {
	case OPT_N:
		rc = number(name, value, 1, CROWD_MAX - PHASES_SPARE, &n);
		o->subscribers = (uint32_t)n;
		break;
	case OPT_STORM:
		rc = number(name, value, 1, CROWD_MAX - PHASES_SPARE, &n);
		o->storm = (uint32_t)n;
		break;
	case OPT_CONNECTIONS:
		rc = number(name, value, 1, 64, &n);
		o->connections = (uint32_t)n;
		break;
	case OPT_PENDING:
		rc = number(name, value, 1, 16384, &n);
		o->pending = (uint32_t)n;
		break;
	case OPT_RATE:
		return number(name, value, 1, 1e7, &o->rate);
	case OPT_SECONDS:
		return number(name, value, 0.1, 3600, &o->seconds);
	case OPT_PS:
		rc = number(name, value, 1, 65535, &n);
		o->crowd.port_ps = (uint16_t)n;
		break;
	default:
		rc = number(name, value, 1, 65535 - CROWD_PORTS, &n);
		o->crowd.port_pc = (uint16_t)n;
	}
	return rc;
}

/* 0, 1: all is said, or -EINVAL. */
static int set(int option, const char *name, const char *value, struct options *o)
{
	switch (option) {
	case 'h':
		fputs(usage, stdout);
		phases_help(stdout);
		fputs(options_text, stdout);
		return 1;
	case OPT_VERSION:
		puts("bgf-zbload " BGF_VERSION);
		return 1;
	case OPT_ZB:
		o->zb = value;
		return 0;
	case OPT_PEER:
		o->peer = value;
		return 0;
	case OPT_JSON:
		o->json = value;
		return 0;
	case OPT_UE:
		return address(name, value, &o->crowd.ue);
	case OPT_SERVED:
		return address(name, value, &o->crowd.served);
	case '?':
		fputs("bgf-zbload: 'bgf-zbload --help' lists the options\n", stderr);
		return -EINVAL;
	default:
		return set_count(option, name, value, o);
	}
}

static int take_phases(char **words, int count, struct options *o)
{
	static const char *const usual[] = {"idle",   "install", "single", "confirm", "timers",
					    "reauth", "storm",	 "expire", "release"};

	if (count > OPTIONS_PHASES)
		return fault("%d phases at most", OPTIONS_PHASES);
	for (int i = 0; i < count; i++) {
		if (!phases_known(words[i]))
			return fault("there is no phase '%s'", words[i]);
		o->phase[o->phases++] = words[i];
	}
	for (size_t i = 0; count == 0 && i < sizeof(usual) / sizeof(*usual); i++)
		o->phase[o->phases++] = usual[i];
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = {.zb = ZB_DEFAULT_PATH,
			    .peer = "zbload",
			    .crowd = {.port_ps = 6062, .port_pc = 6063},
			    .subscribers = 100000,
			    .connections = 1,
			    .pending = 512,
			    .rate = 10000,
			    .seconds = 3};
	int rc = 0;

	bgf_addr_parse("10.128.0.1", &o.crowd.ue);
	bgf_addr_parse("10.50.0.1", &o.crowd.served);
	while (rc == 0) {
		int index = 0, option = getopt_long(argc, argv, "h", table, &index);
		if (option < 0)
			break;
		rc = set(option, table[index].name, optarg, &o);
	}
	if (rc == 0)
		rc = take_phases(argv + optind, argc - optind, &o);
	if (rc == 0 && o.storm > o.subscribers)
		rc = fault("--storm is more than --subscribers");
	if (rc == 0 && o.crowd.ue.family != o.crowd.served.family)
		rc = fault("--ue and --served are of different families");
	o.crowd.count = o.subscribers + PHASES_SPARE;
	if (rc == 0)
		*ret = o;
	return rc;
}
