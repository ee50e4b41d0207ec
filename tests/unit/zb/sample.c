/* SPDX-License-Identifier: BSD-3-Clause */
#include "sample.h"

#include <string.h>

static uint64_t pick(uint64_t least, uint64_t most, unsigned which)
{
	return which == 0 ? least : which == 1 ? most : least + (most - least) / 2;
}

static void put_length(struct zb_frame *f, enum zb_attribute attr, const struct zb_attr_row *row,
		       unsigned which)
{
	static char text[UINT16_MAX + 1];
	size_t length = (size_t)pick(row->min, row->max, which);

	memset(text, 'a', length);
	text[length] = '\0';
	if (row->type == ZB_TYPE_STR)
		zb_put_string(f, attr, text);
	else
		zb_put_octets(f, attr, text, length);
}

static void put_scope(struct zb_frame *f, const struct zb_scope *scope, unsigned which, unsigned skip)
{
	for (unsigned attr = 1; attr < ZB_ATTR_SLOTS; attr++) {
		enum zb_use use = zb_scope_use(scope, attr);
		bool refusal_only = scope->answer && (attr == ZB_ATTR_CAUSE);
		if (use == ZB_USE_NONE || attr == skip || refusal_only)
			continue;
		sample_put(f, (enum zb_attribute)attr, which);
		if (use == ZB_USE_MANY)
			sample_put(f, (enum zb_attribute)attr, which);
	}
}

void sample_put(struct zb_frame *f, enum zb_attribute attr, unsigned which)
{
	const struct zb_attr_row *row = zb_attr_row(attr);
	struct bgf_addr addr;

	if (zb_type_width(row->type) != 0) {
		zb_put_number(f, attr, pick(row->min, row->max, which));
	} else if (row->type == ZB_TYPE_ADDR) {
		bgf_addr_parse(which == 0 ? "192.0.2.1" : "2001:db8::1", &addr);
		zb_put_addr(f, attr, &addr);
	} else if (row->type == ZB_TYPE_GROUP) {
		struct zb_scope scope = zb_scope_of_group(attr);
		zb_group_begin(f, attr);
		put_scope(f, &scope, which, 0);
		zb_group_end(f);
	} else {
		put_length(f, attr, row, which);
	}
}

int sample_frame(uint8_t buffer[static SAMPLE_MAX], enum zb_message type, unsigned flags, unsigned which,
		 unsigned skip)
{
	struct zb_header request = {.type = (uint8_t)type, .txn = 99};
	struct zb_scope scope;
	struct zb_frame f;

	if (!zb_scope_of_message(type, flags, &scope))
		return -1;
	if (flags == ZB_FLAG_ANSWER)
		zb_answer_begin(&f, buffer, SAMPLE_MAX, &request);
	else
		zb_frame_begin(&f, buffer, SAMPLE_MAX, type, (uint16_t)flags, 99);
	put_scope(&f, &scope, which, skip);
	return zb_frame_finish(&f);
}

bool sample_next(unsigned *index, enum zb_message *ret_type, unsigned *ret_flags)
{
	static const unsigned flags[] = {0, ZB_FLAG_ANSWER, ZB_FLAG_EVENT};
	struct zb_scope scope;

	while (*index < 256 * 3) {
		unsigned i = (*index)++;
		if (!zb_scope_of_message(i / 3, flags[i % 3], &scope))
			continue;
		*ret_type = (enum zb_message)(i / 3);
		*ret_flags = flags[i % 3];
		return true;
	}
	return false;
}
