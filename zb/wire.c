/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/wire.h"

#include <string.h>

uint64_t wire_read(struct wire_reader *r, unsigned width)
{
	const uint8_t *octets = wire_read_octets(r, width);
	uint64_t value = 0;

	for (unsigned i = 0; octets != NULL && i < width; i++)
		value = value << 8 | octets[i];
	return value;
}

const uint8_t *wire_read_octets(struct wire_reader *r, size_t length)
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

static void store(uint8_t *to, uint64_t value, unsigned width)
{
	for (unsigned i = width; i-- > 0; value >>= 8)
		to[i] = (uint8_t)value;
}

/* Room for `length` octets, or NULL. */
static uint8_t *claim(struct wire_writer *w, size_t length)
{
	if (w->failed || length > w->room - w->used) {
		w->failed = true;
		return NULL;
	}
	w->used += length;
	return w->data + w->used - length;
}

void wire_write(struct wire_writer *w, uint64_t value, unsigned width)
{
	uint8_t *to = claim(w, width);

	if (to != NULL)
		store(to, value, width);
}

void wire_write_octets(struct wire_writer *w, const void *data, size_t length)
{
	uint8_t *to = claim(w, length);

	if (to != NULL && length > 0)
		memcpy(to, data, length);
}

void wire_patch(struct wire_writer *w, size_t offset, uint64_t value, unsigned width)
{
	if (w->failed || width > w->used || offset > w->used - width)
		w->failed = true;
	else
		store(w->data + offset, value, width);
}
