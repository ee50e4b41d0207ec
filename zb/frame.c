/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SIZE = 4096,
	READ_SIZE = 16384, /* at most of what a read fills: others have their turn */
};

static void forget_taken(struct zb_stream *s)
{
	if (s->taken > 0)
		explicit_bzero(s->data + s->start - s->taken, s->taken);
	s->taken = 0;
}

/* Moves what is left to the front, and leaves no copy of it behind. */
static void compact(struct zb_stream *s)
{
	size_t left = s->used - s->start;

	if (s->start == 0)
		return;
	memmove(s->data, s->data + s->start, left);
	explicit_bzero(s->data + left, s->used - left);
	s->start = 0;
	s->used = left;
}

/* How large the buffer must be for the frame that is coming, or for as much as comes at once. */
static size_t wanted_size(const struct zb_stream *s)
{
	struct zb_header header;

	if (s->filled && s->size < READ_SIZE)
		return READ_SIZE;
	if (s->used < ZB_HEADER_LEN)
		return FIRST_SIZE;
	zb_header_decode(s->data, &header);
	return header.length > FIRST_SIZE && header.length <= ZB_FRAME_MAX ? header.length : FIRST_SIZE;
}

void *zb_stream_room(struct zb_stream *s, size_t *ret_room)
{
	forget_taken(s);
	compact(s);
	size_t wanted = wanted_size(s);
	if (s->size < wanted) {
		uint8_t *data = malloc(wanted);
		if (data == NULL)
			return NULL;
		if (s->used > 0) {
			memcpy(data, s->data, s->used);
			explicit_bzero(s->data, s->used);
		}
		free(s->data);
		s->data = data;
		s->size = wanted;
		s->filled = false;
	}
	if (s->used == s->size)
		return NULL;
	*ret_room = s->size - s->used;
	return s->data + s->used;
}

void zb_stream_add(struct zb_stream *s, size_t length)
{
	s->used += length;
	s->filled = s->used == s->size;
}

int zb_stream_next(struct zb_stream *s, const uint8_t **ret_frame, struct zb_header *ret_header,
		   struct zb_fault *ret_fault)
{
	struct zb_header header;

	forget_taken(s);
	if (s->used - s->start < ZB_HEADER_LEN)
		return 0;
	zb_header_decode(s->data + s->start, &header);
	if (header.version != ZB_VERSION || header.length < ZB_HEADER_LEN || header.length > ZB_FRAME_MAX) {
		unsigned cause = header.version != ZB_VERSION ? ZB_CAUSE_BAD_VERSION : ZB_CAUSE_MALFORMED;
		*ret_fault = (struct zb_fault){.cause = (uint16_t)cause};
		*ret_header = header;
		return -EPROTO;
	}
	if (s->used - s->start < header.length)
		return 0;
	*ret_frame = s->data + s->start;
	*ret_header = header;
	s->start += header.length;
	s->taken = header.length;
	return 1;
}

bool zb_stream_is_partial(const struct zb_stream *s)
{
	return s->used > s->start;
}

void zb_stream_clear(struct zb_stream *s)
{
	if (s->used > 0)
		explicit_bzero(s->data, s->used);
	free(s->data);
	*s = (struct zb_stream){0};
}
