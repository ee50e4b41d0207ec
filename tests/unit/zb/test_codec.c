/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The codec: every message and attribute there and back, cut at every octet, with wrong lengths and values,
 * unknown and duplicate attributes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "zb/records.h"

static struct zb_message_in m;
static struct zb_fault fault;

/* A copy on the heap of exactly its size, so that a sanitizer sees one octet too far. */
static int parse_exact(const void *frame, size_t length)
{
	void *copy = malloc(length > 0 ? length : 1);

	assert_non_null(copy);
	memcpy(copy, frame, length);
	int r = zb_message_parse(copy, length, &m, &fault);
	free(copy);
	return r;
}

static void set_length(uint8_t *frame, size_t length)
{
	frame[4] = (uint8_t)(length >> 24);
	frame[5] = (uint8_t)(length >> 16);
	frame[6] = (uint8_t)(length >> 8);
	frame[7] = (uint8_t)length;
}

static void test_every_message_goes_there_and_back(void **state)
{
	uint8_t frame[SAMPLE_MAX];
	enum zb_message type;
	unsigned flags, count = 0;

	(void)state;
	for (unsigned which = 0; which < 3; which++)
		for (unsigned i = 0; sample_next(&i, &type, &flags); count++) {
			int length = sample_frame(frame, type, flags, which, 0);
			struct zb_scope scope;
			assert_true(length >= ZB_HEADER_LEN);
			assert_int_equal(parse_exact(frame, (size_t)length), 0);
			assert_int_equal(m.header.type, type);
			assert_int_equal(m.header.flags, flags);
			assert_int_equal(m.header.txn, 99);
			assert_true(zb_scope_of_message(type, flags, &scope));
			for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++)
				assert_int_equal(zb_has(&m.attrs, (enum zb_attribute)attr),
						 zb_scope_use(&scope, attr) != ZB_USE_NONE);
		}
	assert_int_equal(count, 3 * (12 * 2 + 11)); /* requests with answers, and events */
}

static void test_every_cut_is_malformed_or_missing(void **state)
{
	uint8_t frame[SAMPLE_MAX];
	enum zb_message type;
	unsigned flags;

	(void)state;
	for (unsigned i = 0; sample_next(&i, &type, &flags);) {
		int length = sample_frame(frame, type, flags, 2, 0);
		for (size_t cut = 0; cut < (size_t)length; cut++) {
			assert_int_equal(parse_exact(frame, cut), -EPROTO); /* the header tells more */
			assert_int_equal(fault.cause, ZB_CAUSE_MALFORMED);
			if (cut < ZB_HEADER_LEN)
				continue;
			uint8_t shorter[SAMPLE_MAX];
			memcpy(shorter, frame, cut);
			set_length(shorter, cut);
			if (parse_exact(shorter, cut) < 0)
				assert_true(fault.cause == ZB_CAUSE_MALFORMED ||
					    fault.cause == ZB_CAUSE_MISSING_ATTRIBUTE);
		}
	}
}

static void test_every_must_is_needed(void **state)
{
	uint8_t frame[SAMPLE_MAX];
	enum zb_message type;
	unsigned flags, musts = 0;

	(void)state;
	for (unsigned i = 0; sample_next(&i, &type, &flags);) {
		struct zb_scope scope;
		assert_true(zb_scope_of_message(type, flags, &scope));
		for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++) {
			if (zb_scope_use(&scope, attr) != ZB_USE_MUST || attr == ZB_ATTR_CAUSE)
				continue;
			musts++;
			assert_int_equal(sample_frame(frame, type, flags, 2, attr), -EINVAL);
			/* The frame is complete but for it: the other end says which. */
			assert_int_equal(
				zb_message_parse(frame, ((size_t)frame[6] << 8) + frame[7], &m, &fault),
				-EPROTO);
			assert_int_equal(fault.cause, ZB_CAUSE_MISSING_ATTRIBUTE);
			assert_int_equal(fault.attribute, attr);
		}
	}
	assert_true(musts > 30);
}

/* A raw frame: header and one attribute. */
static size_t raw(uint8_t *frame, unsigned type, unsigned flags, unsigned code, const void *value,
		  size_t length)
{
	struct wire_writer w = wire_writer(frame, SAMPLE_MAX);

	wire_write(&w, ZB_VERSION, 1);
	wire_write(&w, type, 1);
	wire_write(&w, flags, 2);
	wire_write(&w, ZB_HEADER_LEN + ZB_ATTR_HEADER_LEN + length, 4);
	wire_write(&w, 7, 4);
	wire_write(&w, code, 2);
	wire_write(&w, length, 2);
	wire_write_octets(&w, value, length);
	assert_false(w.failed);
	return w.used;
}

/* Some message and direction that has the attribute at its top level. */
static bool find_scope(unsigned attr, enum zb_message *ret_type, unsigned *ret_flags)
{
	struct zb_scope scope;

	for (unsigned i = 0; sample_next(&i, ret_type, ret_flags);)
		if (zb_scope_of_message(*ret_type, *ret_flags, &scope) &&
		    zb_scope_use(&scope, attr) != ZB_USE_NONE)
			return true;
	return false;
}

static unsigned cause_of(unsigned attr)
{
	return attr >= ZB_ATTR_PORT_UC && attr <= ZB_ATTR_PORT_PS ? ZB_CAUSE_BAD_PORT
	       : attr >= ZB_ATTR_SPI_UC && attr <= ZB_ATTR_SPI_PS ? ZB_CAUSE_BAD_SPI
								  : ZB_CAUSE_BAD_VALUE;
}

static void expect_bad_value(unsigned attr, const void *value, size_t length)
{
	uint8_t frame[SAMPLE_MAX];
	enum zb_message type;
	unsigned flags;

	if (!find_scope(attr, &type, &flags))
		return; /* of groups only: tested with the message that has the group */
	size_t size = raw(frame, type, flags, attr, value, length);
	assert_int_equal(parse_exact(frame, size), -EPROTO);
	assert_int_equal(fault.cause, cause_of(attr));
	assert_int_equal(fault.attribute, attr);
}

static void test_wrong_lengths_of_every_attribute(void **state)
{
	static const uint8_t octets[SAMPLE_MAX] = {[0 ... SAMPLE_MAX - 1] = 'x'};

	(void)state;
	for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++) {
		const struct zb_attr_row *row = zb_attr_row(attr);
		unsigned width = zb_type_width(row->type);
		if (width != 0) {
			for (size_t length = 0; length <= 9; length++)
				if (length != width)
					expect_bad_value(attr, octets, length);
		} else if (row->type == ZB_TYPE_ADDR) {
			for (size_t length = 0; length <= 17; length++)
				if (length != 4 && length != 16)
					expect_bad_value(attr, octets, length);
		} else if (row->type != ZB_TYPE_NONE) {
			expect_bad_value(attr, octets, row->max + 1);
			if (row->min > 0)
				expect_bad_value(attr, octets, row->min - 1);
		}
	}
}

static void test_numbers_out_of_bounds(void **state)
{
	uint8_t octets[8];

	(void)state;
	for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++) {
		const struct zb_attr_row *row = zb_attr_row(attr);
		unsigned width = zb_type_width(row->type);
		uint64_t most = width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1;
		const uint64_t bad[2] = {row->min - 1, row->max + 1};
		for (unsigned i = 0; width != 0 && i < 2; i++) {
			if (i == 0 ? row->min == 0 : row->max == most)
				continue;
			struct wire_writer w = wire_writer(octets, sizeof(octets));
			wire_write(&w, bad[i], width);
			expect_bad_value(attr, octets, width);
		}
	}
}

static void test_strings_are_text(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
		bool good;
	} cases[] = {
		{"a", 1, true},
		{"\xc3\xa4", 2, true},
		{"\xe2\x82\xac", 3, true},
		{"\xf0\x9f\x98\x80", 4, true},
		{"\xf4\x8f\xbf\xbf", 4, true},
		{"a\0b", 3, false},
		{"a\n", 2, false},
		{"\x1b[2J", 4, false},
		{"\x7f", 1, false},
		{"\xc2\x9b", 2, false},		/* U+009B: a terminal's control sequence */
		{"\x80", 1, false},		/* a continuation alone */
		{"\xc3", 1, false},		/* cut short */
		{"\xe2\x82", 2, false},		/* cut short */
		{"\xc0\xaf", 2, false},		/* overlong */
		{"\xe0\x80\xaf", 3, false},	/* overlong */
		{"\xf0\x80\x80\xaf", 4, false}, /* overlong */
		{"\xed\xa0\x80", 3, false},	/* a surrogate */
		{"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
		{"\xff", 1, false},
		{"\xc3(", 2, false},
	};
	uint8_t frame[SAMPLE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size =
			raw(frame, ZB_MSG_QUERY, 0, ZB_ATTR_SUBSCRIBER, cases[i].octets, cases[i].length);
		assert_int_equal(parse_exact(frame, size) == 0, cases[i].good);
	}
}

static void test_unknown_attributes(void **state)
{
	/* 0 and ZB_ATTR_SLOTS are none; EXPIRES is one, but not in QUERY */
	static const unsigned unknown[] = {0, ZB_ATTR_SLOTS, 0x7fff, ZB_ATTR_EXPIRES};
	uint8_t frame[SAMPLE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		size_t size = raw(frame, ZB_MSG_QUERY, 0, unknown[i], "abc", 3);
		assert_int_equal(parse_exact(frame, size), 0);
		size = raw(frame, ZB_MSG_QUERY, 0, unknown[i] | ZB_MANDATORY, "abc", 3);
		assert_int_equal(parse_exact(frame, size), -EPROTO);
		assert_int_equal(fault.cause, ZB_CAUSE_UNKNOWN_ATTRIBUTE);
		assert_int_equal(fault.attribute, unknown[i]);
	}
}

/* They are not judged, so there may be anything in them. */
static void test_a_group_of_another_message_is_not_read(void **state)
{
	static const uint8_t cut[] = {0, ZB_ATTR_STAT_NAME, 0, 9, 'a'};
	uint8_t frame[SAMPLE_MAX];
	struct zb_attrs group;
	size_t position = 0;

	(void)state;
	size_t size = raw(frame, ZB_MSG_QUERY, 0, ZB_ATTR_STAT, cut, sizeof(cut));
	assert_int_equal(parse_exact(frame, size), 0);
	assert_false(zb_group_next(&m.attrs, ZB_ATTR_STAT, &position, &group));
}

static void test_duplicates_are_refused_and_groups_repeat(void **state)
{
	uint8_t frame[SAMPLE_MAX];
	size_t size = raw(frame, ZB_MSG_QUERY, 0, ZB_ATTR_LIMIT, "\0\1", 2);

	(void)state;
	memcpy(frame + size, frame + ZB_HEADER_LEN, size - ZB_HEADER_LEN);
	size += size - ZB_HEADER_LEN;
	set_length(frame, size);
	assert_int_equal(parse_exact(frame, size), -EPROTO);
	assert_int_equal(fault.cause, ZB_CAUSE_DUPLICATE_ATTRIBUTE);
	assert_int_equal(fault.attribute, ZB_ATTR_LIMIT);

	int length = sample_frame(frame, ZB_MSG_QUERY, ZB_FLAG_ANSWER, 0, 0);
	assert_int_equal(zb_message_parse(frame, (size_t)length, &m, &fault), 0);
	struct zb_attrs group, inner;
	size_t position = 0, sets = 0, sas = 0;
	while (zb_group_next(&m.attrs, ZB_ATTR_SET, &position, &group)) {
		size_t at = 0;
		for (sets++; zb_group_next(&group, ZB_ATTR_SA, &at, &inner); sas++)
			;
	}
	assert_int_equal(sets, 2);
	assert_int_equal(sas, 4);
}

static void test_faults_in_groups_are_found(void **state)
{
	uint8_t frame[SAMPLE_MAX];
	static const uint8_t cut[] = {0, ZB_ATTR_STAT_NAME, 0, 9, 'a'};
	static const uint8_t nameless[] = {0, ZB_ATTR_STAT_VALUE, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1};

	(void)state;
	size_t size = raw(frame, ZB_MSG_COUNTERS, ZB_FLAG_ANSWER, ZB_ATTR_STAT, cut, sizeof(cut));
	assert_int_equal(parse_exact(frame, size), -EPROTO);
	assert_int_equal(fault.cause, ZB_CAUSE_MALFORMED);
	size = raw(frame, ZB_MSG_COUNTERS, ZB_FLAG_ANSWER, ZB_ATTR_STAT, nameless, sizeof(nameless));
	assert_int_equal(parse_exact(frame, size), -EPROTO);
	assert_int_equal(fault.cause, ZB_CAUSE_MISSING_ATTRIBUTE);
	assert_int_equal(fault.attribute, ZB_ATTR_STAT_NAME);
}

static void test_headers(void **state)
{
	static const struct {
		uint8_t octets[ZB_HEADER_LEN];
		unsigned cause;
	} cases[] = {
		{{1, ZB_MSG_HEARTBEAT, 0, 0, 0, 0, 0, 12}, ZB_CAUSE_DONE},
		{{0, ZB_MSG_HEARTBEAT, 0, 0, 0, 0, 0, 12}, ZB_CAUSE_BAD_VERSION},
		{{2, ZB_MSG_HEARTBEAT, 0, 0, 0, 0, 0, 12}, ZB_CAUSE_BAD_VERSION},
		{{1, ZB_MSG_HEARTBEAT, 0, 0, 0, 0, 0, 11}, ZB_CAUSE_MALFORMED},
		{{1, ZB_MSG_HEARTBEAT, 0, 0, 0, 0, 0, 13}, ZB_CAUSE_MALFORMED},
		{{1, ZB_MSG_HEARTBEAT, 0, 3, 0, 0, 0, 12}, ZB_CAUSE_MALFORMED},
		{{1, ZB_MSG_HEARTBEAT, 0, 4, 0, 0, 0, 12}, ZB_CAUSE_MALFORMED},
		{{1, ZB_MSG_HEARTBEAT, 0, 2, 0, 0, 0, 12}, ZB_CAUSE_UNKNOWN_MESSAGE},
		{{1, ZB_MSG_GAP, 0, 0, 0, 0, 0, 12}, ZB_CAUSE_UNKNOWN_MESSAGE},
		{{1, ZB_MSG_GAP, 0, 2, 0, 0, 0, 12}, ZB_CAUSE_DONE},
		{{1, 0, 0, 0, 0, 0, 0, 12}, ZB_CAUSE_UNKNOWN_MESSAGE},
		{{1, 255, 0, 0, 0, 0, 0, 12}, ZB_CAUSE_UNKNOWN_MESSAGE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fault.cause = ZB_CAUSE_DONE;
		int r = parse_exact(cases[i].octets, ZB_HEADER_LEN);
		assert_int_equal(fault.cause, cases[i].cause);
		assert_int_equal(r, cases[i].cause == ZB_CAUSE_DONE ? 0 : -EPROTO);
	}
}

static void test_the_encoder_refuses_what_the_decoder_would(void **state)
{
	uint8_t buffer[256];
	struct zb_frame f;

	(void)state;
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_SUBSCRIBE, 0, 1);
	zb_put_number(&f, ZB_ATTR_EVENTS, UINT64_C(1) << 32);
	assert_int_equal(zb_frame_finish(&f), -EINVAL);
	assert_int_equal(f.error_attr, ZB_ATTR_EVENTS);
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_SUBSCRIBE, 0, 1);
	zb_put_string(&f, ZB_ATTR_EVENTS, "1");
	assert_int_equal(zb_frame_finish(&f), -EINVAL);
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_SUBSCRIBE, 0, 1);
	zb_put_number(&f, ZB_ATTR_EVENTS, 1);
	zb_put_number(&f, ZB_ATTR_EXPIRES, 1); /* not of this message */
	assert_int_equal(zb_frame_finish(&f), -EINVAL);
	zb_frame_begin(&f, buffer, ZB_HEADER_LEN + 3, ZB_MSG_SUBSCRIBE, 0, 1);
	zb_put_number(&f, ZB_ATTR_EVENTS, 1);
	assert_int_equal(zb_frame_finish(&f), -EMSGSIZE);
	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_QUERY, ZB_FLAG_ANSWER, 1);
	zb_put_number(&f, ZB_ATTR_CAUSE, 0);
	zb_group_begin(&f, ZB_ATTR_SET);
	assert_int_equal(zb_frame_finish(&f), -EINVAL); /* a group is open */
}

static void test_refusals(void **state)
{
	struct zb_header request = {.type = 200, .txn = 5}; /* no such message */
	char text[300], got[256];
	uint8_t buffer[512];
	struct zb_frame f;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + 254, "\xc3\xa4", 2); /* the 255th octet begins a character that does not fit */
	text[299] = '\0';
	request.type = ZB_MSG_INSTALL;
	zb_answer_refuse(&f, buffer, sizeof(buffer), &request,
			 (struct zb_fault){.cause = ZB_CAUSE_PORT_IN_USE, .attribute = ZB_ATTR_PORT_UC},
			 text);
	int length = zb_frame_finish(&f);
	assert_int_equal(parse_exact(buffer, (size_t)length), 0);
	assert_int_equal(zb_message_parse(buffer, (size_t)length, &m, &fault), 0);
	assert_int_equal(zb_get_number(&m.attrs, ZB_ATTR_CAUSE, 0), ZB_CAUSE_PORT_IN_USE);
	assert_int_equal(zb_get_number(&m.attrs, ZB_ATTR_BAD_ATTRIBUTE, 0), ZB_ATTR_PORT_UC);
	zb_get_string(&m.attrs, ZB_ATTR_TEXT, got, sizeof(got));
	assert_int_equal(strlen(got), 254);
	request.type = 200;
	zb_answer_refuse(&f, buffer, sizeof(buffer), &request,
			 (struct zb_fault){.cause = ZB_CAUSE_UNKNOWN_MESSAGE}, NULL);
	assert_int_equal(zb_frame_finish(&f), ZB_HEADER_LEN + 6);
}

/* A row through an answer and back; static, so that the padding is zero and memory can be compared. */
#define THERE_AND_BACK(message, attribute, name, value)                                    \
	do {                                                                               \
		static struct zb_##name there, back;                                       \
		struct zb_header request = {.type = ZB_MSG_##message, .txn = 1};           \
		uint8_t buffer[SAMPLE_MAX];                                                \
		struct zb_attrs group;                                                     \
		struct zb_frame f;                                                         \
		size_t at = 0;                                                             \
		there = value;                                                             \
		zb_answer_begin(&f, buffer, sizeof(buffer), &request);                     \
		zb_put_##name(&f, &there);                                                 \
		int length = zb_frame_finish(&f);                                          \
		assert_true(length > 0);                                                   \
		assert_int_equal(zb_message_parse(buffer, (size_t)length, &m, &fault), 0); \
		assert_true(zb_group_next(&m.attrs, ZB_ATTR_##attribute, &at, &group));    \
		zb_get_##name(&group, &back);                                              \
		assert_memory_equal(&back, &there, sizeof(back));                          \
	} while (0)

static void test_a_set_goes_there_and_back(void **state)
{
	static struct zb_set set = {.set_id = 3,
				    .reference = 4,
				    .peer = "p",
				    .subscriber = "s",
				    .registration_id = "r",
				    .selectors = {.port_uc = 1,
						  .port_us = 2,
						  .port_pc = 3,
						  .port_ps = 4,
						  .spi_uc = 256,
						  .spi_us = 257,
						  .spi_pc = 258,
						  .spi_ps = 259},
				    .alg = 1,
				    .flags = 7,
				    .state = 2,
				    .first_used = 1,
				    .fingerprint = {1, 2, 3, 4, 5, 6, 7, 8},
				    .remaining_ms = 5,
				    .packets = {1, 2, 3, 4},
				    .octets = {10, 11, 12, 13},
				    .sequence = {20, 21, 22, 23},
				    .drops = {{.reason = 14, .count = 3}, {.reason = 15, .count = 1}},
				    .drop_count = 2};

	(void)state;
	bgf_addr_parse("2001:db8::2", &set.selectors.ue);
	bgf_addr_parse("2001:db8::1", &set.selectors.served);
	THERE_AND_BACK(INSTALL, SET, set, set);
}

static void test_other_rows_go_there_and_back(void **state)
{
	static const struct zb_port port = {.port = 1,
					    .access = 1,
					    .up = 1,
					    .mtu = 1500,
					    .neighbours = 2,
					    .routes = 3,
					    .mac = {1, 2, 3, 4, 5, 6},
					    .device = "net_tap0",
					    .tap = "bgf-acc",
					    .rx_packets = 1,
					    .tx_packets = 2,
					    .rx_missed = 3,
					    .rx_errors = 4,
					    .tx_errors = 5};
	static const struct zb_peer peer = {
		.name = "p", .instance_id = 9, .connections = 17, .sets = 3, .role = 2};
	static const struct zb_stat stat = {.port = UINT16_MAX, .worker = 1, .name = "icv", .value = 8};

	(void)state;
	THERE_AND_BACK(PORTS, PORT, port, port);
	THERE_AND_BACK(PEERS, PEER, peer, peer);
	THERE_AND_BACK(COUNTERS, STAT, stat, stat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_goes_there_and_back),
		cmocka_unit_test(test_every_cut_is_malformed_or_missing),
		cmocka_unit_test(test_every_must_is_needed),
		cmocka_unit_test(test_wrong_lengths_of_every_attribute),
		cmocka_unit_test(test_numbers_out_of_bounds),
		cmocka_unit_test(test_strings_are_text),
		cmocka_unit_test(test_unknown_attributes),
		cmocka_unit_test(test_a_group_of_another_message_is_not_read),
		cmocka_unit_test(test_duplicates_are_refused_and_groups_repeat),
		cmocka_unit_test(test_faults_in_groups_are_found),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_the_encoder_refuses_what_the_decoder_would),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_a_set_goes_there_and_back),
		cmocka_unit_test(test_other_rows_go_there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
