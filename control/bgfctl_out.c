/* SPDX-License-Identifier: BSD-3-Clause */
#include "bgfctl_out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
	if (p == NULL) {
		fputs("bgfctl: no memory\n", stderr);
		exit(1);
	}
	return p;
}

static void add_cell(struct table *t, char *text)
{
	if (t->count == t->room) {
		t->room = t->room == 0 ? 256 : 2 * t->room;
		t->cells = or_die(realloc(t->cells, t->room * sizeof(*t->cells)));
	}
	t->cells[t->count++] = or_die(text);
}

void table_begin(struct table *t, const char *const *titles, size_t columns)
{
	*t = (struct table){.columns = columns};
	for (size_t i = 0; i < columns; i++) {
		bool right = titles[i][0] == '>';
		if (right)
			t->right |= UINT64_C(1) << i;
		add_cell(t, strdup(titles[i] + right));
	}
}

void table_cell(struct table *t, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add_cell(t, text);
}

/* Columns that a terminal uses for a text: one for each UTF-8 character, near enough. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static int column_width(const struct table *t, size_t column)
{
	int most = 0;

	for (size_t i = column; i < t->count; i += t->columns) {
		int width = width_of(t->cells[i]);
		most = width > most ? width : most;
	}
	return most;
}

void table_end(struct table *t, unsigned indent)
{
	int *widths = or_die(calloc(t->columns, sizeof(*widths)));

	for (size_t c = 0; c < t->columns; c++)
		widths[c] = column_width(t, c);
	for (size_t i = 0; i < t->count; i++) {
		size_t c = i % t->columns;
		bool right = t->right >> c & 1, last = c + 1 == t->columns;
		int pad = widths[c] - width_of(t->cells[i]);
		printf("%*s%*s%s%*s%s", c == 0 ? (int)indent : 0, "", right ? pad : 0, "", t->cells[i],
		       right || last ? 0 : pad, "", last ? "\n" : "  ");
	}
	free(widths);
	table_forget(t);
}

void table_forget(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

static bool comma; /* the next member needs one before it */

static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void member(const char *name)
{
	if (comma)
		putchar(',');
	comma = true;
	if (name != NULL) {
		print_quoted(name);
		putchar(':');
	}
}

void json_open(const char *name, char bracket)
{
	member(name);
	putchar(bracket);
	comma = false;
}

void json_close(char bracket)
{
	putchar(bracket);
	comma = true;
}

void json_string(const char *name, const char *value)
{
	member(name);
	print_quoted(value);
}

void json_number(const char *name, uint64_t value)
{
	member(name);
	printf("%" PRIu64, value);
}

void json_bool(const char *name, bool value)
{
	member(name);
	fputs(value ? "true" : "false", stdout);
}

void json_end(void)
{
	comma = false;
	putchar('\n');
	fflush(stdout);
}

const char *duration_text(uint64_t ms, char buf[static 32])
{
	uint64_t s = ms / 1000;

	if (s >= 86400)
		snprintf(buf, 32, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, 32, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, 32, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		snprintf(buf, 32, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
	return buf;
}

const char *hex_text(const uint8_t *octets, size_t length, char *buf)
{
	buf[0] = '\0';
	for (size_t i = 0; i < length; i++)
		snprintf(buf + 2 * i, 3, "%02x", octets[i]);
	return buf;
}
