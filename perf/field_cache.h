/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fields are dear to make: points that follow each other share them.
 */
#ifndef BGF_PERF_FIELD_CACHE_H
#define BGF_PERF_FIELD_CACHE_H

#include "field.h"

/* The field of these arguments; the one not asked for longest goes when there are more than two. It belongs
 * to the cache. NULL with a sentence in error[]. */
struct field *field_cache_get(const struct field_args *args, char *error, size_t error_size);

#endif
