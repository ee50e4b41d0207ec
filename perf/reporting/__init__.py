# SPDX-License-Identifier: BSD-3-Clause
"""What perf/report is made of."""
