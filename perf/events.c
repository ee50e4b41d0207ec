/* SPDX-License-Identifier: BSD-3-Clause */
#include "events.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_one(uint64_t config)
{
	struct perf_event_attr a = {.type = PERF_TYPE_HARDWARE,
				    .size = sizeof(a),
				    .config = config,
				    .disabled = 1,
				    .exclude_kernel = 1,
				    .exclude_hv = 1};
	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

void events_open(struct events *e)
{
	e->instructions = open_one(PERF_COUNT_HW_INSTRUCTIONS);
	e->misses = open_one(PERF_COUNT_HW_CACHE_MISSES);
}

void events_close(struct events *e)
{
	if (e->instructions >= 0)
		close(e->instructions);
	if (e->misses >= 0)
		close(e->misses);
}

static void begin(int fd)
{
	if (fd < 0)
		return;
	ioctl(fd, PERF_EVENT_IOC_RESET, 0);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

static double end(int fd)
{
	uint64_t n;

	if (fd < 0)
		return -1;
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	return read(fd, &n, sizeof(n)) == sizeof(n) ? (double)n : -1;
}

void events_begin(const struct events *e)
{
	begin(e->instructions);
	begin(e->misses);
}

void events_end(const struct events *e, double *ret_instructions, double *ret_misses)
{
	*ret_instructions = end(e->instructions);
	*ret_misses = end(e->misses);
}
