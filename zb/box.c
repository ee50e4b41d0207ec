/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zb/transport.h"

enum { FIRST_SIZE = 4096 };

/* Room at the end: by moving what waits to the front, or to a larger place. */
static int make_room(struct box *b, size_t length)
{
	size_t waiting = box_waiting(b), size = b->size > 0 ? b->size : FIRST_SIZE;

	if (b->size - b->used >= length)
		return 0;
	if (b->start >= waiting &&
	    b->size - waiting >= length) { /* moved at most once an octet, on average */
		memcpy(b->data, b->data + b->start, waiting);
		explicit_bzero(b->data + b->start, waiting);
	} else {
		while (size - waiting < length)
			size *= 2;
		uint8_t *data = malloc(size);
		if (data == NULL)
			return -ENOMEM;
		if (waiting > 0) {
			memcpy(data, b->data + b->start, waiting);
			explicit_bzero(b->data + b->start, waiting);
		}
		free(b->data);
		b->data = data;
		b->size = size;
	}
	b->start = 0;
	b->used = waiting;
	return 0;
}

int box_add(struct box *b, const void *octets, size_t length)
{
	if (make_room(b, length) != 0)
		return -ENOMEM;
	if (length > 0)
		memcpy(b->data + b->used, octets, length);
	b->used += length;
	return 0;
}

void box_take(struct box *b, size_t length)
{
	explicit_bzero(b->data + b->start, length);
	b->start += length;
	if (b->start == b->used)
		b->start = b->used = 0;
}

int box_write(struct box *b, int fd)
{
	while (box_waiting(b) > 0) {
		ssize_t n = transport_write(fd, b->data + b->start, box_waiting(b));
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		box_take(b, (size_t)n);
	}
	return 0;
}

void box_clear(struct box *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->used);
	free(b->data);
	*b = (struct box){0};
}
