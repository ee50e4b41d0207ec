/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgf-control: a ladder of inits, the loop, and the ladder down again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/control.h"
#include "control/harden.h"
#include "control/listener.h"
#include "control/log.h"
#include "control/orders.h"
#include "control/session.h"
#include "control/sets.h"
#include "control/sync.h"
#include "control/trouble.h"

enum { EXIT_CONFIG = 2, TICK_MS = 500, READY_MS = 500, LARGE_BUFFER = 32 << 10 };

static const char usage[] =
	"usage: bgf-control [--config FILE] [--check]\n"
	"Speaks Zb with P-CSCFs, owns the SA sets and their timers, and steers bgf-dataplane.\n"
	"\n"
	"  -c, --config FILE  the configuration (default " BGF_CONFIG_PATH ")\n"
	"      --check        validate it and exit: 0 valid, 2 not\n"
	"  -h, --help         this text, and the configuration's keys\n"
	"      --version      the version\n"
	"\n"
	"Ends in order with SIGTERM or SIGINT. What is installed stays in the data plane, and is known again "
	"after the\n"
	"next start. Exit status: 0 ended in order, 1 could not start, 2 the configuration is not valid.\n";

struct options {
	const char *config;
	bool check;
};

/* Returns -1 to go on, or the exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
	static const struct option table[] = {{"config", required_argument, NULL, 'c'},
					      {"check", no_argument, NULL, 'k'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'v'},
					      {0}};
	int c;

	*ret = (struct options){.config = BGF_CONFIG_PATH};
	while ((c = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'k':
			ret->check = true;
			break;
		case 'h':
			fputs(usage, stdout);
			fputs("\nConfiguration:\n", stdout);
			config_help(stdout);
			return EXIT_SUCCESS;
		case 'v':
			puts("bgf-control " BGF_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'bgf-control --help'.\n", stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bgf-control: error: unexpected argument '%s'; try --help\n", argv[optind]);
		return EXIT_CONFIG;
	}
	return -1;
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct control *c = arg;

	(void)what;
	log_line(LOG_LEVEL_INFO, "%s: ending", number == SIGTERM ? "SIGTERM" : "SIGINT");
	event_base_loopbreak(c->base);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	orders_look_at_load(arg);
	session_tick_all(arg);
}

/* It serves when it is in step with the data plane; where there is none it serves too, and says so in
 * answers. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd, (void)what;
	event_free(c->ready);
	c->ready = NULL;
	fputs("ready\n", stderr);
}

/* The same that the data plane tells; for HELLOs while it is away. */
static void read_boot_id(struct control *c)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned octet;

	if (file == NULL)
		return;
	for (size_t i = 0; i < sizeof(c->boot_id); i++) {
		if (fscanf(file, i % 2 == 0 && i >= 4 && i <= 10 ? "-%2x" : "%2x", &octet) != 1)
			break;
		c->boot_id[i] = (uint8_t)octet;
	}
	fclose(file);
}

static int run(struct control *c)
{
	static const struct timeval tick = {.tv_usec = TICK_MS * 1000}, ready = {.tv_usec = READY_MS * 1000};
	struct event *term = evsignal_new(c->base, SIGTERM, on_signal, c);
	struct event *interrupt = evsignal_new(c->base, SIGINT, on_signal, c);
	int error = -ENOMEM;

	signal(SIGPIPE, SIG_IGN);
	c->tick = event_new(c->base, -1, EV_PERSIST, on_tick, c);
	c->ready = evtimer_new(c->base, on_ready, c);
	if (term != NULL && interrupt != NULL && c->tick != NULL && c->ready != NULL &&
	    evsignal_add(term, NULL) == 0 && evsignal_add(interrupt, NULL) == 0 &&
	    evtimer_add(c->tick, &tick) == 0 && evtimer_add(c->ready, &ready) == 0)
		error = event_base_dispatch(c->base) < 0 ? -EIO : 0;

	struct event *events[] = {term, interrupt, c->tick, c->ready};
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	return error;
}

static int serve(const struct bgf_config *config)
{
	static struct control control; /* large: the memory of releases */
	struct control *c = &control;
	struct dplink_handlers handlers = {.up = sync_up,
					   .down = sync_down,
					   .first_used = sync_first_used,
					   .trouble = trouble_of_set,
					   .stray = trouble_of_stray,
					   .arg = c};
	struct listener *listener = NULL;
	int error = harden_process();

	if (error != 0)
		return error;
	c->config = config;
	c->timer_fd = -1;
	TAILQ_INIT(&c->peers);
	LIST_INIT(&c->sessions);
	read_boot_id(c);
	error = hash_seed();
	if (error != 0)
		return error;
	error = -ENOMEM;
	c->base = event_base_new();
	if (c->base == NULL)
		return error;
	error = sets_init(c);
	if (error != 0)
		goto no_sets;
	error = -ENOMEM;
	c->link = dplink_new(c->base, config->dataplane.link, &handlers);
	if (c->link == NULL)
		goto no_sets;
	error = listener_open(c, &listener);
	if (error == 0)
		error = run(c);
	listener_close(listener);
	session_free_all(c);
	dplink_free(c->link);
no_sets:
	sets_free(c);
	event_base_free(c->base);
	return error;
}

int main(int argc, char **argv)
{
	static struct bgf_config config;
	struct options options;
	int status = read_options(argc, argv, &options);

	setvbuf(stderr, NULL, _IOLBF, 0);
	/* Large buffers come and go (answers, growing tables): outside the heap they leave no holes between
	 * sets. */
	mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER);
	if (status >= 0)
		return status;
	if (options.check)
		return config_check(options.config, stdout, stderr);
	if (config_load(options.config, &config, stderr) != 0)
		return EXIT_CONFIG;
	int error = serve(&config);
	if (error != 0)
		log_line(LOG_LEVEL_ERROR, "could not go on: %s", strerror(-error));
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
