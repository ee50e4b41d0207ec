/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void dp_log(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info"};
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "bgf-dataplane: %s: %s\n", names[level], text);
}
