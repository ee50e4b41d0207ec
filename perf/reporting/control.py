# SPDX-License-Identifier: BSD-3-Clause
"""What bgf-control can do: bgf-zbload's run beside a gateway, over Zb."""
import os

from . import beside

NAMES = ("zb_sets_per_s_pipelined", "zb_sets_per_s_one_by_one", "loss_during_storm", "bytes_per_ue_control",
         "timers_1m_cpu_percent")
SECONDS_MAX = {True: 100, False: 300}  # by quick
SUBSCRIBERS = "1M"
PHASES = {True: ("idle", "install", "single", "timers", "storm", "expire"),
          False: ("idle", "install", "single", "confirm", "timers", "reauth", "storm", "expire", "release")}


def measure(build, out, quick, say):
    """Runs bgf-zbload beside a gateway without traffic, whose idle workers sleep. The report's names that come from it,
    and `control`, which is all that it wrote; {} where it cannot run."""
    words = ["--idle-sleep-us", "50", "zbload", "--subscribers", SUBSCRIBERS, "--storm", "100k" if quick else "300k",
             "--seconds", "2" if quick else "5", *PHASES[quick]]
    written = beside.figures("zb", words, os.path.join(out, "zbload.json"), build, SECONDS_MAX[quick], say)
    return {**beside.numbers(written, NAMES), "control": written} if written else {}
