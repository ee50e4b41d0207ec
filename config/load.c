/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads a configuration file against the schema. The walk follows the schema's table, not the file, so that
 * what is missing is found as well as what is wrong; every fault is printed and the walk goes on.
 */
#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "config/load.h"
#include "config/schema.h"

enum { KEY_TEXT = 128, FOUND_TEXT = 160, ALLOWED_TEXT = 512, FOUND_STRING = 64 };

void load_fault(struct load *load, const config_setting_t *at, const char *key, const char *found,
		const char *allowed)
{
	const char *file = at != NULL ? config_setting_source_file(at) : NULL;
	unsigned line = at != NULL ? config_setting_source_line(at) : 1;

	load->faults++;
	fprintf(load->errors, "%s:%u: %s: found %s; allowed: %s\n", file != NULL ? file : load->path,
		line > 0 ? line : 1, key, found, allowed);
}

/* A string as a person may read it: in quotes, cut, and with nothing that steers a terminal. */
static void describe_string(const char *value, char *buf, size_t size)
{
	char shown[FOUND_STRING + 1];
	size_t i;

	for (i = 0; i < FOUND_STRING && value[i] != '\0'; i++)
		shown[i] = value[i] >= ' ' && value[i] != 0x7f ? value[i] : '?';
	shown[i] = '\0';
	snprintf(buf, size, "\"%s\"%s", shown, value[i] != '\0' ? "..." : "");
}

static const char *describe(const config_setting_t *s, char *buf, size_t size)
{
	int entries = config_setting_length(s);

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(buf, size, "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(buf, size, "the number %g with a fraction", config_setting_get_float(s));
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(buf, size, "%s", config_setting_get_bool(s) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		describe_string(config_setting_get_string(s), buf, size);
		break;
	case CONFIG_TYPE_GROUP:
		snprintf(buf, size, "a group { ... }");
		break;
	case CONFIG_TYPE_ARRAY:
		snprintf(buf, size, "an array [ ... ] of %d", entries);
		break;
	default:
		snprintf(buf, size, "a list ( ... ) of %d", entries);
		break;
	}
	return buf;
}

static void wrong(struct load *load, const config_setting_t *s, const struct schema_key *key,
		  const char *shown)
{
	char found[FOUND_TEXT], allowed[ALLOWED_TEXT];

	load_fault(load, s, shown, describe(s, found, sizeof(found)),
		   schema_allowed(key, allowed, sizeof(allowed)));
}

static void store_integer(void *field, uint16_t size, int64_t value)
{
	switch (size) {
	case sizeof(uint8_t):
		*(uint8_t *)field = (uint8_t)value;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)field = (uint16_t)value;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)field = (uint32_t)value;
		break;
	default:
		*(int64_t *)field = value;
		break;
	}
}

static bool store_string(const struct schema_key *key, const char *value, void *field)
{
	size_t length = strlen(value);

	if (length < (size_t)key->min || length > (size_t)key->max || !key->form->fits(value))
		return false;
	memcpy(field, value, length + 1);
	return true;
}

static bool store_address(const char *value, struct bgf_addr *field)
{
	struct bgf_addr address;

	if (bgf_addr_parse(value, &address) != 0 || !bgf_addr_is_host(&address))
		return false;
	*field = address;
	return true;
}

static bool store_mode(const struct schema_key *key, const char *value, uint32_t *field)
{
	size_t digits = strspn(value, "01234567");

	if (digits < 3 || digits > 4 || value[digits] != '\0' ||
	    strtoul(value, NULL, 8) > (unsigned long)key->max)
		return false;
	*field = (uint32_t)strtoul(value, NULL, 8);
	return true;
}

/* The defaults come from the table and always fit; a test loads a file that gives none of them. */
static void store_fallback(const struct schema_key *key, char *base)
{
	void *field = base + key->offset;

	switch (key->type) {
	case SCHEMA_STRING:
		store_string(key, key->fallback, field);
		break;
	case SCHEMA_MODE:
		store_mode(key, key->fallback, field);
		break;
	case SCHEMA_BOOLEAN:
		*(bool *)field = strcmp(key->fallback, "true") == 0;
		break;
	case SCHEMA_INTEGERS:
		store_integer(base + key->count_offset, key->count_size, 1);
		store_integer(field, key->size, strtoll(key->fallback, NULL, 10));
		break;
	default:
		store_integer(field, key->size, strtoll(key->fallback, NULL, 10));
		break;
	}
}

static bool is_integer(const config_setting_t *s)
{
	return config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
}

static bool in_range(const struct schema_key *key, const config_setting_t *s)
{
	return is_integer(s) && config_setting_get_int64(s) >= key->min &&
	       config_setting_get_int64(s) <= key->max;
}

/* Whether entry `i` of an array of integers equals an earlier one. */
static bool repeats(const config_setting_t *array, int i)
{
	for (int earlier = 0; earlier < i; earlier++)
		if (config_setting_get_int64_elem(array, earlier) == config_setting_get_int64_elem(array, i))
			return true;
	return false;
}

static void load_integers(struct load *load, const config_setting_t *s, const struct schema_key *key,
			  const char *shown, char *base)
{
	int entries = config_setting_length(s);

	if (config_setting_type(s) != CONFIG_TYPE_ARRAY || entries < 1 || entries > key->entries_max) {
		wrong(load, s, key, shown);
		return;
	}
	for (int i = 0; i < entries; i++) {
		config_setting_t *entry = config_setting_get_elem(s, (unsigned)i);
		char entry_shown[KEY_TEXT], found[FOUND_TEXT], allowed[ALLOWED_TEXT];

		snprintf(entry_shown, sizeof(entry_shown), "%.100s[%d]", shown, i);
		if (!in_range(key, entry)) {
			wrong(load, entry, key, entry_shown);
			continue;
		}
		int64_t value = config_setting_get_int64(entry);
		if (repeats(s, i)) {
			snprintf(found, sizeof(found), "%" PRId64 " again", value);
			load_fault(load, entry, entry_shown, found,
				   schema_allowed(key, allowed, sizeof(allowed)));
		}
		store_integer(base + key->offset + (size_t)i * key->size, key->size, value);
	}
	store_integer(base + key->count_offset, key->count_size, entries);
}

static bool load_text(const config_setting_t *s, const struct schema_key *key, void *field)
{
	if (config_setting_type(s) != CONFIG_TYPE_STRING)
		return false;
	const char *value = config_setting_get_string(s);
	if (key->type == SCHEMA_ADDRESS)
		return store_address(value, field);
	return key->type == SCHEMA_MODE ? store_mode(key, value, field) : store_string(key, value, field);
}

static void load_group(struct load *load, const config_setting_t *group, const char *prefix,
		       const char *shown, char *base);

static void load_list(struct load *load, const config_setting_t *s, const struct schema_key *key,
		      const char *shown, char *base)
{
	int entries = config_setting_length(s);
	char prefix[KEY_TEXT], entry_shown[KEY_TEXT];

	if (config_setting_type(s) != CONFIG_TYPE_LIST || entries < key->min || entries > key->max) {
		wrong(load, s, key, shown);
		return;
	}
	snprintf(prefix, sizeof(prefix), "%s[].", key->path);
	for (int i = 0; i < entries; i++) {
		const config_setting_t *entry = config_setting_get_elem(s, (unsigned)i);

		if (config_setting_type(entry) != CONFIG_TYPE_GROUP) {
			wrong(load, s, key, shown);
			return;
		}
		snprintf(entry_shown, sizeof(entry_shown), "%.100s[%d].", shown, i);
		load_group(load, entry, prefix, entry_shown, base + key->offset + (size_t)i * key->size);
	}
	store_integer(base + key->count_offset, key->count_size, entries);
}

/* What the file does not give: groups by their keys, then defaults; what has none is required. */
static void load_absent(struct load *load, const config_setting_t *group, const struct schema_key *key,
			const char *shown, char *base)
{
	char prefix[KEY_TEXT], allowed[ALLOWED_TEXT];

	if (key->type == SCHEMA_GROUP) {
		snprintf(prefix, sizeof(prefix), "%s.", key->path);
		load_group(load, NULL, prefix, prefix, base);
	} else if (key->type == SCHEMA_LIST ? key->min > 0 : key->fallback == NULL) {
		load_fault(load, group, shown, "nothing", schema_allowed(key, allowed, sizeof(allowed)));
	} else if (key->type != SCHEMA_LIST) {
		store_fallback(key, base);
	}
}

static void load_key(struct load *load, const config_setting_t *s, const struct schema_key *key,
		     const char *shown, char *base)
{
	char prefix[KEY_TEXT];
	bool fits = true;

	switch (key->type) {
	case SCHEMA_GROUP:
		fits = config_setting_type(s) == CONFIG_TYPE_GROUP;
		snprintf(prefix, sizeof(prefix), "%s.", key->path);
		if (fits)
			load_group(load, s, prefix, prefix, base);
		break;
	case SCHEMA_LIST:
		load_list(load, s, key, shown, base);
		break;
	case SCHEMA_INTEGERS:
		load_integers(load, s, key, shown, base);
		break;
	case SCHEMA_INTEGER:
		fits = in_range(key, s);
		if (fits)
			store_integer(base + key->offset, key->size, config_setting_get_int64(s));
		break;
	case SCHEMA_BOOLEAN:
		fits = config_setting_type(s) == CONFIG_TYPE_BOOL;
		*(bool *)(base + key->offset) = fits && config_setting_get_bool(s);
		break;
	default:
		fits = load_text(s, key, base + key->offset);
		break;
	}
	if (!fits)
		wrong(load, s, key, shown);
}

static bool is_known(const char *prefix, const char *name)
{
	for (size_t k = 0; k < schema_count; k++) {
		const char *child = schema_child(&schema[k], prefix);
		if (child != NULL && strcmp(child, name) == 0)
			return true;
	}
	return false;
}

static void unknown_key(struct load *load, const config_setting_t *s, const char *prefix, const char *shown)
{
	char allowed[ALLOWED_TEXT] = "";
	size_t used = 0;

	for (size_t k = 0; k < schema_count; k++) {
		const char *child = schema_child(&schema[k], prefix);
		if (child != NULL && used < sizeof(allowed))
			used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s",
						 used > 0 ? ", " : "", child);
	}
	load_fault(load, s, shown, "an unknown key", allowed);
}

/* One group of the file (NULL: it is not there) against the keys of the schema whose paths begin with
 * `prefix`; `shown` is the same with the numbers of lists' entries. */
static void load_group(struct load *load, const config_setting_t *group, const char *prefix,
		       const char *shown, char *base)
{
	char key_shown[KEY_TEXT];

	for (int i = 0; group != NULL && i < config_setting_length(group); i++) {
		const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);

		snprintf(key_shown, sizeof(key_shown), "%.60s%.60s", shown, config_setting_name(s));
		if (!is_known(prefix, config_setting_name(s)))
			unknown_key(load, s, prefix, key_shown);
	}
	for (size_t k = 0; k < schema_count; k++) {
		const char *name = schema_child(&schema[k], prefix);

		if (name == NULL)
			continue;
		const config_setting_t *s = group != NULL ? config_setting_get_member(group, name) : NULL;
		snprintf(key_shown, sizeof(key_shown), "%.60s%.60s", shown, name);
		if (s != NULL)
			load_key(load, s, &schema[k], key_shown, base);
		else
			load_absent(load, group, &schema[k], key_shown, base);
	}
}

/* Opens a file that can be read as one: libconfig's scanner ends the program at a directory. */
static int open_file(const char *path, FILE **ret_file)
{
	struct stat st;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return -errno;
	if (fstat(fileno(file), &st) != 0 || S_ISDIR(st.st_mode)) {
		fclose(file);
		return -EISDIR;
	}
	*ret_file = file;
	return 0;
}

static int load_file(struct load *load, config_t *file, FILE *stream)
{
	if (config_read(file, stream) != CONFIG_TRUE) {
		const char *name = config_error_file(file);

		fprintf(load->errors,
			"%s:%d: -: found %s; allowed: key = value; with values as libconfig has them\n",
			name != NULL ? name : load->path, config_error_line(file), config_error_text(file));
		return -EINVAL;
	}
	load->file = file;
	load_group(load, config_root_setting(file), "", "", (char *)load->config);
	if (load->faults == 0)
		check_rules(load);
	return load->faults == 0 ? 0 : -EINVAL;
}

int config_load(const char *path, struct bgf_config *ret_config, FILE *errors)
{
	struct bgf_config config = {0};
	struct load load = {.path = path, .errors = errors, .config = &config};
	config_t file;
	FILE *stream = NULL;
	int error = open_file(path, &stream);

	if (error != 0) {
		fprintf(errors, "%s:0: -: found %s; allowed: a configuration file that can be read\n", path,
			strerror(-error));
		return error == -ENOENT || error == -EACCES ? error : -EINVAL;
	}
	config_init(&file);
	error = load_file(&load, &file, stream);
	config_destroy(&file);
	fclose(stream);
	if (error == 0)
		*ret_config = config;
	return error;
}

int config_check(const char *path, FILE *out, FILE *errors)
{
	struct bgf_config config;

	if (config_load(path, &config, errors) != 0)
		return 2;
	fprintf(out, "%s: valid\n", path);
	return 0;
}
