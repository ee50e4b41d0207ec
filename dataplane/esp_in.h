/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inbound ESP, with ARCHITECTURE's 'Order of checks on inbound ESP'. The worker only.
 */
#ifndef BGF_DP_ESP_IN_H
#define BGF_DP_ESP_IN_H

#include "batch.h"

/* Takes ESP packets to served addresses, addresses checked by classify; adds to `out` what is good, its ESP
 * taken off, ready to be forwarded. */
void esp_in(struct worker *w, const struct batch *in, struct batch *out);

#endif
