/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Control and data plane are brought together whenever the link comes up: after a restart of either, or a
 * loss of the link. The data plane's sets are the truth; what control still intended (ends whose answer was
 * lost) is carried out then. Requests are taken again when that is done.
 */
#ifndef CONTROL_SYNC_H
#define CONTROL_SYNC_H

#include "control/control.h"

/* The link's handlers; `arg` is the struct control. */
void sync_up(void *arg, const struct dpl_hello_answer *hello);
void sync_down(void *arg);
void sync_first_used(void *arg, uint64_t set_id);

#endif
