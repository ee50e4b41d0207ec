/* SPDX-License-Identifier: BSD-3-Clause */
#include "series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_random.h>

#include "contender.h"
#include "dataplane/worker.h"
#include "disturbance.h"
#include "events.h"
#include "field_cache.h"
#include "groups.h"

enum { TRIES_MAX = 40, SHARED_MAX = 12, WARM_UP = 3 };

struct series {
	struct point point;
	struct rotation *rotation;
	unsigned n;
	struct contender contender[SERIES_CONTENDERS];
	char label[SERIES_CONTENDERS][24];
	double instructions[SERIES_CONTENDERS], misses[SERIES_CONTENDERS];
	double counted[2]; /* instructions and misses of the last round */
	unsigned done;	   /* groups of this turn */
	unsigned disturbed, kept;
	struct groups *groups;
	bool failed;
	struct events events;
};

static const struct contender_type *const types[] = {
	&contender_ours, &contender_nocrypto, &contender_slowed,
	&contender_raw,	 &contender_openssl,  &contender_librte,
};

static const struct contender_type *type_of(const char *name)
{
	if (strcmp(name, "ours_other") == 0)
		return &contender_ours;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return strcmp(name, "raw_again") == 0 ? &contender_raw : NULL;
}

static int add(struct series *s, const char *name, char *error, size_t error_size)
{
	const struct point *p = &s->point;
	const uint32_t ues = strcmp(name, "ours_other") == 0 ? p->other_ues : p->ues;
	struct contender *c = &s->contender[s->n];

	snprintf(s->label[s->n], sizeof(s->label[0]), "%s", name);
	*c = (struct contender){.type = type_of(name), .rotation = s->rotation, .burst = p->burst};
	c->field = field_cache_get(&(struct field_args){.ues = ues, .ipv6 = p->ipv6, .workers = 1}, error,
				   error_size);
	if (c->type == NULL || c->field == NULL)
		return -ENOENT;
	s->n++;
	return c->type->start(c, error, error_size);
}

struct series *series_new(const struct point *p, char *error, size_t error_size)
{
	struct series *s = calloc(1, sizeof(*s));
	const struct rotation_args args = {.buffers = p->buffers,
					   .inbound = p->inbound,
					   .ipv6 = p->ipv6,
					   .tcp = p->tcp,
					   .length = p->length};
	char with[128], *rest = with;

	if (s == NULL)
		return NULL;
	s->point = *p;
	s->rotation = rotation_new(&args);
	events_open(&s->events);
	snprintf(with, sizeof(with), "%s", p->with);
	snprintf(error, error_size, "%s: no memory", p->name);
	int rc = s->rotation == NULL ? -ENOMEM : 0;
	for (char *name = strsep(&rest, " "); rc == 0 && name != NULL; name = strsep(&rest, " "))
		rc = add(s, name, error, error_size);
	if (rc == 0)
		s->groups = groups_begin(p->turn_of != NULL ? p->turn_of : p->name, s->n);
	if (s->groups != NULL)
		return s;
	series_free(s);
	return NULL;
}

void series_free(struct series *s)
{
	for (unsigned i = 0; i < s->n; i++)
		s->contender[i].type->stop(&s->contender[i]);
	if (s->groups != NULL)
		groups_end(s->groups, s->failed, s->point.turn_of == NULL);
	events_close(&s->events);
	rotation_free(s->rotation);
	free(s);
}

/* Where a contender's round begins: each product's round takes the next UEs, whose SAs are cold; a reference
 * takes the UEs of the group's first round, and has keys of its own. */
static uint64_t begin_of(struct contender *c)
{
	struct walk *walk = &c->field->walk[0];

	if (!c->type->product)
		return walk->at;
	const uint64_t at = walk->next;
	walk->next += c->rotation->args.buffers;
	return at;
}

static void shuffle(unsigned *order, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	for (unsigned i = n; i > 1; i--) {
		const unsigned j = (unsigned)rte_rand_max(i), other = order[j];
		order[j] = order[i - 1];
		order[i - 1] = other;
	}
}

enum verdict { ROUND_GOOD, ROUND_SHARED, ROUND_INTERRUPTED };

/* One round: an enum verdict, or -EIO if packets did not come out right. */
static int try_round(struct series *s, unsigned i, double *ret_cycles)
{
	static uint64_t stamp[CONTENDER_STAMPS];
	struct contender *c = &s->contender[i];

	rotation_prepare(s->rotation, c->field, &c->field->walk[0], begin_of(c));
	bool shared = disturbance_calibration();
	events_begin(&s->events);
	const uint32_t bursts = c->type->round(c, stamp);
	events_end(&s->events, &s->counted[0], &s->counted[1]);
	shared |= disturbance_calibration();
	if (c->type->check(c) != s->rotation->args.buffers)
		return -EIO;
	*ret_cycles = (double)disturbance_cycles(stamp, bursts) / s->rotation->args.buffers;
	if (disturbance_gap(stamp, bursts))
		return ROUND_INTERRUPTED;
	return shared ? ROUND_SHARED : ROUND_GOOD;
}

/* A round that is repeated while something disturbs it. Where the core is shared all the time, say with a
 * hardware thread, a round is taken as it is in the end, but for the gaps in it, and counted. */
static int one_round(struct series *s, unsigned i, double *ret_cycles, char *error, size_t error_size)
{
	int rc = ROUND_INTERRUPTED, tries = 0;

	for (; rc > 0 && tries < (rc == ROUND_SHARED ? SHARED_MAX : TRIES_MAX); tries++) {
		rc = try_round(s, i, ret_cycles);
		s->disturbed += rc > 0;
	}
	if (rc < 0) {
		snprintf(error, error_size, "%s: %s: %u of %u packets came out right", s->point.name,
			 s->label[i], s->contender[i].type->check(&s->contender[i]),
			 s->rotation->args.buffers);
		return rc;
	}
	s->disturbed -= rc > 0; /* it is not repeated again */
	s->kept += rc > 0;
	s->instructions[i] += s->counted[0];
	s->misses[i] += s->counted[1];
	return 0;
}

static int one_group(struct series *s, double *cycles, char *error, size_t error_size)
{
	unsigned order[SERIES_CONTENDERS];
	int rc = 0;

	shuffle(order, s->n);
	for (unsigned k = 0; k < s->n; k++) {
		struct walk *walk = &s->contender[k].field->walk[0];
		walk->at = walk->next;
	}
	for (unsigned k = 0; k < s->n && rc == 0; k++)
		rc = one_round(s, order[k], &cycles[order[k]], error, error_size);
	for (unsigned k = 0; k < s->n; k++) {
		struct walk *walk = &s->contender[k].field->walk[0];
		if (walk->next == walk->at) /* references alone: they go on too */
			walk->next += s->rotation->args.buffers;
	}
	return rc;
}

static int warm_up(struct series *s, char *error, size_t error_size)
{
	double cycles[SERIES_CONTENDERS];
	int rc = 0;

	for (int i = 0; i < WARM_UP && rc == 0; i++)
		rc = one_group(s, cycles, error, error_size);
	memset(s->instructions, 0, sizeof(s->instructions));
	memset(s->misses, 0, sizeof(s->misses));
	s->disturbed = s->kept = 0;
	return rc;
}

int series_group(struct series *s, double *ret_seconds, char *error, size_t error_size)
{
	double cycles[SERIES_CONTENDERS] = {0};
	int rc = s->done == 0 ? warm_up(s, error, error_size) : 0;
	const unsigned kept = s->kept;

	if (rc == 0)
		rc = one_group(s, cycles, error, error_size);
	if (rc == 0 && !groups_add(s->groups, cycles, s->kept > kept))
		rc = -ENOSPC;
	s->failed = rc != 0;
	if (rc != 0)
		return rc;
	s->done++;
	*ret_seconds = cycles[0] * s->rotation->args.buffers / (double)rte_get_tsc_hz();
	return 0;
}

static void row_fill(const struct series *s, unsigned i, struct groups_span span, struct series_row *ret)
{
	const double packets = (double)s->done * s->rotation->args.buffers;
	const struct groups_figures f = groups_figures(s->groups, span, i);

	*ret = (struct series_row){.name = s->label[i],
				   .description = s->contender[i].description,
				   .cycles = f.cycles,
				   .ratio = f.ratio,
				   .surplus = f.surplus,
				   .instructions = s->instructions[i] / packets,
				   .cache_misses = s->misses[i] / packets};
}

bool series_turn(const struct series *s, unsigned turn, struct series_result *ret)
{
	if (s->point.turn_of != NULL || s->groups->turns < 2 || turn >= s->groups->turns)
		return false;
	const struct groups_span span = groups_turn(s->groups, turn);
	*ret = (struct series_result){
		.rows = s->n, .groups = span.to - span.from, .clean = groups_clean(s->groups, span)};
	for (unsigned i = 0; i < s->n; i++)
		row_fill(s, i, span, &ret->row[i]);
	return true;
}

void series_result(const struct series *s, struct series_result *ret)
{
	const struct field *f = s->contender[0].field;
	const uint16_t product_burst = RTE_MIN(s->point.burst, (uint16_t)WORKER_BURST);

	const struct groups_span span = s->point.turn_of != NULL
						? groups_turn(s->groups, s->groups->turns - 1)
						: groups_all(s->groups);

	*ret = (struct series_result){.rows = s->n,
				      .groups = span.to - span.from,
				      .clean = groups_clean(s->groups, span),
				      .disturbed = s->disturbed,
				      .kept = s->kept,
				      .bytes_per_ue = f->bytes_per_ue,
				      .burst = s->contender[0].type->product ? product_burst : s->point.burst,
				      .huge = f->huge};
	if (s->done == 0)
		return;
	for (unsigned i = 0; i < s->n; i++)
		row_fill(s, i, span, &ret->row[i]);
	ret->packets_per_s = (double)rte_get_tsc_hz() / ret->row[0].cycles.median;
	ret->gbit_per_s = ret->packets_per_s * s->rotation->mean_length * 8 / 1e9;
}
