# SPDX-License-Identifier: BSD-3-Clause
"""What bgf-control can do: bgf-zbload's run beside a gateway, over Zb."""
import json
import os
import signal
import subprocess
import threading

NAMES = ("zb_sets_per_s_pipelined", "zb_sets_per_s_one_by_one", "loss_during_storm", "bytes_per_ue_control",
         "timers_1m_cpu_percent")
BESIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pktgen", "beside")
SECONDS_MAX = {True: 100, False: 300}  # by quick
SUBSCRIBERS = "1M"
PHASES = {True: ("idle", "install", "single", "timers", "storm", "expire"),
          False: ("idle", "install", "single", "confirm", "timers", "reauth", "storm", "expire", "release")}


def run(argv, build, quick, say):
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
                          env={**os.environ, "BGF_BUILD": build}) as process:
        limit = threading.Timer(SECONDS_MAX[quick], process.send_signal, (signal.SIGINT,))
        limit.start()
        for line in process.stdout:
            if line.strip():
                say("zb: " + line.rstrip()[:150])
        limit.cancel()
    if process.returncode != 0:
        say(f"zb: bgf-zbload's run ended with status {process.returncode}")


def measure(build, out, quick, say):
    """Runs bgf-zbload beside a gateway without traffic, whose idle workers sleep. The report's names that come from it,
    and `control`, which is all that it wrote; {} where it cannot run."""
    path = os.path.join(out, "zbload.json")
    if os.path.exists(path):
        os.unlink(path)
    run([BESIDE, "--idle-sleep-us", "50", "zbload", "--subscribers", SUBSCRIBERS, "--storm", "100k" if quick else "300k",
         "--seconds", "2" if quick else "5", "--json", path, *PHASES[quick]], os.path.abspath(build), quick, say)
    try:
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
    except (OSError, ValueError):
        say("zb: no figures: bgf-zbload left none")
        return {}
    return {**{name: written[name] for name in NAMES if isinstance(written.get(name), (int, float))}, "control": written}
