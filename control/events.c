/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/events.h"

#include "control/log.h"
#include "control/session.h"
#include "control/sets.h"
#include "zb/records.h"

enum { KIND_TO_MESSAGE = ZB_MSG_EXPIRED - ZB_EVENT_EXPIRED };

static void send_to_subscribers(struct control *c, unsigned kind, const struct peer *owner,
				struct zb_frame *f)
{
	int length = zb_frame_finish(f);
	struct session *s;

	if (length < 0) {
		log_line(LOG_LEVEL_ERROR, "an event could not be encoded (%d)", length);
		return;
	}
	LIST_FOREACH (s, &c->sessions, next)
		if (session_wants(s, kind, owner))
			session_send_event(s, f->w.data, (size_t)length);
}

void events_set(struct control *c, unsigned kind, const struct sa_set *set, unsigned why)
{
	uint8_t buffer[4096];
	struct zb_frame f;
	struct zb_set row;

	zb_frame_begin(&f, buffer, sizeof(buffer), kind + KIND_TO_MESSAGE, ZB_FLAG_EVENT, 0);
	sets_show(set, timers_now(), &row);
	zb_put_set(&f, &row);
	if (kind == ZB_EVENT_REMOVED)
		zb_put_number(&f, ZB_ATTR_WHY, why);
	send_to_subscribers(c, kind, set->peer, &f);
}

void events_gap(struct control *c)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_GAP, ZB_FLAG_EVENT, 0);
	send_to_subscribers(c, ZB_EVENT_GAP, NULL, &f);
}

void events_epoch_lost(struct control *c)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_EPOCH_LOST, ZB_FLAG_EVENT, 0);
	zb_put_number(&f, ZB_ATTR_STORE_EPOCH, c->store_epoch);
	send_to_subscribers(c, ZB_EVENT_EPOCH_LOST, NULL, &f);
}
