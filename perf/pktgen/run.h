/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `bgf-pktgen run`: one load, and the account of every packet of it.
 */
#ifndef PKTGEN_RUN_H
#define PKTGEN_RUN_H

#include "trial.h"

struct json;

/* Sends one good packet over each pair of each phone, both ways as the load has them: neighbours are found,
 * caches and first uses are over. 0, or a negative errno with the reason in error[]. */
int run_warm_up(struct bench *b, char *error, unsigned size);

/* 0: every packet is accounted for; 1: not; or a negative errno with the reason in error[]. `json` may be
 * NULL. */
int run(struct bench *b, struct json *json, char *error, unsigned size);

#endif
