/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `bgf-pktgen rfc2544`: throughput, latency, loss-rate curve and back-to-back (RFC 2544 26.1 to 26.4) for
 * each size.
 */
#ifndef PKTGEN_RFC2544_H
#define PKTGEN_RFC2544_H

#include "trial.h"

struct json;

/* 0; 1: packets came back wrong, or the gateway lost some below the throughput that it had; or a negative
 * errno with the reason in error[]. `json` may be NULL. */
int rfc2544(struct bench *b, const struct load_sizes *sizes, unsigned count, bool quick, struct json *json,
	    char *error, unsigned size);

#endif
