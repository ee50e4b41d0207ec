/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Outbound ESP: what a P-CSCF sends from a protected port leaves in an SA, or not at all. The worker only.
 */
#ifndef BGF_DP_ESP_OUT_H
#define BGF_DP_ESP_OUT_H

#include "batch.h"

/* Takes UDP and TCP from protected ports of served addresses; adds to `out` what is in ESP now, ready to be
 * forwarded. */
void esp_out(struct worker *w, const struct batch *in, struct batch *out);

#endif
