/* SPDX-License-Identifier: BSD-3-Clause */
#include "bgfctl.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

#define COMMON \
	(CTL_BIT(SOCKET) | CTL_BIT(PEER) | CTL_BIT(WAIT) | CTL_BIT(JSON) | CTL_BIT(HELP) | CTL_BIT(VERSION))
#define FILTERS (CTL_BIT(SUBSCRIBER) | CTL_BIT(REGISTRATION_ID) | CTL_BIT(UE) | CTL_BIT(PORT))
#define SELECTORS                                                                                 \
	(CTL_BIT(UE) | CTL_BIT(SERVED) | CTL_BIT(PORT_UC) | CTL_BIT(PORT_US) | CTL_BIT(PORT_PC) | \
	 CTL_BIT(PORT_PS) | CTL_BIT(SPI_UC) | CTL_BIT(SPI_US))
#define INSTALL_MUST (SELECTORS | CTL_BIT(SUBSCRIBER) | CTL_BIT(KEYS))
#define INSTALL_MAY                                                                                     \
	(CTL_BIT(REGISTRATION_ID) | CTL_BIT(ALG) | CTL_BIT(EALG) | CTL_BIT(MOD) | CTL_BIT(AWAIT_AUTH) | \
	 CTL_BIT(VIA_SET) | CTL_BIT(BEGAN_UNPROTECTED) | CTL_BIT(EMERGENCY) | CTL_BIT(REPLACE) |        \
	 CTL_BIT(REFERENCE))

/* The role of `set release` is operator's, who may release any set, unless --peer says whose it is. */
static const struct command {
	const char *words[2];
	const char *argument;
	enum zb_role role;
	uint64_t must, may;
	int (*run)(struct ctl *c);
	const char *help;
} commands[] = {
	{{"show", "sets"}, NULL, ZB_ROLE_OBSERVER, 0, FILTERS, show_sets, "the SA sets, one a line"},
	{{"show", "set"}, "ID", ZB_ROLE_OBSERVER, 0, 0, show_set, "everything about one set"},
	{{"show", "counters"},
	 NULL,
	 ZB_ROLE_OBSERVER,
	 0,
	 CTL_BIT(ALL),
	 show_counters,
	 "what the data plane counted, and why it dropped packets"},
	{{"show", "workers"},
	 NULL,
	 ZB_ROLE_OBSERVER,
	 0,
	 CTL_BIT(INTERVAL),
	 show_workers,
	 "how busy the workers are, over --interval"},
	{{"top", NULL},
	 NULL,
	 ZB_ROLE_OBSERVER,
	 0,
	 CTL_BIT(COUNT) | CTL_BIT(INTERVAL),
	 follow_workers,
	 "the same and what is dropped, live, until ctrl-C"},
	{{"show", "ports"}, NULL, ZB_ROLE_OBSERVER, 0, 0, show_ports, "the data plane's ports"},
	{{"show", "peers"},
	 NULL,
	 ZB_ROLE_OBSERVER,
	 0,
	 0,
	 show_peers,
	 "the P-CSCFs and who else is associated"},
	{{"show", "gateway"}, NULL, ZB_ROLE_OBSERVER, 0, 0, show_gateway, "who answers, and how full it is"},
	{{"events", NULL},
	 NULL,
	 ZB_ROLE_OBSERVER,
	 0,
	 CTL_BIT(COUNT),
	 follow_events,
	 "follows the events of all P-CSCFs until ctrl-C"},
	{{"audit", NULL},
	 NULL,
	 ZB_ROLE_OBSERVER,
	 0,
	 0,
	 audit_sets,
	 "whether the gateway's digests (AUDIT) are those of the sets it lists"},
	{{"set", "install"},
	 NULL,
	 ZB_ROLE_PEER,
	 INSTALL_MUST,
	 INSTALL_MAY,
	 set_install,
	 "installs a temporary set, as a P-CSCF does at the 401"},
	{{"set", "confirm"},
	 "ID",
	 ZB_ROLE_PEER,
	 CTL_BIT(EXPIRES),
	 CTL_BIT(REFERENCE),
	 set_confirm,
	 "establishes a set of --peer's, or extends it, as at the 200 OK"},
	{{"set", "release"},
	 "ID|all",
	 ZB_ROLE_OPERATOR,
	 0,
	 CTL_BIT(DRAIN) | CTL_BIT(REFERENCE),
	 set_release,
	 "releases any set; with --peer one of that peer's, or all of them (waits as long as they go)"},
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static const struct {
	const char *name, *argument, *help;
} options[CTL_OPT_END] = {
#define ROW(NAME, name, argument, help) {name, argument, help},
	CTL_OPTION_LIST(ROW)
#undef ROW
};

const char *ctl_option_name(enum ctl_option option)
{
	static char name[32];

	snprintf(name, sizeof(name), "--%s", options[option].name);
	return name;
}

void ctl_usage_error(const char *format, ...)
{
	va_list args;

	fputs("bgfctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nTry 'bgfctl --help'.\n", stderr);
	exit(STATUS_USAGE);
}

int ctl_failed(const struct ctl *c, int error)
{
	if (error == -EREMOTEIO) {
		fprintf(stderr, "bgfctl: refused, %s", zb_cause_name(c->error.cause));
		if (c->error.attribute != 0)
			fprintf(stderr, " (%s)", zb_attribute_name(c->error.attribute));
		fprintf(stderr, ": %s\n", c->error.text);
	} else {
		fprintf(stderr, "bgfctl: %s\n", c->error.text);
	}
	if (error == -ENOTCONN)
		fputs("Is bgf-control running, and may you use its socket? --socket PATH names another "
		      "one.\n",
		      stderr);
	else if (error == -ETIMEDOUT)
		fputs("It may have been carried out all the same: look with 'bgfctl show sets'.\n", stderr);
	return STATUS_FAILED;
}

/* A whole number, decimal or with 0x. */
static bool parse_number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		return false;
	*ret = value;
	return true;
}

uint64_t ctl_number(const struct ctl *c, enum ctl_option option, uint64_t least, uint64_t most,
		    uint64_t otherwise)
{
	uint64_t value = otherwise;

	if (c->option[option] == NULL)
		return otherwise;
	if (!parse_number(c->option[option], &value) || value < least || value > most)
		ctl_usage_error("%s: found '%s'; allowed: %" PRIu64 " to %" PRIu64, ctl_option_name(option),
				c->option[option], least, most);
	return value;
}

void ctl_address(const struct ctl *c, enum ctl_option option, struct bgf_addr *ret)
{
	if (c->option[option] != NULL && bgf_addr_parse(c->option[option], ret) < 0)
		ctl_usage_error("%s: found '%s'; allowed: an IPv4 or IPv6 address", ctl_option_name(option),
				c->option[option]);
}

uint64_t ctl_set_id(const struct ctl *c)
{
	uint64_t id;

	if (!parse_number(c->argument, &id) || id == 0)
		ctl_usage_error("found '%s'; allowed: the id of a set, as 'bgfctl show sets' tells",
				c->argument);
	return id;
}

static void print_options(uint64_t mask)
{
	for (unsigned i = 0; i < CTL_OPT_END; i++) {
		if ((mask >> i & 1) == 0)
			continue;
		char left[40];
		snprintf(left, sizeof(left), "--%s %s", options[i].name,
			 options[i].argument != NULL ? options[i].argument : "");
		printf("  %-24s %s\n", left, options[i].help);
	}
}

static void print_help(void)
{
	puts("Usage: bgfctl [OPTION]... COMMAND [ARGUMENT] [OPTION]...\n"
	     "Shows what an IPsec gateway does, and orders it about, over Zb.\n\nCommands:");
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *m = &commands[i];
		char left[40];
		snprintf(left, sizeof(left), "%s %s %s", m->words[0], m->words[1] != NULL ? m->words[1] : "",
			 m->argument != NULL ? m->argument : "");
		printf("  %-24s %s\n", left, m->help);
	}
	puts("\nOptions of every command:");
	print_options(COMMON);
	puts("\n'bgfctl COMMAND --help' tells a command's own options.\n"
	     "Exit status: 0 done, 1 refused or failed, 2 not understood.");
}

static void print_command_help(const struct command *m)
{
	printf("Usage: bgfctl %s%s%s%s%s [OPTION]...\n%s\n", m->words[0], m->words[1] != NULL ? " " : "",
	       m->words[1] != NULL ? m->words[1] : "", m->argument != NULL ? " " : "",
	       m->argument != NULL ? m->argument : "", m->help);
	if (m->must != 0) {
		puts("\nNeeded:");
		print_options(m->must);
	}
	puts("\nOptions:");
	print_options(m->may | COMMON);
	if (m->must & CTL_BIT(KEYS))
		puts("\nA key file has one key a line, in 32 hex digits, and no key is ever an argument:\n"
		     "  ik=00112233445566778899aabbccddeeff\n  ck=...");
}

static bool command_matches(const struct command *m, char **words, int count)
{
	int need = m->words[1] != NULL ? 2 : 1;

	return count >= need && strcmp(words[0], m->words[0]) == 0 &&
	       (need == 1 || strcmp(words[1], m->words[1]) == 0);
}

static void __attribute__((noreturn)) no_command(char **words, int count)
{
	char second[256] = "";

	/* What may follow a first word that is one. */
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		size_t used = strlen(second);
		if (commands[i].words[1] != NULL && strcmp(words[0], commands[i].words[0]) == 0)
			snprintf(second + used, sizeof(second) - used, "%s%s", used > 0 ? ", " : "",
				 commands[i].words[1]);
	}
	if (second[0] == '\0')
		ctl_usage_error("'%s' is no command", words[0]);
	if (count == 1)
		ctl_usage_error("'%s' needs another word: %s", words[0], second);
	ctl_usage_error("'%s %s' is no command; after '%s' goes one of: %s", words[0], words[1], words[0],
			second);
}

static const struct command *find_command(char **words, int count)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (command_matches(&commands[i], words, count))
			return &commands[i];
	no_command(words, count);
}

static void check_options(const struct ctl *c, const struct command *m)
{
	for (unsigned i = 0; i < CTL_OPT_END; i++) {
		if (c->option[i] != NULL && ((m->must | m->may | COMMON) >> i & 1) == 0)
			ctl_usage_error("'%s %s' has no option --%s", m->words[0],
					m->words[1] != NULL ? m->words[1] : "", options[i].name);
		if (c->option[i] == NULL && (m->must >> i & 1))
			ctl_usage_error("--%s %s is missing: %s", options[i].name, options[i].argument,
					options[i].help);
	}
}

static void parse_options(struct ctl *c, int argc, char **argv)
{
	struct option longs[CTL_OPT_END + 1] = {0};
	int found;

	for (int i = 0; i < CTL_OPT_END; i++)
		longs[i] = (struct option){.name = options[i].name,
					   .has_arg = options[i].argument != NULL ? required_argument
										  : no_argument,
					   .val = 256 + i};
	while ((found = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (found == '?') { /* getopt has said what */
			fputs("Try 'bgfctl --help'.\n", stderr);
			exit(STATUS_USAGE);
		}
		int i = found == 'h' ? CTL_OPT_HELP : found - 256;
		c->option[i] = optarg != NULL ? optarg : "";
	}
	c->json = c->option[CTL_OPT_JSON] != NULL;
}

static int run(struct ctl *c, const struct command *m)
{
	const char *peer = c->option[CTL_OPT_PEER];
	/* The instance id is the same at each run: a peer of bgfctl's keeps its sets. */
	struct zb_options o = {
		.path = c->option[CTL_OPT_SOCKET],
		.name = peer != NULL ? peer : "bgfctl",
		.instance_id = 1,
		.role = m->role == ZB_ROLE_OPERATOR && peer != NULL ? ZB_ROLE_PEER : m->role,
		.wait_ms = (int)ctl_number(c, CTL_OPT_WAIT, 1, 600000, 0),
	};
	int r = zb_open(&o, &c->zb, &c->error);

	if (r < 0)
		ctl_usage_error("%s", c->error.text);
	r = m->run(c);
	zb_close(c->zb);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "bgfctl: cannot write the output: %s\n", strerror(errno));
		return STATUS_FAILED;
	}
	return r;
}

int main(int argc, char **argv)
{
	struct ctl c = {0};

	parse_options(&c, argc, argv);
	char **words = argv + optind;
	int count = argc - optind;
	if (c.option[CTL_OPT_VERSION] != NULL) {
		puts("bgfctl " BGF_VERSION);
		return 0;
	}
	if (count == 0 && c.option[CTL_OPT_HELP] != NULL) {
		print_help();
		return 0;
	}
	if (count == 0)
		ctl_usage_error("which command?");
	const struct command *m = find_command(words, count);
	if (c.option[CTL_OPT_HELP] != NULL) {
		print_command_help(m);
		return 0;
	}
	int used = m->words[1] != NULL ? 2 : 1;
	if (m->argument != NULL && count == used)
		ctl_usage_error("'%s %s' needs an argument: %s", m->words[0], m->words[1], m->argument);
	if (count > used + (m->argument != NULL))
		ctl_usage_error("'%s' is one word too many", words[count - 1]);
	c.argument = m->argument != NULL ? words[used] : NULL;
	check_options(&c, m);
	return run(&c, m);
}
