/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames out of a byte stream: what was read is kept until a frame is whole. The buffer grows to the size of
 * the frame that is coming, ZB_FRAME_MAX at most, and a little where reads fill it, and is wiped behind what
 *was taken, for keys come this way. One thread at a time.
 *
 *	room = zb_stream_room(s, &n); n = read(fd, room, n); zb_stream_add(s, n);
 *	while ((r = zb_stream_next(s, &frame, &header)) == 1) ...
 */
#ifndef ZB_FRAME_H
#define ZB_FRAME_H

#include "zb/codec.h"

struct zb_stream {
	uint8_t *data;
	size_t size;
	size_t used;  /* octets in it, from the start of the buffer */
	size_t start; /* where the next frame begins */
	size_t taken; /* octets of the frame that zb_stream_next gave last, before start */
	bool filled;  /* by the last read: more is wanted the next time */
};

/* All zero is an empty stream. Where to read into, and how much; NULL when memory is short, or when whole
 * frames fill the buffer that zb_stream_next was not asked for. Frames given before are no longer valid. */
void *zb_stream_room(struct zb_stream *s, size_t *ret_room);
void zb_stream_add(struct zb_stream *s, size_t length);

/* Returns 1 with the next whole frame (ret_header->length octets, valid until the next call with this stream,
 * which wipes it), 0 when more octets are needed, or -EPROTO when what comes is no frame of this version:
 * then *ret_fault says why, *ret_header is what an answer needs, and the association is to be closed. */
int zb_stream_next(struct zb_stream *s, const uint8_t **ret_frame, struct zb_header *ret_header,
		   struct zb_fault *ret_fault);

/* Whether part of a frame is waiting for the rest. */
bool zb_stream_is_partial(const struct zb_stream *s);

/* Wipes, frees, and makes it empty again. */
void zb_stream_clear(struct zb_stream *s);

#endif
