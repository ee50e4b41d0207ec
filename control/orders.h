/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The P-CSCF's orders: INSTALL, CONFIRM, RELEASE. Each takes a parsed request of an association, and sees to
 * its one answer.
 *
 * References. INSTALL: a set of this peer with the reference is there: the same content gets that set as the
 * answer again, another is REFERENCE_CLASH. Is the set gone (expired, released, lost with the store), the
 * reference is free: the repetition installs a new set, which is what a P-CSCF that repeats after a loss
 * wants. CONFIRM and RELEASE: the last one's reference is kept with the set, so that a repetition is known
 * after a restart of either daemon. A RELEASE whose set is gone, and a peer's last RELEASE of all, are known
 * while this daemon lives (of the former the last RELEASED_MAX at most); afterwards the one is UNKNOWN_SET,
 * which says the same, and the other touches what is there.
 */
#ifndef CONTROL_ORDERS_H
#define CONTROL_ORDERS_H

#include "control/session.h"
#include "zb/codec.h"

void orders_install(struct session *s, const struct zb_message_in *m);
void orders_confirm(struct session *s, const struct zb_message_in *m);
void orders_release(struct session *s, const struct zb_message_in *m);

/* Looks how long requests wait now: overload begins, or ends. With each INSTALL, and twice a second. */
void orders_look_at_load(struct control *c);

#endif
