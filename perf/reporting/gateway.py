# SPDX-License-Identifier: BSD-3-Clause
"""What only a running gateway shows: bgf-pktgen's runs beside one, over memif."""
import json
import os
import signal
import subprocess
import threading

NAMES = ("gateway_loss_at_80_percent", "residence_p99_us_at_10_percent", "zb_sets_per_s_at_80_percent_load",
         "zb_install_p99_ms_at_80_percent_load")
BESIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pktgen", "beside")
PHONES = {True: 10_000, False: 100_000}  # by quick
SECONDS_MAX = {True: 120, False: 540}
PERCENTILES = {"50": "p50_us", "90": "p90_us", "99": "p99_us", "99.9": "p99_9_us"}


def run(argv, build, quick, say):
    """beside's whole run."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
                          env={**os.environ, "BGF_BUILD": build}) as process:
        limit = threading.Timer(SECONDS_MAX[quick], process.send_signal, (signal.SIGINT,))
        limit.start()
        for line in process.stdout:
            if line.strip():
                say("gateway: " + line.rstrip()[:150])
        limit.cancel()
    if process.returncode != 0:
        say(f"gateway: bgf-pktgen's run ended with status {process.returncode}")


def latency_of(written):
    """By load: percentiles in microseconds, of the first size."""
    sizes = written.get("sizes") or [{}]
    return [{"load_percent": row["percent_of_throughput"],
             "us": {name: row[key] for name, key in PERCENTILES.items() if key in row}}
            for row in sizes[0].get("latency", [])]


def measure(build, out, quick, say):
    """Runs bgf-pktgen beside a gateway. The report's names that come from it, and `latency` and `gateway`, which is
    all that bgf-pktgen wrote; {} where it cannot run."""
    path = os.path.join(out, "pktgen.json")
    if os.path.exists(path):
        os.unlink(path)
    argv = [BESIDE, "rfc2544", "--phones", str(PHONES[quick]), "--size", "imix", "--json", path]
    run(argv + (["--quick"] if quick else []), os.path.abspath(build), quick, say)
    try:
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
    except (OSError, ValueError):
        say("gateway: no figures: bgf-pktgen left none")
        return {}
    found = {name: written[name] for name in NAMES if isinstance(written.get(name), (int, float))}
    return {**found, "latency": latency_of(written), "gateway": written}
