/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Places for connections: how many there are of each kind, and who gives way when a kind has none left
 * (quota.h). P-CSCFs, those who only watch, and those who have not said HELLO yet take no place from each
 * other. One thread.
 */
#ifndef CONTROL_PLACES_H
#define CONTROL_PLACES_H

#include "control/session.h"

enum { PLACES_WATCHERS = 32 /* observers and operators, all together */ };

/* Connections that may be open at once. */
uint32_t places_all(const struct config_control *config);

/* Whether there is a place for this connection as this peer (NULL: before HELLO). 0, and another that must
 * give way for it (places_give), or NULL. -EREMOTEIO: a P-CSCF that has its share of all. */
int places_find(struct session *s, const struct peer *peer, struct session **ret_other,
		struct refusal *ret_refusal);
/* Ends the other, which is told why. NULL is fine. */
void places_give(struct session *other, const struct session *to);

#endif
