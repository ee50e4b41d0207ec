/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What many rounds say together.
 */
#ifndef BGF_PERF_FIGURE_H
#define BGF_PERF_FIGURE_H

#ifdef __cplusplus
extern "C" {
#endif

/* A median and how far the rounds lie apart: a tenth is below `low`, a tenth above `high`. */
struct figure {
	double median, low, high;
};

/* Sorts value[]; n is not 0. */
struct figure figure_of(double *value, unsigned n);

#ifdef __cplusplus
}
#endif

#endif
