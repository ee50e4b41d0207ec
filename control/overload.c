/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/overload.h"

enum overload_news overload_note(struct overload *o, uint64_t delay, uint32_t under_way, uint64_t now)
{
	if (o->limit == 0)
		return OVERLOAD_SAME;
	bool late = delay >= o->limit && under_way >= OVERLOAD_LEAST;
	/* In between nothing changes: else it would be on and off with each request. */
	bool calm = delay < o->limit / 2 || under_way < OVERLOAD_LEAST;

	if (late)
		o->shedding = true;
	else if (calm)
		o->shedding = false;
	if (!calm)
		o->calm = 0;
	else if (o->calm == 0)
		o->calm = now;
	if (late && !o->on) {
		o->on = true;
		o->since = now;
		o->refused = 0;
		return OVERLOAD_BEGINS;
	}
	if (o->on && calm && now - o->calm >= OVERLOAD_CALM_MS * UINT64_C(1000000)) {
		o->on = false;
		return OVERLOAD_ENDS;
	}
	return OVERLOAD_SAME;
}

bool overload_admits(struct overload *o, enum overload_rank rank)
{
	if (!o->shedding || rank != OVERLOAD_NEW)
		return true;
	o->refused++;
	return false;
}

uint32_t overload_retry_ms(uint32_t retry_s, uint32_t random)
{
	return retry_s * 500 + random % (retry_s * 1000);
}
