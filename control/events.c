/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/events.h"

#include "control/log.h"
#include "control/session.h"
#include "control/sets.h"
#include "zb/records.h"

enum { KIND_TO_MESSAGE = ZB_MSG_EXPIRED - ZB_EVENT_EXPIRED, EVENT_MAX = 4096 };

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

/* An event that is about a set: begins it. */
static void begin(struct zb_frame *f, uint8_t buffer[static EVENT_MAX], unsigned kind,
		  const struct sa_set *set, const struct dpl_set_state *counters)
{
	struct zb_set row;

	zb_frame_begin(f, buffer, EVENT_MAX, kind + KIND_TO_MESSAGE, ZB_FLAG_EVENT, 0);
	sets_show(set, timers_now(), &row);
	if (counters != NULL)
		sets_show_counters(counters, &row);
	zb_put_set(f, &row);
}

void events_set(struct control *c, unsigned kind, const struct sa_set *set)
{
	uint8_t buffer[EVENT_MAX];
	struct zb_frame f;

	begin(&f, buffer, kind, set, NULL);
	send_to_subscribers(c, kind, set->peer, &f);
}

void events_ended(struct control *c, const struct sa_set *set, const struct dpl_set_state *last)
{
	uint8_t buffer[EVENT_MAX];
	struct zb_frame f;

	begin(&f, buffer, set->ended, set, last);
	if (set->ended == ZB_EVENT_REMOVED)
		zb_put_number(&f, ZB_ATTR_WHY, set->name.removed);
	send_to_subscribers(c, set->ended, set->peer, &f);
}

void events_sequence_low(struct control *c, const struct sa_set *set, uint32_t spi, uint64_t sequence)
{
	uint8_t buffer[EVENT_MAX];
	struct zb_frame f;

	begin(&f, buffer, ZB_EVENT_SEQUENCE_LOW, set, NULL);
	zb_put_number(&f, ZB_ATTR_SPI, spi);
	zb_put_number(&f, ZB_ATTR_SEQUENCE, sequence);
	send_to_subscribers(c, ZB_EVENT_SEQUENCE_LOW, set->peer, &f);
}

void events_bad_packets(struct control *c, unsigned kind, const struct sa_set *set, uint64_t count)
{
	uint8_t buffer[EVENT_MAX];
	struct zb_frame f;

	begin(&f, buffer, kind, set, NULL);
	zb_put_number(&f, ZB_ATTR_COUNT, count);
	send_to_subscribers(c, kind, set->peer, &f);
}

void events_unknown_spi(struct control *c, const struct peer *owner, const struct dpl_stray *stray,
			uint64_t count)
{
	uint8_t buffer[256];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_UNKNOWN_SPI, ZB_FLAG_EVENT, 0);
	zb_put_string(&f, ZB_ATTR_NAME, owner->name);
	zb_put_addr(&f, ZB_ATTR_UE_ADDRESS, &stray->source);
	zb_put_addr(&f, ZB_ATTR_SERVED_ADDRESS, &stray->served);
	zb_put_number(&f, ZB_ATTR_SPI, stray->spi);
	zb_put_number(&f, ZB_ATTR_COUNT, count);
	send_to_subscribers(c, ZB_EVENT_UNKNOWN_SPI, owner, &f);
}

void events_gap(struct control *c)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_GAP, ZB_FLAG_EVENT, 0);
	send_to_subscribers(c, ZB_EVENT_GAP, NULL, &f);
}

void events_overload(struct control *c)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_OVERLOAD, ZB_FLAG_EVENT, 0);
	zb_put_number(&f, ZB_ATTR_OVERLOADED, c->overload.on);
	send_to_subscribers(c, ZB_EVENT_OVERLOAD, NULL, &f);
}

void events_epoch_lost(struct control *c)
{
	uint8_t buffer[64];
	struct zb_frame f;

	zb_frame_begin(&f, buffer, sizeof(buffer), ZB_MSG_EPOCH_LOST, ZB_FLAG_EVENT, 0);
	zb_put_number(&f, ZB_ATTR_STORE_EPOCH, c->store_epoch);
	send_to_subscribers(c, ZB_EVENT_EPOCH_LOST, NULL, &f);
}
