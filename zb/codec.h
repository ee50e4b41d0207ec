/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames of Zb, encoded and decoded by the tables of zb_table.h (types and bounds) and zb_usage.h (what
 * belongs where), for both ends. Nothing here allocates, blocks or knows a socket; any thread, one object in
 * one thread at a time.
 *
 *	encode:  zb_frame_begin, zb_put_..., zb_frame_finish  (errors stick; only finish tells)
 *	decode:  zb_message_parse, then the getters: all of a parsed message is within its bounds
 */
#ifndef ZB_CODEC_H
#define ZB_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgf_addr.h"
#include "zb/wire.h"
#include "zb/zb_table.h"

enum {
	ZB_ATTR_SLOTS = ZB_ATTR_ENDED_AWAY + 1, /* attribute numbers are below it; held by an assertion */
	ZB_GROUP_DEPTH = 2,			/* SET holds SA, PORT holds STAT */
	ZB_SCOPE_SLOTS = (ZB_ATTR_SLOTS + 15) / 16 * 16, /* rounded up: compared some octets at a time */
};

struct zb_header {
	uint8_t version;
	uint8_t type;	/* enum zb_message, or a number that is none */
	uint16_t flags; /* ZB_FLAG_ANSWER, ZB_FLAG_EVENT; neither: a request */
	uint32_t length;
	uint32_t txn;
};

/* Why something was refused: what goes back as CAUSE and BAD_ATTRIBUTE. */
struct zb_fault {
	uint16_t cause;		 /* enum zb_cause */
	uint16_t attribute;	 /* 0: none */
	uint32_t retry_after_ms; /* 0: not told */
};

/* Reads the 12 octets of a header, without judging them. */
void zb_header_decode(const uint8_t data[static ZB_HEADER_LEN], struct zb_header *ret_header);

/* --- encode --- */

/* A frame that is being written into the caller's buffer. In requests every attribute gets the mandatory bit:
 * what a client says is never to be ignored; in answers and events none does. */
struct zb_frame {
	struct wire_writer w;
	uint16_t mandatory; /* ZB_MANDATORY or 0 */
	uint8_t depth;
	size_t group[ZB_GROUP_DEPTH]; /* where each open group began */
	uint16_t group_attr[ZB_GROUP_DEPTH];
	uint8_t seen[ZB_GROUP_DEPTH + 1][ZB_SCOPE_SLOTS]; /* by depth: which attributes were put */
	bool refusal;					  /* an answer that needs nothing but its cause */
	int error;
	uint16_t error_attr; /* that the error is about; 0: none in particular */
};

void zb_frame_begin(struct zb_frame *f, void *buffer, size_t room, enum zb_message type, uint16_t flags,
		    uint32_t txn);
/* The answer to a request; puts CAUSE. A refusal also puts BAD_ATTRIBUTE and RETRY_AFTER (unless 0) and TEXT
 * (unless NULL; cut to 255 octets). */
void zb_answer_begin(struct zb_frame *f, void *buffer, size_t room, const struct zb_header *request);
void zb_answer_refuse(struct zb_frame *f, void *buffer, size_t room, const struct zb_header *request,
		      struct zb_fault fault, const char *text);

/* One attribute each. The table gives a number's width; a value out of its bounds or of another type is an
 * error that sticks. A string is cut nowhere. */
void zb_put_number(struct zb_frame *f, enum zb_attribute attr, uint64_t value);
void zb_put_string(struct zb_frame *f, enum zb_attribute attr, const char *text);
void zb_put_octets(struct zb_frame *f, enum zb_attribute attr, const void *octets, size_t length);
void zb_put_addr(struct zb_frame *f, enum zb_attribute attr, const struct bgf_addr *addr);
void zb_group_begin(struct zb_frame *f, enum zb_attribute attr);
void zb_group_end(struct zb_frame *f);

/* Octets that still fit: before each row of a long answer, compare with the row's greatest size (the group's
 * max in the table + ZB_ATTR_HEADER_LEN) and leave room for CURSOR (12). */
size_t zb_frame_room(const struct zb_frame *f);

/* Completes the header. Returns the frame's length, or -EMSGSIZE (did not fit), -EINVAL (a value was out of
 * its bounds, a group is open, or what the message needs is missing). */
int zb_frame_finish(struct zb_frame *f);

/* --- decode --- */

/* Attributes of one level: of a message, or of a group in it. Points into the frame. */
struct zb_attrs {
	const uint8_t *data;
	size_t length;
	struct {
		const uint8_t *value; /* NULL: absent */
		uint16_t length;
	} at[ZB_ATTR_SLOTS]; /* of a group that repeats: the first */
};

struct zb_message_in {
	struct zb_header header;
	struct zb_attrs attrs;
};

/* Reads a whole frame (as zb_stream_next gives it) and checks all of it: version, message, types, bounds,
 * duplicates, what is mandatory, unknown attributes, groups inside. An answer with a CAUSE other than 0 needs
 * nothing else.
 * Returns 0, or -EPROTO with *ret_fault; then ret->header is valid if the frame has one, for the answer.
 * After MALFORMED or BAD_VERSION the association is to be closed, after the others it goes on. */
int zb_message_parse(const void *frame, size_t length, struct zb_message_in *ret, struct zb_fault *ret_fault);

bool zb_has(const struct zb_attrs *attrs, enum zb_attribute attr);
/* The number, or `otherwise` if absent. */
uint64_t zb_get_number(const struct zb_attrs *attrs, enum zb_attribute attr, uint64_t otherwise);
/* The string with a NUL, "" if absent. `room` is at least the table's max + 1. */
void zb_get_string(const struct zb_attrs *attrs, enum zb_attribute attr, char *ret, size_t room);
/* The octets, as many as the table says (min equals max), zeros if absent. */
void zb_get_octets(const struct zb_attrs *attrs, enum zb_attribute attr, void *ret, size_t length);
/* The address; of family 0 if absent. */
void zb_get_addr(const struct zb_attrs *attrs, enum zb_attribute attr, struct bgf_addr *ret);

/* Goes through the groups `attr` of a level: *position is 0 at first. False after the last, and where a
 * message of this kind has none: that was not judged. */
bool zb_group_next(const struct zb_attrs *attrs, enum zb_attribute attr, size_t *position,
		   struct zb_attrs *ret);

/* The name of a message ("INSTALL"), "?" for a number that is none. Static storage. */
const char *zb_message_name(unsigned type);

#endif
