# SPDX-License-Identifier: BSD-3-Clause
"""A run of perf/pktgen/beside for the report: its words as progress, and the figures that it leaves."""
import json
import os
import signal
import subprocess
import threading

BESIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pktgen", "beside")


def figures(who, words, path, build, seconds_max, say):
    """What the run with these words wrote to `path`; None, and said, where it left nothing. `who` begins what is said.
    After seconds_max the run is interrupted: it cleans up, and leaves none."""
    if os.path.exists(path):
        os.unlink(path)
    with subprocess.Popen([BESIDE, *words, "--json", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          bufsize=1, env={**os.environ, "BGF_BUILD": os.path.abspath(build)}) as process:
        limit = threading.Timer(seconds_max, process.send_signal, (signal.SIGINT,))
        limit.start()
        for line in process.stdout:
            if line.strip():
                say(f"{who}: {line.rstrip()[:150]}")
        limit.cancel()
    if process.returncode != 0:
        say(f"{who}: the run ended with status {process.returncode}")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        say(f"{who}: the run left no figures")
        return None


def numbers(written, names):
    """Those of the names whose values are plain numbers."""
    return {name: written[name] for name in names if isinstance(written.get(name), (int, float))}
