/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Octets in order that wait: for a stream to take them, or for somebody to read them. Grows as needed; what
 * has been taken is wiped, for keys pass through. One thread at a time.
 */
#ifndef ZB_BOX_H
#define ZB_BOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct box {
	uint8_t *data;
	size_t size, start, used; /* what waits lies from start to used */
};

static inline size_t box_waiting(const struct box *b)
{
	return b->used - b->start;
}

/* 0 or -ENOMEM. All zero is an empty box. */
int box_add(struct box *b, const void *octets, size_t length);
/* The oldest `length` octets are done with. */
void box_take(struct box *b, size_t length);
/* Writes to a stream until all is out (0) or it takes no more (0, something waits); a negative errno: it is
 * dead. */
int box_write(struct box *b, int fd);
/* Wipes, frees, and makes it empty again. */
void box_clear(struct box *b);

#endif
