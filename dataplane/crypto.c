/* SPDX-License-Identifier: BSD-3-Clause */
#include "crypto.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <string.h>

enum {
	SHA1_BLOCK = 64,
	SORT_CLASSES = 32,   /* blocks of the longest packets are not told apart above 2 KB */
	MEASURE_ROUNDS = 64, /* the fastest of them counts, so that a disturbed one does no harm */
	MEASURE_LENGTH = 1360,
};

struct crypto {
	IMB_MGR *manager;
	char description[48];
	IMB_JOB job[CRYPTO_BURST];
};

static const struct implementation {
	const char *name;
	void (*init)(IMB_MGR *manager);
	uint64_t needs; /* of the processor; init runs into the void without */
} implementations[] = {
	{"AVX512", init_mb_mgr_avx512, IMB_CPUFLAGS_AVX512},
	{"AVX2", init_mb_mgr_avx2, IMB_CPUFLAGS_AVX2},
	{"AVX", init_mb_mgr_avx, IMB_CPUFLAGS_AVX},
	{"SSE", init_mb_mgr_sse, IMB_CPUFLAGS_SSE},
};

/* Counting sort by SHA-1 blocks, longest first: the lanes of the multi-buffer code then end together. */
static void sort_longest_first(const struct crypto_job *jobs, uint16_t n, uint8_t order[CRYPTO_BURST])
{
	uint8_t start[SORT_CLASSES + 1] = {0}, class[CRYPTO_BURST];

	for (uint16_t i = 0; i < n; i++) {
		uint32_t blocks = jobs[i].length / SHA1_BLOCK;
		class[i] = SORT_CLASSES - 1 - (blocks < SORT_CLASSES ? blocks : SORT_CLASSES - 1);
		start[class[i] + 1]++;
	}
	for (int k = 1; k <= SORT_CLASSES; k++)
		start[k] += start[k - 1];
	for (uint16_t i = 0; i < n; i++)
		order[start[class[i]]++] = (uint8_t)i;
}

uint64_t crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n)
{
	uint8_t order[CRYPTO_BURST];
	uint64_t done = 0;

	if (n == 0)
		return 0;
	sort_longest_first(jobs, n, order);
	for (uint16_t k = 0; k < n; k++) {
		const struct crypto_job *from = &jobs[order[k]];
		IMB_JOB *job = &c->job[k];
		job->src = from->data;
		job->msg_len_to_hash_in_bytes = from->length;
		job->auth_tag_output = from->icv;
		job->u.HMAC._hashed_auth_key_xor_ipad = from->key->inner;
		job->u.HMAC._hashed_auth_key_xor_opad = from->key->outer;
		job->status = IMB_STATUS_BEING_PROCESSED;
	}
	IMB_SUBMIT_HASH_BURST(c->manager, c->job, n, IMB_AUTH_HMAC_SHA_1);
	/* Each job's own status counts, not the number that the call returns. */
	for (uint16_t k = 0; k < n; k++)
		done |= (uint64_t)(c->job[k].status == IMB_STATUS_COMPLETED) << order[k];
	return done;
}

/* What does not change from burst to burst. */
static void prepare_jobs(struct crypto *c)
{
	for (int k = 0; k < CRYPTO_BURST; k++)
		c->job[k] = (IMB_JOB){
			.cipher_mode = IMB_CIPHER_NULL,
			.cipher_direction = IMB_DIR_ENCRYPT,
			.chain_order = IMB_ORDER_HASH_CIPHER,
			.hash_alg = IMB_AUTH_HMAC_SHA_1,
			.auth_tag_output_len_in_bytes = CRYPTO_ICV,
		};
}

/* What takes part in the choice, and what the fastest of its bursts took. */
struct candidate {
	IMB_MGR *manager;
	const struct implementation *implementation;
	uint64_t cycles; /* TSC */
	bool failed;	 /* it once did not finish its jobs */
};

/* One burst. Of a mix: an implementation that is the fastest where all lengths are the same may not be where
 * they differ. */
static void measure(struct crypto *c, struct candidate *t)
{
	static const uint32_t length[] = {900, 120, 480, MEASURE_LENGTH, 900, 480};
	static const uint8_t data[MEASURE_LENGTH];
	static const struct sa_shared key;
	uint8_t icv[CRYPTO_BURST][CRYPTO_ICV];
	struct crypto_job jobs[CRYPTO_BURST];

	for (int i = 0; i < CRYPTO_BURST; i++)
		jobs[i] = (struct crypto_job){data, &key, icv[i], length[i % RTE_DIM(length)]};
	c->manager = t->manager;
	const uint64_t start = rte_rdtsc_precise();
	const uint64_t done = crypto_burst(c, jobs, CRYPTO_BURST);
	t->cycles = RTE_MIN(t->cycles, rte_rdtsc_precise() - start);
	t->failed = t->failed || done != UINT64_MAX;
}

/* NULL where this processor cannot run it. */
static IMB_MGR *make_manager(const struct implementation *i)
{
	IMB_MGR *manager = alloc_mb_mgr(0);

	if (manager == NULL)
		return NULL;
	if ((manager->features & i->needs) == i->needs) {
		i->init(manager);
		if (imb_get_errno(manager) == 0)
			return manager;
	}
	free_mb_mgr(manager);
	return NULL;
}

/* What counts when implementations are compared. Without AVX-512, the eight lanes of AVX2 and the two of
 * SHA-NI (SSE's) are about as fast where a core does nothing else. But AVX2 keeps all units of a core busy,
 * and beside another hardware thread slows down to half; SHA-NI waits for its own results most of the time,
 * and hardly slows down (1577 against 808 cycles a packet, measured beside such a neighbour on Zen 3). So
 * SHA-NI is taken unless it is more than a tenth behind. */
static uint64_t weigh(const struct candidate *t)
{
	const uint64_t features = t->manager->features;
	const bool waits = t->implementation->needs == IMB_CPUFLAGS_SSE &&
			   (features & IMB_FEATURE_SHANI) != 0 &&
			   (features & IMB_CPUFLAGS_AVX512) != IMB_CPUFLAGS_AVX512;

	return waits ? t->cycles - t->cycles / 11 : t->cycles;
}

/* They take turns, so that all of them meet whatever else runs on the core meanwhile: measured one after the
 * other, one start of ten took AVX2 where the others took SHA-NI. */
static void tournament(struct crypto *c, struct candidate *t, unsigned n)
{
	for (int round = 0; round < MEASURE_ROUNDS; round++)
		for (unsigned k = 0; k < n; k++)
			measure(c, &t[k]);
}

/* Those that this processor can run; how many. */
static unsigned make_candidates(struct candidate *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < RTE_DIM(implementations); i++) {
		IMB_MGR *manager = make_manager(&implementations[i]);
		if (manager != NULL)
			t[n++] = (struct candidate){manager, &implementations[i], UINT64_MAX, false};
	}
	return n;
}

/* Leaves the best manager in c->manager; false: this processor can run none. */
static bool choose_manager(struct crypto *c)
{
	struct candidate t[RTE_DIM(implementations)];
	const unsigned n = make_candidates(t);
	const struct candidate *best = NULL;

	tournament(c, t, n);
	for (unsigned k = 0; k < n; k++)
		if (!t[k].failed && (best == NULL || weigh(&t[k]) < weigh(best)))
			best = &t[k];
	for (unsigned k = 0; k < n; k++)
		if (&t[k] != best)
			free_mb_mgr(t[k].manager);
	c->manager = best != NULL ? best->manager : NULL;
	if (best != NULL)
		snprintf(c->description, sizeof(c->description), "intel-ipsec-mb %s, %s",
			 imb_get_version_str(), best->implementation->name);
	return best != NULL;
}

int crypto_new(int socket, struct crypto **ret)
{
	struct crypto *c = rte_zmalloc_socket("crypto", sizeof(*c), SA_LINE, socket);

	if (c == NULL)
		return -ENOMEM;
	prepare_jobs(c);
	if (!choose_manager(c)) {
		rte_free(c);
		return -ENOTSUP;
	}
	*ret = c;
	return 0;
}

void crypto_free(struct crypto *c)
{
	if (c == NULL)
		return;
	free_mb_mgr(c->manager);
	rte_free(c);
}

const char *crypto_describe(const struct crypto *c)
{
	return c->description;
}

/* One SHA-1 block of the key under a pad (RFC 2104). The SSE version runs on every processor that DPDK does.
 */
static void hash_padded_key(const uint8_t *key, size_t length, uint8_t pad, uint8_t ret_state[SA_HMAC_STATE])
{
	uint8_t block[SHA1_BLOCK];
	uint32_t state[SA_HMAC_STATE / sizeof(uint32_t)];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < length; i++)
		block[i] ^= key[i];
	sha1_one_block_sse(block, state);
	memcpy(ret_state, state, sizeof(state));
	explicit_bzero(block, sizeof(block));
	explicit_bzero(state, sizeof(state));
}

int crypto_precompute(const uint8_t *key, size_t length, uint8_t ret_inner[SA_HMAC_STATE],
		      uint8_t ret_outer[SA_HMAC_STATE])
{
	if (length == 0 || length > SHA1_BLOCK)
		return -EINVAL;
	hash_padded_key(key, length, 0x36, ret_inner);
	hash_padded_key(key, length, 0x5c, ret_outer);
	return 0;
}
