/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the data plane found amiss, passed on to the P-CSCFs whose sets it concerns, and into the log. The
 * data plane bounds what it tells of a set; here the same bound is kept for an address. One thread.
 */
#ifndef CONTROL_TROUBLE_H
#define CONTROL_TROUBLE_H

#include "control/control.h"

enum { TROUBLE_STRAY_S = 60 /* a peer hears of one UE address at most so often */ };

/* The link's handlers; `arg` is the struct control. */
void trouble_of_set(void *arg, const struct dpl_trouble *trouble);
/* ESP with an SPI of no live SA: of interest only from an address that has sets. */
void trouble_of_stray(void *arg, const struct dpl_stray *stray);

#endif
