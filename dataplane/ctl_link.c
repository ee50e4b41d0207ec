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

struct ctl_link_packet {
	TAILQ_ENTRY(ctl_link_packet) next;
	size_t used, size;
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
	TAILQ_INIT(&l->queue);
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
	struct ctl_link_packet *p;

	if (l->client < 0)
		return;
	close(l->client);
	l->client = -1;
	l->serial++;
	while ((p = TAILQ_FIRST(&l->queue)) != NULL) {
		TAILQ_REMOVE(&l->queue, p, next);
		free(p);
	}
	l->queued = 0;
	explicit_bzero(l->packet, l->end);
	l->at = l->end = 0;
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

/* Reads the next packet: its length, or -EAGAIN, -ECONNRESET. */
static ssize_t packet_receive(struct ctl_link *l)
{
	if (l->client < 0)
		return -ECONNRESET;
	ssize_t n = recv(l->client, l->packet, sizeof(l->packet), MSG_DONTWAIT);
	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	lost(l, n == 0 ? "closed" : strerror(errno));
	return -ECONNRESET;
}

ssize_t ctl_link_receive(struct ctl_link *l, void *record, size_t size)
{
	struct dpl_header h;

	if (l->at == l->end) {
		ssize_t n = packet_receive(l);
		if (n < 0)
			return n;
		l->at = 0;
		l->end = (size_t)n;
	}
	/* what begins no record is handed on as it is: it is none */
	size_t length = l->end - l->at;
	if (length >= sizeof(h)) {
		memcpy(&h, l->packet + l->at, sizeof(h));
		if (h.length >= sizeof(h) && h.length < length)
			length = h.length;
	}
	memcpy(record, l->packet + l->at, length < size ? length : size);
	explicit_bzero(l->packet + l->at, length);
	l->at += length;
	return (ssize_t)length;
}

void ctl_link_send(struct ctl_link *l, const struct dpl_header *record)
{
	if (l->client < 0)
		return;
	struct ctl_link_packet *p = TAILQ_LAST(&l->queue, ctl_link_queue);
	if (p == NULL || p->size - p->used < record->length) {
		size_t size = record->length > DPL_PACKET_MAX ? record->length : DPL_PACKET_MAX;
		p = malloc(sizeof(*p) + size);
		if (p == NULL) {
			lost(l, "no memory for an answer");
			return;
		}
		p->used = 0;
		p->size = size;
		TAILQ_INSERT_TAIL(&l->queue, p, next);
	}
	memcpy(p->octets + p->used, record, record->length);
	p->used += record->length;
	l->queued += record->length;
}

void ctl_link_flush(struct ctl_link *l)
{
	struct ctl_link_packet *p;

	while (l->client >= 0 && (p = TAILQ_FIRST(&l->queue)) != NULL) {
		ssize_t n = send(l->client, p->octets, p->used, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			ctl_link_watch(l, true);
			return;
		}
		if (n < 0) {
			lost(l, strerror(errno));
			return;
		}
		TAILQ_REMOVE(&l->queue, p, next);
		l->queued -= p->used;
		free(p);
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
		(ready && !ctl_link_congested(l) ? EPOLLIN : 0) | (TAILQ_EMPTY(&l->queue) ? 0 : EPOLLOUT);
	if (events == l->watched)
		return;
	l->watched = events;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->client,
		  &(struct epoll_event){.events = events, .data.fd = l->client});
}
