/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <errno.h>

static void text(FILE *f, const char *value)
{
	fputc('"', f);
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < ' ')
			fprintf(f, "\\u%04x", *value);
		else
			fprintf(f, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
	}
	fputc('"', f);
}

static void next(struct json *j, const char *name)
{
	fputs(j->more ? ",\n" : "\n", j->file);
	for (unsigned i = 0; i < j->depth; i++)
		fputc('\t', j->file);
	if (name != NULL) {
		text(j->file, name);
		fputs(": ", j->file);
	}
	j->more = true;
}

int json_open(const char *path, struct json *ret)
{
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return -errno;
	fputc('{', f);
	*ret = (struct json){.file = f, .depth = 1};
	return 0;
}

int json_close(struct json *j)
{
	fputs("\n}\n", j->file);
	const int failed = ferror(j->file);
	return fclose(j->file) != 0 || failed ? -EIO : 0;
}

void json_begin(struct json *j, const char *name, char bracket)
{
	if (j == NULL)
		return;
	next(j, name);
	fputc(bracket, j->file);
	j->depth++;
	j->more = false;
}

void json_end(struct json *j, char bracket)
{
	if (j == NULL)
		return;
	fputc('\n', j->file);
	for (unsigned i = 1; i < j->depth; i++)
		fputc('\t', j->file);
	fputc(bracket, j->file);
	j->depth--;
	j->more = true;
}

void json_number(struct json *j, const char *name, double value)
{
	if (j == NULL)
		return;
	next(j, name);
	fprintf(j->file, "%.10g", value);
}

void json_count(struct json *j, const char *name, uint64_t value)
{
	if (j == NULL)
		return;
	next(j, name);
	fprintf(j->file, "%lu", (unsigned long)value);
}

void json_bool(struct json *j, const char *name, bool value)
{
	if (j == NULL)
		return;
	next(j, name);
	fputs(value ? "true" : "false", j->file);
}

void json_text(struct json *j, const char *name, const char *value)
{
	if (j == NULL)
		return;
	next(j, name);
	text(j->file, value);
}
