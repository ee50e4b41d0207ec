/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Look-ups in the tables of Zb (zb_table.h, zb_usage.h). Constant data; any thread.
 */
#ifndef ZB_TABLE_LOOKUP_H
#define ZB_TABLE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zb/codec.h"
#include "zb/zb_usage.h"

enum zb_type {
	ZB_TYPE_NONE, /* no such attribute */
	ZB_TYPE_U8,
	ZB_TYPE_U16,
	ZB_TYPE_U32,
	ZB_TYPE_U64,
	ZB_TYPE_STR,
	ZB_TYPE_OCTETS,
	ZB_TYPE_ADDR,
	ZB_TYPE_GROUP,
};

struct zb_attr_row {
	enum zb_type type;
	bool secret;
	uint64_t min, max;
	const char *name, *text;
};

extern const struct zb_attr_row zb_attr_rows[ZB_ATTR_SLOTS];

/* The row of an attribute; of type ZB_TYPE_NONE for a number that is none. */
static inline const struct zb_attr_row *zb_attr_row(unsigned attr)
{
	return &zb_attr_rows[attr < ZB_ATTR_SLOTS ? attr : 0];
}

/* Octets of a number's type; 0 for the other types. */
static inline unsigned zb_type_width(enum zb_type type)
{
	return type >= ZB_TYPE_U8 && type <= ZB_TYPE_U64 ? 1u << (type - ZB_TYPE_U8) : 0;
}

/* What one level of attributes may hold: a message in one direction, or a group. */
struct zb_scope {
	const uint8_t *use; /* enum zb_use, by attribute; of ZB_SCOPE_SLOTS */
	bool answer;
};

/* Whether there is such a message in that direction. */
bool zb_scope_of_message(unsigned type, unsigned flags, struct zb_scope *ret);
/* `group` is an attribute of type GROUP. */
struct zb_scope zb_scope_of_group(unsigned group);
/* What every answer may hold besides. */
extern const uint8_t zb_answer_use[ZB_SCOPE_SLOTS];

static inline enum zb_use zb_scope_use(const struct zb_scope *scope, unsigned attr)
{
	if (attr >= ZB_ATTR_SLOTS)
		return ZB_USE_NONE;
	if (scope->answer && zb_answer_use[attr] != ZB_USE_NONE)
		return (enum zb_use)zb_answer_use[attr];
	return (enum zb_use)scope->use[attr];
}

#endif
