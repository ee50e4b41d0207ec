/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A kernel to try things on: a network namespace 'taps' that nobody else sees, configured with iproute2. For
 * taps_fixture.h and test_netlink.c, which include cmocka first.
 */
#ifndef KERNEL_FIXTURE_H
#define KERNEL_FIXTURE_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "bgf_addr.h"

enum { SKIP = 77 };

__attribute__((format(printf, 1, 2))) static inline int shell(const char *format, ...)
{
	char command[512];
	va_list a;

	va_start(a, format);
	vsnprintf(command, sizeof(command), format, a);
	va_end(a);
	return system(command);
}

static inline struct bgf_addr addr(const char *text)
{
	struct bgf_addr a;
	assert_int_equal(bgf_addr_parse(text, &a), 0);
	return a;
}

/* A namespace that nobody else sees and that ends with the process, however that ends. */
static inline int private_netns(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	mkdir("/run/netns", 0755);
	if (mount("bgf-test", "/run/netns", "tmpfs", 0, NULL) != 0)
		return -1;
	return shell("ip netns add taps && ip -n taps link set lo up");
}

#endif
