/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command line of bgf-zbload.
 */
#ifndef ZBLOAD_OPTIONS_H
#define ZBLOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "crowd.h"

enum { OPTIONS_PHASES = 32 };

struct options {
	const char *zb, *peer, *json;
	struct crowd crowd;
	uint32_t subscribers, connections, pending;
	uint32_t storm; /* subscribers of the phases reauth and storm; 0: all */
	double rate, seconds;
	const char *phase[OPTIONS_PHASES];
	unsigned phases;
};

/* 0; 1: help was shown; -EINVAL: a sentence was printed. */
int options_parse(int argc, char **argv, struct options *ret);

#endif
