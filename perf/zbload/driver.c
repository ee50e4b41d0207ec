/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

enum {
	WAIT_MS = 20000,
	RELEASE_WAIT_MS = 600000,
	TASKS = 65536, /* chains under way at most */
	POLL_MS = 1,
	CALLS_IN_TURN = 64 /* chains begun before answers are looked at again */
};

/* A chain that is under way. */
struct task {
	struct driver *driver;
	struct zb *zb;
	uint32_t number; /* of the subscriber */
	unsigned step;	 /* the plan's bit that is under way */
	double due, not_before;
	uint64_t old_set, reference;
	bool is_repeated; /* it was refused for overload, or lost: how long it takes is another matter */
	struct zb_install install; /* as sent: a repetition must be the same */
	char name[CROWD_NAME];
	struct task *next; /* of the free ones, or of those to repeat */
};

struct link {
	struct zb *zb;
	unsigned under_way;
};

struct driver {
	struct crowd *crowd;
	const char *path, *peer;
	uint64_t instance_id;
	struct link link[DRIVER_CONNECTIONS];
	unsigned links;
	struct task *task, *free, *repeat, **repeat_end;
	const struct phase *phase;
	struct outcome *outcome;
	uint64_t under_way;
	int failure;
	double *ends; /* by subscriber: when its set's life is over, where expiry is awaited */
};

double driver_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_one(const struct driver *d, int wait_ms, struct zb **ret, struct zb_error *ret_error)
{
	const struct zb_options options = {.path = d->path,
					   .name = d->peer,
					   .instance_id = d->instance_id,
					   .role = ZB_ROLE_PEER,
					   .wait_ms = wait_ms,
					   .release_former = 1,
					   .pending_max = ZB_PENDING_MOST};
	struct zb_gateway gateway;
	int rc = zb_open(&options, ret, ret_error);

	if (rc == 0 && (rc = zb_gateway(*ret, &gateway, ret_error)) != 0) {
		zb_close(*ret);
		*ret = NULL;
	}
	return rc;
}

void driver_free(struct driver *d)
{
	if (d == NULL)
		return;
	for (unsigned i = 0; i < d->links; i++)
		zb_close(d->link[i].zb);
	free(d->task);
	free(d->ends);
	free(d);
}

int driver_new(const char *path, const char *name, unsigned connections, struct crowd *crowd,
	       struct driver **ret, struct zb_error *ret_error)
{
	struct driver *d = calloc(1, sizeof(*d));
	int rc = 0;

	if (d == NULL)
		return -ENOMEM;
	*d = (struct driver){.crowd = crowd, .path = path, .peer = name, .repeat_end = &d->repeat};
	d->task = calloc(TASKS, sizeof(*d->task));
	d->ends = calloc(crowd->count, sizeof(*d->ends));
	if (d->task == NULL || d->ends == NULL ||
	    getrandom(&d->instance_id, sizeof(d->instance_id), 0) != sizeof(d->instance_id))
		rc = -ENOMEM;
	d->instance_id |= 1;
	for (unsigned i = 0; i < TASKS && rc == 0; i++) {
		d->task[i].next = d->free;
		d->free = &d->task[i];
	}
	for (; d->links < connections && rc == 0; d->links += rc == 0)
		rc = open_one(d, WAIT_MS, &d->link[d->links].zb, ret_error);
	if (rc != 0)
		driver_free(d);
	else
		*ret = d;
	return rc;
}

/* --- a chain --- */

static void start_step(struct task *t);

static uint64_t as_ns(double seconds)
{
	return seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
}

static void end_task(struct task *t)
{
	struct driver *d = t->driver;

	for (unsigned i = 0; i < d->links; i++)
		if (d->link[i].zb == t->zb)
			d->link[i].under_way--;
	explicit_bzero(t->install.ik, sizeof(t->install.ik));
	d->under_way--;
	t->next = d->free;
	d->free = t;
}

static void next_step(struct task *t)
{
	static const unsigned order[] = {PLAN_INSTALL, PLAN_CONFIRM, PLAN_RELEASE_OLD, PLAN_RELEASE};
	struct driver *d = t->driver;
	unsigned former = t->step;

	for (unsigned i = 0; i < sizeof(order) / sizeof(*order); i++) {
		if (order[i] <= former || !(d->phase->plan & order[i]))
			continue;
		t->step = order[i];
		t->reference = 0;
		start_step(t);
		return;
	}
	d->outcome->done++;
	histogram_add(&d->outcome->chain, as_ns(driver_now() - t->due));
	end_task(t);
}

/* What a good answer tells. */
static void learn(struct task *t, const struct zb_answer *a)
{
	struct driver *d = t->driver;
	struct subscriber *s = &d->crowd->one[t->number];

	if (t->step == PLAN_INSTALL) {
		if (!t->is_repeated)
			histogram_add(&d->outcome->install, as_ns(driver_now() - t->due));
		t->old_set = s->set_id;
		s->set_id = a->sets[0].set_id;
	} else if (t->step == PLAN_RELEASE) {
		s->set_id = 0;
	}
	if (a->set_count == 1)
		d->ends[t->number] = driver_now() + (double)a->sets[0].remaining_ms / 1e3;
}

/* They come again in this order: one may wait a little longer than it was told. */
static void repeat_later(struct task *t, double wait)
{
	struct driver *d = t->driver;

	t->not_before = driver_now() + wait;
	t->next = NULL;
	*d->repeat_end = t;
	d->repeat_end = &t->next;
}

static void on_answer(const struct zb_answer *a, void *arg)
{
	struct task *t = arg;
	struct outcome *o = t->driver->outcome;

	if (a->status == 0) {
		learn(t, a);
		next_step(t);
		return;
	}
	o->why = a->error;
	t->is_repeated = true;
	if (a->status == -EREMOTEIO && a->error.retry_after_ms > 0) {
		o->overload++;
		repeat_later(t, a->error.retry_after_ms / 1e3);
	} else if (a->status == -ENOTCONN || a->status == -ETIMEDOUT) {
		o->repeated++;
		repeat_later(t, 0.01);
	} else {
		o->refused++;
		end_task(t);
	}
}

static void start_step(struct task *t)
{
	struct driver *d = t->driver;
	const struct subscriber *s = &d->crowd->one[t->number];
	struct zb_error why = {0};
	int rc = 0;

	if (t->reference == 0)
		t->reference = t->step == PLAN_INSTALL ? t->install.reference : ++d->crowd->reference;
	uint64_t set_id = t->step == PLAN_RELEASE_OLD ? t->old_set : s->set_id;
	if (t->step == PLAN_INSTALL) {
		rc = zb_start_install(t->zb, &t->install, on_answer, t, &why);
	} else if (set_id == 0) { /* there is none: done */
		next_step(t);
	} else if (t->step == PLAN_CONFIRM) {
		rc = zb_start_confirm(t->zb, set_id, t->reference, d->phase->expires_s, on_answer, t, &why);
	} else {
		rc = zb_start_release(t->zb, set_id, t->reference, 0, on_answer, t, &why);
	}
	if (rc != 0) {
		d->failure = rc;
		d->outcome->why = why;
		end_task(t);
	}
}

static void begin(struct driver *d, struct link *l, uint32_t number, double due)
{
	struct task *t = d->free;

	d->free = t->next;
	d->under_way++;
	l->under_way++;
	d->outcome->begun++;
	*t = (struct task){.driver = d, .zb = l->zb, .number = number, .due = due};
	if (d->phase->plan & PLAN_INSTALL) {
		crowd_install(d->crowd, number, t->name, &t->install);
		t->install.await_auth_s = d->phase->await_auth_s;
		if (d->phase->plan & PLAN_INITIAL)
			t->install.flags = BGF_SET_BEGAN_UNPROTECTED | BGF_SET_REPLACE;
	}
	next_step(t);
}

/* --- a phase --- */

static void on_event(const struct zb_event *event, void *arg)
{
	struct driver *d = arg;
	uint32_t number;

	if (event->kind == ZB_EVENT_GAP && d->outcome != NULL)
		d->outcome->gap = true;
	if (event->kind != ZB_EVENT_EXPIRED || d->outcome == NULL ||
	    sscanf(event->subscriber, "subscriber-%u@", &number) != 1 || number >= d->crowd->count)
		return;
	d->outcome->expired++;
	histogram_add(&d->outcome->late, as_ns(driver_now() - d->ends[number]));
}

/* How many chains may have begun by now, and when the next one was due. */
static uint64_t due_by(const struct phase *p, double begun_at, double now, double *ret_due, uint64_t begun)
{
	*ret_due = now;
	if (p->seconds > 0 && now - begun_at >= p->seconds)
		return begun;
	uint64_t due = p->seconds > 0 ? UINT64_MAX : p->count;
	if (p->rate > 0) {
		uint64_t by_rate = (uint64_t)((now - begun_at) * p->rate);
		due = by_rate < due ? by_rate : due;
		*ret_due = begun_at + (double)begun / p->rate;
	}
	return due;
}

static void begin_some(struct driver *d, double begun_at)
{
	const struct phase *p = d->phase;
	uint64_t begun = d->outcome->begun;
	double due;

	for (unsigned n = 0; n < CALLS_IN_TURN * p->connections && d->free != NULL && d->failure == 0;
	     n++, begun++) {
		struct link *l = &d->link[begun % p->connections];
		if (l->under_way >= p->window || begun >= due_by(p, begun_at, driver_now(), &due, begun))
			return;
		begin(d, l, p->first + (uint32_t)(begun % p->count), due);
	}
}

static void repeat_some(struct driver *d)
{
	double now = driver_now();
	struct task *t;

	while ((t = d->repeat) != NULL && t->not_before <= now) {
		d->repeat = t->next;
		if (d->repeat == NULL)
			d->repeat_end = &d->repeat;
		start_step(t);
	}
}

static void process_all(struct driver *d, int wait_ms)
{
	struct pollfd fds[DRIVER_CONNECTIONS];

	for (unsigned i = 0; i < d->links; i++) {
		zb_process(d->link[i].zb, on_event, d);
		fds[i] = (struct pollfd){.fd = zb_fd(d->link[i].zb),
					 .events = (short)zb_poll_events(d->link[i].zb)};
	}
	if (wait_ms > 0)
		poll(fds, d->links, wait_ms);
}

void driver_idle(struct driver *d)
{
	process_all(d, 50);
}

static bool is_over(const struct driver *d, double begun_at)
{
	double due;

	return d->failure != 0 ||
	       (d->under_way == 0 &&
		d->outcome->begun >= due_by(d->phase, begun_at, driver_now(), &due, d->outcome->begun) &&
		(d->phase->seconds == 0 ? d->outcome->begun >= d->phase->count
					: driver_now() - begun_at >= d->phase->seconds));
}

static void outcome_clear(struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	histogram_clear(&o->install);
	histogram_clear(&o->chain);
	histogram_clear(&o->late);
}

int driver_run(struct driver *d, const struct phase *phase, bool (*progress)(const struct outcome *o),
	       struct outcome *ret)
{
	const double begun_at = driver_now(), cpu = process_cpu_seconds(driver_gateway(d));
	int rc = 0;

	outcome_clear(ret);
	d->phase = phase;
	d->outcome = ret;
	d->failure = 0;
	while (rc == 0 && !is_over(d, begun_at)) {
		begin_some(d, begun_at);
		repeat_some(d);
		process_all(d, POLL_MS);
		ret->seconds = driver_now() - begun_at;
		rc = progress(ret) ? 0 : -EINTR;
	}
	ret->control_cpu = process_cpu_seconds(driver_gateway(d)) - cpu;
	d->outcome = NULL;
	return rc != 0 ? rc : d->failure;
}

int driver_await_expiry(struct driver *d, uint64_t count, double seconds, struct outcome *ret)
{
	const double until = driver_now() + seconds;

	d->outcome = ret;
	while (ret->expired < count && driver_now() < until)
		process_all(d, 10);
	d->outcome = NULL;
	return ret->expired < count && !ret->gap ? -ETIMEDOUT : 0;
}

int driver_subscribe(struct driver *d, uint32_t events, struct zb_error *ret_error)
{
	return zb_subscribe(d->link[0].zb, events, ret_error);
}

int driver_single(struct driver *d, uint32_t first, uint32_t count, double seconds, struct outcome *ret)
{
	const double begun_at = driver_now(), cpu = process_cpu_seconds(driver_gateway(d));
	char name[CROWD_NAME];
	struct zb_install install;
	struct zb_set set;
	int rc = 0;

	outcome_clear(ret);
	while (rc == 0 && ret->seconds < seconds && ret->done < count) {
		const uint32_t number = first + (uint32_t)ret->begun++;
		const double begun = driver_now();
		crowd_install(d->crowd, number, name, &install);
		rc = zb_install(d->link[0].zb, &install, &set, &ret->why);
		explicit_bzero(install.ik, sizeof(install.ik));
		if (rc == 0) {
			d->crowd->one[number].set_id = set.set_id;
			ret->done++;
			histogram_add(&ret->install, as_ns(driver_now() - begun));
		}
		ret->seconds = driver_now() - begun_at;
	}
	ret->control_cpu = process_cpu_seconds(driver_gateway(d)) - cpu;
	return rc;
}

int driver_release_all(struct driver *d, uint32_t *ret_count, struct zb_error *ret_error)
{
	struct zb *zb;
	int rc = open_one(d, RELEASE_WAIT_MS, &zb, ret_error);

	if (rc != 0)
		return rc;
	rc = zb_release_all(zb, ++d->crowd->reference, 0, ret_count, ret_error);
	zb_close(zb);
	for (uint32_t i = 0; i < d->crowd->count; i++)
		d->crowd->one[i].set_id = 0;
	return rc;
}

pid_t driver_gateway(const struct driver *d)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(zb_fd(d->link[0].zb), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? who.pid : 0;
}
