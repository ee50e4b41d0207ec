/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static void log_v(enum log_level level, const char *format, va_list ap)
{
	static const char *const names[] = {"error", "warning", "info"};
	char text[512];

	vsnprintf(text, sizeof(text), format, ap);
	/* What a peer sent may be in it: nothing may look like another line, or steer a terminal. */
	for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "bgf-control: %s: %s\n", names[level], text);
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_v(level, format, ap);
	va_end(ap);
}

bool log_passes(struct log_gate *gate, enum log_level level)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (gate->second != (uint64_t)now.tv_sec) {
		if (gate->held > 0)
			log_line(level, "%u more lines like the last were held back", gate->held);
		*gate = (struct log_gate){.rate = gate->rate, .second = (uint64_t)now.tv_sec};
	}
	if (gate->passed >= gate->rate) {
		gate->held++;
		return false;
	}
	gate->passed++;
	return true;
}

void log_gated(struct log_gate *gate, enum log_level level, const char *format, ...)
{
	va_list ap;

	if (!log_passes(gate, level))
		return;
	va_start(ap, format);
	log_v(level, format, ap);
	va_end(ap);
}
