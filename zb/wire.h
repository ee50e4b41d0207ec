/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bounded cursors over octets, big-endian. The first step that does not fit sets `failed`, and every later
 * one does nothing (reads give 0), so that a caller checks once, at the end. Any thread; one at a time.
 */
#ifndef ZB_WIRE_H
#define ZB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline struct wire_reader wire_reader(const void *data, size_t length)
{
	return (struct wire_reader){.at = data, .left = length};
}

/* The next `length` octets, in place; NULL once failed. */
static inline const uint8_t *wire_read_octets(struct wire_reader *r, size_t length)
{
	const uint8_t *octets = r->at;

	if (r->failed || length > r->left) {
		r->failed = true;
		return NULL;
	}
	r->at += length;
	r->left -= length;
	return octets;
}

/* The next `width` (1 to 8) octets as a number. */
static inline uint64_t wire_read(struct wire_reader *r, unsigned width)
{
	const uint8_t *octets = wire_read_octets(r, width);
	uint64_t value = 0;

	for (unsigned i = 0; octets != NULL && i < width; i++)
		value = value << 8 | octets[i];
	return value;
}

struct wire_writer {
	uint8_t *data;
	size_t room, used;
	bool failed;
};

static inline struct wire_writer wire_writer(void *data, size_t room)
{
	return (struct wire_writer){.data = data, .room = room};
}

/* Room for `length` octets, or NULL. */
static inline uint8_t *wire_claim(struct wire_writer *w, size_t length)
{
	if (w->failed || length > w->room - w->used) {
		w->failed = true;
		return NULL;
	}
	w->used += length;
	return w->data + w->used - length;
}

static inline void wire_store(uint8_t *to, uint64_t value, unsigned width)
{
	for (unsigned i = width; i-- > 0; value >>= 8)
		to[i] = (uint8_t)value;
}

/* The low `width` (1 to 8) octets of a number. */
static inline void wire_write(struct wire_writer *w, uint64_t value, unsigned width)
{
	uint8_t *to = wire_claim(w, width);

	if (to != NULL)
		wire_store(to, value, width);
}

static inline void wire_write_octets(struct wire_writer *w, const void *data, size_t length)
{
	uint8_t *to = wire_claim(w, length);

	if (to != NULL && length > 0)
		memcpy(to, data, length);
}

/* Writes again over what was written before: a length that is known only afterwards. */
static inline void wire_patch(struct wire_writer *w, size_t offset, uint64_t value, unsigned width)
{
	if (w->failed || width > w->used || offset > w->used - width)
		w->failed = true;
	else
		wire_store(w->data + offset, value, width);
}

#endif
