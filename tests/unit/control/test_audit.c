/* SPDX-License-Identifier: BSD-3-Clause
 *
 * AUDIT: what control's digests and rows say of its sets, to whom.
 */
#include "harness.h"

#include "audit_check.h"

static struct client pcscf, stranger, observer;

static void open_all(struct harness *h)
{
	client_hello(&pcscf, h, "pcscf1", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&pcscf), ZB_CAUSE_DONE);
	client_hello(&stranger, h, "pcscf2", 1, ZB_ROLE_PEER, false);
	assert_int_equal(client_call(&stranger), ZB_CAUSE_DONE);
	client_hello(&observer, h, "watch", 1, ZB_ROLE_OBSERVER, false);
	assert_int_equal(client_call(&observer), ZB_CAUSE_DONE);
}

static void close_all(void)
{
	client_close(&pcscf);
	client_close(&stranger);
	client_close(&observer);
}

/* The nth phone's set. */
static struct zb_set install(struct client *c, unsigned n)
{
	struct install in = sample_install();

	in.reference = n + 1;
	snprintf(in.subscriber, sizeof(in.subscriber), "ue%u@ims.example", n);
	in.selectors.ue.octet[3] = (uint8_t)(n + 10);
	assert_int_equal(client_install(c, &in), ZB_CAUSE_DONE);
	return client_set(c);
}

static uint64_t load(const uint8_t *at)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

static uint64_t digest_said(struct client *c, unsigned bucket)
{
	client_begin(c, ZB_MSG_AUDIT);
	assert_int_equal(client_call(c), ZB_CAUSE_DONE);
	assert_false(zb_has(&c->answer.attrs, ZB_ATTR_ROWS));
	assert_int_equal(c->answer.attrs.at[ZB_ATTR_DIGESTS].length, DIGEST_BUCKETS * DIGEST_LEN);
	return load(c->answer.attrs.at[ZB_ATTR_DIGESTS].value + bucket * DIGEST_LEN);
}

/* How many rows; *ret_digest is that of `set_id`, 0 if it is not there. */
static unsigned rows_said(struct client *c, unsigned bucket, uint64_t set_id, uint64_t *ret_digest)
{
	client_begin(c, ZB_MSG_AUDIT);
	zb_put_number(&c->out, ZB_ATTR_BUCKET, bucket);
	assert_int_equal(client_call(c), ZB_CAUSE_DONE);
	assert_false(zb_has(&c->answer.attrs, ZB_ATTR_DIGESTS));
	const uint8_t *rows = c->answer.attrs.at[ZB_ATTR_ROWS].value;
	unsigned count = c->answer.attrs.at[ZB_ATTR_ROWS].length / DIGEST_ROW_LEN;
	*ret_digest = 0;
	for (unsigned i = 0; i < count; i++)
		if (load(rows + i * DIGEST_ROW_LEN) == set_id)
			*ret_digest = load(rows + i * DIGEST_ROW_LEN + 8);
	return count;
}

static void a_sets_digest_is_what_its_row_yields_through_its_life(void **state)
{
	struct harness *h = *state;
	struct zb_set set;
	uint64_t row, seen[4];

	open_all(h);
	set = install(&pcscf, 0);
	for (unsigned step = 0; step < 4; step++) {
		const unsigned bucket = digest_bucket(set.set_id);
		if (step == 1)
			assert_int_equal(client_confirm(&pcscf, set.set_id, 100, 600), ZB_CAUSE_DONE);
		if (step == 1)
			set = client_set(&pcscf);
		if (step == 2) {
			assert_int_equal(client_release(&pcscf, set.set_id, 101, 60), ZB_CAUSE_DONE);
			set.state = BGF_SET_DRAINING;
		}
		if (step == 3)
			assert_int_equal(client_release(&pcscf, set.set_id, 102, 0), ZB_CAUSE_DONE);
		const uint64_t digest = step < 3 ? zb_set_digest(&set) : 0;
		assert_true(digest_said(&pcscf, bucket) == digest);
		assert_true(digest_said(&observer, bucket) == digest);
		assert_true(digest_said(&stranger, bucket) == 0);
		assert_int_equal(rows_said(&pcscf, bucket, set.set_id, &row), step < 3);
		assert_true(row == digest);
		assert_int_equal(rows_said(&stranger, bucket, set.set_id, &row), 0);
		assert_int_equal(rows_said(&observer, bucket, set.set_id, &row), step < 3);
		seen[step] = digest;
		for (unsigned i = 0; i < step; i++)
			assert_true(seen[i] != digest);
	}
	close_all();
}

static void a_bucket_sums_its_sets_and_lists_them_all(void **state)
{
	struct harness *h = *state;
	uint64_t sum[8] = {0}, row;
	struct zb_set set[8];

	open_all(h);
	for (unsigned n = 0; n < 8; n++) {
		if (n % 4 == 0) /* ids of one bucket: n, n + 4096, ... */
			h->fake.next_id = 4096 * n;
		else
			h->fake.next_id += DIGEST_BUCKETS - 1;
		set[n] = install(n == 5 ? &stranger : &pcscf, n);
		sum[digest_bucket(set[n].set_id) % 8] += zb_set_digest(&set[n]);
	}
	assert_int_equal(digest_bucket(set[3].set_id), 1);
	const uint64_t others = zb_set_digest(&set[5]);
	assert_true(digest_said(&observer, 1) == sum[1]);
	assert_true(digest_said(&pcscf, 1) == sum[1] - others);
	assert_true(digest_said(&stranger, 1) == others);
	assert_int_equal(rows_said(&observer, 1, set[5].set_id, &row), 8);
	assert_true(row == others);
	assert_int_equal(rows_said(&pcscf, 1, set[5].set_id, &row), 7);
	assert_true(row == 0);
	assert_int_equal(zb_get_number(&pcscf.answer.attrs, ZB_ATTR_SET_COUNT, 0), 7);
	assert_int_equal(rows_said(&pcscf, 2, 0, &row), 0);
	close_all();
}

static void digests_are_known_again_after_a_restart_of_either_daemon(void **state)
{
	struct harness *h = *state;
	uint64_t was[3];

	open_all(h);
	for (unsigned n = 0; n < 3; n++) {
		struct zb_set set = install(&pcscf, n);
		was[n] = digest_said(&pcscf, digest_bucket(set.set_id));
		assert_true(was[n] != 0);
	}
	close_all();
	harness_restart(h);
	open_all(h);
	for (unsigned n = 0; n < 3; n++)
		assert_true(digest_said(&pcscf, n + 1) == was[n]);
	fake_stop(&h->fake);
	harness_serving(h, false);
	client_begin(&pcscf, ZB_MSG_AUDIT);
	assert_int_equal(client_call(&pcscf),
			 ZB_CAUSE_DATAPLANE_DOWN); /* what would be compared is not known */
	h->fake.set[1].state = BGF_SET_DRAINING;   /* changed while control was away */
	h->fake.set[2].set_id = 0;
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
	assert_true(digest_said(&pcscf, 1) == was[0]);
	assert_true(digest_said(&pcscf, 2) != was[1] && digest_said(&pcscf, 2) != 0);
	assert_true(digest_said(&pcscf, 3) == 0);
	fake_stop(&h->fake);
	harness_serving(h, false);
	h->fake.epoch++;
	memset(h->fake.set, 0, sizeof(h->fake.set));
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_serving(h, true);
	for (unsigned n = 0; n < 3; n++)
		assert_true(digest_said(&pcscf, n + 1) == 0);
	close_all();
}

#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_sets_digest_is_what_its_row_yields_through_its_life),
		T(a_bucket_sums_its_sets_and_lists_them_all),
		T(digests_are_known_again_after_a_restart_of_either_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
