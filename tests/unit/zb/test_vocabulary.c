/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words that both daemons and the P-CSCF share: addresses, SPIs, and the texts of numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bgf_addr.h"
#include "bgf_drop.h"
#include "bgf_sa.h"
#include "bgf_spi.h"
#include "zb.h"
#include "zb/zb_table.h"

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *again; /* NULL: not an address */
		uint8_t family;
		bool host;
	} cases[] = {
		{"10.45.0.2", "10.45.0.2", 4, true},
		{"223.255.255.255", "223.255.255.255", 4, true},
		{"0.1.2.3", "0.1.2.3", 4, false},
		{"127.0.0.1", "127.0.0.1", 4, false},
		{"224.0.0.1", "224.0.0.1", 4, false},
		{"240.0.0.1", "240.0.0.1", 4, false},
		{"255.255.255.255", "255.255.255.255", 4, false},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", 6, true},
		{"fd00:45::2", "fd00:45::2", 6, true},
		{"::2", "::2", 6, true},
		{"::", "::", 6, false},
		{"::1", "::1", 6, false},
		{"fe80::1", "fe80::1", 6, false},
		{"febf::1", "febf::1", 6, false},
		{"fec0::1", "fec0::1", 6, true},
		{"ff02::1", "ff02::1", 6, false},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1", 6, false},
		{"", NULL, 0, false},
		{"10.45.0", NULL, 0, false},
		{"10.45.0.256", NULL, 0, false},
		{"10.45.0.2/24", NULL, 0, false},
		{" 10.45.0.2", NULL, 0, false},
		{"fe80::1%eth0", NULL, 0, false},
		{"2001:db8::g", NULL, 0, false},
		{"1::2::3", NULL, 0, false},
	};
	char text[BGF_ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bgf_addr a, before;
		memset(&a, 0x55, sizeof(a));
		before = a;
		int r = bgf_addr_parse(cases[i].text, &a);
		if (cases[i].again == NULL) {
			assert_int_equal(r, -EINVAL);
			assert_memory_equal(&a, &before, sizeof(a));
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(a.family, cases[i].family);
		assert_string_equal(bgf_addr_text(&a, text), cases[i].again);
		assert_int_equal(bgf_addr_is_host(&a), cases[i].host);
		assert_int_equal(bgf_addr_len(&a), cases[i].family == 4 ? 4 : 16);
	}
}

static void test_addresses_of_octets(void **state)
{
	static const uint8_t octets[32] = {10, 45, 0, 2};
	const struct bgf_addr none = {0};
	char text[BGF_ADDR_STRLEN];
	struct bgf_addr four, six, parsed;

	(void)state;
	for (unsigned length = 0; length <= 32; length++) {
		int r = bgf_addr_from_octets(octets, (uint8_t)length, &parsed);
		assert_int_equal(r, length == 4 || length == 16 ? 0 : -EINVAL);
	}
	assert_int_equal(bgf_addr_from_octets(octets, 4, &four), 0);
	assert_int_equal(bgf_addr_from_octets(octets, 16, &six), 0);
	assert_int_equal(bgf_addr_parse("10.45.0.2", &parsed), 0);
	assert_true(bgf_addr_equal(&four, &parsed));
	assert_memory_equal(&four, &parsed, sizeof(four));
	assert_false(bgf_addr_equal(&four, &six)); /* the same octets, another family */
	assert_string_equal(bgf_addr_text(&none, text), "-");
	assert_int_equal(bgf_addr_len(&none), 0);
	assert_false(bgf_addr_is_host(&none));
}

/* Rule 5: SPI 0 to 255 are reserved. */
static void rule_5_no_spi_of_ours_is_reserved(void **state)
{
	static const uint32_t slots[] = {0, 1, 12345, BGF_SPI_SLOTS - 1};
	static const uint32_t generations[] = {1, 2, 255, BGF_SPI_GENERATION_MAX};

	(void)state;
	for (size_t s = 0; s < 4; s++)
		for (size_t g = 0; g < 4; g++)
			for (unsigned which = 0; which < 2; which++) {
				uint32_t spi =
					bgf_spi_make(generations[g], slots[s], (enum bgf_spi_which)which);
				assert_true(spi >= BGF_SPI_MIN);
				assert_int_equal(bgf_spi_slot(spi), slots[s]);
				assert_int_equal(bgf_spi_generation(spi), generations[g]);
				assert_int_equal(bgf_spi_which(spi), which);
			}
	assert_int_equal(bgf_spi_make(BGF_SPI_GENERATION_MAX, BGF_SPI_SLOTS - 1, BGF_SPI_PC), UINT32_MAX);
}

static void test_generations_never_become_0(void **state)
{
	uint32_t generation = 1;

	(void)state;
	for (int i = 0; i < 2 * BGF_SPI_GENERATION_MAX; i++) {
		uint32_t next = bgf_spi_generation_next(generation);
		assert_in_range(next, 1, BGF_SPI_GENERATION_MAX);
		assert_int_not_equal(next, generation);
		generation = next;
	}
	assert_int_equal(bgf_spi_generation_next(BGF_SPI_GENERATION_MAX), 1);
}

static void test_every_drop_reason_has_its_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++) {
		assert_true(strlen(bgf_drop_name(i)) > 0 && strlen(bgf_drop_name(i)) < 32); /* STAT_NAME */
		assert_true(strlen(bgf_drop_text(i)) > 10);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(bgf_drop_name(i), bgf_drop_name(j));
	}
	assert_null(bgf_drop_name(BGF_DROP_COUNT));
	assert_null(bgf_drop_text(BGF_DROP_COUNT));
	assert_string_equal(zb_drop_name(BGF_DROP_COUNT), "?");
	assert_string_equal(zb_drop_name(BGF_DROP_UNKNOWN_SPI), "unknown_spi");
	assert_int_equal(bgf_drop_scope(BGF_DROP_REPLAY), BGF_DROP_SA);
	assert_int_equal(bgf_drop_scope(BGF_DROP_UNKNOWN_SPI), BGF_DROP_PORT);
	assert_int_equal(bgf_drop_scope(BGF_DROP_COUNT), BGF_DROP_PORT);
}

/* One reason of scope SA more than a set's report has room for would be lost without a word. */
static void test_a_set_reports_all_its_drops(void **state)
{
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
		count += bgf_drop_scope(i) == BGF_DROP_SA;
	assert_in_range(count, 1, ZB_SET_DROPS);
}

static void test_numbers_have_texts(void **state)
{
	(void)state;
	assert_string_equal(bgf_alg_text(BGF_ALG_HMAC_SHA_1_96), "hmac-sha-1-96");
	assert_string_equal(bgf_alg_text(77), "?");
	assert_string_equal(bgf_ealg_text(BGF_EALG_NONE), "null");
	assert_string_equal(bgf_ealg_text(77), "?");
	assert_string_equal(bgf_mod_text(BGF_MOD_TRANS), "trans");
	assert_string_equal(bgf_mod_text(77), "?");
	assert_string_equal(bgf_set_state_text(BGF_SET_DRAINING), "draining");
	assert_string_equal(bgf_set_state_text(0), "?");
	assert_string_equal(bgf_removed_text(BGF_REMOVED_OPERATOR), "released by an operator");
	assert_string_equal(bgf_removed_text(0), "?");
	assert_string_equal(zb_cause_name(ZB_CAUSE_PORT_IN_USE), "PORT_IN_USE");
	assert_string_equal(zb_cause_name(999), "?");
	assert_string_equal(zb_cause_text(ZB_CAUSE_DONE), "done");
	assert_string_equal(zb_cause_text(999), "?");
	assert_string_equal(zb_attribute_name(ZB_ATTR_SPI_US), "SPI_US");
	assert_string_equal(zb_attribute_name(0), "?");
	assert_string_equal(zb_attribute_name(9999), "?");
	assert_string_equal(zb_event_name(ZB_EVENT_EXPIRED), "EXPIRED");
	assert_string_equal(zb_event_name(ZB_EVENT_GAP), "GAP");
	assert_string_equal(zb_event_name(0), "?");
	assert_string_equal(zb_event_name(ZB_EVENT_SUPERSEDED), "SUPERSEDED");
	assert_string_equal(zb_event_name(ZB_EVENT_UNKNOWN_SPI), "UNKNOWN_SPI");
	assert_string_equal(zb_event_name(ZB_EVENT_OVERLOAD), "OVERLOAD");
	assert_string_equal(zb_event_name(ZB_EVENT_OVERLOAD + 1), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_of_octets),
		cmocka_unit_test(rule_5_no_spi_of_ours_is_reserved),
		cmocka_unit_test(test_generations_never_become_0),
		cmocka_unit_test(test_every_drop_reason_has_its_words),
		cmocka_unit_test(test_a_set_reports_all_its_drops),
		cmocka_unit_test(test_numbers_have_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
