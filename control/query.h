/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What Zb shows: sets with the data plane's counters, their digests, its counters and ports, and who is
 * associated. A peer sees its own sets, an observer and an operator all.
 */
#ifndef CONTROL_QUERY_H
#define CONTROL_QUERY_H

#include "control/session.h"

void query_sets(struct session *s, const struct zb_message_in *m);
void query_audit(struct session *s, const struct zb_message_in *m);
void query_counters(struct session *s, const struct zb_message_in *m);
void query_ports(struct session *s, const struct zb_message_in *m);
void query_peers(struct session *s, const struct zb_message_in *m);

#endif
