/* SPDX-License-Identifier: BSD-3-Clause */
#include "rfc2544.h"

int rfc2544(struct bench *b, const struct load_sizes *sizes, unsigned count, bool quick, struct json *json,
	    char *error, unsigned size)
{
	(void)b, (void)sizes, (void)count, (void)quick, (void)json, (void)error, (void)size;
	return 0;
}
