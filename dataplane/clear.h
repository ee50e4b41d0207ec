/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The policy for cleartext (rules 25, 26, 29): to and from the unprotected SIP ports only. The worker only.
 */
#ifndef BGF_DP_CLEAR_H
#define BGF_DP_CLEAR_H

#include "batch.h"

/* Takes what came to served addresses outside ESP; adds to `out` what may go on to the core. */
void clear_in(struct worker *w, const struct batch *in, struct batch *out);

/* Takes what unprotected ports of served addresses sent; adds it to `out`. */
void clear_out(struct worker *w, const struct batch *in, struct batch *out);

#endif
