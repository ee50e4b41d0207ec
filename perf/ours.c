/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The product's own worker, turn by turn. Its crypto and its last stage are reached through the linker
 * (--wrap), so that one build measures it whole, without crypto, and with cycles wasted on purpose.
 */
#include "contender.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/crypto.h"
#include "dataplane/forward.h"
#include "dataplane/worker.h"

/* What the wrapped functions do; a thread changes its own between rounds. */
static __thread struct {
	bool no_crypto;
	uint32_t waste; /* TSC cycles a packet */
} mode;
static uint32_t waste_always;

uint64_t __real_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);
uint64_t __wrap_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);
void __real_forward(struct worker *w, enum port_side side, const struct batch *in);
void __wrap_forward(struct worker *w, enum port_side side, const struct batch *in);

/* Without crypto, an ICV is whatever stands behind the octets that it is for: inbound always the right one.
 */
uint64_t __wrap_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n)
{
	if (!mode.no_crypto)
		return __real_crypto_burst(c, jobs, n);
	for (uint16_t i = 0; i < n; i++)
		memmove(jobs[i].icv, jobs[i].data + jobs[i].length, CRYPTO_ICV);
	return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

void __wrap_forward(struct worker *w, enum port_side side, const struct batch *in)
{
	if (mode.waste > 0 && in->n > 0) {
		const uint64_t end = rte_rdtsc() + (uint64_t)mode.waste * in->n;
		while (rte_rdtsc() < end)
			;
	}
	__real_forward(w, side, in);
}

void ours_waste(uint32_t cycles)
{
	waste_always = cycles;
}

static struct memport_queue *queue_of(const struct contender *c, bool rx)
{
	return memport_queue(c->rotation->args.inbound == rx ? PORT_ACCESS : PORT_CORE, c->worker);
}

static uint32_t turn(struct contender *c, uint64_t *stamp)
{
	struct rotation *r = c->rotation;
	struct worker *w = c->field->worker[c->worker];
	struct memport_queue *rx = queue_of(c, true), *tx = queue_of(c, false);
	uint32_t bursts = 0;

	*rx = (struct memport_queue){.rx = r->m, .rx_count = r->args.buffers, .burst = c->burst};
	*tx = (struct memport_queue){.tx = r->sent, .tx_room = r->args.buffers};
	stamp[0] = rte_rdtsc();
	while (rx->rx_at < rx->rx_count) {
		worker_turn(w);
		stamp[++bursts] = rte_rdtsc();
	}
	return bursts;
}

static uint32_t ours_round(struct contender *c, uint64_t *stamp)
{
	mode.no_crypto = false;
	mode.waste = waste_always;
	return turn(c, stamp);
}

static uint32_t nocrypto_round(struct contender *c, uint64_t *stamp)
{
	mode.no_crypto = true;
	mode.waste = waste_always;
	return turn(c, stamp);
}

static uint32_t slowed_round(struct contender *c, uint64_t *stamp)
{
	mode.no_crypto = false;
	mode.waste = waste_always + OURS_SLOWED;
	return turn(c, stamp);
}

static int ours_start(struct contender *c, char *error, size_t error_size)
{
	(void)error;
	(void)error_size;
	snprintf(c->description, sizeof(c->description), "%s",
		 crypto_describe(c->field->worker[c->worker]->crypto));
	return 0;
}

static uint32_t ours_check(const struct contender *c)
{
	return rotation_check(c->rotation, c->field, queue_of(c, false)->tx_count);
}

/* Nobody's ICVs are right without crypto. */
static uint32_t nocrypto_check(const struct contender *c)
{
	return queue_of(c, false)->tx_count;
}

static void ours_stop(struct contender *c)
{
	(void)c;
}

const struct contender_type contender_ours = {
	.name = "ours",
	.product = true,
	.start = ours_start,
	.round = ours_round,
	.check = ours_check,
	.stop = ours_stop,
};

const struct contender_type contender_nocrypto = {
	.name = "nocrypto",
	.product = true,
	.start = ours_start,
	.round = nocrypto_round,
	.check = nocrypto_check,
	.stop = ours_stop,
};

const struct contender_type contender_slowed = {
	.name = "slowed",
	.product = true,
	.start = ours_start,
	.round = slowed_round,
	.check = ours_check,
	.stop = ours_stop,
};
