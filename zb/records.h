/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The rows that both ends exchange, between their structures (zb.h) and the groups SET, STAT, PORT and PEER.
 */
#ifndef ZB_RECORDS_H
#define ZB_RECORDS_H

#include "zb.h"
#include "zb/codec.h"

/* Puts one group. What does not fit or is out of bounds is an error of the frame (zb_frame_finish). */
void zb_put_set(struct zb_frame *f, const struct zb_set *set);
void zb_put_stat(struct zb_frame *f, const struct zb_stat *stat);
void zb_put_port(struct zb_frame *f, const struct zb_port *port);
void zb_put_peer(struct zb_frame *f, const struct zb_peer *peer);

/* From the attributes of one group that was parsed. */
void zb_get_set(const struct zb_attrs *group, struct zb_set *ret);
void zb_get_stat(const struct zb_attrs *group, struct zb_stat *ret);
void zb_get_port(const struct zb_attrs *group, struct zb_port *ret);
void zb_get_peer(const struct zb_attrs *group, struct zb_peer *ret);

#endif
