/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The unix stream socket of Zb: one transport that makes associations. Another (TCP with TLS) makes them the
 * same way, with session_new and an origin of its own.
 */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include "control/control.h"

struct listener;

/* Opens the socket with its mode and group as configured. A file left over by a dead process is replaced, a
 * living one's is refused. 0, or -errno with a sentence in the log. */
int listener_open(struct control *c, struct listener **ret);
/* NULL is fine. Takes the file away. */
void listener_close(struct listener *l);

#endif
