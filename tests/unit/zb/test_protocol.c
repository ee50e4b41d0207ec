/* SPDX-License-Identifier: BSD-3-Clause
 *
 * PROTOCOL.md against the tables: every name, number, bound, use and sentence, and its examples as frames.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgf_drop.h"
#include "bgf_sa.h"
#include "zb.h"
#include "zb/siphash.h"
#include "zb/table.h"

static char *document;

static int read_document(void **state)
{
	FILE *f = fopen(getenv("ZB_PROTOCOL"), "r");

	(void)state;
	document = calloc(1, 1 << 18);
	if (f == NULL || document == NULL)
		return -1;
	size_t length = fread(document, 1, (1 << 18) - 1, f);
	fclose(f);
	return length > 0 ? 0 : -1;
}

static int forget_document(void **state)
{
	(void)state;
	free(document);
	return 0;
}

/* A line of the document that is exactly this one. */
static void expect_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void expect_line(const char *format, ...)
{
	char line[2048];
	va_list args;

	line[0] = '\n';
	va_start(args, format);
	vsnprintf(line + 1, sizeof(line) - 2, format, args);
	va_end(args);
	strcat(line, "\n");
	if (strstr(document, line) == NULL)
		fail_msg("PROTOCOL.md lacks the line:%s", line);
}

static const char *number_text(uint64_t number, char buf[static 24])
{
	if (number == UINT64_MAX)
		return "2^64−1";
	if (number == UINT32_MAX)
		return "2^32−1";
	snprintf(buf, 24, "%" PRIu64, number);
	return buf;
}

static const char *allowed_text(const struct zb_attr_row *row, char buf[static 80])
{
	char least[24], most[24];

	if (row->type == ZB_TYPE_ADDR)
		return "4 or 16 octets";
	const char *unit = zb_type_width(row->type) == 0 ? " octets" : "";
	if (*unit != '\0' && row->min == row->max)
		snprintf(buf, 80, "%" PRIu64 "%s", row->min, unit);
	else
		snprintf(buf, 80, "%s to %s%s", number_text(row->min, least), number_text(row->max, most),
			 unit);
	return buf;
}

static void test_messages(void **state)
{
	(void)state;
#define LINE(name, number, text) expect_line("| `%s` | %d | %s |", #name, number, text);
	ZB_MESSAGE_LIST(LINE)
}

static void test_causes(void **state)
{
	(void)state;
	ZB_CAUSE_LIST(LINE)
#undef LINE
}

static void test_attributes(void **state)
{
	static const char *const types[] = {"", "U8", "U16", "U32", "U64", "STR", "OCTETS", "ADDR", "GROUP"};
	char buf[80];

	(void)state;
	for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++) {
		const struct zb_attr_row *row = zb_attr_row(attr);
		if (row->type != ZB_TYPE_NONE)
			expect_line("| `%s` | %u | %s | %s | %s | %s |", row->name, attr, types[row->type],
				    allowed_text(row, buf), row->secret ? "secret" : "", row->text);
	}
	assert_true(zb_attr_row(ZB_ATTR_IK)->secret && zb_attr_row(ZB_ATTR_CK)->secret);
}

/* The uses of one level as the document writes them, in the order of the usage table. */
struct uses {
	char text[2048];
};

static void add_use(struct uses *u, const char *attr, enum zb_use use)
{
	static const char *const words[] = {"", "must", "may", "many"};
	size_t length = strlen(u->text);

	snprintf(u->text + length, sizeof(u->text) - length, "%s`%s` %s", length > 0 ? ", " : "", attr,
		 words[use]);
}

static const char *uses_text(const struct uses *u)
{
	return u->text[0] != '\0' ? u->text : "none";
}

static void test_usage(void **state)
{
	static struct uses by_message[256][ZB_DIR_COUNT], by_group[ZB_ATTR_SLOTS];

	(void)state;
#define ADD(message, direction, attr, use) \
	add_use(&by_message[ZB_MSG_##message][ZB_DIR_##direction], #attr, ZB_USE_##use);
	ZB_USAGE_LIST(ADD)
#undef ADD
#define ADD(group, attr, use) add_use(&by_group[ZB_ATTR_##group], #attr, ZB_USE_##use);
	ZB_GROUP_USAGE_LIST(ADD)
#undef ADD
	for (unsigned type = 0; type < 256; type++) {
		if (strcmp(zb_message_name(type), "?") == 0)
			continue;
		struct uses *u = by_message[type];
		if (type >= ZB_EVENT_FIRST)
			expect_line("| `%s` | %u | %s |", zb_message_name(type), type - ZB_EVENT_FIRST + 1,
				    uses_text(&u[ZB_DIR_EVENT]));
		else
			expect_line("| `%s` | %s | %s |", zb_message_name(type),
				    uses_text(&u[ZB_DIR_REQUEST]), uses_text(&u[ZB_DIR_ANSWER]));
	}
	for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++)
		if (zb_attr_row(attr)->type == ZB_TYPE_GROUP)
			expect_line("| `%s` | %s |", zb_attr_row(attr)->name, uses_text(&by_group[attr]));
}

/* A table has these rows and no others. */
static void test_numbers_of_the_vocabulary(void **state)
{
#define ROW(name, number, text) "| `" #name "` | " #number " | " text " |\n"
#define TABLE(attr, list)	"\n| `" #attr "` | number | text |\n|---|---|---|\n" list(ROW) "\n"
	static const char *const tables[] = {TABLE(ALG, BGF_ALG_LIST), TABLE(EALG, BGF_EALG_LIST),
					     TABLE(MOD, BGF_MOD_LIST), TABLE(STATE, BGF_SET_STATE_LIST),
					     TABLE(WHY, BGF_REMOVED_LIST)};
#undef TABLE
#undef ROW

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (strstr(document, tables[i]) == NULL)
			fail_msg("PROTOCOL.md lacks the table:%s", tables[i]);
}

static void test_drop_reasons(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
		expect_line("| %u | `%s` | %s | %s |", i, bgf_drop_name(i),
			    bgf_drop_scope(i) == BGF_DROP_SA ? "set and port" : "port", bgf_drop_text(i));
}

/* The octets of one example: hex digits until the first blank of each line. Returns how many. */
static size_t octets_of(const char *text, const char *end, uint8_t *ret)
{
	size_t n = 0;

	while (text < end) {
		unsigned value;
		for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
			assert_int_equal(sscanf(text, "%2x", &value), 1);
			ret[n++] = (uint8_t)value;
		}
		text = strchr(text, '\n') + 1;
	}
	return n;
}

static void test_examples_are_frames(void **state)
{
	unsigned seen[256] = {0}, count = 0;
	const char *at = document;

	(void)state;
	while ((at = strstr(at, "\n```hex\n")) != NULL) {
		uint8_t frame[2048];
		struct zb_message_in m;
		struct zb_fault fault;
		at += strlen("\n```hex\n");
		const char *end = strstr(at, "```");
		size_t length = octets_of(at, end, frame);
		assert_int_equal(zb_message_parse(frame, length, &m, &fault), 0);
		seen[m.header.type]++;
		count++;
		at = end;
	}
	assert_true(count >= 6);
	assert_true(seen[ZB_MSG_HELLO] == 2 && seen[ZB_MSG_INSTALL] == 3);
}

/* Octets and their digest; and the first is that of the INSTALL answer's SET, whose digest libzb makes. */
static void test_digests(void **state)
{
	static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	const struct zb_set first = {.set_id = 1,
				     .reference = 7,
				     .subscriber = "user@ims.example",
				     .selectors = {.ue = {.octet = {10, 45, 0, 2}, .family = 4},
						   .served = {.octet = {10, 50, 0, 1}, .family = 4},
						   .port_uc = 5062,
						   .port_us = 5064,
						   .port_pc = 6060,
						   .port_ps = 6062,
						   .spi_uc = 1001,
						   .spi_us = 1002,
						   .spi_pc = 0x800001,
						   .spi_ps = 0x800000},
				     .alg = 1,
				     .state = 1,
				     .flags = 1};
	const char *at = document;
	unsigned count = 0;

	(void)state;
	while ((at = strstr(at, "\n```digest\n")) != NULL) {
		uint8_t octets[2048];
		at += strlen("\n```digest\n");
		const char *end = strstr(at, "```"), *last = end - 1;
		while (last[-1] != '\n')
			last--;
		size_t length = octets_of(at, last, octets);
		uint64_t digest = strtoull(last, NULL, 16);
		assert_true(siphash(key, octets, length) == digest);
		if (count++ == 0)
			assert_true(zb_set_digest(&first) == digest);
		at = end;
	}
	assert_int_equal(count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_numbers_of_the_vocabulary),
		cmocka_unit_test(test_drop_reasons),
		cmocka_unit_test(test_examples_are_frames),
		cmocka_unit_test(test_digests),
	};
	return cmocka_run_group_tests(tests, read_document, forget_document);
}
