/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A file while it is being read: what load.c and rules.c share.
 */
#ifndef BGF_CONFIG_LOAD_H
#define BGF_CONFIG_LOAD_H

#include <libconfig.h>
#include <stdio.h>

struct bgf_config;

struct load {
	const char *path;
	FILE *errors;
	unsigned faults;
	struct bgf_config *config;
	config_t *file;
};

/* Prints one fault and counts it. `at` is where in the file; NULL: no place of its own. */
void load_fault(struct load *load, const config_setting_t *at, const char *key, const char *found,
		const char *allowed);

/* The rules between keys, once every key by itself is good. */
void check_rules(struct load *load);

#endif
