/* SPDX-License-Identifier: BSD-3-Clause */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
int netns_enter(const char *name, int *ret_back)
{
	char path[64];

	if (name[0] == '\0') {
		*ret_back = -1;
		return 0;
	}
	if (snprintf(path, sizeof(path), "/run/netns/%s", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0)
		return -errno;
	int back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = back < 0 || setns(there, CLONE_NEWNET) < 0 ? -errno : 0;
	close(there);
	if (r < 0) {
		if (back >= 0)
			close(back);
		return r;
	}
	*ret_back = back;
	return 0;
}

void netns_leave(int back)
{
	if (back < 0)
		return;
	if (setns(back, CLONE_NEWNET) < 0) {
		dp_log(DP_ERROR, "cannot return to the own network namespace: %s", strerror(errno));
		abort();
	}
	close(back);
}
