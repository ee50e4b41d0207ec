/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Digests, and zb_audit against a gateway that holds whatever the test says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_gateway.h"
#include "zb.h"
#include "zb/digest.h"
#include "zb/siphash.h"

static struct fake gateway;
static struct zb *zb;

static int setup(void **state)
{
	(void)state;
	fake_start(&gateway);
	return zb_open(&(struct zb_options){.path = gateway.path, .name = "pcscf1", .instance_id = 1}, &zb,
		       NULL);
}

static int teardown(void **state)
{
	(void)state;
	zb_close(zb);
	fake_stop(&gateway);
	return 0;
}

static void siphash_meets_its_reference(void **state)
{
	/* of the algorithm's authors: key 00..0f, inputs 00..(n-1) */
	static const struct {
		size_t length;
		uint64_t hash;
	} vectors[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {15, 0xa129ca6149be45e5}};
	uint8_t key[16], input[64];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < 64; i++)
		input[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		assert_true(siphash(key, input, vectors[i].length) == vectors[i].hash);
}

static struct zb_set a_set(void)
{
	struct zb_set set = {.set_id = 5000001,
			     .reference = 7,
			     .peer = "pcscf1",
			     .subscriber = "user@ims.example",
			     .registration_id = "r",
			     .selectors = {.port_uc = 5062,
					   .port_us = 5064,
					   .port_pc = 6060,
					   .port_ps = 6062,
					   .spi_uc = 1001,
					   .spi_us = 1002,
					   .spi_pc = 0x800001,
					   .spi_ps = 0x800000},
			     .alg = 1,
			     .state = 2};

	bgf_addr_parse("10.45.0.2", &set.selectors.ue);
	bgf_addr_parse("10.50.0.1", &set.selectors.served);
	return set;
}

/* Each field that both ends know changes the digest, and nothing else does. */
static void a_digest_is_of_all_that_both_ends_know_and_of_nothing_else(void **state)
{
	enum { VARIANTS = 22, SAME = 7 };
	struct zb_set v[VARIANTS], same[SAME];
	uint64_t plain;

	(void)state;
	for (unsigned i = 0; i < VARIANTS; i++)
		v[i] = a_set();
	v[1].set_id++;
	v[2].reference++;
	v[3].state++;
	v[4].flags++;
	v[5].alg++;
	v[6].ealg++;
	v[7].mod++;
	v[8].selectors.ue.octet[3]++;
	v[9].selectors.served.octet[0]++;
	v[10].selectors.port_uc++;
	v[11].selectors.port_us++;
	v[12].selectors.port_pc++;
	v[13].selectors.port_ps++;
	v[14].selectors.spi_uc++;
	v[15].selectors.spi_us++;
	v[16].selectors.spi_pc++;
	v[17].selectors.spi_ps++;
	v[18].subscriber[0]++;
	v[19].registration_id[0]++;
	strcpy(v[20].subscriber, "user@ims.exampl"); /* where one ends and the other begins is digested too */
	strcpy(v[20].registration_id, "er");
	v[21].selectors.ue.family = v[21].selectors.served.family = 6;
	for (unsigned i = 0; i < VARIANTS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_true(zb_set_digest(&v[i]) != zb_set_digest(&v[j]));

	plain = zb_set_digest(&v[0]);
	for (unsigned i = 0; i < SAME; i++)
		same[i] = a_set();
	same[0].fingerprint[0]++;
	same[1].remaining_ms++;
	same[2].packets[0]++;
	same[3].first_used++;
	same[4].drop_count++;
	same[5].peer[0]++;
	same[6].subscriber[BGF_SUBSCRIBER_MAX - 1]++; /* behind its end */
	for (unsigned i = 0; i < SAME; i++)
		assert_true(zb_set_digest(&same[i]) == plain);
}

/* --- zb_audit --- */

enum { SETS = 3000, OTHERS = 64 };

struct holder {
	uint64_t id[SETS + OTHERS], digest[SETS + OTHERS];
	size_t count;
	unsigned walks;
};

static void each(void *own, zb_audit_add add, void *to)
{
	struct holder *h = own;

	h->walks++;
	for (size_t i = 0; i < h->count; i++)
		add(to, h->id[i], h->digest[i]);
}

static struct {
	struct zb_difference d[SETS + OTHERS];
	size_t count;
	bool query_works;
} found;

static void note(const struct zb_difference *difference, void *arg)
{
	struct zb_query query = {.set_id = 1};
	struct zb_set row;
	size_t count;

	assert_ptr_equal(arg, &found);
	if (found.count == 0)
		found.query_works = zb_query(zb, &query, &row, 1, &count, NULL) == 0;
	found.d[found.count++] = *difference;
}

static int run(struct holder *own, size_t *ret_count)
{
	struct zb_audit audit = {.each = each, .own = own, .on_difference = note, .arg = &found};

	memset(&found, 0, sizeof(found));
	return zb_audit(zb, &audit, ret_count, NULL);
}

static bool has(uint64_t set_id, enum zb_difference_kind kind)
{
	for (size_t i = 0; i < found.count; i++)
		if (found.d[i].set_id == set_id)
			return found.d[i].kind == kind;
	return false;
}

/* Both hold SETS sets. */
static struct holder fill(void)
{
	struct holder h = {.count = SETS};

	gateway.audit = calloc(SETS, sizeof(*gateway.audit));
	gateway.audit_count = SETS;
	for (size_t i = 0; i < SETS; i++) {
		h.id[i] = (i + 1) * 1000003;
		h.digest[i] = (i + 1) * 0x9e3779b97f4a7c15;
		gateway.audit[i] = (struct fake_row){h.id[i], h.digest[i]};
	}
	return h;
}

static void what_is_the_same_costs_one_exchange(void **state)
{
	static struct holder h;
	size_t count = 99;

	(void)state;
	h = fill();
	assert_int_equal(run(&h, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(h.walks, 1);
	assert_int_equal(gateway.audits, 1);
	free(gateway.audit);
}

static void each_difference_is_told_once_by_its_kind(void **state)
{
	static struct holder h;
	size_t count;

	(void)state;
	h = fill();
	h.digest[10]++; /* differs */
	h.digest[4106 % SETS]--;
	h.id[20] = 77;			  /* the gateway's 21 * 1000003 is missing here, 77 there */
	h.id[h.count] = 4096 * 20000 + 5; /* missing there, in another bucket */
	h.digest[h.count++] = 1;
	h.id[30] = h.id[--h.count]; /* the last is where another was, which is missing here */
	h.digest[30] = h.digest[h.count];
	assert_int_equal(run(&h, &count), 0);
	assert_int_equal(count, found.count);
	assert_int_equal(count, 6);
	assert_true(has(11 * 1000003, ZB_DIFFERENCE_DIFFERENT));
	assert_true(has((4106 % SETS + 1) * 1000003, ZB_DIFFERENCE_DIFFERENT));
	assert_true(has(77, ZB_DIFFERENCE_MISSING_THERE));
	assert_true(has(21 * 1000003, ZB_DIFFERENCE_MISSING_HERE));
	assert_true(has(4096 * 20000 + 5, ZB_DIFFERENCE_MISSING_THERE));
	assert_true(has(31 * 1000003, ZB_DIFFERENCE_MISSING_HERE));
	assert_true(found.query_works); /* on_difference may ask on the same association */
	assert_int_equal(h.walks, 2);
	assert_in_range(gateway.audits, 2, 1 + 6);
	free(gateway.audit);
}

static void one_side_that_holds_nothing(void **state)
{
	static struct holder h;
	size_t count;

	(void)state;
	h = fill();
	h.count = 0;
	assert_int_equal(run(&h, &count), 0);
	assert_int_equal(count, SETS);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(found.d[i].kind, ZB_DIFFERENCE_MISSING_HERE);
	h.count = SETS;
	gateway.audit_count = 0;
	assert_int_equal(run(&h, &count), 0);
	assert_int_equal(count, SETS);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(found.d[i].kind, ZB_DIFFERENCE_MISSING_THERE);
	free(gateway.audit);
}

static void an_answer_without_what_was_asked_for_is_an_error(void **state)
{
	static struct holder h;
	size_t count = 99;

	(void)state;
	gateway.audit_is_bare = true;
	assert_int_equal(run(&h, &count), -EPROTO);
	assert_int_equal(count, 99);
	assert_int_equal(found.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_meets_its_reference),
		cmocka_unit_test(a_digest_is_of_all_that_both_ends_know_and_of_nothing_else),
		cmocka_unit_test_setup_teardown(what_is_the_same_costs_one_exchange, setup, teardown),
		cmocka_unit_test_setup_teardown(each_difference_is_told_once_by_its_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(one_side_that_holds_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_without_what_was_asked_for_is_an_error, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
