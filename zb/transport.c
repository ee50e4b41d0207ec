/* SPDX-License-Identifier: BSD-3-Clause */
#include "zb/transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int transport_open(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, length + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A unix socket connects at once or not at all. */
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

ssize_t transport_read(int fd, void *buffer, size_t room)
{
	ssize_t n;

	do
		n = recv(fd, buffer, room, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t transport_write(int fd, const void *data, size_t length)
{
	ssize_t n;

	do
		n = send(fd, data, length, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
