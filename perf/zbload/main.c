/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgf-zbload: loads a gateway's control over Zb. README.md has the whole.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "../pktgen/stop.h"
#include "options.h"
#include "phases.h"

enum { STATUS_GOOD, STATUS_BAD, STATUS_USAGE, STATUS_FAILED };
enum { MILLION = 1000000 };

static int fail(int rc, const struct zb_error *why)
{
	if (rc == -EINTR)
		fprintf(stderr, "bgf-zbload: interrupted\n");
	else
		fprintf(stderr, "bgf-zbload: %s%s%s\n",
			why->cause != 0 ? zb_cause_name(why->cause) : strerror(-rc),
			why->text[0] != '\0' ? ": " : "", why->text);
	return STATUS_FAILED;
}

static void number(struct json *j, const char *name, double value)
{
	if (value > 0)
		json_number(j, name, value);
}

static void write_figures(struct json *j, const struct figures *f)
{
	number(j, "zb_sets_per_s_pipelined", f->pipelined);
	number(j, "zb_sets_per_s_one_by_one", f->one_by_one);
	number(j, "zb_registrations_per_s_pipelined", f->registrations);
	number(j, "zb_sets_per_s_at_rate", f->at_rate);
	number(j, "zb_install_p99_ms_at_rate", f->install_p99_ms);
	number(j, "bytes_per_ue_control", f->bytes_per_set);
	number(j, "idle_cpu_percent", f->idle_cpu_percent);
	number(j, "timers_cpu_percent", f->timers_cpu_percent);
	number(j, "expired_late_p99_ms", f->late_p99_ms);
	number(j, "expired_late_max_ms", f->late_max_ms);
	if (f->stormed)
		json_count(j, "loss_during_storm", f->storm_lost);
	if (f->live >= MILLION)
		number(j, "timers_1m_cpu_percent", f->timers_cpu_percent);
	json_count(j, "sets_live", f->live);
}

/* All phases; the sets are released whatever happens. */
static int run(struct driver *d, const struct options *o, struct json *json)
{
	struct figures figures = {0};
	struct zb_error why = {0};
	uint32_t count = 0;
	int rc = 0, refused = 0;

	json_begin(json, "phases", '[');
	for (unsigned i = 0; i < o->phases && rc >= 0; i++) {
		rc = phases_run(o->phase[i], d, o, &figures, json, &why);
		refused |= rc > 0;
		if (rc >= 0 && stop_asked()) /* a phase that is short, or waits, may not have looked */
			rc = -EINTR;
	}
	json_end(json, ']');
	write_figures(json, &figures);
	int status = rc < 0 ? fail(rc, &why) : refused ? STATUS_BAD : STATUS_GOOD;
	rc = driver_release_all(d, &count, &why);
	if (rc != 0)
		return fail(rc, &why);
	printf("released %u sets that were left\n", count);
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	struct driver *d = NULL;
	struct zb_error why = {0};
	struct json file, *json = NULL;
	int rc = options_parse(argc, argv, &o);

	if (rc != 0)
		return rc > 0 ? STATUS_GOOD : STATUS_USAGE;
	stop_catch();
	if (getrandom(&o.crowd.seed, sizeof(o.crowd.seed), 0) != sizeof(o.crowd.seed) ||
	    crowd_new(&o.crowd) != 0)
		return fail(-ENOMEM, &why);
	rc = driver_new(o.zb, o.peer, o.connections, &o.crowd, &d, &why);
	if (rc == 0 && o.json != NULL) {
		rc = json_open(o.json, &file);
		json = &file;
	}
	if (rc == 0) {
		json_text(json, "program", "bgf-zbload " BGF_VERSION);
		json_count(json, "subscribers", o.subscribers);
		json_count(json, "connections", o.connections);
		json_count(json, "pending", o.pending);
		rc = run(d, &o, json);
		if (json != NULL && json_close(json) != 0)
			rc = fail(-EIO, &why);
	} else {
		rc = fail(rc, &why);
	}
	driver_free(d);
	crowd_free(&o.crowd);
	return rc;
}
