/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whatever octets come over Zb: they go through the framing in pieces (the first octet says how large), and
 * every frame through the decoder and the getters. What parses must also be what the encoder makes again of
 * it, where it is a record.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "zb/frame.h"
#include "zb/records.h"
#include "zb/table.h"

static void read_records(const struct zb_attrs *attrs)
{
	struct zb_attrs group;
	struct zb_set set;
	struct zb_stat stat;
	struct zb_port port;
	struct zb_peer peer;

	for (size_t at = 0; zb_group_next(attrs, ZB_ATTR_SET, &at, &group);) {
		zb_get_set(&group, &set);
		assert(set.set_id != 0 && set.drop_count <= ZB_SET_DROPS);
		assert(strlen(set.subscriber) >= 1 && strlen(set.subscriber) <= BGF_SUBSCRIBER_MAX);
	}
	for (size_t at = 0; zb_group_next(attrs, ZB_ATTR_STAT, &at, &group);)
		zb_get_stat(&group, &stat);
	for (size_t at = 0; zb_group_next(attrs, ZB_ATTR_PORT, &at, &group);)
		zb_get_port(&group, &port);
	for (size_t at = 0; zb_group_next(attrs, ZB_ATTR_PEER, &at, &group);)
		zb_get_peer(&group, &peer);
}

/* Each attribute that came is in its bounds. */
static void check_attributes(const struct zb_attrs *attrs)
{
	for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++) {
		const struct zb_attr_row *row = zb_attr_row(attr);
		if (!zb_has(attrs, (enum zb_attribute)attr) || zb_type_width(row->type) == 0)
			continue;
		uint64_t number = zb_get_number(attrs, (enum zb_attribute)attr, 0);
		assert(number >= row->min && number <= row->max);
	}
}

static void on_frame(const uint8_t *frame, size_t length)
{
	struct zb_message_in m;
	struct zb_fault fault = {0};
	uint8_t buffer[512];
	struct zb_frame answer;

	if (zb_message_parse(frame, length, &m, &fault) == 0) {
		check_attributes(&m.attrs);
		read_records(&m.attrs);
		return;
	}
	assert(fault.cause != ZB_CAUSE_DONE);
	zb_answer_refuse(&answer, buffer, sizeof(buffer), &m.header, fault, zb_cause_text(fault.cause));
	int r = zb_frame_finish(&answer);
	assert(r > ZB_HEADER_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zb_stream s = {0};
	struct zb_header header;
	struct zb_fault fault;
	const uint8_t *frame;
	size_t piece = size > 0 ? (size_t)data[0] + 1 : 1, at = size > 0;
	int r = 0;

	while (r == 0 && at < size) {
		size_t room;
		void *to = zb_stream_room(&s, &room);
		assert(to != NULL);
		size_t n = size - at < piece ? size - at : piece;
		n = n < room ? n : room;
		memcpy(to, data + at, n);
		zb_stream_add(&s, n);
		at += n;
		while ((r = zb_stream_next(&s, &frame, &header, &fault)) == 1)
			on_frame(frame, header.length);
	}
	zb_stream_clear(&s);
	return 0;
}
