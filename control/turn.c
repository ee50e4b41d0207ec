/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/turn.h"

#include <errno.h>

#include "control/timers.h"

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct turn *t = arg;

	(void)fd, (void)what;
	if (t->busy) { /* and may have given this turn more to do, which is behind us in the loop's queue */
		t->busy = false;
		event_active(t->end, EV_TIMEOUT, 0);
	} else {
		t->begun = 0;
	}
}

int turn_init(struct turn *t, struct event_base *base)
{
	*t = (struct turn){.end = evtimer_new(base, on_end, t)};
	return t->end != NULL ? 0 : -ENOMEM;
}

void turn_free(struct turn *t)
{
	if (t->end != NULL)
		event_free(t->end);
	*t = (struct turn){0};
}

void turn_work(struct turn *t)
{
	t->busy = true;
	if (t->begun != 0)
		return;
	t->begun = timers_now();
	event_active(t->end, EV_TIMEOUT, 0);
}

uint64_t turn_age(const struct turn *t, uint64_t now)
{
	return t->begun != 0 && now > t->begun ? now - t->begun : 0;
}
