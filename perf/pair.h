/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two workers on two cores against one, beside two threads of raw intel-ipsec-mb against one: how much of
 * what the machine gives to a second thread the product makes of it.
 */
#ifndef BGF_PERF_PAIR_H
#define BGF_PERF_PAIR_H

#include "series.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pair;

struct pair_result {
	struct figure ours, raw; /* packets/s of two over those of one */
	struct figure ratio;	 /* of these two, group by group */
	struct figure cycles;	 /* a packet, of two workers at once */
	unsigned disturbed, kept;
};

/* NULL with a sentence in error[]; 100,000 UEs, IMIX, IPv4, UDP, burst 64, 1,024 buffers a worker. */
struct pair *pair_new(bool inbound, char *error, size_t error_size);
/* One group: each alone on either core, and two at once, product and raw. As series_group. */
int pair_group(struct pair *p, double *ret_seconds, char *error, size_t error_size);
void pair_result_of(struct pair *p, struct pair_result *ret);
void pair_free(struct pair *p);

#ifdef __cplusplus
}
#endif

#endif
