/* SPDX-License-Identifier: BSD-3-Clause */
#include "pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "contender.h"
#include "disturbance.h"
#include "field_cache.h"

enum { WORKERS = 2, UES = 100000, BUFFERS = 1024, BURST = 64, GROUPS_MAX = 4096, TRIES_MAX = 40 };
enum side { OURS, RAW, SIDES };

/* One thread's part of a round. */
struct part {
	struct contender *contender;
	struct pair *pair;
	bool alone;
	int rc; /* 1: disturbed */
	double cycles;
	uint64_t stamp[CONTENDER_STAMPS];
};

struct pair {
	struct field *field;
	struct rotation *rotation[WORKERS];
	struct contender contender[SIDES][WORKERS];
	struct part part[WORKERS];
	unsigned ready; /* threads that stand at the line */
	double *gain[SIDES], *ratio, *cycles;
	unsigned groups, disturbed, kept;
};

static int fill(struct pair *p, char *error, size_t error_size)
{
	const struct contender_type *const types[SIDES] = {[OURS] = &contender_ours, [RAW] = &contender_raw};
	int rc = 0;

	for (int side = 0; side < SIDES && rc == 0; side++)
		for (uint16_t w = 0; w < WORKERS && rc == 0; w++) {
			p->contender[side][w] = (struct contender){.type = types[side],
								   .field = p->field,
								   .rotation = p->rotation[w],
								   .burst = BURST,
								   .worker = w};
			rc = types[side]->start(&p->contender[side][w], error, error_size);
		}
	return rc;
}

struct pair *pair_new(bool inbound, char *error, size_t error_size)
{
	const struct field_args field = {.ues = UES, .workers = WORKERS};
	const struct rotation_args rotation = {.buffers = BUFFERS, .inbound = inbound};
	struct pair *p = calloc(1, sizeof(*p));

	if (p == NULL || rte_lcore_count() < WORKERS) {
		snprintf(error, error_size, "two workers need two cores");
		free(p);
		return NULL;
	}
	p->field = field_cache_get(&field, error, error_size);
	for (int w = 0; w < WORKERS; w++)
		p->rotation[w] = rotation_new(&rotation);
	double **arrays[] = {&p->gain[OURS], &p->gain[RAW], &p->ratio, &p->cycles};
	bool whole = p->field != NULL && p->rotation[0] != NULL && p->rotation[1] != NULL;
	for (int i = 0; i < 4; i++) {
		*arrays[i] = calloc(GROUPS_MAX, sizeof(double));
		whole = whole && *arrays[i] != NULL;
	}
	if (whole && fill(p, error, error_size) == 0)
		return p;
	pair_free(p);
	return NULL;
}

void pair_free(struct pair *p)
{
	for (int side = 0; side < SIDES; side++)
		for (int w = 0; w < WORKERS; w++)
			if (p->contender[side][w].type != NULL)
				p->contender[side][w].type->stop(&p->contender[side][w]);
	for (int w = 0; w < WORKERS; w++)
		rotation_free(p->rotation[w]);
	free(p->gain[OURS]);
	free(p->gain[RAW]);
	free(p->ratio);
	free(p->cycles);
	free(p);
}

/* Both wait here until both are prepared. */
static void line_up(struct pair *p)
{
	__atomic_add_fetch(&p->ready, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&p->ready, __ATOMIC_ACQUIRE) < WORKERS)
		rte_pause();
}

static int take_part(void *arg)
{
	struct part *part = arg;
	struct contender *c = part->contender;
	struct walk *walk = &c->field->walk[c->worker];

	rotation_prepare(c->rotation, c->field, walk, walk->next);
	walk->next += BUFFERS;
	if (!part->alone)
		line_up(part->pair);
	const uint32_t bursts = c->type->round(c, part->stamp);
	part->cycles = (double)disturbance_cycles(part->stamp, bursts) / BUFFERS;
	part->rc = c->type->check(c) != BUFFERS ? -EIO : disturbance_gap(part->stamp, bursts);
	return 0;
}

static void begin(struct pair *p, enum side side, int w, bool alone)
{
	p->part[w].contender = &p->contender[side][w];
	p->part[w].pair = p;
	p->part[w].alone = alone;
}

static int verdict(const struct pair *p)
{
	return p->part[0].rc != 0 ? p->part[0].rc : p->part[1].rc;
}

/* Each of the two for itself, the other core idle. */
static int alone(struct pair *p, enum side side)
{
	begin(p, side, 0, true);
	take_part(&p->part[0]);
	begin(p, side, 1, true);
	rte_eal_remote_launch(take_part, &p->part[1], 1);
	rte_eal_wait_lcore(1);
	return verdict(p);
}

static int together(struct pair *p, enum side side)
{
	p->ready = 0;
	begin(p, side, 0, false);
	begin(p, side, 1, false);
	rte_eal_remote_launch(take_part, &p->part[1], 1);
	take_part(&p->part[0]);
	rte_eal_wait_lcore(1);
	return verdict(p);
}

/* Packets a cycle of both together, once nothing interrupted either. One that is interrupted again and again
 * is taken without its gaps, and counted. */
static int rate_of(struct pair *p, enum side side, int (*run)(struct pair *, enum side), double *ret)
{
	int rc = 1;

	for (int tries = 0; rc == 1 && tries < TRIES_MAX; tries++) {
		rc = run(p, side);
		p->disturbed += rc == 1;
	}
	p->kept += rc == 1;
	p->disturbed -= rc == 1;
	*ret = 1 / p->part[0].cycles + 1 / p->part[1].cycles;
	return rc < 0 ? rc : 0;
}

int pair_group(struct pair *p, double *ret_seconds, char *error, size_t error_size)
{
	double one[SIDES], two[SIDES];
	int rc = 0;

	if (p->groups == GROUPS_MAX)
		return -ENOSPC;
	for (int k = 0; k < SIDES && rc == 0; k++) {
		const enum side side = (p->groups + (unsigned)k) % 2 == 0 ? OURS : RAW;
		rc = rate_of(p, side, alone, &one[side]);
		if (rc == 0)
			rc = rate_of(p, side, together, &two[side]);
	}
	if (rc != 0) {
		snprintf(error, error_size, "two workers: packets did not come out right");
		return rc;
	}
	for (int side = 0; side < SIDES; side++)
		p->gain[side][p->groups] = 2 * two[side] / one[side];
	p->ratio[p->groups] = p->gain[OURS][p->groups] / p->gain[RAW][p->groups];
	p->cycles[p->groups] = 1 / two[OURS];
	p->groups++;
	*ret_seconds = BUFFERS / two[OURS] / (double)rte_get_tsc_hz();
	return 0;
}

void pair_result_of(struct pair *p, struct pair_result *ret)
{
	*ret = (struct pair_result){.disturbed = p->disturbed, .kept = p->kept};
	if (p->groups == 0)
		return;
	ret->ours = figure_of(p->gain[OURS], p->groups);
	ret->raw = figure_of(p->gain[RAW], p->groups);
	ret->ratio = figure_of(p->ratio, p->groups);
	ret->cycles = figure_of(p->cycles, p->groups);
}
