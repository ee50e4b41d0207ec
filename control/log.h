/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One line an event to standard error, `bgf-control: LEVEL: text`; what someone else can cause at will goes
 * through a gate, which says how many lines it held back. Never a key. One thread.
 */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* At most `rate` lines in one second. One gate for each thing that can flood, in static storage. */
struct log_gate {
	uint32_t rate;
	uint32_t passed, held;
	uint64_t second;
};
/* Whether the gate lets a line through now; it counts. */
bool log_passes(struct log_gate *gate, enum log_level level);
void log_gated(struct log_gate *gate, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
