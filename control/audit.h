/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of AUDIT, kept as sets come, change and go, so that no request has to go through all of them. A
 * set counts from when the data plane has given its id. One thread.
 */
#ifndef CONTROL_AUDIT_H
#define CONTROL_AUDIT_H

#include "control/peer.h"
#include "zb/digest.h"

/* A set came, or something in it changed. One that has no id, or is not counted, is left alone by the second.
 */
void audit_enter(struct sa_set *set);
void audit_change(struct sa_set *set);
void audit_leave(struct sa_set *set);

/* The digest of a set as it is now. */
uint64_t audit_digest(const struct sa_set *set);

#endif
