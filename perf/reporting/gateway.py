# SPDX-License-Identifier: BSD-3-Clause
"""What only a running gateway shows: bgf-pktgen's runs beside one, over memif."""
import json
import os
import re
import signal
import subprocess
import threading

NAMES = ("gateway_loss_at_80_percent", "residence_p99_us_at_10_percent", "bytes_per_ue_control")
BESIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pktgen", "beside")
PHONES = {True: 10_000, False: 100_000}  # by quick
SECONDS_MAX = {True: 120, False: 540}
PERCENTILES = {"50": "p50_us", "90": "p90_us", "99": "p99_us", "99.9": "p99_9_us"}
SAMPLE_S = 0.3


def children(pid):
    """All processes below one."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            below = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return below + [further for child in below for further in children(child)]


def resident(pid, program):
    """Octets of memory of a program below a process; 0 when it does not run."""
    for child in children(pid):
        try:
            with open(f"/proc/{child}/status", encoding="utf-8") as file:
                status = file.read()
        except OSError:
            continue
        found = re.search(r"^VmRSS:\s+(\d+)", status, re.M)  # not there any more while it ends
        if found and re.search(rf"^Name:\s+{program}$", status, re.M):
            return int(found[1]) * 1024
    return 0


class Memory(threading.Thread):
    """Watches how much memory bgf-control takes, from when it is ready on."""

    def __init__(self, pid, phones):
        super().__init__(daemon=True)
        self.pid, self.phones, self.least, self.most, self.ended = pid, phones, 0, 0, threading.Event()

    def ready(self):
        self.least = resident(self.pid, "bgf-control")
        self.start()

    def run(self):
        while not self.ended.wait(SAMPLE_S):
            self.most = max(self.most, resident(self.pid, "bgf-control"))

    def per_phone(self):
        return round((self.most - self.least) / self.phones, 1) if 0 < self.least < self.most else None


def run(argv, build, quick, say):
    """beside's whole run. Returns what bgf-control's memory grew by a phone; None where it did not come so far."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
                          env={**os.environ, "BGF_BUILD": build}) as process:
        memory = Memory(process.pid, PHONES[quick])
        limit = threading.Timer(SECONDS_MAX[quick], process.send_signal, (signal.SIGINT,))
        limit.start()
        for line in process.stdout:
            if "gateway ready" in line:
                memory.ready()
            if line.strip():
                say("gateway: " + line.rstrip()[:150])
        limit.cancel()
        memory.ended.set()
    if process.returncode != 0:
        say(f"gateway: bgf-pktgen's run ended with status {process.returncode}")
    return memory.per_phone()


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
    per_phone = run(argv + (["--quick"] if quick else []), os.path.abspath(build), quick, say)
    found = {} if per_phone is None else {"bytes_per_ue_control": per_phone}
    try:
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
    except (OSError, ValueError):
        say("gateway: no figures: bgf-pktgen left none")
        return found
    found.update({name: written[name] for name in NAMES if isinstance(written.get(name), (int, float))})
    return {**found, "latency": latency_of(written), "gateway": written}
