/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "config/config.h"
#include "config/schema.h"

void config_help(FILE *out)
{
	char allowed[256];

	for (size_t k = 0; k < schema_count; k++) {
		const struct schema_key *key = &schema[k];

		fprintf(out, "%s\n\t%s\n\t%s", key->path, key->help,
			schema_allowed(key, allowed, sizeof(allowed)));
		if (key->type == SCHEMA_GROUP || (key->type == SCHEMA_LIST && key->min == 0))
			fputc('\n', out);
		else if (key->fallback == NULL)
			fputs("; required\n", out);
		else if (key->type == SCHEMA_STRING || key->type == SCHEMA_MODE)
			fprintf(out, "; default \"%s\"\n", key->fallback);
		else
			fprintf(out, key->type == SCHEMA_INTEGERS ? "; default [ %s ]\n" : "; default %s\n",
				key->fallback);
	}
}
