/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/codec.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "zb/table.h"

enum { LENGTH_AT = 4 /* of the header's length field */ };

/* --- what a value may be --- */

/* Well-formed UTF-8 (RFC 3629) without control characters, so that a string can go into a log or onto a
 * terminal as it is. */
static bool is_text(const uint8_t *s, size_t length)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

	for (size_t i = 0; i < length;) {
		uint8_t lead = s[i++];
		if (lead >= 0x20 && lead < 0x7f) /* nearly always */
			continue;
		unsigned more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
		uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);

		if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || more > length - i)
			return false;
		for (unsigned n = 0; n < more; n++, i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (s[i] & 0x3f);
		}
		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
		if (point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
	}
	return true;
}

static bool value_is_good(const struct zb_attr_row *row, const uint8_t *value, size_t length)
{
	unsigned width = zb_type_width(row->type);
	struct wire_reader r = wire_reader(value, length);

	if (width != 0) {
		uint64_t number = wire_read(&r, width);
		return length == width && number >= row->min && number <= row->max;
	}
	if (row->type == ZB_TYPE_ADDR)
		return length == 4 || length == 16;
	if (length < row->min || length > row->max)
		return false;
	return row->type != ZB_TYPE_STR || is_text(value, length);
}

/* Ports and SPIs have causes of their own, so that a P-CSCF needs no table to tell the UE what was wrong. */
static uint16_t cause_of_bad_value(unsigned attr)
{
	if (attr >= ZB_ATTR_PORT_UC && attr <= ZB_ATTR_PORT_PS)
		return ZB_CAUSE_BAD_PORT;
	if (attr >= ZB_ATTR_SPI_UC && attr <= ZB_ATTR_SPI_PS)
		return ZB_CAUSE_BAD_SPI;
	return ZB_CAUSE_BAD_VALUE;
}

/* --- encode --- */

static void frame_fail(struct zb_frame *f, unsigned attr)
{
	if (f->error != 0)
		return;
	f->error = -EINVAL;
	f->error_attr = (uint16_t)attr;
}

void zb_frame_begin(struct zb_frame *f, void *buffer, size_t room, enum zb_message type, uint16_t flags,
		    uint32_t txn)
{
	*f = (struct zb_frame){.w = wire_writer(buffer, room < ZB_FRAME_MAX ? room : ZB_FRAME_MAX)};
	f->mandatory = (flags & (ZB_FLAG_ANSWER | ZB_FLAG_EVENT)) != 0 ? 0 : ZB_MANDATORY;
	wire_write(&f->w, ZB_VERSION, 1);
	wire_write(&f->w, type, 1);
	wire_write(&f->w, flags, 2);
	wire_write(&f->w, 0, 4);
	wire_write(&f->w, txn, 4);
}

void zb_answer_begin(struct zb_frame *f, void *buffer, size_t room, const struct zb_header *request)
{
	zb_frame_begin(f, buffer, room, (enum zb_message)request->type, ZB_FLAG_ANSWER, request->txn);
	zb_put_number(f, ZB_ATTR_CAUSE, ZB_CAUSE_DONE);
}

/* How much of a text fits into TEXT without cutting a character. */
static size_t text_length(const char *text)
{
	size_t length = strnlen(text, 256);

	if (length < 256)
		return length;
	for (length = 255; length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80; length--)
		;
	return length;
}

/* The type may be one that does not exist, so nothing here asks the usage table. */
void zb_answer_refuse(struct zb_frame *f, void *buffer, size_t room, const struct zb_header *request,
		      struct zb_fault fault, const char *text)
{
	zb_frame_begin(f, buffer, room, (enum zb_message)request->type, ZB_FLAG_ANSWER, request->txn);
	f->refusal = true;
	wire_write(&f->w, ZB_ATTR_CAUSE, 2);
	wire_write(&f->w, 2, 2);
	wire_write(&f->w, fault.cause, 2);
	if (fault.attribute != 0) {
		wire_write(&f->w, ZB_ATTR_BAD_ATTRIBUTE, 2);
		wire_write(&f->w, 2, 2);
		wire_write(&f->w, fault.attribute, 2);
	}
	if (fault.retry_after_ms != 0) {
		wire_write(&f->w, ZB_ATTR_RETRY_AFTER, 2);
		wire_write(&f->w, 4, 2);
		wire_write(&f->w, fault.retry_after_ms, 4);
	}
	size_t length = text != NULL ? text_length(text) : 0;
	if (text != NULL && is_text((const uint8_t *)text, length)) {
		wire_write(&f->w, ZB_ATTR_TEXT, 2);
		wire_write(&f->w, length, 2);
		wire_write_octets(&f->w, text, length);
	}
}

/* Notes an attribute of the level that is being written. False: it came before and may not repeat. */
static bool frame_note(struct zb_frame *f, unsigned attr, enum zb_use use)
{
	bool again = f->seen[f->depth][attr] != 0;

	f->seen[f->depth][attr] = 1;
	return !again || use == ZB_USE_MANY;
}

static bool frame_scope(const struct zb_frame *f, struct zb_scope *ret)
{
	if (f->depth > 0) {
		*ret = zb_scope_of_group(f->group_attr[f->depth - 1]);
		return true;
	}
	return f->w.used >= ZB_HEADER_LEN &&
	       zb_scope_of_message(f->w.data[1], (unsigned)f->w.data[2] << 8 | f->w.data[3], ret);
}

static void put(struct zb_frame *f, enum zb_attribute attr, const void *value, size_t length)
{
	struct zb_scope scope;
	enum zb_use use = frame_scope(f, &scope) ? zb_scope_use(&scope, attr) : ZB_USE_NONE;

	if (use == ZB_USE_NONE || !value_is_good(zb_attr_row(attr), value, length) ||
	    !frame_note(f, attr, use)) {
		frame_fail(f, attr);
		return;
	}
	wire_write(&f->w, (uint16_t)attr | f->mandatory, 2);
	wire_write(&f->w, length, 2);
	wire_write_octets(&f->w, value, length);
}

void zb_put_number(struct zb_frame *f, enum zb_attribute attr, uint64_t value)
{
	uint8_t octets[8];
	struct wire_writer w = wire_writer(octets, sizeof(octets));
	unsigned width = zb_type_width(zb_attr_row(attr)->type);

	wire_write(&w, value, 8);
	if (width == 0 || (width < 8 && value >> (8 * width) != 0))
		frame_fail(f, attr);
	else
		put(f, attr, octets + 8 - width, width);
}

void zb_put_string(struct zb_frame *f, enum zb_attribute attr, const char *text)
{
	if (zb_attr_row(attr)->type != ZB_TYPE_STR)
		frame_fail(f, attr);
	else
		put(f, attr, text, strlen(text));
}

void zb_put_octets(struct zb_frame *f, enum zb_attribute attr, const void *octets, size_t length)
{
	if (zb_attr_row(attr)->type != ZB_TYPE_OCTETS)
		frame_fail(f, attr);
	else
		put(f, attr, octets, length);
}

void zb_put_addr(struct zb_frame *f, enum zb_attribute attr, const struct bgf_addr *addr)
{
	if (zb_attr_row(attr)->type != ZB_TYPE_ADDR)
		frame_fail(f, attr);
	else
		put(f, attr, addr->octet, bgf_addr_len(addr));
}

void zb_group_begin(struct zb_frame *f, enum zb_attribute attr)
{
	struct zb_scope scope;
	enum zb_use use = frame_scope(f, &scope) ? zb_scope_use(&scope, attr) : ZB_USE_NONE;

	if (f->depth == ZB_GROUP_DEPTH || zb_attr_row(attr)->type != ZB_TYPE_GROUP || use == ZB_USE_NONE ||
	    !frame_note(f, attr, use)) {
		frame_fail(f, attr);
		return;
	}
	wire_write(&f->w, (uint16_t)attr | f->mandatory, 2);
	wire_write(&f->w, 0, 2);
	f->group[f->depth] = f->w.used;
	f->group_attr[f->depth++] = (uint16_t)attr;
	memset(f->seen[f->depth], 0, sizeof(f->seen[0]));
}

/* The first attribute that a level must have and has not, or 0. */
static unsigned level_lacks(const struct zb_scope *scope, const uint8_t seen[static ZB_SCOPE_SLOTS])
{
	unsigned lacks = 0;

	for (unsigned attr = 0; attr < ZB_SCOPE_SLOTS; attr++) /* without a branch: some octets at a time */
		lacks |= (scope->use[attr] == ZB_USE_MUST) & (seen[attr] == 0);
	if (scope->answer && seen[ZB_ATTR_CAUSE] == 0)
		return ZB_ATTR_CAUSE;
	for (unsigned attr = 1; lacks != 0 && attr < ZB_ATTR_SLOTS; attr++)
		if (zb_scope_use(scope, attr) == ZB_USE_MUST && seen[attr] == 0)
			return attr;
	return 0;
}

void zb_group_end(struct zb_frame *f)
{
	if (f->depth == 0) {
		frame_fail(f, 0);
		return;
	}
	struct zb_scope scope = zb_scope_of_group(f->group_attr[f->depth - 1]);
	unsigned lacks = level_lacks(&scope, f->seen[f->depth]);
	f->depth--;
	if (lacks != 0)
		frame_fail(f, lacks);
	if (f->w.failed)
		return;
	size_t length = f->w.used - f->group[f->depth];
	if (length > zb_attr_row(f->group_attr[f->depth])->max)
		frame_fail(f, f->group_attr[f->depth]);
	else
		wire_patch(&f->w, f->group[f->depth] - 2, length, 2);
}

size_t zb_frame_room(const struct zb_frame *f)
{
	return f->w.failed ? 0 : f->w.room - f->w.used;
}

int zb_frame_finish(struct zb_frame *f)
{
	struct zb_scope scope;
	unsigned lacks = 0;

	if (f->depth != 0)
		frame_fail(f, f->group_attr[f->depth - 1]);
	else if (!f->refusal && frame_scope(f, &scope))
		lacks = level_lacks(&scope, f->seen[0]);
	if (f->error != 0)
		return f->error;
	wire_patch(&f->w, LENGTH_AT, f->w.used, 4);
	if (f->w.failed)
		return f->error = -EMSGSIZE;
	if (lacks != 0)
		frame_fail(f, lacks);
	return f->error != 0 ? f->error : (int)f->w.used;
}

/* --- decode --- */

void zb_header_decode(const uint8_t data[static ZB_HEADER_LEN], struct zb_header *ret_header)
{
	struct wire_reader r = wire_reader(data, ZB_HEADER_LEN);

	ret_header->version = (uint8_t)wire_read(&r, 1);
	ret_header->type = (uint8_t)wire_read(&r, 1);
	ret_header->flags = (uint16_t)wire_read(&r, 2);
	ret_header->length = (uint32_t)wire_read(&r, 4);
	ret_header->txn = (uint32_t)wire_read(&r, 4);
}

static int refuse(struct zb_fault *ret_fault, unsigned cause, unsigned attribute)
{
	*ret_fault = (struct zb_fault){.cause = (uint16_t)cause, .attribute = (uint16_t)attribute};
	return -EPROTO;
}

static int check_level(struct zb_scope scope, const uint8_t *data, size_t length, struct zb_attrs *ret,
		       struct zb_fault *ret_fault);

/* One attribute of a level, whose code and value are in bounds of the frame. */
static int check_attr(const struct zb_scope *scope, unsigned code, const uint8_t *value, size_t length,
		      uint8_t seen[static ZB_SCOPE_SLOTS], struct zb_fault *ret_fault)
{
	unsigned attr = code & ~(unsigned)ZB_MANDATORY;
	enum zb_use use = zb_scope_use(scope, attr);
	const struct zb_attr_row *row = zb_attr_row(attr);

	if (use == ZB_USE_NONE)
		return code & ZB_MANDATORY ? refuse(ret_fault, ZB_CAUSE_UNKNOWN_ATTRIBUTE, attr) : 0;
	if (seen[attr] != 0 && use != ZB_USE_MANY)
		return refuse(ret_fault, ZB_CAUSE_DUPLICATE_ATTRIBUTE, attr);
	if (!value_is_good(row, value, length))
		return refuse(ret_fault, cause_of_bad_value(attr), attr);
	if (row->type == ZB_TYPE_GROUP &&
	    check_level(zb_scope_of_group(attr), value, length, NULL, ret_fault) < 0)
		return -EPROTO;
	seen[attr] = 1;
	return 0;
}

static bool is_refusal(const struct zb_scope *scope, const struct zb_attrs *attrs)
{
	return scope->answer && attrs != NULL &&
	       zb_get_number(attrs, ZB_ATTR_CAUSE, ZB_CAUSE_DONE) != ZB_CAUSE_DONE;
}

static void note_attr(struct zb_attrs *attrs, const struct zb_scope *scope, unsigned code,
		      const uint8_t *value, size_t length)
{
	unsigned attr = code & ~(unsigned)ZB_MANDATORY;

	if (zb_scope_use(scope, attr) == ZB_USE_NONE || attrs->at[attr].value != NULL)
		return;
	attrs->at[attr].value = value;
	attrs->at[attr].length = (uint16_t)length;
}

/* `ret` is NULL for what is only judged: a group is read when it is asked for (zb_group_next). Groups hold
 * groups only as the usage table says, which ends at ZB_GROUP_DEPTH: the recursion is bounded. */
static int check_level(struct zb_scope scope, const uint8_t *data, size_t length, struct zb_attrs *ret,
		       struct zb_fault *ret_fault)
{
	struct wire_reader r = wire_reader(data, length);
	uint8_t seen[ZB_SCOPE_SLOTS] = {0};

	if (ret != NULL)
		*ret = (struct zb_attrs){.data = data, .length = length};
	while (r.left > 0) {
		unsigned code = (unsigned)wire_read(&r, 2);
		size_t value_length = wire_read(&r, 2);
		const uint8_t *value = wire_read_octets(&r, value_length);

		if (r.failed)
			return refuse(ret_fault, ZB_CAUSE_MALFORMED, 0);
		if (check_attr(&scope, code, value, value_length, seen, ret_fault) < 0)
			return -EPROTO;
		if (ret != NULL)
			note_attr(ret, &scope, code, value, value_length);
	}
	unsigned lacks = level_lacks(&scope, seen);
	if (lacks != 0 && !is_refusal(&scope, ret))
		return refuse(ret_fault, ZB_CAUSE_MISSING_ATTRIBUTE, lacks);
	return 0;
}

int zb_message_parse(const void *frame, size_t length, struct zb_message_in *ret, struct zb_fault *ret_fault)
{
	const uint8_t *data = frame;
	struct zb_scope scope;

	memset(ret, 0, sizeof(*ret));
	if (length < ZB_HEADER_LEN)
		return refuse(ret_fault, ZB_CAUSE_MALFORMED, 0);
	zb_header_decode(data, &ret->header);
	if (ret->header.version != ZB_VERSION)
		return refuse(ret_fault, ZB_CAUSE_BAD_VERSION, 0);
	if (ret->header.length != length || length > ZB_FRAME_MAX ||
	    (ret->header.flags & ~(ZB_FLAG_ANSWER | ZB_FLAG_EVENT)) != 0 ||
	    ret->header.flags == (ZB_FLAG_ANSWER | ZB_FLAG_EVENT))
		return refuse(ret_fault, ZB_CAUSE_MALFORMED, 0);
	if (!zb_scope_of_message(ret->header.type, ret->header.flags, &scope))
		return refuse(ret_fault, ZB_CAUSE_UNKNOWN_MESSAGE, 0);
	return check_level(scope, data + ZB_HEADER_LEN, length - ZB_HEADER_LEN, &ret->attrs, ret_fault);
}

bool zb_has(const struct zb_attrs *attrs, enum zb_attribute attr)
{
	return attrs->at[attr].value != NULL;
}

uint64_t zb_get_number(const struct zb_attrs *attrs, enum zb_attribute attr, uint64_t otherwise)
{
	struct wire_reader r = wire_reader(attrs->at[attr].value, attrs->at[attr].length);

	assert(zb_type_width(zb_attr_row(attr)->type) != 0);
	return zb_has(attrs, attr) ? wire_read(&r, attrs->at[attr].length) : otherwise;
}

void zb_get_string(const struct zb_attrs *attrs, enum zb_attribute attr, char *ret, size_t room)
{
	size_t length = attrs->at[attr].length;

	assert(zb_attr_row(attr)->type == ZB_TYPE_STR && room > zb_attr_row(attr)->max);
	if (length > 0)
		memcpy(ret, attrs->at[attr].value, length);
	memset(ret + length, 0, room - length);
}

void zb_get_octets(const struct zb_attrs *attrs, enum zb_attribute attr, void *ret, size_t length)
{
	assert(zb_attr_row(attr)->min == length && zb_attr_row(attr)->max == length);
	if (zb_has(attrs, attr))
		memcpy(ret, attrs->at[attr].value, length);
	else
		memset(ret, 0, length);
}

void zb_get_addr(const struct zb_attrs *attrs, enum zb_attribute attr, struct bgf_addr *ret)
{
	if (bgf_addr_from_octets(attrs->at[attr].value, (uint8_t)attrs->at[attr].length, ret) < 0)
		memset(ret, 0, sizeof(*ret));
}

/* The attributes of a group that was judged with its message. */
static void read_level(struct zb_scope scope, const uint8_t *data, size_t length, struct zb_attrs *ret)
{
	struct wire_reader r = wire_reader(data, length);

	*ret = (struct zb_attrs){.data = data, .length = length};
	while (r.left > 0) {
		unsigned code = (unsigned)wire_read(&r, 2);
		size_t value_length = wire_read(&r, 2);
		const uint8_t *value = wire_read_octets(&r, value_length);

		if (r.failed)
			return;
		note_attr(ret, &scope, code, value, value_length);
	}
}

bool zb_group_next(const struct zb_attrs *attrs, enum zb_attribute attr, size_t *position,
		   struct zb_attrs *ret)
{
	struct wire_reader r = wire_reader(attrs->data + *position, attrs->length - *position);

	/* What a message of this kind does not have was passed over unjudged: there may be anything in it. */
	if (!zb_has(attrs, attr))
		return false;
	while (r.left > 0 && !r.failed) {
		unsigned code = (unsigned)wire_read(&r, 2) & ~(unsigned)ZB_MANDATORY;
		size_t length = wire_read(&r, 2);
		const uint8_t *value = wire_read_octets(&r, length);

		*position = attrs->length - r.left;
		if (value != NULL && code == (unsigned)attr) {
			read_level(zb_scope_of_group(attr), value, length, ret);
			return true;
		}
	}
	return false;
}
