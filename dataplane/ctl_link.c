/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

enum {
	SEND_BUFFER = 1 << 20,	/* octets; a whole SET_LIST batch must fit */
	QUEUE_ENOUGH = 1 << 20, /* octets queued: no more requests are read */
};

struct ctl_link_record {
	STAILQ_ENTRY(ctl_link_record) next;
	size_t length;
	uint8_t octets[];
};

/* Removes a socket that no process serves any more. */
static int stale_remove(const char *path, const struct sockaddr_un *address, char *error, size_t error_size)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return 0; /* bind tells what is wrong, if anything is */
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, error_size, "link %s: exists and is no socket", path);
		return -EEXIST;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
	close(fd);
	if (rc == 0 || rc == -EAGAIN) {
		snprintf(error, error_size, "link %s: another process serves there", path);
		return -EADDRINUSE;
	}
	return unlink(path) == 0 ? 0 : -errno;
}

static int watch_new(int epoll, int fd)
{
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
}

int ctl_link_listen(struct ctl_link *l, const char *path, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*l = (struct ctl_link){.epoll = -1, .listener = -1, .client = -1};
	STAILQ_INIT(&l->queue);
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
	    (int)sizeof(address.sun_path)) {
		snprintf(error, error_size, "link %s: longer than a socket's path can be", path);
		return -ENAMETOOLONG;
	}
	snprintf(error, error_size, "%s", "");
	int rc = stale_remove(path, &address, error, error_size);
	mode_t mask = umask(0177);
	if (rc == 0) {
		l->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		l->epoll = epoll_create1(EPOLL_CLOEXEC);
		if (l->listener < 0 || l->epoll < 0 ||
		    bind(l->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		    listen(l->listener, 8) != 0 || watch_new(l->epoll, l->listener) != 0)
			rc = -errno;
	}
	umask(mask);
	if (rc == 0)
		return 0;
	if (error[0] == '\0')
		snprintf(error, error_size, "link %s: %s%s", path, strerror(-rc),
			 rc == -ENOENT ? "; make its folder" : "");
	if (l->listener >= 0)
		close(l->listener);
	if (l->epoll >= 0)
		close(l->epoll);
	return rc;
}

void ctl_link_stop(struct ctl_link *l, const char *path)
{
	ctl_link_close(l);
	unlink(path);
	close(l->listener);
	close(l->epoll);
}

bool ctl_link_open(const struct ctl_link *l)
{
	return l->client >= 0;
}

void ctl_link_close(struct ctl_link *l)
{
	struct ctl_link_record *r;

	if (l->client < 0)
		return;
	close(l->client);
	l->client = -1;
	l->serial++;
	while ((r = STAILQ_FIRST(&l->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		free(r);
	}
	l->queued = 0;
}

/* Only root and the user that this process runs as may give orders. */
static bool may_connect(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		return false;
	if (who.uid == 0 || who.uid == geteuid())
		return true;
	dp_log(DP_WARNING, "link: process %d of user %u may not connect; closed", who.pid, who.uid);
	return false;
}

static void say_busy(int fd)
{
	struct dpl_hello_answer busy = {
		.header = {.type = DPL_HELLO | DPL_ANSWER, .length = sizeof(busy), .status = -EBUSY},
		.version = DPL_VERSION};

	send(fd, &busy, sizeof(busy), MSG_DONTWAIT | MSG_NOSIGNAL);
	dp_log(DP_WARNING, "link: a second client came while one is connected; closed");
}

void ctl_link_accept(struct ctl_link *l)
{
	for (int i = 0; i < 8; i++) {
		int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		if (!may_connect(fd)) {
			close(fd);
		} else if (l->client >= 0) {
			say_busy(fd);
			close(fd);
		} else if (watch_new(l->epoll, fd) != 0) {
			close(fd);
		} else {
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER}, sizeof(int));
			l->client = fd;
			l->serial++;
			l->watched = EPOLLIN;
			dp_log(DP_INFO, "link: bgf-control connected");
		}
	}
}

static void lost(struct ctl_link *l, const char *why)
{
	dp_log(DP_INFO, "link: bgf-control is gone (%s); traffic goes on", why);
	ctl_link_close(l);
}

ssize_t ctl_link_receive(struct ctl_link *l, void *record, size_t size)
{
	if (l->client < 0)
		return -ECONNRESET;
	ssize_t n = recv(l->client, record, size, MSG_DONTWAIT | MSG_TRUNC);
	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	lost(l, n == 0 ? "closed" : strerror(errno));
	return -ECONNRESET;
}

static void queue_add(struct ctl_link *l, const struct dpl_header *record)
{
	struct ctl_link_record *r = malloc(sizeof(*r) + record->length);

	if (r == NULL) {
		lost(l, "no memory for an answer");
		return;
	}
	r->length = record->length;
	memcpy(r->octets, record, r->length);
	STAILQ_INSERT_TAIL(&l->queue, r, next);
	l->queued += r->length;
}

/* 0, -EAGAIN, or another negative errno. */
static int send_now(const struct ctl_link *l, const void *record, size_t length)
{
	return send(l->client, record, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : -errno;
}

void ctl_link_send(struct ctl_link *l, const struct dpl_header *record)
{
	if (l->client < 0)
		return;
	int rc = STAILQ_EMPTY(&l->queue) ? send_now(l, record, record->length) : -EAGAIN;
	if (rc == -EAGAIN) {
		queue_add(l, record);
		ctl_link_watch(l, true);
	} else if (rc != 0) {
		lost(l, strerror(-rc));
	}
}

void ctl_link_flush(struct ctl_link *l)
{
	struct ctl_link_record *r;

	while (l->client >= 0 && (r = STAILQ_FIRST(&l->queue)) != NULL) {
		int rc = send_now(l, r->octets, r->length);
		if (rc == -EAGAIN)
			return;
		STAILQ_REMOVE_HEAD(&l->queue, next);
		l->queued -= r->length;
		free(r);
		if (rc != 0)
			lost(l, strerror(-rc));
	}
}

bool ctl_link_congested(const struct ctl_link *l)
{
	return l->queued >= QUEUE_ENOUGH;
}

void ctl_link_watch(struct ctl_link *l, bool ready)
{
	if (l->client < 0)
		return;
	uint32_t events =
		(ready && !ctl_link_congested(l) ? EPOLLIN : 0) | (STAILQ_EMPTY(&l->queue) ? 0 : EPOLLOUT);
	if (events == l->watched)
		return;
	l->watched = events;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->client,
		  &(struct epoll_event){.events = events, .data.fd = l->client});
}
