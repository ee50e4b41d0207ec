/* SPDX-License-Identifier: BSD-3-Clause
 *
 * AUDIT: the digests of all buckets, or the rows of one.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "bgf_spi.h"
#include "control/audit.h"
#include "control/op.h"
#include "control/query.h"

enum {
	WEIGHT = 16, /* its answer is large */
	ROWS_MAX = BGF_SPI_SLOTS / DIGEST_BUCKETS,
	BUFFER = DIGEST_BUCKETS * DIGEST_LEN + 256,
};

/* A set's id ends in its slot, of which there is one a set: no bucket can have more. */
static_assert((int)ROWS_MAX * DIGEST_ROW_LEN <= 16384 && (int)BUFFER <= (int)ZB_FRAME_MAX,
	      "a bucket's rows fit an answer");

static uint8_t *put64(uint8_t *at, uint64_t number)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(number >> shift);
	return at;
}

static bool may_see(const struct op *op, const struct peer *peer)
{
	return op->peer->role != ZB_ROLE_PEER || op->peer == peer;
}

static void put_digests(const struct op *op, struct zb_frame *f, uint8_t *octets)
{
	const struct peer *peer;
	uint64_t sum[DIGEST_BUCKETS] = {0};
	uint8_t *at = octets;

	TAILQ_FOREACH (peer, &op->control->peers, next)
		for (unsigned i = 0; i < DIGEST_BUCKETS && peer->digests != NULL && may_see(op, peer); i++)
			sum[i] += peer->digests[i];
	for (unsigned i = 0; i < DIGEST_BUCKETS; i++)
		at = put64(at, sum[i]);
	zb_put_octets(f, ZB_ATTR_DIGESTS, octets, (size_t)(at - octets));
}

static void put_rows(const struct op *op, struct zb_frame *f, uint8_t *octets, unsigned bucket)
{
	const struct sa_set *set;
	struct hash_walk walk = {0};
	uint8_t *at = octets;

	while ((set = sa_table_of_ids(&op->control->table, DIGEST_BUCKETS, bucket, &walk)) != NULL) {
		if (!may_see(op, set->peer) || at == octets + ROWS_MAX * DIGEST_ROW_LEN)
			continue;
		at = put64(put64(at, set->id), set->digest);
	}
	zb_put_octets(f, ZB_ATTR_ROWS, octets, (size_t)(at - octets));
}

static uint32_t count_of(const struct op *op)
{
	return op->peer->role == ZB_ROLE_PEER ? op->peer->set_count : op->control->table.count;
}

void query_audit(struct session *s, const struct zb_message_in *m)
{
	struct op *op = op_new(s, &m->header, 0, WEIGHT);
	struct zb_frame f;

	if (op == NULL) {
		session_close(s, "no memory for a request");
		return;
	}
	if (!s->control->serving) {
		op_answer_status(op, -ENOTCONN);
		return;
	}
	uint8_t *buffer = malloc(2 * BUFFER);
	if (buffer == NULL) {
		op_answer_status(op, -ENOMEM);
		return;
	}
	zb_answer_begin(&f, buffer, BUFFER, &op->request);
	zb_put_number(&f, ZB_ATTR_SET_COUNT, count_of(op));
	if (zb_has(&m->attrs, ZB_ATTR_BUCKET))
		put_rows(op, &f, buffer + BUFFER, (unsigned)zb_get_number(&m->attrs, ZB_ATTR_BUCKET, 0));
	else
		put_digests(op, &f, buffer + BUFFER);
	op_answer_frame(op, &f);
	free(buffer);
}
