# SPDX-License-Identifier: BSD-3-Clause
"""bgf-pktgen beside a running gateway over memif: every packet is accounted for, and what it cannot do it says."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from deploy.lab.gateway import REPOSITORY, build_folder

BESIDE = os.path.join(REPOSITORY, "perf", "pktgen", "beside")
PROGRAM = os.path.join(build_folder(), "perf", "pktgen", "bgf-pktgen")
PREFIX = f"tp{os.getpid()}"
COUNT = 20000
DROPS = {"replayed": "replay", "forged": "icv", "unknown": "unknown_spi", "clear": "clear_port"}
PORTS = ("--access", "net_memif0,role=client,socket=none", "--core", "net_memif1,role=client,id=1,socket=none")


def beside(*arguments, timeout=280):
    return subprocess.run([BESIDE, "--name", PREFIX, *arguments], capture_output=True, text=True, timeout=timeout,
                          check=False)


def nothing_is_left():
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return PREFIX not in names and not [f for f in os.listdir("/dev/shm") if f.startswith(PREFIX)]


@pytest.mark.parametrize("bad", (0, 5))
def test_every_packet_is_accounted_for(bad, tmp_path):
    """Both families, UDP and TCP, both directions; with bad traffic exactly that is dropped, under its names."""
    path = tmp_path / "run.json"
    done = beside("run", "--phones", "300", "--ipv6", "50%", "--tcp", "30%", "--count", str(COUNT), "--bad", f"{bad}%",
                  "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every packet is accounted for" in done.stdout and "released 300 sets" in done.stdout
    found = json.loads(path.read_text())
    up, down = found["phones_to_core"], found["core_to_phones"]
    sent = {name: up[f"sent_{kind}"] for kind, name in DROPS.items()}
    assert up["gateway_dropped"] == {name: n for name, n in sent.items() if n} and down["gateway_dropped"] == {}
    assert all((n > COUNT * bad / 800) == (bad > 0) for n in sent.values())
    for way in (up, down):
        assert way["sent"] == COUNT and way["received_wrong"] == 0
        assert way["received_good"] == way["sent_good"] == way["gateway_forwarded"]
    assert found["accounted"] is True and found["gateway_unaccounted"] == 0
    assert nothing_is_left()


def test_rfc2544_writes_its_names(tmp_path):
    path = tmp_path / "rfc2544.json"
    done = beside("rfc2544", "--phones", "100", "--quick", "--seconds", "0.1", "--repeats", "0", "--size", "512",
                  "--json", str(path))
    assert done.returncode in (0, 1), done.stdout + done.stderr  # a busy machine may lose; no test judges a time
    found = json.loads(path.read_text())
    assert isinstance(found["gateway_loss_at_80_percent"], int) and found["residence_p99_us_at_10_percent"] >= 0
    one, = found["sizes"]
    assert one["size"] == "512" and len(one["latency"]) == 4 and one["loss_curve"]
    assert one["closed_loop_packets_per_second"] > 0 and one["limit"] in ("gateway", "generator", "none")
    assert all(point["wrong"] == 0 for point in one["latency"])


def test_an_interrupted_run_releases_and_cleans_up():
    with subprocess.Popen([BESIDE, "--name", PREFIX, "run", "--phones", "100", "--seconds", "60"],
                          stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if re.match(r" +\d+\.\d s;", line):
                break
        time.sleep(0.2)
        listed = subprocess.run(["ip", "netns", "pids", f"{PREFIX}-gw"], capture_output=True, text=True, check=True)
        for pid in listed.stdout.split():
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().strip() == "bgf-pktgen":
                    os.kill(int(pid), signal.SIGINT)
        rest = process.stdout.read()
    assert "released 100 sets" in rest and process.returncode == 3
    assert nothing_is_left()


@pytest.mark.parametrize("arguments, said", [
    ((), "the first word is .run. or .rfc2544."),
    (("run",), "--access and --core are wanted"),
    (("fly", *PORTS), "the first word is 'run' or 'rfc2544'"),
    (("run", "walk", *PORTS), "'walk' is one word too many"),
    (("run", "--phones", "1000001", *PORTS), "--phones 1000001: a number from 1 to 1000000"),
    (("run", "--bad", "200%", *PORTS), "--bad 200%: a share from 0% to 100%"),
    (("run", "--forged", "60%", "--clear", "60%", *PORTS), "more than 100% together"),
    (("run", "--size", "59", *PORTS), "59 is too short .* at least 60"),
    (("run", "--size", "1479", *PORTS), "1479 does not fit an mtu of 1500 .* at most 1478"),
    (("run", "--size", "big", *PORTS), "--size big: IP lengths"),
    (("run", "--direction", "left", *PORTS), "up .* down .* both"),
    (("run", "--ue", "10.0.0.300", *PORTS), "an IPv4 or IPv6 address is wanted"),
])
def test_wrong_options_are_named(arguments, said):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and re.search(said, done.stderr) and "--help" in done.stderr, done.stderr


def test_no_gateway_is_said():
    done = subprocess.run([PROGRAM, "run", "--zb", "/nonexistent/zb.sock", *PORTS], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 3 and "/nonexistent/zb.sock" in done.stderr and "is bgf-control running" in done.stderr


def test_help_lists_every_option():
    told = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=30, check=False)
    with open(os.path.join(REPOSITORY, "perf", "pktgen", "options.c"), encoding="utf-8") as source:
        options = re.findall(r'\{"([a-z0-9-]+)", \w+_argument', source.read())
    assert told.returncode == 0 and len(options) > 30
    assert [name for name in options if f"--{name}" not in told.stdout] == []
