/* SPDX-License-Identifier: BSD-3-Clause
 *
 * PROTOCOL.md's chapter of limits and timers against the configuration's schema and the constants of the
 * code.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgf_dplink.h"
#include "config/schema.h"
#include "control/life.h"
#include "control/overload.h"
#include "control/places.h"
#include "control/session.h"
#include "control/trouble.h"
#include "dataplane/trouble.h"
#include "zb/zb_table.h"

static char chapter[1 << 14];

/* The table's rows, between the title of the chapter and that of the next. */
static int read_chapter(void **state)
{
	FILE *f = fopen(getenv("ZB_PROTOCOL"), "r");
	char line[1024];
	bool within = false;

	(void)state;
	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "## ", 3) == 0)
			within = strstr(line, "Limits and timers") != NULL;
		if (within && strlen(chapter) + strlen(line) < sizeof(chapter))
			strcat(chapter, line);
	}
	fclose(f);
	return chapter[0] != '\0' ? 0 : -1;
}

static unsigned rows;

static void expect_row(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void expect_row(const char *format, ...)
{
	char row[1024] = "\n| ";
	va_list args;

	va_start(args, format);
	vsnprintf(row + 3, sizeof(row) - 8, format, args);
	va_end(args);
	strcat(row, " |\n");
	if (strstr(chapter, row) == NULL)
		fail_msg("PROTOCOL.md's limits and timers lack the row:%s", row);
	rows++;
}

/* As the document writes numbers: 65,536. */
static const char *grouped(uint64_t n, char buf[static 32])
{
	char plain[24];
	const int length = snprintf(plain, sizeof(plain), "%" PRIu64, n);
	char *to = buf;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = plain[i];
	}
	*to = '\0';
	return buf;
}

/* What a key of the configuration is where it is not given. */
static uint64_t fallback(const char *path)
{
	for (size_t i = 0; i < schema_count; i++)
		if (strcmp(schema[i].path, path) == 0) {
			assert_non_null(schema[i].fallback);
			return strtoull(schema[i].fallback, NULL, 10);
		}
	fail_msg("the schema has no key %s", path);
	return 0;
}

static void test_timers_of_the_configuration(void **state)
{
	char n[32];

	(void)state;
	expect_row("a frame must be whole within | %" PRIu64
		   " s from its first octet, or the connection is closed | `frame_timeout_s`",
		   fallback("control.frame_timeout_s"));
	assert_int_equal(SESSION_BEATS, 3);
	expect_row("HEARTBEAT to a silent client after | %" PRIu64
		   " s; closed after three times that | `heartbeat_s`",
		   fallback("control.heartbeat_s"));
	expect_row("sets of a peer without a connection are released after | %s s | `peer_gone_s`",
		   grouped(fallback("control.peer_gone_s"), n));
	expect_row("life of a temporary set | %" PRIu64 " s | `await_auth_s`",
		   fallback("control.await_auth_s"));
	expect_row("left of a superseded set's life, at most | %" PRIu64 " s | `supersede_s`",
		   fallback("control.supersede_s"));
	assert_int_equal(OVERLOAD_CALM_MS, 1000);
	expect_row("`OVERLOAD` when orders, %d or more at once, wait longer than | %" PRIu64
		   " ms; over when they wait less than half of it for 1 s | `overload_delay_ms`",
		   OVERLOAD_LEAST, fallback("control.overload_delay_ms"));
	expect_row("`RETRY_AFTER`, around | %" PRIu64
		   " s, from half to one and a half of it | `overload_retry_s`",
		   fallback("control.overload_retry_s"));
}

static void test_timers_of_the_standard(void **state)
{
	(void)state;
	expect_row("added to Expires | %d s |", LIFE_GRACE_S);
	expect_row("left of a temporary set that a new challenge ends, whose 401 travels on it | %d s |",
		   LIFE_VIA_DRAIN_S);
	expect_row("sets of one (IMPI, registration id) | %d |", LIFE_SETS_MAX);
}

static void test_limits(void **state)
{
	static const struct config_control some = {.connections_max = 7};
	char n[32];

	(void)state;
	expect_row("frame | %d to %s octets |", ZB_HEADER_LEN, grouped(ZB_FRAME_MAX, n));
	expect_row("connections of peers, all together | %" PRIu64
		   "; then who has the most gives way, or `TOO_MANY_CONNECTIONS` | `connections_max`",
		   fallback("control.connections_max"));
	expect_row("connections of observers and operators, all together | %d; then who has the most gives "
		   "way |",
		   PLACES_WATCHERS);
	assert_int_equal(places_all(&some), 2 * (some.connections_max + PLACES_WATCHERS));
	expect_row("connections without a HELLO | as many as both; then who has the most gives way |");
	expect_row("sets in all | `CAPACITY` of HELLO | `capacity`");
}

static void test_when_trouble_is_told(void **state)
{
	(void)state;
	assert_true(TROUBLE_LEFT_FIRST == 1 << 28 && TROUBLE_LEFT_SECOND == 1 << 24);
	expect_row("`SEQUENCE_LOW` when fewer sequence numbers are left than | 2^28, then 2^24, then 1 |");
	assert_int_equal(TROUBLE_MINUTE_S, 60);
	expect_row("`ICV_FAILURES`, `REPLAYS` of a set | from %d packets in a minute on, once a minute |",
		   TROUBLE_PACKETS);
	expect_row("`UNKNOWN_SPI` of a UE address | once in %d s |", TROUBLE_STRAY_S);
}

/* Behind the others: a row that none of them looked for is held by nothing. */
static void test_there_are_no_other_rows(void **state)
{
	unsigned found = 0;

	(void)state;
	for (const char *at = chapter; (at = strstr(at, "\n| ")) != NULL; at++)
		found++;
	assert_int_equal(found, rows + 1); /* the table's head */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_of_the_configuration),
		cmocka_unit_test(test_timers_of_the_standard),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_when_trouble_is_told),
		cmocka_unit_test(test_there_are_no_other_rows),
	};
	return cmocka_run_group_tests(tests, read_chapter, NULL);
}
