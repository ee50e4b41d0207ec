/* SPDX-License-Identifier: BSD-3-Clause */
#include "phases.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "../pktgen/stop.h"
#include "options.h"

enum {
	EXPIRES_S = 7 * 24 * 3600,
	EXPIRE_SETS = 20000,
	EXPIRE_S = 2,
	RATE_SETS = 100000, /* that take turns */
};

struct run {
	struct driver *driver;
	const struct options *options;
	struct figures *figures;
	struct outcome *outcome;
};

/* --- what is shown --- */

static const char *progress_name;

static bool show_progress(const struct outcome *o)
{
	static double told;

	if (o->seconds < told) /* another phase */
		told = 0;
	if (o->seconds >= told + 1) {
		told = o->seconds;
		printf("%-8s %lu of %lu under way are done, %.0f s\n", progress_name, (unsigned long)o->done,
		       (unsigned long)o->begun, o->seconds);
		fflush(stdout);
	}
	return !stop_asked();
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double rate_of(const struct outcome *o)
{
	return o->seconds > 0 ? (double)o->done / o->seconds : 0;
}

static void show(const char *name, const struct outcome *o)
{
	printf("%-8s %8lu sets in %6.2f s: %7.0f a second; chain p50 %.2f ms, p99 %.2f ms; bgf-control %.1f "
	       "us a set",
	       name, (unsigned long)o->done, o->seconds, rate_of(o), ms(histogram_percentile(&o->chain, 50)),
	       ms(histogram_percentile(&o->chain, 99)),
	       o->done > 0 ? o->control_cpu * 1e6 / (double)o->done : 0);
	if (o->overload + o->repeated + o->refused > 0)
		printf("; overload %lu, repeated %lu, refused %lu", (unsigned long)o->overload,
		       (unsigned long)o->repeated, (unsigned long)o->refused);
	if (o->refused > 0)
		printf(" (%s: %s)", zb_cause_name(o->why.cause), o->why.text);
	printf("\n");
	fflush(stdout);
}

static void write_outcome(struct json *j, const char *name, const struct outcome *o)
{
	json_begin(j, NULL, '{');
	json_text(j, "phase", name);
	json_count(j, "sets", o->done);
	json_number(j, "seconds", o->seconds);
	json_number(j, "sets_per_second", rate_of(o));
	json_number(j, "install_p50_ms", ms(histogram_percentile(&o->install, 50)));
	json_number(j, "install_p99_ms", ms(histogram_percentile(&o->install, 99)));
	json_number(j, "install_max_ms", ms(o->install.most));
	json_number(j, "chain_p99_ms", ms(histogram_percentile(&o->chain, 99)));
	json_number(j, "control_cpu_us_per_set", o->done > 0 ? o->control_cpu * 1e6 / (double)o->done : 0);
	json_count(j, "refused_for_overload", o->overload);
	json_count(j, "repeated", o->repeated);
	json_count(j, "refused", o->refused);
	json_count(j, "events_lost", o->gap ? o->done - o->expired : 0);
	json_end(j, '}');
}

/* --- the phases --- */

static struct phase of_all(const struct run *r, unsigned plan)
{
	return (struct phase){.plan = plan,
			      .window = r->options->pending,
			      .connections = r->options->connections,
			      .count = r->options->subscribers,
			      .expires_s = EXPIRES_S};
}

static struct phase of_stormers(const struct run *r, unsigned plan)
{
	struct phase phase = of_all(r, plan);

	if (r->options->storm != 0)
		phase.count = r->options->storm;
	return phase;
}

static int run_phase(const struct run *r, const struct phase *phase)
{
	return driver_run(r->driver, phase, show_progress, r->outcome);
}

static uint64_t resident(const struct run *r)
{
	return process_resident(driver_gateway(r->driver));
}

/* What bgf-control grew by, for each set that is live. */
static void weigh(const struct run *r, uint64_t live)
{
	struct figures *f = r->figures;

	if (f->resident == 0 || live <= f->live)
		return;
	f->live = live;
	f->bytes_per_set = (double)(resident(r) - f->resident) / (double)live;
	printf("memory   %lu sets live; bgf-control grew by %.0f octets for each\n", (unsigned long)live,
	       f->bytes_per_set);
}

static int install(struct run *r)
{
	struct phase phase = of_all(r, PLAN_INSTALL);

	if (r->figures->resident == 0)
		r->figures->resident = resident(r);
	phase.await_auth_s = 3600;
	int rc = run_phase(r, &phase);
	r->figures->pipelined = rate_of(r->outcome);
	weigh(r, r->outcome->done);
	return rc;
}

static int confirm(struct run *r)
{
	const struct phase phase = of_all(r, PLAN_CONFIRM);

	return run_phase(r, &phase);
}

static int enroll(struct run *r)
{
	const struct phase phase = of_all(r, PLAN_INSTALL | PLAN_CONFIRM);

	if (r->figures->resident == 0)
		r->figures->resident = resident(r);
	int rc = run_phase(r, &phase);
	r->figures->registrations = rate_of(r->outcome);
	weigh(r, r->outcome->done);
	return rc;
}

static int reauth(struct run *r)
{
	const struct phase phase = of_stormers(r, PLAN_INSTALL | PLAN_CONFIRM | PLAN_RELEASE_OLD);

	return run_phase(r, &phase);
}

static int storm(struct run *r)
{
	const struct phase phase = of_stormers(r, PLAN_INSTALL | PLAN_CONFIRM | PLAN_INITIAL);
	int rc = run_phase(r, &phase);

	r->figures->stormed = true;
	r->figures->storm_lost = r->outcome->begun - r->outcome->done;
	return rc;
}

static int single(struct run *r)
{
	int rc = driver_single(r->driver, r->options->subscribers, PHASES_SPARE, r->options->seconds,
			       r->outcome);

	r->outcome->chain = r->outcome->install;
	r->figures->one_by_one = rate_of(r->outcome);
	if (rc != 0)
		return rc;
	/* They make room for the other phases that use the spare ones. */
	static struct outcome out;
	struct phase release = of_all(r, PLAN_RELEASE);
	release.first = r->options->subscribers;
	release.count = (uint32_t)r->outcome->done;
	return driver_run(r->driver, &release, show_progress, &out);
}

static int at_rate(struct run *r)
{
	struct phase phase = of_all(r, PLAN_INSTALL | PLAN_RELEASE);

	phase.first = r->options->subscribers;
	phase.count = RATE_SETS;
	phase.rate = r->options->rate;
	phase.seconds = r->options->seconds;
	int rc = run_phase(r, &phase);
	r->figures->at_rate = rate_of(r->outcome);
	r->figures->install_p99_ms = ms(histogram_percentile(&r->outcome->install, 99));
	return rc;
}

static double busy_percent(const struct run *r)
{
	const pid_t pid = driver_gateway(r->driver);
	const double begun = driver_now(), cpu = process_cpu_seconds(pid);

	while (driver_now() - begun < r->options->seconds && !stop_asked())
		driver_idle(r->driver);
	return (process_cpu_seconds(pid) - cpu) / (driver_now() - begun) * 100;
}

static int idle(struct run *r)
{
	r->figures->idle_cpu_percent = busy_percent(r);
	printf("idle     bgf-control takes %.3f %% of a processor\n", r->figures->idle_cpu_percent);
	return 0;
}

static int timers(struct run *r)
{
	r->figures->timers_cpu_percent = busy_percent(r);
	printf("timers   bgf-control takes %.3f %% of a processor while %lu sets wait for their end\n",
	       r->figures->timers_cpu_percent, (unsigned long)r->figures->live);
	return 0;
}

static int expire(struct run *r)
{
	struct phase phase = of_all(r, PLAN_INSTALL);
	struct zb_error why;

	phase.first = r->options->subscribers;
	phase.count = EXPIRE_SETS;
	phase.await_auth_s = EXPIRE_S;
	int rc = driver_subscribe(r->driver, ZB_EVENT_BIT(ZB_EVENT_EXPIRED) | ZB_EVENT_BIT(ZB_EVENT_GAP),
				  &why);
	if (rc == 0)
		rc = run_phase(r, &phase);
	if (rc == 0)
		rc = driver_await_expiry(r->driver, r->outcome->done, EXPIRE_S + 10, r->outcome);
	driver_subscribe(r->driver, 0, &why);
	r->figures->late_p99_ms = ms(histogram_percentile(&r->outcome->late, 99));
	r->figures->late_max_ms = ms(r->outcome->late.most);
	printf("expire   %lu of %lu sets told their end%s; p99 %.1f ms late, %.1f ms at most\n",
	       (unsigned long)r->outcome->expired, (unsigned long)r->outcome->done,
	       r->outcome->gap ? " (events were lost, and the gateway said so)" : "", r->figures->late_p99_ms,
	       r->figures->late_max_ms);
	return rc;
}

static int release(struct run *r)
{
	struct phase phase = of_all(r, PLAN_RELEASE);

	return run_phase(r, &phase);
}

static const struct {
	const char *name, *text;
	int (*run)(struct run *r);
	bool quiet; /* has no outcome of its own to show */
} phases[] = {
	{"install", "each subscriber's temporary set, many requests under way", install, false},
	{"single", "temporary sets, one request at a time", single, false},
	{"confirm", "each subscriber's 200 OK", confirm, false},
	{"register", "install and confirm, each subscriber's one behind the other", enroll, false},
	{"reauth", "each authenticates again: install, confirm, release of the former set", reauth, false},
	{"storm", "each registers anew at once, unprotected, from its old ports: install, confirm", storm,
	 false},
	{"rate", "sets that come and go at --rate, for --seconds", at_rate, false},
	{"expire", "20,000 temporary sets run out, and the events are timed", expire, false},
	{"idle", "nothing: what bgf-control costs", idle, true},
	{"timers", "nothing, with what is installed: what its timers cost", timers, true},
	{"release", "each subscriber's set is released", release, false},
};
enum { PHASES = sizeof(phases) / sizeof(*phases) };

static int find(const char *name)
{
	for (int i = 0; i < PHASES; i++)
		if (strcmp(phases[i].name, name) == 0)
			return i;
	return -1;
}

bool phases_known(const char *name)
{
	return find(name) >= 0;
}

void phases_help(FILE *to)
{
	for (int i = 0; i < PHASES; i++)
		fprintf(to, "  %-9s %s\n", phases[i].name, phases[i].text);
}

int phases_run(const char *name, struct driver *d, const struct options *o, struct figures *f,
	       struct json *json, struct zb_error *ret_error)
{
	static struct outcome outcome; /* large */
	struct run r = {.driver = d, .options = o, .figures = f, .outcome = &outcome};
	int i = find(name);

	memset(&outcome, 0, sizeof(outcome));
	progress_name = name;
	int rc = phases[i].run(&r);
	if (!phases[i].quiet) {
		show(name, &outcome);
		write_outcome(json, name, &outcome);
	}
	if (rc < 0)
		*ret_error = outcome.why;
	return rc != 0 ? rc : outcome.refused > 0;
}
