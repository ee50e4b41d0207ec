/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The HMACs alone, by intel-ipsec-mb, with everything that makes them fast: the best of its managers and
 * interfaces for these packets on this processor, jobs sorted or not, keys prefetched.
 */
#include "contender.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

enum { BURST_MAX = 128, CLASSES = 32, TRIALS = 15, ARCHES = 4, CHOICES = 64 };

enum way { WAY_HASH_BURST, WAY_HASH_BURST_NOCHECK, WAY_JOB, WAYS };

struct raw {
	IMB_MGR *manager;
	enum way way;
	bool sorted;
	IMB_JOB job[BURST_MAX];
	uint8_t icv[BURST_MAX][ROTATION_ICV];
	uint8_t order[BURST_MAX];
	uint32_t done; /* jobs of the last round */
};

static const struct arch {
	const char *name;
	void (*init)(IMB_MGR *manager);
	uint64_t needs;
} arches[ARCHES] = {
	{"AVX512", init_mb_mgr_avx512, IMB_CPUFLAGS_AVX512},
	{"AVX2", init_mb_mgr_avx2, IMB_CPUFLAGS_AVX2},
	{"AVX", init_mb_mgr_avx, IMB_CPUFLAGS_AVX},
	{"SSE", init_mb_mgr_sse, IMB_CPUFLAGS_SSE},
};

static const char *const way_names[WAYS] = {"hash burst", "hash burst without checks", "job by job"};

/* Longest first. */
static void sort(uint8_t *order, const struct rotation_packet *p, uint32_t n)
{
	uint8_t start[CLASSES + 1] = {0}, class[BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t blocks = p[i].hash_length / 64;
		class[i] = (uint8_t)(CLASSES - 1 - (blocks < CLASSES ? blocks : CLASSES - 1));
		start[class[i] + 1]++;
	}
	for (int k = 1; k <= CLASSES; k++)
		start[k] += start[k - 1];
	for (uint32_t i = 0; i < n; i++)
		order[start[class[i]]++] = (uint8_t)i;
}

static void fill(const struct contender *c, IMB_JOB *job, const struct rotation_packet *p, uint8_t *icv)
{
	const struct field_key *key = &c->field->key[p->ue];

	job->src = p->hash;
	job->msg_len_to_hash_in_bytes = p->hash_length;
	job->auth_tag_output = icv;
	job->u.HMAC._hashed_auth_key_xor_ipad = key->inner;
	job->u.HMAC._hashed_auth_key_xor_opad = key->outer;
}

static void prepare(IMB_JOB *job)
{
	job->cipher_mode = IMB_CIPHER_NULL;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->chain_order = IMB_ORDER_HASH_CIPHER;
	job->hash_alg = IMB_AUTH_HMAC_SHA_1;
	job->auth_tag_output_len_in_bytes = ROTATION_ICV;
}

static uint32_t submit_hash(struct contender *c, struct raw *raw, const struct rotation_packet *p, uint32_t n)
{
	const bool inbound = c->rotation->args.inbound;
	uint32_t done = 0;

	for (uint32_t k = 0; k < n; k++) {
		const uint32_t i = raw->order[k];
		fill(c, &raw->job[k], &p[i], inbound ? raw->icv[i] : p[i].icv);
		raw->job[k].status = IMB_STATUS_BEING_PROCESSED;
	}
	if (raw->way == WAY_HASH_BURST)
		IMB_SUBMIT_HASH_BURST(raw->manager, raw->job, n, IMB_AUTH_HMAC_SHA_1);
	else
		IMB_SUBMIT_HASH_BURST_NOCHECK(raw->manager, raw->job, n, IMB_AUTH_HMAC_SHA_1);
	for (uint32_t k = 0; k < n; k++)
		done += raw->job[k].status == IMB_STATUS_COMPLETED;
	return done;
}

static uint32_t submit_jobs(struct contender *c, struct raw *raw, const struct rotation_packet *p, uint32_t n)
{
	const bool inbound = c->rotation->args.inbound;
	uint32_t done = 0;
	IMB_JOB *job;

	for (uint32_t k = 0; k < n; k++) {
		const uint32_t i = raw->order[k];
		job = IMB_GET_NEXT_JOB(raw->manager);
		prepare(job);
		fill(c, job, &p[i], inbound ? raw->icv[i] : p[i].icv);
		for (job = IMB_SUBMIT_JOB(raw->manager); job != NULL;
		     job = IMB_GET_COMPLETED_JOB(raw->manager))
			done += job->status == IMB_STATUS_COMPLETED;
	}
	while ((job = IMB_FLUSH_JOB(raw->manager)) != NULL)
		done += job->status == IMB_STATUS_COMPLETED;
	return done;
}

static uint32_t raw_round(struct contender *c, uint64_t *stamp)
{
	struct raw *raw = c->inside;
	const struct rotation *r = c->rotation;
	uint32_t bursts = 0;

	raw->done = 0;
	stamp[0] = rte_rdtsc();
	for (uint32_t at = 0; at < r->args.buffers; at += c->burst) {
		const struct rotation_packet *p = &r->packet[at];
		const uint32_t n = RTE_MIN(c->burst, r->args.buffers - at);
		for (uint32_t i = 0; i < n; i++)
			rte_prefetch0(&c->field->key[p[i].ue]);
		if (raw->sorted)
			sort(raw->order, p, n);
		else
			for (uint32_t i = 0; i < n; i++)
				raw->order[i] = (uint8_t)i;
		raw->done += raw->way == WAY_JOB ? submit_jobs(c, raw, p, n) : submit_hash(c, raw, p, n);
		stamp[++bursts] = rte_rdtsc();
	}
	return bursts;
}

static IMB_MGR *manager_of(const struct arch *a)
{
	IMB_MGR *m = alloc_mb_mgr(0);

	if (m == NULL)
		return NULL;
	if ((m->features & a->needs) == a->needs) {
		a->init(m);
		if (imb_get_errno(m) == 0)
			return m;
	}
	free_mb_mgr(m);
	return NULL;
}

/* One way of doing it, and what its fastest round took. */
struct candidate {
	IMB_MGR *manager;
	const struct arch *arch;
	enum way way;
	bool sorted;
	uint64_t cycles; /* UINT64_MAX: does not do its jobs */
};

/* Choices that were made, so that points that differ in UEs alone, and a second raw, have the same. */
static struct choice {
	struct rotation_args args;
	uint16_t burst;
	const struct arch *arch;
	enum way way;
	bool sorted;
} choices[CHOICES];
static unsigned choices_made;

static const struct choice *choice_of(const struct contender *c)
{
	const struct rotation_args *a = &c->rotation->args;

	for (unsigned i = 0; i < choices_made; i++) {
		const struct rotation_args *b = &choices[i].args;
		if (choices[i].burst == c->burst && a->buffers == b->buffers && a->inbound == b->inbound &&
		    a->ipv6 == b->ipv6 && a->tcp == b->tcp && a->length == b->length)
			return &choices[i];
	}
	return NULL;
}

static void try_candidate(struct contender *c, struct candidate *t)
{
	static uint64_t stamp[CONTENDER_STAMPS];
	struct raw *raw = c->inside;
	struct walk *walk = &c->field->walk[c->worker];

	raw->manager = t->manager;
	raw->way = t->way;
	raw->sorted = t->sorted;
	rotation_prepare(c->rotation, c->field, walk, walk->next);
	walk->next += c->rotation->args.buffers;
	const uint32_t bursts = raw_round(c, stamp);
	const uint64_t cycles = stamp[bursts] - stamp[0];
	if (raw->done != c->rotation->args.buffers)
		t->cycles = UINT64_MAX;
	else if (cycles < t->cycles)
		t->cycles = cycles;
}

/* All ways take turns, and the fastest round of each counts, so that a disturbance hits none alone. */
static const struct candidate *tournament(struct contender *c, struct candidate *t, unsigned n)
{
	const struct candidate *best = &t[0];

	for (int trial = 0; trial < TRIALS; trial++)
		for (unsigned i = 0; i < n; i++)
			try_candidate(c, &t[i]);
	for (unsigned i = 1; i < n; i++)
		if (t[i].cycles < best->cycles)
			best = &t[i];
	return best;
}

static void remember(const struct contender *c, const struct candidate *best)
{
	if (choices_made < CHOICES)
		choices[choices_made++] = (struct choice){.args = c->rotation->args,
							  .burst = c->burst,
							  .arch = best->arch,
							  .way = best->way,
							  .sorted = best->sorted};
}

/* Leaves the chosen way in *c; no manager where none runs. */
static void choose(struct contender *c)
{
	struct raw *raw = c->inside;
	struct candidate t[ARCHES * WAYS * 2];
	unsigned n = 0;

	for (int a = 0; a < ARCHES; a++)
		for (int v = 0; v < 2 * WAYS; v++) {
			IMB_MGR *m = manager_of(&arches[a]);
			if (m == NULL)
				break;
			t[n++] = (struct candidate){m, &arches[a], (enum way)(v / 2), v % 2 != 0,
						    UINT64_MAX - 1};
		}
	raw->manager = NULL;
	if (n == 0)
		return;
	const struct candidate *best = tournament(c, t, n);
	remember(c, best);
	for (unsigned i = 0; i < n; i++)
		free_mb_mgr(t[i].manager);
}

/* Makes the manager that was chosen, by this contender or an earlier one. */
static void take(struct contender *c, const struct choice *choice)
{
	struct raw *raw = c->inside;

	raw->manager = manager_of(choice->arch);
	raw->way = choice->way;
	raw->sorted = choice->sorted;
	snprintf(c->description, sizeof(c->description), "intel-ipsec-mb %s, %s, %s, %s",
		 imb_get_version_str(), choice->arch->name, way_names[raw->way],
		 raw->sorted ? "sorted" : "unsorted");
}

static int raw_start(struct contender *c, char *error, size_t error_size)
{
	struct raw *raw = aligned_alloc(64, RTE_ALIGN(sizeof(*raw), 64));

	if (raw == NULL)
		return -ENOMEM;
	memset(raw, 0, sizeof(*raw));
	for (int k = 0; k < BURST_MAX; k++)
		prepare(&raw->job[k]);
	c->inside = raw;
	if (choice_of(c) == NULL)
		choose(c);
	raw->manager = NULL;
	if (choice_of(c) != NULL)
		take(c, choice_of(c));
	if (raw->manager == NULL) {
		snprintf(error, error_size, "no manager of intel-ipsec-mb runs on this processor");
		return -ENOTSUP;
	}
	return 0;
}

static uint32_t raw_check(const struct contender *c)
{
	return ((const struct raw *)c->inside)->done;
}

static void raw_stop(struct contender *c)
{
	struct raw *raw = c->inside;

	if (raw != NULL && raw->manager != NULL)
		free_mb_mgr(raw->manager);
	free(raw);
}

const struct contender_type contender_raw = {
	.name = "raw",
	.start = raw_start,
	.round = raw_round,
	.check = raw_check,
	.stop = raw_stop,
};
