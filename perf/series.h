/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One point of the suites: contenders that alternate round by round over the same buffers, and what comes of
 * it. The first one is what the point is about, the others are its references.
 */
#ifndef BGF_PERF_SERIES_H
#define BGF_PERF_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "figure.h"
#include "groups.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SERIES_CONTENDERS = GROUPS_CONTENDERS };

struct point {
	const char *name;
	bool inbound, ipv6, tcp;
	uint16_t length; /* of the plain IP packets; 0: IMIX */
	uint32_t ues;
	uint16_t burst;
	uint32_t buffers;
	const char *with;   /* contenders by name, blanks between; the first is the subject */
	uint32_t other_ues; /* of the contender "ours_other": the product with another number of UEs */
	/* An earlier turn of the point with this name, which is measured again and has all turns' groups. */
	const char *turn_of;
	bool aside; /* no target needs it: it gets half the time */
};

struct series_row {
	const char *name;
	const char *description;
	struct figure cycles;		   /* TSC cycles a packet */
	struct figure ratio;		   /* the subject's over this one's, round by round */
	struct figure surplus;		   /* the subject's minus this one's */
	double instructions, cache_misses; /* a packet; negative: this machine does not count them for us */
};

struct series_result {
	unsigned rows, groups;
	unsigned clean;		  /* groups without a round that was taken although it was disturbed */
	unsigned disturbed, kept; /* rounds repeated; rounds taken although the core was shared */
	struct series_row row[SERIES_CONTENDERS];
	double packets_per_s, gbit_per_s; /* of the subject, on one core */
	double bytes_per_ue;		  /* of the data plane */
	unsigned burst;			  /* as the product took it */
	bool huge;
};

struct series;

/* NULL with a sentence in error[]. Points that follow each other with the same UEs share them. */
struct series *series_new(const struct point *p, char *error, size_t error_size);
/* One group: each contender one round, repeated while it is disturbed. *ret_seconds: the subject's round. 0,
 * or -EIO with a sentence in error[] when packets did not come out right. */
int series_group(struct series *s, double *ret_seconds, char *error, size_t error_size);
/* All turns' groups; of an earlier turn of another point its own. */
void series_result(const struct series *s, struct series_result *ret);
/* One turn's rows, groups and clean groups; false: there is none of that number, or it was the only one. */
bool series_turn(const struct series *s, unsigned turn, struct series_result *ret);
void series_free(struct series *s);

/* Once a process. */
int series_start(char *error, size_t error_size);
/* Lets the product waste cycles a packet in its last stage. */
void series_waste(uint32_t cycles);
/* What the machine and the product are, for the report: NULL after the last. */
const char *series_fact(unsigned n, const char **ret_name);

#ifdef __cplusplus
}
#endif

#endif
