/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames out of a byte stream: in any pieces, within bounds, and nothing of them left behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "sample.h"
#include "zb/frame.h"

static struct zb_header header;
static struct zb_fault fault;
static const uint8_t *frame;

static void add(struct zb_stream *s, const uint8_t *data, size_t length)
{
	while (length > 0) {
		size_t room;
		uint8_t *to = zb_stream_room(s, &room);
		assert_non_null(to);
		room = room < length ? room : length;
		memcpy(to, data, room);
		zb_stream_add(s, room);
		data += room;
		length -= room;
	}
}

static void test_octet_by_octet(void **state)
{
	uint8_t data[SAMPLE_MAX];
	struct zb_stream s = {0};
	int length = sample_frame(data, ZB_MSG_INSTALL, 0, 1, 0);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < length; i++) {
			assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 0);
			assert_int_equal(zb_stream_is_partial(&s), i > 0);
			add(&s, data + i, 1);
		}
		assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 1);
		assert_int_equal(header.length, length);
		assert_memory_equal(frame, data, (size_t)length);
		assert_false(zb_stream_is_partial(&s));
	}
	zb_stream_clear(&s);
}

static void test_many_at_once(void **state)
{
	uint8_t data[SAMPLE_MAX], all[3 * SAMPLE_MAX];
	struct zb_stream s = {0};
	size_t length = (size_t)sample_frame(data, ZB_MSG_CONFIRM, 0, 2, 0);
	size_t count = 50, frames = 0;

	(void)state;
	for (size_t i = 0; i < count; i++)
		memcpy(all + i * length, data, length);
	add(&s, all, count * length - 1);
	for (; zb_stream_next(&s, &frame, &header, &fault) == 1; frames++)
		assert_memory_equal(frame, data, length);
	assert_int_equal(frames, count - 1);
	add(&s, all + count * length - 1, 1);
	assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 1);
	assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 0);
	zb_stream_clear(&s);
}

static void test_the_largest_frame(void **state)
{
	static uint8_t data[ZB_FRAME_MAX] = {ZB_VERSION, ZB_MSG_HEARTBEAT, 0, 0, 0, 1, 0, 0};
	struct zb_stream s = {0};

	(void)state;
	memset(data + ZB_HEADER_LEN, 0x5a, sizeof(data) - ZB_HEADER_LEN);
	add(&s, data, sizeof(data));
	assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 1);
	assert_int_equal(header.length, ZB_FRAME_MAX);
	assert_memory_equal(frame, data, sizeof(data));
	zb_stream_clear(&s);
}

static void test_what_is_no_frame(void **state)
{
	static const struct {
		uint8_t octets[ZB_HEADER_LEN];
		unsigned cause;
	} cases[] = {
		{{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}, ZB_CAUSE_MALFORMED},
		{{1, 1, 0, 0, 0, 0, 0, 11, 0, 0, 0, 5}, ZB_CAUSE_MALFORMED},
		{{1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 5}, ZB_CAUSE_MALFORMED},
		{{1, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5}, ZB_CAUSE_MALFORMED},
		{{7, 1, 0, 0, 0, 0, 0, 12, 0, 0, 0, 5}, ZB_CAUSE_BAD_VERSION},
		{"GET / HTTP/", ZB_CAUSE_BAD_VERSION},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zb_stream s = {0};
		add(&s, cases[i].octets, ZB_HEADER_LEN - 1);
		assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 0);
		add(&s, cases[i].octets + ZB_HEADER_LEN - 1, 1);
		assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), -EPROTO);
		assert_int_equal(fault.cause, cases[i].cause);
		if (i < 5) {
			assert_int_equal(header.type, 1); /* for the answer */
			assert_int_equal(header.txn, 5);
		}
		zb_stream_clear(&s);
	}
}

static bool holds(const struct zb_stream *s, uint8_t octet)
{
	return memchr(s->data, octet, s->size) != NULL;
}

static void test_keys_do_not_stay_behind(void **state)
{
	uint8_t data[ZB_HEADER_LEN + 20] = {ZB_VERSION, ZB_MSG_INSTALL, 0, 0, 0, 0, 0, sizeof(data)};
	struct zb_stream s = {0};

	(void)state;
	memset(data + ZB_HEADER_LEN, 0xa7, 20);
	/* Malloc leaves what it likes in the buffer. */
	size_t room;
	uint8_t *to = zb_stream_room(&s, &room);
	memset(to, 0, room);
	add(&s, data, sizeof(data));
	add(&s, data, 5);
	assert_true(holds(&s, 0xa7));
	assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 1);
	assert_int_equal(zb_stream_next(&s, &frame, &header, &fault), 0);
	assert_false(holds(&s, 0xa7));
	/* The half frame moves to the front; no copy stays where it was. */
	add(&s, data + 5, ZB_HEADER_LEN + 3 - 5);
	zb_stream_room(&s, &room);
	assert_int_equal(s.start, 0);
	assert_null(memchr(s.data + s.used, 0xa7, s.size - s.used));
	zb_stream_clear(&s);
	assert_null(s.data);
}

static void test_a_full_buffer_has_no_room(void **state)
{
	static const uint8_t beat[ZB_HEADER_LEN] = {ZB_VERSION, ZB_MSG_HEARTBEAT, 0, 0, 0, 0, 0, 12};
	struct zb_stream s = {0};
	size_t room;

	(void)state;
	while (zb_stream_room(&s, &room) != NULL) {
		add(&s, beat, room < sizeof(beat) ? room : sizeof(beat));
		assert_true(s.used <= 16384); /* reads that fill it make it larger, up to that */
	}
	assert_int_equal(s.used, 16384);
	while (zb_stream_next(&s, &frame, &header, &fault) == 1)
		;
	assert_non_null(zb_stream_room(&s, &room));
	assert_true(room > 4000);
	zb_stream_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octet_by_octet),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_the_largest_frame),
		cmocka_unit_test(test_what_is_no_frame),
		cmocka_unit_test(test_keys_do_not_stay_behind),
		cmocka_unit_test(test_a_full_buffer_has_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
