/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which message is whose: the table of requests with the roles that may send them, and the association's own
 * messages (HELLO, HEARTBEAT, BYE, SUBSCRIBE).
 */
#ifndef CONTROL_DISPATCH_H
#define CONTROL_DISPATCH_H

#include "control/session.h"

/* A parsed frame of an association. It gets its answer, at once or later. */
void dispatch(struct session *s, const struct zb_message_in *m);

#endif
