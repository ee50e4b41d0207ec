/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The schema of the configuration file: one table of keys. Reading, checking, the help and the tests of the
 * example file come from it.
 */
#ifndef BGF_CONFIG_SCHEMA_H
#define BGF_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_type {
	SCHEMA_GROUP,	 /* { }; holds the keys whose path goes on after it */
	SCHEMA_LIST,	 /* ( { }, { } ) of groups; the paths of their keys go on with "[]." */
	SCHEMA_STRING,	 /* char[] */
	SCHEMA_ADDRESS,	 /* struct bgf_addr */
	SCHEMA_MODE,	 /* a string of octal digits, into uint32_t */
	SCHEMA_INTEGER,	 /* of `size` octets */
	SCHEMA_INTEGERS, /* [ 1, 2 ] of `size` octets each */
	SCHEMA_BOOLEAN,
};

/* What a string must look like beyond its length. */
struct schema_form {
	const char *text;
	bool (*fits)(const char *value);
};

struct schema_key {
	const char *path; /* "dataplane.access.mtu", "served[].address" */
	enum schema_type type;
	uint16_t size;	  /* octets of a number, room of a string with its NUL, octets of a list's entry */
	size_t offset;	  /* in struct bgf_config, or in the entry of its list */
	int64_t min, max; /* of a number; octets of a string; entries of a list */
	const char
		*fallback; /* the default as text; NULL: the key is required, unless it is a group or list */
	const char *help;  /* one line */
	const struct schema_form *form; /* strings */
	uint16_t entries_max;		/* INTEGERS */
	uint16_t count_size; /* octets of the field that counts the entries of a LIST or of INTEGERS */
	size_t count_offset; /* where that field is */
};

extern const struct schema_key schema[];
extern const size_t schema_count;

/* The last part of `key`'s path if its parent is `prefix` ("", "dataplane.", "served[]."), else NULL. */
const char *schema_child(const struct schema_key *key, const char *prefix);

/* Writes what is allowed for `key` as a phrase: "an integer from 1 to 65535". Returns buf. */
const char *schema_allowed(const struct schema_key *key, char *buf, size_t size);

#endif
