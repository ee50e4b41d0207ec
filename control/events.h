/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Events to the associations that subscribed: those of the set's own peer, and observers and operators.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include "control/control.h"

/* EXPIRED, FIRST_USED, SUPERSEDED or REMOVED (then `why` is an enum bgf_removed). */
void events_set(struct control *c, unsigned kind, const struct sa_set *set, unsigned why);
/* EPOCH_LOST: the store is another one. To all that subscribed. */
void events_epoch_lost(struct control *c);
/* GAP: what became of sets was not told. To all that subscribed. */
void events_gap(struct control *c);

#endif
