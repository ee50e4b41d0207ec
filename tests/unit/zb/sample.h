/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values and frames made from the tables, so that a test covers an attribute or a message by its being
 * listed.
 */
#ifndef ZB_SAMPLE_H
#define ZB_SAMPLE_H

#include "zb/codec.h"
#include "zb/table.h"

enum { SAMPLE_MAX = ZB_FRAME_MAX };

/* Puts a good value: the least of its bounds, the greatest, or one in between (which = 0, 1, 2). Groups are
 * filled with all they must and may have. */
void sample_put(struct zb_frame *f, enum zb_attribute attr, unsigned which);

/* A whole frame with every attribute that the message may have in that direction, each group that repeats
 * twice; `skip` is left out (0: none). Returns its length, or what zb_frame_finish said. */
int sample_frame(uint8_t buffer[static SAMPLE_MAX], enum zb_message type, unsigned flags, unsigned which,
		 unsigned skip);

/* Every message and direction, one after the other: *index is 0 at first. False after the last. */
bool sample_next(unsigned *index, enum zb_message *ret_type, unsigned *ret_flags);

#endif
