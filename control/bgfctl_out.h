/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What bgfctl prints: tables for people, JSON for programs.
 */
#ifndef BGFCTL_OUT_H
#define BGFCTL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table whose columns are as wide as their widest cell. All zero is an empty one. */
struct table {
	char **cells;
	size_t count, room, columns;
	uint64_t right; /* bit mask of the columns that are numbers */
};

/* `columns` titles; one that begins with '>' is a column of numbers, aligned to the right. */
void table_begin(struct table *t, const char *const *titles, size_t columns);
/* The next cell, row by row. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints with `indent` blanks before each row, and frees. */
void table_end(struct table *t, unsigned indent);
/* Frees without printing. */
void table_forget(struct table *t);

/* JSON to standard output; `name` is NULL inside an array. */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_string(const char *name, const char *value);
void json_number(const char *name, uint64_t value);
void json_bool(const char *name, bool value);
/* Ends a document: a newline, and out with it. */
void json_end(void);

/* A time to live for people: "58 min 12 s". Returns buf. */
const char *duration_text(uint64_t ms, char buf[static 32]);
/* Octets as hex digits; buf has room for 2 * length + 1. Returns buf. */
const char *hex_text(const uint8_t *octets, size_t length, char *buf);

#endif
