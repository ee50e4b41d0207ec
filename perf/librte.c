/* SPDX-License-Identifier: BSD-3-Clause
 *
 * DPDK's own IPsec library over its own driver for intel-ipsec-mb, lookaside: what a DPDK program takes
 * today. Its SAs are handed to it, so that no look-up counts, and prefetched.
 */
#include "contender.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus_vdev.h>
#include <rte_cryptodev.h>
#include <rte_cycles.h>
#include <rte_ipsec.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dataplane/ip.h"

enum { BURST_MAX = 128, REPLAY = 128, QUEUE = 2048, LINES_MAX = 64 };

/* One SA: its session, and behind it the library's own part. */
struct entry {
	struct rte_ipsec_session session;
	uint8_t sa[] __rte_cache_aligned;
};

struct librte {
	uint8_t *entries;
	size_t entry_size;
	int sa_size;
	struct rte_mempool *sessions, *ops;
	uint8_t line[LINES_MAX]; /* of a driver's session: what is prefetched */
	unsigned lines;
	bool running;
	uint32_t done;
};

static int device = -1; /* one for all points */

static int device_start(struct rte_mempool *sessions)
{
	struct rte_cryptodev_config config = {.socket_id = 0, .nb_queue_pairs = 1};
	const struct rte_cryptodev_qp_conf qp = {.nb_descriptors = QUEUE, .mp_session = sessions};
	int rc = rte_cryptodev_configure((uint8_t)device, &config);

	if (rc == 0)
		rc = rte_cryptodev_queue_pair_setup((uint8_t)device, 0, &qp, 0);
	return rc == 0 ? rte_cryptodev_start((uint8_t)device) : rc;
}

static int device_find(void)
{
	if (device >= 0)
		return 0;
	const int rc = rte_vdev_init("crypto_aesni_mb", "");
	if (rc == 0)
		device = rte_cryptodev_get_dev_id("crypto_aesni_mb");
	return device >= 0 ? 0 : rc != 0 ? rc : -ENODEV;
}

static struct entry *entry_of(const struct librte *l, uint32_t ue)
{
	return (struct entry *)(void *)(l->entries + (size_t)ue * l->entry_size);
}

/* What the library is told of an SA; the driver has no NULL cipher in a chain, so that its session is the
 * HMAC alone. */
struct request {
	struct rte_crypto_sym_xform auth, cipher;
	struct rte_ipsec_sa_prm prm;
};

static void request_fill(const struct contender *c, uint32_t ue, struct request *ret)
{
	const struct rotation_args *a = &c->rotation->args;
	const struct field_key *key = &c->field->key[ue];

	*ret = (struct request){
		.auth = {.type = RTE_CRYPTO_SYM_XFORM_AUTH,
			 .auth = {.op = a->inbound ? RTE_CRYPTO_AUTH_OP_VERIFY : RTE_CRYPTO_AUTH_OP_GENERATE,
				  .algo = RTE_CRYPTO_AUTH_SHA1_HMAC,
				  .key = {.data = key->key, .length = FIELD_KEY},
				  .digest_length = ROTATION_ICV}},
		.cipher = {.type = RTE_CRYPTO_SYM_XFORM_CIPHER,
			   .cipher = {.op = a->inbound ? RTE_CRYPTO_CIPHER_OP_DECRYPT
						       : RTE_CRYPTO_CIPHER_OP_ENCRYPT,
				      .algo = RTE_CRYPTO_CIPHER_NULL}},
		.prm = {.ipsec_xform = {.spi = c->field->ue[ue].spi_in,
					.direction = a->inbound ? RTE_SECURITY_IPSEC_SA_DIR_INGRESS
								: RTE_SECURITY_IPSEC_SA_DIR_EGRESS,
					.proto = RTE_SECURITY_IPSEC_SA_PROTO_ESP,
					.mode = RTE_SECURITY_IPSEC_SA_MODE_TRANSPORT,
					.replay_win_sz = a->inbound ? REPLAY : 0},
			.trs = {.proto = a->ipv6 ? IPPROTO_IPV6
						 : IPPROTO_IPIP}}, /* it asks for the IP version */
	};
	if (a->inbound)
		ret->auth.next = &ret->cipher;
	else
		ret->cipher.next = &ret->auth;
	ret->prm.crypto_xform = a->inbound ? &ret->auth : &ret->cipher;
}

static int sa_make(struct librte *l, const struct contender *c, uint32_t ue)
{
	struct request request;
	struct entry *e = entry_of(l, ue);

	request_fill(c, ue, &request);
	int rc = rte_ipsec_sa_init((struct rte_ipsec_sa *)(void *)e->sa, &request.prm, (uint32_t)l->sa_size);
	if (rc < 0)
		return rc;
	request.auth.next = NULL;
	e->session = (struct rte_ipsec_session){.sa = (struct rte_ipsec_sa *)(void *)e->sa,
						.type = RTE_SECURITY_ACTION_TYPE_NONE};
	e->session.crypto.dev_id = (uint8_t)device;
	e->session.crypto.ses = rte_cryptodev_sym_session_create((uint8_t)device, &request.auth, l->sessions);
	if (e->session.crypto.ses == NULL)
		return -ENOMEM;
	return rte_ipsec_session_prepare(&e->session);
}

static int memory_take(struct librte *l, const struct contender *c)
{
	struct request request;
	const uint32_t ues = c->field->args.ues;

	request_fill(c, 0, &request);
	l->sa_size = rte_ipsec_sa_size(&request.prm);
	if (l->sa_size < 0)
		return l->sa_size;
	l->entry_size = RTE_ALIGN(sizeof(struct entry) + (size_t)l->sa_size, RTE_CACHE_LINE_SIZE);
	l->entries = rte_zmalloc("librte_ipsec", ues * l->entry_size, RTE_CACHE_LINE_SIZE);
	l->sessions = rte_cryptodev_sym_session_pool_create(
		"sessions", ues + 64, rte_cryptodev_sym_get_private_session_size((uint8_t)device), 0, 0, 0);
	l->ops = rte_crypto_op_pool_create("ops", RTE_CRYPTO_OP_TYPE_SYMMETRIC, 1023, 128, 0, 0);
	return l->entries == NULL || l->sessions == NULL || l->ops == NULL ? -ENOMEM : 0;
}

static bool holds_something(const uint8_t *octet, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (octet[i] != 0)
			return true;
	return false;
}

/* What to prefetch of a session. Its form is the driver's own: header and algorithms stand at its begin, the
 * HMAC states far behind them, and between are the empty places of ciphers' keys, which are not touched. So
 * the lines that hold something in a session are what is needed of each; should the states not be among them,
 * all lines are taken, and the description says so. */
static void lines_find(struct librte *l, struct contender *c)
{
	const uint8_t *session = (const uint8_t *)entry_of(l, 0)->session.crypto.ses;
	const struct field_key key = c->field->key[0];
	const size_t size = l->sessions->elt_size;
	const uint8_t *inner = memmem(session, size, key.inner, SA_HMAC_STATE);
	const uint8_t *outer = memmem(session, size, key.outer, SA_HMAC_STATE);
	const bool known = inner != NULL && outer != NULL;

	for (size_t at = 0; at < size && l->lines < LINES_MAX; at += RTE_CACHE_LINE_SIZE)
		if (!known || holds_something(session + at, RTE_MIN(size - at, (size_t)RTE_CACHE_LINE_SIZE)))
			l->line[l->lines++] = (uint8_t)(at / RTE_CACHE_LINE_SIZE);
	snprintf(c->description, sizeof(c->description),
		 "librte_ipsec, crypto_aesni_mb, lookaside, %u lines of a session prefetched (%s)", l->lines,
		 known ? "HMAC states too" : "all");
}

static int librte_start(struct contender *c, char *error, size_t error_size)
{
	struct librte *l = calloc(1, sizeof(*l));
	int rc = device_find();

	c->inside = l;
	if (l == NULL)
		return -ENOMEM;
	if (rc == 0)
		rc = memory_take(l, c);
	if (rc == 0)
		rc = device_start(l->sessions);
	l->running = rc == 0;
	for (uint32_t ue = 0; rc >= 0 && ue < c->field->args.ues; ue++)
		rc = sa_make(l, c, ue);
	if (rc >= 0)
		lines_find(l, c);
	if (rc < 0)
		snprintf(error, error_size, "librte_ipsec with crypto_aesni_mb: %s", strerror(-rc));
	return rc < 0 ? rc : 0;
}

static void librte_stop(struct contender *c)
{
	struct librte *l = c->inside;

	if (l == NULL)
		return;
	for (uint32_t ue = 0; l->entries != NULL && ue < c->field->args.ues; ue++)
		if (entry_of(l, ue)->session.crypto.ses != NULL)
			rte_cryptodev_sym_session_free((uint8_t)device, entry_of(l, ue)->session.crypto.ses);
	if (l->running)
		rte_cryptodev_stop((uint8_t)device);
	rte_mempool_free(l->sessions);
	rte_mempool_free(l->ops);
	rte_free(l->entries);
	free(l);
}

static void prefetch(const struct librte *l, const struct rotation_packet *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct entry *e = entry_of(l, p[i].ue);
		rte_prefetch0(e);
		for (int line = 0; line < l->sa_size; line += RTE_CACHE_LINE_SIZE)
			rte_prefetch0(e->sa + line);
	}
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *session = (const uint8_t *)entry_of(l, p[i].ue)->session.crypto.ses;
		for (unsigned k = 0; k < l->lines; k++)
			rte_prefetch0(session + l->line[k] * RTE_CACHE_LINE_SIZE);
	}
}

/* Through the crypto device and back. */
static uint16_t through(struct rte_crypto_op **op, uint16_t n)
{
	uint16_t in = 0, out = 0;

	while (out < n) {
		if (in < n)
			in += rte_cryptodev_enqueue_burst((uint8_t)device, 0, op + in, (uint16_t)(n - in));
		const uint16_t got =
			rte_cryptodev_dequeue_burst((uint8_t)device, 0, op + out, (uint16_t)(in - out));
		out += got;
	}
	return out;
}

static uint32_t burst(struct librte *l, const struct rotation *r, uint32_t at, uint16_t n)
{
	struct rte_crypto_op *op[BURST_MAX];
	struct rte_mbuf *m[BURST_MAX];
	struct rte_ipsec_group group[BURST_MAX];
	uint32_t done = 0;
	uint16_t ready = 0;

	prefetch(l, &r->packet[at], n);
	if (rte_crypto_op_bulk_alloc(l->ops, RTE_CRYPTO_OP_TYPE_SYMMETRIC, op, n) == 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *packet = r->m[at + i];
		packet->l2_len = ETH_HEADER;
		packet->l3_len = r->l3_len;
		ready += rte_ipsec_pkt_crypto_prepare(&entry_of(l, r->packet[at + i].ue)->session, &packet,
						      &op[i], 1);
	}
	if (ready == n)
		through(op, n);
	const uint16_t groups =
		rte_ipsec_pkt_crypto_group((const struct rte_crypto_op **)(uintptr_t)op, m, group, n);
	for (uint16_t g = 0; g < groups; g++)
		done += rte_ipsec_pkt_process(group[g].id.ptr, group[g].m, (uint16_t)group[g].cnt);
	rte_mempool_put_bulk(l->ops, (void **)op, n);
	return done;
}

static uint32_t librte_round(struct contender *c, uint64_t *stamp)
{
	struct librte *l = c->inside;
	const struct rotation *r = c->rotation;
	uint32_t bursts = 0;

	l->done = 0;
	stamp[0] = rte_rdtsc();
	for (uint32_t at = 0; at < r->args.buffers; at += c->burst) {
		l->done += burst(l, r, at, (uint16_t)RTE_MIN(c->burst, r->args.buffers - at));
		stamp[++bursts] = rte_rdtsc();
	}
	return bursts;
}

static uint32_t librte_check(const struct contender *c)
{
	return ((const struct librte *)c->inside)->done;
}

const struct contender_type contender_librte = {
	.name = "librte_ipsec",
	.start = librte_start,
	.round = librte_round,
	.check = librte_check,
	.stop = librte_stop,
};
