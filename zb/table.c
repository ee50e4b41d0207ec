/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/table.h"

#include <assert.h>

#include "bgf_drop.h"
#include "zb.h"

#define OPEN   false
#define SECRET true
const struct zb_attr_row zb_attr_rows[ZB_ATTR_SLOTS] = {
#define ROW(attr, number, kind, least, most, secrecy, sentence) \
	[number] = {.type = ZB_TYPE_##kind,                     \
		    .secret = secrecy,                          \
		    .min = least,                               \
		    .max = most,                                \
		    .name = #attr,                              \
		    .text = sentence},
	ZB_ATTR_LIST(ROW)
#undef ROW
};
#undef OPEN
#undef SECRET

#define NUMBER_FITS(attr, number, type, min, max, secrecy, text) \
	static_assert((number) < ZB_ATTR_SLOTS, "ZB_ATTR_SLOTS counts every attribute");
ZB_ATTR_LIST(NUMBER_FITS)

enum { MESSAGE_SLOTS = ZB_MSG_OVERLOAD + 1 };

static const uint8_t message_use[MESSAGE_SLOTS][ZB_DIR_COUNT][ZB_SCOPE_SLOTS] = {
#define ROW(message, direction, attr, use) \
	[ZB_MSG_##message][ZB_DIR_##direction][ZB_ATTR_##attr] = ZB_USE_##use,
	ZB_USAGE_LIST(ROW)
#undef ROW
};

const uint8_t zb_answer_use[ZB_SCOPE_SLOTS] = {
#define ROW(attr, use) [ZB_ATTR_##attr] = ZB_USE_##use,
	ZB_ANSWER_USAGE_LIST(ROW)
#undef ROW
};

static const uint8_t group_use[ZB_ATTR_SLOTS][ZB_SCOPE_SLOTS] = {
#define ROW(group, attr, use) [ZB_ATTR_##group][ZB_ATTR_##attr] = ZB_USE_##use,
	ZB_GROUP_USAGE_LIST(ROW)
#undef ROW
};

static const char *const message_names[MESSAGE_SLOTS] = {
#define ROW(name, number, text) [number] = #name,
	ZB_MESSAGE_LIST(ROW)
#undef ROW
};

bool zb_scope_of_message(unsigned type, unsigned flags, struct zb_scope *ret)
{
	enum zb_direction direction = flags & ZB_FLAG_EVENT    ? ZB_DIR_EVENT
				      : flags & ZB_FLAG_ANSWER ? ZB_DIR_ANSWER
							       : ZB_DIR_REQUEST;

	if (type >= MESSAGE_SLOTS || message_names[type] == NULL ||
	    (type >= ZB_EVENT_FIRST) != (direction == ZB_DIR_EVENT))
		return false;
	*ret = (struct zb_scope){.use = message_use[type][direction], .answer = direction == ZB_DIR_ANSWER};
	return true;
}

struct zb_scope zb_scope_of_group(unsigned group)
{
	return (struct zb_scope){.use = group_use[group]};
}

const char *zb_message_name(unsigned type)
{
	return type < MESSAGE_SLOTS && message_names[type] != NULL ? message_names[type] : "?";
}

const char *zb_attribute_name(unsigned attribute)
{
	const char *name = zb_attr_row(attribute)->name;
	return name != NULL ? name : "?";
}

const char *zb_cause_name(unsigned cause)
{
	switch (cause) {
#define ROW(name, number, text) \
	case (number):          \
		return #name;
		ZB_CAUSE_LIST(ROW)
#undef ROW
	}
	return "?";
}

const char *zb_cause_text(unsigned cause)
{
	switch (cause) {
#define ROW(name, number, text) \
	case (number):          \
		return text;
		ZB_CAUSE_LIST(ROW)
#undef ROW
	}
	return "?";
}

const char *zb_event_name(unsigned kind)
{
	return kind > 0 && kind < MESSAGE_SLOTS ? zb_message_name(kind + ZB_EVENT_FIRST - 1) : "?";
}

const char *zb_drop_name(unsigned reason)
{
	const char *name = bgf_drop_name(reason);
	return name != NULL ? name : "?";
}
