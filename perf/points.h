/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is measured: a base point, and one axis at a time around it.
 */
#ifndef BGF_PERF_POINTS_H
#define BGF_PERF_POINTS_H

#include "series.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The nth point, NULL after the last. */
const struct point *points_get(unsigned n);

#ifdef __cplusplus
}
#endif

#endif
