/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zb_audit: sums by bucket are compared, then the rows of those buckets that differ.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zb/client.h"
#include "zb/digest.h"

struct row {
	uint64_t set_id, digest;
	bool is_here; /* the caller has it too */
};

struct comparison {
	uint64_t sum[DIGEST_BUCKETS]; /* the caller's */
	bool differs[DIGEST_BUCKETS];
	struct row *row; /* the gateway's, of the buckets that differ; by set id */
	size_t rows, row_room;
	struct zb_difference *found;
	size_t count, room;
	bool is_short; /* of memory */
};

/* Room for one more at *ret_array; false when memory is short. */
static bool grow(void **array, size_t size, size_t count, size_t *room)
{
	if (count < *room)
		return true;
	size_t more = *room == 0 ? 64 : *room * 2;
	void *grown = realloc(*array, more * size);
	if (grown == NULL)
		return false;
	*array = grown;
	*room = more;
	return true;
}

static uint64_t load(const uint8_t *at)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

/* --- what the gateway says --- */

/* An AUDIT of all buckets, or of one (not negative). *ret_octets is valid until the next call. */
static int ask(struct zb *zb, int bucket, const uint8_t **ret_octets, size_t *ret_length,
	       struct zb_error *ret_error)
{
	int r = client_begin(zb, ZB_MSG_AUDIT, ret_error);

	if (r < 0)
		return r;
	if (bucket >= 0)
		zb_put_number(&zb->request, ZB_ATTR_BUCKET, (uint64_t)bucket);
	r = client_exchange(zb, ret_error);
	if (r < 0)
		return r;
	enum zb_attribute attr = bucket < 0 ? ZB_ATTR_DIGESTS : ZB_ATTR_ROWS;
	*ret_octets = zb->answer.attrs.at[attr].value;
	*ret_length = zb->answer.attrs.at[attr].length;
	if (*ret_octets == NULL || *ret_length % (bucket < 0 ? DIGEST_LEN : DIGEST_ROW_LEN) != 0)
		return client_error(ret_error, -EPROTO, "the gateway's AUDIT lacks what was asked for");
	return 0;
}

static int fetch_rows(struct zb *zb, struct comparison *c, struct zb_error *ret_error)
{
	const uint8_t *octets;
	size_t length;

	for (int bucket = 0; bucket < DIGEST_BUCKETS; bucket++) {
		if (!c->differs[bucket])
			continue;
		int r = ask(zb, bucket, &octets, &length, ret_error);
		if (r < 0)
			return r;
		for (size_t at = 0; at < length; at += DIGEST_ROW_LEN) {
			if (!grow((void **)&c->row, sizeof(*c->row), c->rows, &c->row_room))
				return client_error(ret_error, -ENOMEM, "no memory");
			c->row[c->rows++] = (struct row){load(octets + at), load(octets + at + 8), false};
		}
	}
	return 0;
}

static int by_set_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->set_id < y->set_id ? -1 : x->set_id > y->set_id;
}

/* --- what the caller has --- */

static void add_sum(void *to, uint64_t set_id, uint64_t digest)
{
	((struct comparison *)to)->sum[digest_bucket(set_id)] += digest;
}

static void note(struct comparison *c, uint64_t set_id, enum zb_difference_kind kind)
{
	if (!grow((void **)&c->found, sizeof(*c->found), c->count, &c->room))
		c->is_short = true;
	else
		c->found[c->count++] = (struct zb_difference){.set_id = set_id, .kind = (uint8_t)kind};
}

static void compare(void *to, uint64_t set_id, uint64_t digest)
{
	struct comparison *c = to;
	struct row key = {.set_id = set_id};

	if (!c->differs[digest_bucket(set_id)])
		return;
	struct row *row = c->rows > 0 ? bsearch(&key, c->row, c->rows, sizeof(*c->row), by_set_id) : NULL;
	if (row == NULL) {
		note(c, set_id, ZB_DIFFERENCE_MISSING_THERE);
		return;
	}
	row->is_here = true;
	if (row->digest != digest)
		note(c, set_id, ZB_DIFFERENCE_DIFFERENT);
}

/* --- both --- */

static int find_differences(struct zb *zb, const struct zb_audit *audit, struct comparison *c,
			    struct zb_error *ret_error)
{
	const uint8_t *digests;
	size_t length;
	bool same = true;
	int r = ask(zb, -1, &digests, &length, ret_error);

	if (r < 0)
		return r;
	audit->each(audit->own, add_sum, c);
	for (unsigned i = 0; i < DIGEST_BUCKETS; i++) {
		c->differs[i] = c->sum[i] != load(digests + i * DIGEST_LEN);
		same = same && !c->differs[i];
	}
	if (same)
		return 0;
	r = fetch_rows(zb, c, ret_error);
	if (r < 0)
		return r;
	if (c->rows > 0)
		qsort(c->row, c->rows, sizeof(*c->row), by_set_id);
	audit->each(audit->own, compare, c);
	for (size_t i = 0; i < c->rows; i++)
		if (!c->row[i].is_here)
			note(c, c->row[i].set_id, ZB_DIFFERENCE_MISSING_HERE);
	return c->is_short ? client_error(ret_error, -ENOMEM, "no memory") : 0;
}

int zb_audit(struct zb *zb, const struct zb_audit *audit, size_t *ret_count, struct zb_error *ret_error)
{
	struct comparison *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return client_error(ret_error, -ENOMEM, "no memory");
	int r = find_differences(zb, audit, c, ret_error);
	for (size_t i = 0; r == 0 && i < c->count; i++)
		audit->on_difference(&c->found[i], audit->arg);
	if (r == 0 && ret_count != NULL)
		*ret_count = c->count;
	free(c->row);
	free(c->found);
	free(c);
	return r;
}
