/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stream below the client library: here a unix socket, and the one place to change for another kind. It
 * never blocks and never raises SIGPIPE. One thread at a time a descriptor.
 */
#ifndef ZB_TRANSPORT_H
#define ZB_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>

/* A connected descriptor, closed on exec, or a negative errno. */
int transport_open(const char *path);

/* How many octets were moved; 0 from a read: the other end closed. -EAGAIN: not now; another negative errno:
 * the stream is dead. */
ssize_t transport_read(int fd, void *buffer, size_t room);
ssize_t transport_write(int fd, const void *data, size_t length);

#endif
