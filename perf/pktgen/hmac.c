/* SPDX-License-Identifier: BSD-3-Clause */
#include "hmac.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

enum { BLOCK = 64, CLASSES = 32, ROUNDS = 16, PROBE = 512 };

struct hmac {
	IMB_MGR *manager;
	char description[48];
	IMB_JOB job[HMAC_BURST];
};

static const struct {
	const char *name;
	void (*init)(IMB_MGR *);
	uint64_t needs;
} kinds[] = {
	{"AVX512", init_mb_mgr_avx512, IMB_CPUFLAGS_AVX512},
	{"AVX2", init_mb_mgr_avx2, IMB_CPUFLAGS_AVX2},
	{"SSE", init_mb_mgr_sse, IMB_CPUFLAGS_SSE},
};

void hmac_sha1_block(const uint8_t block[64], uint8_t ret[HMAC_STATE])
{
	uint32_t state[HMAC_STATE / 4];

	sha1_one_block_sse(block, state);
	memcpy(ret, state, HMAC_STATE);
	explicit_bzero(state, sizeof(state));
}

void hmac_expand(const uint8_t key[HMAC_KEY], struct hmac_key *ret)
{
	uint8_t block[BLOCK];

	for (int i = 0; i < BLOCK; i++)
		block[i] = 0x36 ^ (i < HMAC_KEY ? key[i] : 0);
	hmac_sha1_block(block, ret->inner);
	for (int i = 0; i < BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	hmac_sha1_block(block, ret->outer);
	explicit_bzero(block, sizeof(block));
}

/* Longest first, by SHA-1 blocks: the lanes of the multi-buffer code then end together. */
static void sort(const struct hmac_job *jobs, unsigned n, uint8_t order[HMAC_BURST])
{
	uint8_t start[CLASSES + 1] = {0}, class[HMAC_BURST];

	for (unsigned i = 0; i < n; i++) {
		const uint32_t blocks = jobs[i].length / BLOCK;
		class[i] = (uint8_t)(CLASSES - 1 - (blocks < CLASSES ? blocks : CLASSES - 1));
		start[class[i] + 1]++;
	}
	for (int k = 1; k <= CLASSES; k++)
		start[k] += start[k - 1];
	for (unsigned i = 0; i < n; i++)
		order[start[class[i]]++] = (uint8_t)i;
}

bool hmac_burst(struct hmac *h, const struct hmac_job *jobs, unsigned n)
{
	uint8_t order[HMAC_BURST];
	bool whole = true;

	if (n == 0)
		return true;
	sort(jobs, n, order);
	for (unsigned k = 0; k < n; k++) {
		const struct hmac_job *from = &jobs[order[k]];
		IMB_JOB *job = &h->job[k];
		job->src = from->data;
		job->msg_len_to_hash_in_bytes = from->length;
		job->auth_tag_output = from->icv;
		job->u.HMAC._hashed_auth_key_xor_ipad = from->key->inner;
		job->u.HMAC._hashed_auth_key_xor_opad = from->key->outer;
		job->status = IMB_STATUS_BEING_PROCESSED;
	}
	IMB_SUBMIT_HASH_BURST(h->manager, h->job, n, IMB_AUTH_HMAC_SHA_1);
	for (unsigned k = 0; k < n; k++)
		whole = whole && h->job[k].status == IMB_STATUS_COMPLETED;
	return whole;
}

static uint64_t measure(struct hmac *h)
{
	static const uint8_t data[PROBE];
	static const struct hmac_key key;
	uint8_t icv[HMAC_BURST][HMAC_ICV];
	struct hmac_job jobs[HMAC_BURST];
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < HMAC_BURST; i++)
		jobs[i] = (struct hmac_job){data, &key, icv[i], PROBE};
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t start = rte_rdtsc();
		if (!hmac_burst(h, jobs, HMAC_BURST))
			return UINT64_MAX;
		const uint64_t cycles = rte_rdtsc() - start;
		best = cycles < best ? cycles : best;
	}
	return best;
}

/* Tries one kind; keeps it if it is faster than the best so far. */
static void try_kind(struct hmac *h, size_t kind, IMB_MGR **best, uint64_t *least)
{
	h->manager = alloc_mb_mgr(0);
	if (h->manager == NULL)
		return;
	if ((h->manager->features & kinds[kind].needs) == kinds[kind].needs) {
		kinds[kind].init(h->manager);
		const uint64_t cycles = imb_get_errno(h->manager) == 0 ? measure(h) : UINT64_MAX;
		if (cycles < *least) {
			if (*best != NULL)
				free_mb_mgr(*best);
			*best = h->manager;
			*least = cycles;
			snprintf(h->description, sizeof(h->description), "intel-ipsec-mb %s, %s",
				 imb_get_version_str(), kinds[kind].name);
			return;
		}
	}
	free_mb_mgr(h->manager);
}

int hmac_new(struct hmac **ret)
{
	struct hmac *h = calloc(1, sizeof(*h));
	uint64_t least = UINT64_MAX;
	IMB_MGR *best = NULL;

	if (h == NULL)
		return -ENOMEM;
	for (int k = 0; k < HMAC_BURST; k++)
		h->job[k] = (IMB_JOB){
			.cipher_mode = IMB_CIPHER_NULL,
			.cipher_direction = IMB_DIR_ENCRYPT,
			.chain_order = IMB_ORDER_HASH_CIPHER,
			.hash_alg = IMB_AUTH_HMAC_SHA_1,
			.auth_tag_output_len_in_bytes = HMAC_ICV,
		};
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		try_kind(h, kind, &best, &least);
	h->manager = best;
	if (best == NULL) {
		free(h);
		return -ENOTSUP;
	}
	*ret = h;
	return 0;
}

void hmac_free(struct hmac *h)
{
	if (h == NULL)
		return;
	free_mb_mgr(h->manager);
	free(h);
}

const char *hmac_describe(const struct hmac *h)
{
	return h->description;
}
