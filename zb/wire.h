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

struct wire_reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline struct wire_reader wire_reader(const void *data, size_t length)
{
	return (struct wire_reader){.at = data, .left = length};
}

/* The next `width` (1 to 8) octets as a number. */
uint64_t wire_read(struct wire_reader *r, unsigned width);
/* The next `length` octets, in place; NULL once failed. */
const uint8_t *wire_read_octets(struct wire_reader *r, size_t length);

struct wire_writer {
	uint8_t *data;
	size_t room, used;
	bool failed;
};

static inline struct wire_writer wire_writer(void *data, size_t room)
{
	return (struct wire_writer){.data = data, .room = room};
}

/* The low `width` (1 to 8) octets of a number. */
void wire_write(struct wire_writer *w, uint64_t value, unsigned width);
void wire_write_octets(struct wire_writer *w, const void *data, size_t length);
/* Writes again over what was written before: a length that is known only afterwards. */
void wire_patch(struct wire_writer *w, size_t offset, uint64_t value, unsigned width);

#endif
