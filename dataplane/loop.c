/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_ring.h>

#include "ctl.h"
#include "exception.h"
#include "log.h"
#include "sets.h"
#include "stray.h"
#include "trouble.h"
#include "worker.h"

enum {
	FDS_MAX = 16,
	TICK_MS = 100,	      /* held packets, links */
	STRAYS_TOLD_MAX = 64, /* sources a tick */
	GRACE_US = 50,	      /* while a change waits for the workers, who pass a quiescent point in a turn */
};

struct loop {
	struct loop_args args;
	int epoll;
	uint64_t next_tick; /* CLOCK_MONOTONIC, ms */
	bool stop;
	bool kernel; /* a tap, netlink or a worker has something for exceptions_run */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int watch(const struct loop *l, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int watch_all(const struct loop *l)
{
	int fds[FDS_MAX];
	int n = exceptions_fds(l->args.exceptions, fds, FDS_MAX - 3);

	fds[n++] = ctl_fd(l->args.ctl);
	fds[n++] = l->args.wake;
	fds[n++] = l->args.signals;
	for (int i = 0; i < n; i++) {
		int rc = watch(l, fds[i]);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void take_signal(struct loop *l)
{
	struct signalfd_siginfo info;

	if (read(l->args.signals, &info, sizeof(info)) != sizeof(info))
		return;
	dp_log(DP_INFO, "%s: stopping", strsignal((int)info.ssi_signo));
	l->stop = true;
}

static void take_event(struct loop *l, int fd)
{
	uint64_t count;

	if (fd == l->args.signals) {
		take_signal(l);
	} else if (fd == l->args.wake) {
		if (read(fd, &count, sizeof(count)) == sizeof(count))
			l->kernel = true;
	} else if (fd != ctl_fd(l->args.ctl)) {
		l->kernel = true;
	}
}

/* Sleeps until there is something to do; `changes` wait: not longer than the workers may take; `more`: not at
 * all. */
static void wait(struct loop *l, uint32_t changes, bool more)
{
	struct epoll_event events[FDS_MAX];
	uint64_t now = now_ms();
	uint64_t left_ms = l->next_tick > now ? l->next_tick - now : 0;
	struct timespec timeout = {.tv_nsec = more	    ? 0
					      : changes > 0 ? GRACE_US * 1000L
							    : (long)left_ms * 1000000};
	int n = epoll_pwait2(l->epoll, events, FDS_MAX, &timeout, NULL);

	for (int i = 0; i < n; i++)
		take_event(l, events[i].data.fd);
}

static void take_notices(const struct loop *l)
{
	void *notice;

	while (rte_ring_dequeue(l->args.notices, &notice) == 0) {
		const uint32_t slot = (uint32_t)((uintptr_t)notice - 1);
		sets_proven(l->args.sets, slot);
		uint64_t id = sets_first_used(l->args.sets, slot);
		if (id != 0)
			ctl_first_used(l->args.ctl, id);
	}
}

/* A look's share, so that a flood from many sources is no flood over the link. */
struct stray_share {
	struct ctl *ctl;
	unsigned left;
};

static bool tell_stray(void *context, const struct stray *stray)
{
	struct stray_share *share = context;
	struct dpl_stray event = {.header = {.type = DPL_STRAY, .length = sizeof(event)},
				  .source.family = stray->ipv6 ? 6 : 4,
				  .served.family = stray->ipv6 ? 6 : 4,
				  .spi = stray->spi,
				  .count = stray->count};

	if (share->left == 0)
		return false;
	share->left--;
	memcpy(event.source.octet, stray->source, sizeof(event.source.octet));
	memcpy(event.served.octet, stray->served, sizeof(event.served.octet));
	return ctl_tell(share->ctl, &event.header);
}

/* What control should hear of, as far as somebody listens. */
static void tell_news(struct loop *l)
{
	struct stray_share share = {.ctl = l->args.ctl};
	uint32_t client = ctl_client(l->args.ctl);

	if (client == 0)
		return;
	trouble_look(l->args.trouble, now_ms() / 1000, client);
	for (uint16_t i = 0; i < l->args.worker_count; i++) {
		share.left = STRAYS_TOLD_MAX / l->args.worker_count + 1;
		strays_take(l->args.workers[i]->strays, tell_stray, &share);
	}
}

static void tick(struct loop *l)
{
	static const char *const names[PORT_SIDES] = {"access", "core"};

	l->next_tick = now_ms() + TICK_MS;
	l->kernel = true;
	tell_news(l);
	for (int side = 0; side < PORT_SIDES; side++)
		if (port_poll(&l->args.ports[side]))
			dp_log(DP_WARNING, "port %s: link %s", names[side],
			       l->args.ports[side].up ? "up" : "down");
}

int loop_run(const struct loop_args *args, char *error, size_t error_size)
{
	struct loop l = {.args = *args, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	int rc = l.epoll < 0 ? -errno : watch_all(&l);
	uint32_t changes = 0;
	bool more = false;

	if (rc != 0)
		snprintf(error, error_size, "main loop: %s", strerror(-rc));
	while (rc == 0 && !l.stop) {
		wait(&l, changes, more);
		if (now_ms() >= l.next_tick)
			tick(&l);
		if (l.kernel)
			exceptions_run(l.args.exceptions);
		l.kernel = false;
		take_notices(&l);
		more = ctl_run(l.args.ctl);
		changes = sets_poll(l.args.sets);
		ctl_flush(l.args.ctl);
		rc = exceptions_fault(l.args.exceptions, error, error_size);
	}
	if (l.epoll >= 0)
		close(l.epoll);
	return rc;
}
