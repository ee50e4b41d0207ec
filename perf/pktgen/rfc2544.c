/* SPDX-License-Identifier: BSD-3-Clause */
#include "rfc2544.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "churn.h"
#include "json.h"
#include "stop.h"

enum { WINDOW = 2048, POINTS = 4, CURVE_MAX = 12, SEARCH_MAX = 20, BURSTS = 9, BURSTS_QUICK = 3 };

static const double point_percent[POINTS] = {10, 50, 80, 100};
static const double above = 1.2;	   /* of the closed loop's rate: where search and curve begin */
static const double offered_enough = 0.98; /* of what was due, or a trial was not at its rate */

struct latency {
	double offered, p50, p90, p99, p999, most; /* packets a second; us */
	double percent; /* of the throughput that was offered: the generator may be slower than it should */
	uint64_t lost, wrong;
	bool disturbed;
};

struct curve_point {
	double due, offered; /* packets a second */
	uint64_t ring_full, late, lost;
	bool disturbed;
};

/* All about one size. */
struct result {
	const struct load_sizes *sizes;
	double closed_loop, throughput; /* packets a second, both ways together */
	enum trial_limit limit;		/* of the closed loop */
	struct latency latency[POINTS];
	struct latency churned; /* at 80 %, while sets come and go */
	struct churn_result churn;
	struct curve_point curve[CURVE_MAX];
	unsigned curve_count;
	uint32_t burst[WAYS]; /* median; 0: not measured */
	uint32_t trials, disturbed;
};

struct series {
	struct bench *b;
	bool quick;
	struct trial trial; /* the last one */
	struct result *result;
	char *error;
	unsigned size;
};

static unsigned ways_of(const struct load *l)
{
	return (unsigned)l->way[WAY_UP] + (unsigned)l->way[WAY_DOWN];
}

static uint64_t wrong_of(const struct trial *t)
{
	return tally_wrong(&t->sent.way[WAY_UP]) + tally_wrong(&t->sent.way[WAY_DOWN]);
}

/* Packets a second over both ways; 0: closed loop. */
static struct load load_at(const struct series *s, double rate)
{
	struct load l = s->b->base;

	l.sizes = *s->result->sizes;
	l.packets = 0;
	l.rate = rate / ways_of(&l);
	l.window = rate > 0 ? 0 : WINDOW;
	return l;
}

static int trial_at(struct series *s, double rate, bool latency)
{
	const struct load l = load_at(s, rate);
	const uint32_t before = s->b->disturbed;
	int rc = trial_undisturbed(s->b, &l, latency, &s->trial, s->error, s->size);

	s->result->trials++;
	s->result->disturbed += s->b->disturbed - before;
	if (rc == 0 && stop_asked()) {
		snprintf(s->error, s->size, "interrupted");
		rc = -EINTR;
	}
	return rc;
}

static void sum_unoffered(const struct trial *t, uint64_t *ret_full, uint64_t *ret_late)
{
	*ret_full = t->sent.way[WAY_UP].ring_full + t->sent.way[WAY_DOWN].ring_full;
	*ret_late = t->sent.way[WAY_UP].late + t->sent.way[WAY_DOWN].late;
}

/* At its rate, and nothing lost or wrong. */
static bool passed(const struct trial *t, double rate)
{
	return t->offered >= rate * offered_enough && trial_lost(t) == 0 && wrong_of(t) == 0;
}

/* RFC 2544 26.1: the highest rate at which all that is sent comes back. */
static int search(struct series *s)
{
	const double resolution = s->quick ? 0.05 : 0.02;
	bool failed = false; /* until a rate was too high, the next one is higher still */
	double low = 0, high = s->result->closed_loop * above, rate = s->result->closed_loop * 0.9;

	for (int i = 0; i < SEARCH_MAX && high - low > high * resolution; i++) {
		int rc = trial_at(s, rate, false);
		if (rc != 0)
			return rc;
		const bool good = passed(&s->trial, rate);
		printf("  %9.0f a second: %s, lost %lu%s\n", rate,
		       good			      ? "all back"
		       : s->trial.limit != TRIAL_NONE ? trial_limit_text(s->trial.limit)
		       : trial_lost(&s->trial) > 0    ? "packets lost"
						      : "not all was offered",
		       (unsigned long)trial_lost(&s->trial), s->trial.disturbed ? ", still disturbed" : "");
		fflush(stdout);
		if (good)
			s->result->throughput = low = rate;
		else
			high = rate;
		failed = failed || !good;
		if (low == rate && !failed)
			high = rate * above; /* the closed loop was slowed: the limit may be higher */
		rate = failed ? (low + high) / 2 : high;
	}
	return 0;
}

static void merge(struct histogram *to, const struct histogram *from)
{
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->sum += from->sum;
	to->least = from->least < to->least ? from->least : to->least;
	to->most = from->most > to->most ? from->most : to->most;
}

/* 26.2, at a part of the throughput. */
static int latency_at(struct series *s, double percent, bool alone, const char *besides, struct latency *ret)
{
	static struct histogram both; /* large */
	int rc = trial_at(s, s->result->throughput * percent / 100, alone);

	if (rc != 0)
		return rc;
	both = s->trial.sent.way[WAY_UP].latency;
	merge(&both, &s->trial.sent.way[WAY_DOWN].latency);
	*ret = (struct latency){
		.offered = s->trial.offered,
		.percent = s->result->throughput > 0 ? 100 * s->trial.offered / s->result->throughput : 0,
		.p50 = (double)histogram_percentile(&both, 50) / 1e3,
		.p90 = (double)histogram_percentile(&both, 90) / 1e3,
		.p99 = (double)histogram_percentile(&both, 99) / 1e3,
		.p999 = (double)histogram_percentile(&both, 99.9) / 1e3,
		.most = (double)both.most / 1e3,
		.lost = trial_lost(&s->trial),
		.wrong = wrong_of(&s->trial),
		.disturbed = s->trial.disturbed};
	printf("  latency at %3.0f %% (offered: %.0f %%)%s: median %.1f, 99 %% %.1f, 99.9 %% %.1f us; lost "
	       "%lu%s\n",
	       percent, ret->percent, besides, ret->p50, ret->p99, ret->p999, (unsigned long)ret->lost,
	       ret->disturbed ? ", still disturbed" : "");
	fflush(stdout);
	return 0;
}

static int latencies(struct series *s)
{
	int rc = 0;

	for (int i = 0; i < POINTS && rc == 0; i++)
		rc = latency_at(s, point_percent[i], true, "", &s->result->latency[i]);
	return rc;
}

/* PERFORMANCE.md's last target: nothing is lost at 80 % while sets come and go. Their latency is not judged:
 * the daemons that work for them share the processors at hand. */
static int churned(struct series *s)
{
	struct churn *churn;
	int rc = churn_start(s->b->enlist, &churn, s->error, s->size);

	if (rc != 0)
		return rc;
	rc = latency_at(s, 80, false, ", sets come and go", &s->result->churned);
	int stopped = churn_stop(churn, &s->result->churn, s->error, s->size);
	printf("  %.0f sets a second came and went; INSTALL median %.2f ms, 99 %% %.2f ms\n",
	       s->result->churn.rate, s->result->churn.p50_ms, s->result->churn.p99_ms);
	return rc != 0 ? rc : stopped;
}

/* 26.3: from above the limit down, until two rates in a row lose and refuse nothing. */
static int curve(struct series *s)
{
	const double step = s->quick ? 20 : 10;
	unsigned clean = 0;

	for (double percent = above * 100; clean < 2 && percent > 0 && s->result->curve_count < CURVE_MAX;
	     percent -= step) {
		const double rate = s->result->closed_loop * percent / 100;
		int rc = trial_at(s, rate, false);
		if (rc != 0)
			return rc;
		struct curve_point *p = &s->result->curve[s->result->curve_count++];
		*p = (struct curve_point){.due = rate,
					  .offered = s->trial.offered,
					  .lost = trial_lost(&s->trial),
					  .disturbed = s->trial.disturbed};
		sum_unoffered(&s->trial, &p->ring_full, &p->late);
		clean = passed(&s->trial, rate) ? clean + 1 : 0;
	}
	return 0;
}

static int by_length(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* 26.4: packets that go out back to back before the gateway's side takes no more; all of them come back. Not
 * more than a ring holds, for nobody takes what comes back meanwhile. */
static int back_to_back(struct series *s, enum way way)
{
	const unsigned count = s->quick ? BURSTS_QUICK : BURSTS;
	const struct load l = load_at(s, 0);
	uint32_t burst[BURSTS];

	for (unsigned i = 0; i < count; i++) {
		struct watch_counters then;
		int rc = watch_read(&s->b->watch, &then, s->error, s->size);
		if (rc != 0)
			return rc;
		burst[i] = traffic_back_to_back(s->b->traffic, &l, way, s->b->ring, &s->trial.sent);
		rc = trial_judge(s->b, &then, &s->trial, s->error, s->size);
		if (rc != 0)
			return rc;
		if (trial_lost(&s->trial) != 0)
			burst[i] = 0;
	}
	qsort(burst, count, sizeof(*burst), by_length);
	s->result->burst[way] = burst[count / 2];
	return 0;
}

static int measure(struct series *s)
{
	struct result *r = s->result;

	printf("%s: closed loop\n", r->sizes->name);
	fflush(stdout);
	int rc = trial_at(s, 0, false);
	if (rc != 0)
		return rc;
	r->closed_loop = s->trial.offered;
	r->limit = s->trial.limit;
	printf("  %9.0f a second; limit: %s\n", r->closed_loop, trial_limit_text(r->limit));
	if ((rc = search(s)) != 0 || (rc = latencies(s)) != 0 || (rc = churned(s)) != 0 ||
	    (rc = curve(s)) != 0)
		return rc;
	for (int way = 0; way < WAYS && rc == 0; way++)
		if (s->b->base.way[way])
			rc = back_to_back(s, (enum way)way);
	return rc;
}

/* --- results --- */

static void print_table(const struct result *r, unsigned count)
{
	printf("\n%-16s %12s %8s %12s   %-41s %s\n", "size", "throughput", "Gbit/s", "closed loop",
	       "latency median/99 % in us at 10, 50, 80 %", "back to back up/down");
	for (unsigned i = 0; i < count; i++) {
		printf("%-16s %12.0f %8.3f %12.0f  ", r[i].sizes->name, r[i].throughput,
		       r[i].throughput * r[i].sizes->mean * 8 / 1e9, r[i].closed_loop);
		for (int k = 0; k < POINTS - 1; k++)
			printf(" %5.0f/%-7.0f", r[i].latency[k].p50, r[i].latency[k].p99);
		printf(" %u/%u\n", r[i].burst[WAY_UP], r[i].burst[WAY_DOWN]);
	}
	for (unsigned i = 0; i < count; i++)
		printf("%s: %u trials, %u more were disturbed and repeated; limit: %s\n", r[i].sizes->name,
		       r[i].trials, r[i].disturbed, trial_limit_text(r[i].limit));
}

static void write_latency(struct json *j, const struct latency *l, double percent)
{
	json_begin(j, NULL, '{');
	json_number(j, "percent_of_throughput", percent);
	json_number(j, "offered_packets_per_second", l->offered);
	json_number(j, "offered_percent_of_throughput", l->percent);
	json_number(j, "p50_us", l->p50);
	json_number(j, "p90_us", l->p90);
	json_number(j, "p99_us", l->p99);
	json_number(j, "p99_9_us", l->p999);
	json_number(j, "max_us", l->most);
	json_count(j, "lost", l->lost);
	json_count(j, "wrong", l->wrong);
	json_bool(j, "disturbed", l->disturbed);
	json_end(j, '}');
}

static void write_curve(struct json *j, const struct result *r)
{
	json_begin(j, "loss_curve", '[');
	for (unsigned i = 0; i < r->curve_count; i++) {
		const struct curve_point *p = &r->curve[i];
		json_begin(j, NULL, '{');
		json_number(j, "due_packets_per_second", p->due);
		json_number(j, "offered_packets_per_second", p->offered);
		json_count(j, "ring_full", p->ring_full);
		json_count(j, "late", p->late);
		json_count(j, "lost", p->lost);
		json_bool(j, "disturbed", p->disturbed);
		json_end(j, '}');
	}
	json_end(j, ']');
}

static void write_result(struct json *j, const struct result *r)
{
	json_begin(j, NULL, '{');
	json_text(j, "size", r->sizes->name);
	json_number(j, "mean_ip_octets", r->sizes->mean);
	json_number(j, "throughput_packets_per_second", r->throughput);
	json_number(j, "throughput_gbit_per_second", r->throughput * r->sizes->mean * 8 / 1e9);
	json_number(j, "closed_loop_packets_per_second", r->closed_loop);
	json_text(j, "limit",
		  r->limit == TRIAL_GATEWAY	? "gateway"
		  : r->limit == TRIAL_GENERATOR ? "generator"
						: "none");
	json_begin(j, "latency", '[');
	for (int i = 0; i < POINTS; i++)
		write_latency(j, &r->latency[i], point_percent[i]);
	json_end(j, ']');
	json_begin(j, "latency_while_sets_come_and_go", '[');
	write_latency(j, &r->churned, 80);
	json_end(j, ']');
	json_number(j, "sets_per_second_at_80_percent", r->churn.rate);
	json_number(j, "install_p50_ms_at_80_percent", r->churn.p50_ms);
	json_number(j, "install_p99_ms_at_80_percent", r->churn.p99_ms);
	json_count(j, "sets_refused_for_overload_at_80_percent", r->churn.refused);
	write_curve(j, r);
	json_count(j, "back_to_back_up_packets", r->burst[WAY_UP]);
	json_count(j, "back_to_back_down_packets", r->burst[WAY_DOWN]);
	json_count(j, "trials", r->trials);
	json_count(j, "disturbed_trials_repeated", r->disturbed);
	json_end(j, '}');
}

/* The two figures of PERFORMANCE's report: of IMIX where it was among the sizes, else of the last size. */
static void write_json(struct json *j, const struct result *r, unsigned count)
{
	const struct result *main = &r[count - 1];

	for (unsigned i = 0; i < count; i++)
		if (strcmp(r[i].sizes->name, "imix") == 0)
			main = &r[i];
	json_number(j, "residence_p99_us_at_10_percent", main->latency[0].p99);
	json_bool(j, "residence_disturbed", main->latency[0].disturbed);
	json_number(j, "zb_sets_per_s_at_80_percent_load", main->churn.rate);
	json_number(j, "zb_install_p99_ms_at_80_percent_load", main->churn.p99_ms);
	json_number(j, "offered_percent_at_80_percent_load", main->latency[2].percent);
	json_number(j, "offered_percent_while_sets_come_and_go", main->churned.percent);
	json_count(j, "gateway_loss_at_80_percent", main->latency[2].lost + main->churned.lost);
	json_begin(j, "sizes", '[');
	for (unsigned i = 0; i < count; i++)
		write_result(j, &r[i]);
	json_end(j, ']');
}

/* Whether some rate below the throughput lost packets, or any came back wrong. */
static bool is_bad(const struct result *r)
{
	bool bad = r->throughput == 0 || r->churned.lost > 0 || r->churned.wrong > 0;

	for (int i = 0; i < POINTS; i++)
		bad = bad || r->latency[i].wrong > 0 || (point_percent[i] < 100 && r->latency[i].lost > 0);
	return bad;
}

int rfc2544(struct bench *b, const struct load_sizes *sizes, unsigned count, bool quick, struct json *json,
	    char *error, unsigned size)
{
	struct result *results = calloc(count, sizeof(*results));
	static struct series s; /* large */
	int rc = results == NULL ? -ENOMEM : 0;
	bool bad = false;

	s = (struct series){.b = b, .quick = quick, .error = error, .size = size};
	for (unsigned i = 0; i < count && rc == 0; i++) {
		results[i].sizes = &sizes[i];
		s.result = &results[i];
		rc = measure(&s);
		bad = bad || is_bad(&results[i]);
	}
	if (rc == 0) {
		print_table(results, count);
		write_json(json, results, count);
	}
	free(results);
	return rc != 0 ? rc : bad;
}
