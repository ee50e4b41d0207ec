/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/log.h"
#include "control/places.h"

enum { BACKLOG = 128, ACCEPT_AT_ONCE = 16, PAUSE_MS = 100, OTHER_DESCRIPTORS = 64 };

struct listener {
	struct control *control;
	char path[CONFIG_PATH_MAX];
	int fd;
	int lock_fd; /* flock on PATH.lock: one instance a socket */
	struct event *readable, *resume;
};

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	event_add(l->readable, NULL);
}

static struct origin origin_of(int fd)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);
	struct origin origin = {0};

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0)
		origin = (struct origin){.is_local = true, .uid = cred.uid, .pid = cred.pid};
	return origin;
}

static void on_connection(evutil_socket_t listening, short what, void *arg)
{
	static struct log_gate gate = {.rate = 1};
	struct listener *l = arg;
	struct control *c = l->control;

	(void)what;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			/* The connection stays in the queue: without a pause this would spin. */
			struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
			log_gated(&gate, LOG_LEVEL_ERROR, "no connection can be taken: %s", strerror(errno));
			event_del(l->readable);
			event_add(l->resume, &pause);
		}
		if (fd < 0)
			return;
		struct origin origin = origin_of(fd);
		int error = session_new(c, fd, &origin);
		if (error != 0) {
			log_gated(&gate, LOG_LEVEL_WARNING, "a connection of pid %d was closed: %s",
				  origin.pid, strerror(-error));
			close(fd);
		}
	}
}

/* Two starting at once must not both take the path, so a lock beside it decides; the file itself may then
 * only be a dead process's. */
static int claim(struct listener *l)
{
	char lock[CONFIG_PATH_MAX + 8];
	struct stat st;

	snprintf(lock, sizeof(lock), "%s.lock", l->path);
	l->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd < 0) {
		log_line(LOG_LEVEL_ERROR, "%s: %s; its directory must be there and writable", lock,
			 strerror(errno));
		return -errno;
	}
	if (flock(l->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		log_line(LOG_LEVEL_ERROR,
			 "%s: another bgf-control serves it; stop that one, or name another socket in "
			 "control.zb",
			 l->path);
		return -EADDRINUSE;
	}
	if (lstat(l->path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		log_line(LOG_LEVEL_ERROR,
			 "%s is there and is no socket; remove it, or name another in control.zb", l->path);
		return -EEXIST;
	}
	return unlink(l->path) == 0 ? 0 : -errno;
}

static int set_access(const struct listener *l, const struct config_control *config)
{
	struct group *group = config->zb_group[0] != '\0' ? getgrnam(config->zb_group) : NULL;

	if (config->zb_group[0] != '\0' && group == NULL) {
		log_line(LOG_LEVEL_ERROR,
			 "control.zb_group: no group %s on this host; make it, or name another",
			 config->zb_group);
		return -ENOENT;
	}
	if ((group != NULL && chown(l->path, (uid_t)-1, group->gr_gid) != 0) ||
	    chmod(l->path, config->zb_mode) != 0) {
		log_line(LOG_LEVEL_ERROR, "%s: its group and mode cannot be set: %s", l->path,
			 strerror(errno));
		return -errno;
	}
	return 0;
}

static int bind_and_listen(struct listener *l, const struct config_control *config)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, l->path,
	       sizeof(address.sun_path)); /* the configuration bounds it, NUL and all */
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	/* Nobody may connect before mode and group are right. */
	mode_t mask = umask(0177);
	int error = bind(l->fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
	umask(mask);
	if (error != 0) {
		log_line(LOG_LEVEL_ERROR, "%s: %s", l->path, strerror(-error));
		return error;
	}
	error = set_access(l, config);
	if (error == 0 && listen(l->fd, BACKLOG) != 0)
		error = -errno;
	return error;
}

/* Where each connection can have one, who holds many leaves those of the others. The usual limit of 1,024 is
 * too low for some configurations, but may be raised. */
static void allow_descriptors(const struct config_control *config)
{
	const rlim_t needed = places_all(config) + OTHER_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
		log_line(LOG_LEVEL_WARNING,
			 "%llu files may be open, but %llu are needed for control.connections_max: raise "
			 "LimitNOFILE or lower that",
			 (unsigned long long)limit.rlim_cur, (unsigned long long)needed);
}

int listener_open(struct control *c, struct listener **ret)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	allow_descriptors(&c->config->control);
	*l = (struct listener){.control = c, .fd = -1, .lock_fd = -1};
	memcpy(l->path, c->config->control.zb, sizeof(l->path));
	int error = claim(l);
	if (error == 0)
		error = bind_and_listen(l, &c->config->control);
	if (error == 0) {
		l->readable = event_new(c->base, l->fd, EV_READ | EV_PERSIST, on_connection, l);
		l->resume = evtimer_new(c->base, on_resume, l);
		if (l->readable == NULL || l->resume == NULL || event_add(l->readable, NULL) != 0)
			error = -ENOMEM;
	}
	if (error != 0) {
		listener_close(l);
		return error;
	}
	*ret = l;
	return 0;
}

void listener_close(struct listener *l)
{
	if (l == NULL)
		return;
	if (l->readable != NULL)
		event_free(l->readable);
	if (l->resume != NULL)
		event_free(l->resume);
	if (l->fd >= 0) {
		unlink(l->path);
		close(l->fd);
	}
	if (l->lock_fd >= 0)
		close(l->lock_fd); /* the lock's file stays: to remove it would let two processes lock two
				      files */
	free(l);
}
