/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Events to the associations that subscribed: those of the set's own peer, and observers and operators.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include "control/control.h"

/* FIRST_USED or SUPERSEDED. */
void events_set(struct control *c, unsigned kind, const struct sa_set *set);
/* EXPIRED or REMOVED, as the set has it. `last`: its counters; NULL: they are not known, and told as 0. */
void events_ended(struct control *c, const struct sa_set *set, const struct dpl_set_state *last);
/* SEQUENCE_LOW: the SA with this SPI has used `sequence`. */
void events_sequence_low(struct control *c, const struct sa_set *set, uint32_t spi, uint64_t sequence);
/* ICV_FAILURES or REPLAYS: so many packets. */
void events_bad_packets(struct control *c, unsigned kind, const struct sa_set *set, uint64_t count);
/* OVERLOAD, as it is now. */
void events_overload(struct control *c);
/* UNKNOWN_SPI: so many packets from a UE address of which `owner` has sets. */
void events_unknown_spi(struct control *c, const struct peer *owner, const struct dpl_stray *stray,
			uint64_t count);
/* EPOCH_LOST: the store is another one. To all that subscribed. */
void events_epoch_lost(struct control *c);
/* GAP: what became of sets was not told. To all that subscribed. */
void events_gap(struct control *c);

#endif
