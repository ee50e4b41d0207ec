/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A JSON file, written as it comes.
 */
#ifndef PKTGEN_JSON_H
#define PKTGEN_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *file;
	unsigned depth;
	bool more; /* a comma is wanted before the next value */
};

/* 0, or a negative errno. */
int json_open(const char *path, struct json *ret);
/* 0, or a negative errno if not all could be written. */
int json_close(struct json *j);

/* `name` is NULL within an array. All take NULL for j, and then do nothing. */
void json_begin(struct json *j, const char *name, char bracket);
void json_end(struct json *j, char bracket);
void json_number(struct json *j, const char *name, double value);
void json_count(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_text(struct json *j, const char *name, const char *value);

#endif
