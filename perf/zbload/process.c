/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"

uint64_t process_resident(pid_t pid)
{
	char path[64];
	unsigned long size, resident = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	FILE *f = pid > 0 ? fopen(path, "re") : NULL;
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

double process_cpu_seconds(pid_t pid)
{
	char path[64];
	unsigned long long ns = 0;

	/* Of its one thread; in nanoseconds, where /proc/PID/stat has ticks. */
	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	FILE *f = pid > 0 ? fopen(path, "re") : NULL;
	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return (double)ns / 1e9;
}
