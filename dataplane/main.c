/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgf-dataplane: options, and the way up and down.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_version.h>

#include "config/config.h"
#include "gateway.h"
#include "log.h"

enum { EXIT_START = 1, EXIT_CONFIG = 2 };

static void usage(FILE *out)
{
	fputs("bgf-dataplane: the packet path of the IPsec gateway (TS 33.203)\n"
	      "\n"
	      "  -c, --config FILE  the configuration; default " BGF_CONFIG_PATH "\n"
	      "      --check        validate it and say what is wrong; status 0 or 2\n"
	      "  -h, --help         this, and every key of the configuration\n"
	      "  -V, --version      versions of it and of its libraries\n"
	      "\n"
	      "Status: 0 after SIGTERM or SIGINT, 1 when it cannot start, 2 for a wrong configuration.\n"
	      "\n",
	      out);
}

static void version(void)
{
	printf("bgf-dataplane " BGF_VERSION " (%s)\n", rte_version());
}

struct options {
	const char *config;
	bool check;
};

/* Returns an exit status, or -1 to go on. */
static int options_read(int argc, char **argv, struct options *ret)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"check", no_argument, NULL, 'k'},
						{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'V'},
						{0}};
	struct options o = {.config = BGF_CONFIG_PATH};

	for (int c; (c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			o.config = optarg;
			break;
		case 'k':
			o.check = true;
			break;
		case 'h':
			usage(stdout);
			config_help(stdout);
			return EXIT_SUCCESS;
		case 'V':
			version();
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bgf-dataplane: error: '%s' is no option\n", argv[optind]);
		usage(stderr);
		return EXIT_CONFIG;
	}
	*ret = o;
	return -1;
}

/* Keys are in this process: no core dump, no debugger of another user's. */
static void keep_private(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	prctl(PR_SET_DUMPABLE, 0);
}

/* A descriptor for the signals that end the process. Before any thread, so that all have them blocked. */
static int signals_open(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int main(int argc, char **argv)
{
	static struct bgf_config config;
	struct options options;
	int status = options_read(argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.check)
		return config_check(options.config, stdout, stderr);
	if (config_load(options.config, &config, stderr) != 0)
		return EXIT_CONFIG;
	keep_private();

	char error[1024] = "";
	int signals = signals_open();
	int rc = signals < 0 ? signals : gateway_run(&config, signals, error, sizeof(error));
	if (rc != 0)
		dp_log(DP_ERROR, "%s", error[0] != '\0' ? error : strerror(-rc));
	if (signals >= 0)
		close(signals);
	return rc == 0 ? EXIT_SUCCESS : EXIT_START;
}
