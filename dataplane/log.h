/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log: one line an event on standard error, "bgf-dataplane: LEVEL: text". Main lcore only, never per
 * packet, never a key.
 */
#ifndef BGF_DP_LOG_H
#define BGF_DP_LOG_H

enum log_level { DP_ERROR, DP_WARNING, DP_INFO };

__attribute__((format(printf, 2, 3))) void dp_log(enum log_level level, const char *format, ...);

#endif
