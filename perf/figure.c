/* SPDX-License-Identifier: BSD-3-Clause */
#include "figure.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

struct figure figure_of(double *value, unsigned n)
{
	qsort(value, n, sizeof(*value), compare);
	const double median = n % 2 != 0 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
	return (struct figure){.median = median, .low = value[n / 10], .high = value[n - 1 - n / 10]};
}
