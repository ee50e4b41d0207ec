# SPDX-License-Identifier: BSD-3-Clause
"""What only a running gateway shows: bgf-pktgen's runs beside one, over memif."""
import os

from . import beside

NAMES = ("gateway_loss_at_80_percent", "residence_p99_us_at_10_percent", "zb_sets_per_s_at_80_percent_load",
         "zb_install_p99_ms_at_80_percent_load")
PHONES = {True: 10_000, False: 100_000}  # by quick
SECONDS_MAX = {True: 120, False: 540}
REPEATS = {True: 4, False: 10}  # of a disturbed trial, at most: an interrupted run has no figures at all
PERCENTILES = {"50": "p50_us", "90": "p90_us", "99": "p99_us", "99.9": "p99_9_us"}


def latency_of(written):
    """By load: percentiles in microseconds, of the first size."""
    sizes = written.get("sizes") or [{}]
    return [{"load_percent": row["percent_of_throughput"],
             "us": {name: row[key] for name, key in PERCENTILES.items() if key in row}}
            for row in sizes[0].get("latency", [])]


def measure(build, out, quick, say):
    """Runs bgf-pktgen beside a gateway. The report's names that come from it, and `latency` and `gateway`, which is
    all that bgf-pktgen wrote; {} where it cannot run."""
    words = ["rfc2544", "--phones", str(PHONES[quick]), "--size", "imix", "--repeats", str(REPEATS[quick]),
             *(["--quick"] if quick else [])]
    written = beside.figures("gateway", words, os.path.join(out, "pktgen.json"), build, SECONDS_MAX[quick], say)
    return {**beside.numbers(written, NAMES), "latency": latency_of(written), "gateway": written} if written else {}
