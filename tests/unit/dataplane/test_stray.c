/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sources of ESP that no live SA takes: noted by the worker, taken by the main lcore.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "lab.h"
#include "stray.h"

enum { TAKEN_MAX = 1024 };

static struct {
	unsigned count, limit;
	struct stray stray[TAKEN_MAX];
} taken;

static bool take(void *context, const struct stray *stray)
{
	(void)context;
	if (taken.count == taken.limit)
		return false;
	taken.stray[taken.count++] = *stray;
	return true;
}

static unsigned take_all(void)
{
	taken.count = 0;
	taken.limit = TAKEN_MAX;
	strays_take(lab.w->strays, take, NULL);
	return taken.count;
}

static void put_unknown(bool ipv6, const char *source, uint32_t spi)
{
	struct lab_frame f;

	lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .src = source});
	lab_wrap(&f, spi, 1);
	lab_put(PORT_ACCESS, &f);
	lab_turn();
}

static void an_unknown_spi_is_noted_once_a_source_with_its_packets(void **state)
{
	static const char *const text[2] = {"10.45.0.9", "fd00:45::9"};
	uint8_t source[16];

	(void)state;
	take_all();
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		memset(source, 0, sizeof(source));
		inet_pton(ipv6 ? AF_INET6 : AF_INET, text[ipv6], source);
		for (unsigned i = 0; i < 3; i++)
			put_unknown(ipv6, text[ipv6], 0x12345678 + i);
		assert_int_equal(take_all(), 1);
		assert_int_equal(taken.stray[0].spi, 0x12345678);
		assert_int_equal(taken.stray[0].count, 3);
		assert_int_equal(taken.stray[0].ipv6, ipv6);
		assert_memory_equal(taken.stray[0].source, source, 16);
		assert_int_not_equal(taken.stray[0].served[0], 0);
		assert_int_equal(take_all(), 0);
	}
}

static void what_is_dropped_for_another_reason_is_not_noted(void **state)
{
	struct lab_frame f;

	(void)state;
	take_all();
	lab_install(LAB_SLOT, false, 0);
	put_unknown(false, "10.45.0.9", 200); /* reserved: no SA ever had it */
	lab_make(&f, &(struct lab_packet){.src = "10.45.0.9"});
	lab_wrap(&f, lab_spi(LAB_SLOT, 0), 1);
	lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_SA_ADDRESS);
	assert_int_equal(take_all(), 0);
}

static void what_is_not_taken_stays(void **state)
{
	(void)state;
	take_all();
	put_unknown(false, "10.45.0.9", 0x12345678);
	taken.count = taken.limit = 0;
	strays_take(lab.w->strays, take, NULL);
	put_unknown(false, "10.45.0.9", 0x12345678);
	assert_int_equal(take_all(), 1);
	assert_int_equal(taken.stray[0].count, 2);
}

static void a_flood_from_everywhere_takes_no_more_than_the_table_and_is_counted(void **state)
{
	struct strays *s = strays_new(0x1234567812345678, 0);
	uint8_t ip[40] = {0x45};
	uint32_t sum = 0, before;

	(void)state;
	assert_non_null(s);
	for (unsigned n = 0; n < 100000; n++) {
		memcpy(ip + 12, &n, sizeof(n));
		stray_note(s, ip, false, 0x1000 + n);
	}
	taken.count = 0;
	taken.limit = TAKEN_MAX;
	strays_take(s, take, NULL);
	assert_int_equal(taken.count, STRAYS); /* all places are reached: the secret spreads addresses */
	/* room again */
	before = taken.count;
	stray_note(s, ip, false, 0x1000);
	strays_take(s, take, NULL);
	assert_int_equal(taken.count, before + 1);
	for (unsigned i = 0; i < taken.count; i++)
		sum += taken.stray[i].count;
	assert_int_equal(sum, STRAYS + 1);
	strays_free(s);
}

/* The main lcore takes a share at a time, and the table is full again before it looks next: everybody's turn
 * comes all the same. */
static void in_a_flood_every_note_is_told_in_its_turn(void **state)
{
	enum { SHARE = 65, LOOKS = (STRAYS + SHARE - 1) / SHARE, SOURCES = 10000 };
	struct strays *s = strays_new(0x1234567812345678, 0);
	uint8_t ip[40] = {0x45};
	unsigned first = 0;
	(void)state;

	assert_non_null(s);
	for (unsigned look = 0, n = 0; look < LOOKS; look++) {
		for (const unsigned end = n + SOURCES; n < end; n++) {
			memcpy(ip + 12, &n, sizeof(n));
			stray_note(s, ip, false, n);
		}
		taken.count = 0;
		taken.limit = SHARE;
		strays_take(s, take, NULL);
		for (unsigned i = 0; i < taken.count; i++)
			first += taken.stray[i].spi < SOURCES;
	}
	assert_int_equal(first, STRAYS); /* all that were there before the first look */
	strays_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_unknown_spi_is_noted_once_a_source_with_its_packets, lab_reset),
		cmocka_unit_test_setup(what_is_dropped_for_another_reason_is_not_noted, lab_reset),
		cmocka_unit_test_setup(what_is_not_taken_stays, lab_reset),
		cmocka_unit_test_setup(a_flood_from_everywhere_takes_no_more_than_the_table_and_is_counted,
				       lab_reset),
		cmocka_unit_test_setup(in_a_flood_every_note_is_told_in_its_turn, lab_reset),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
