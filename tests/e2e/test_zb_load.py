# SPDX-License-Identifier: BSD-3-Clause
"""Many subscribers at once: bgf-zbload's phases, and a storm of new registrations that delays nobody who has one."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from deploy.lab.gateway import build_folder
from support import best_of, install, wait_for
from zbwire import Zb, ZbRefused

PEERS = ("pcscf1", "pcscf2", "zbload", "bgfctl")
SETTINGS = {"control.overload_delay_ms": "10", "control.overload_retry_s": "1", "dataplane.capacity": "40960"}
SUBSCRIBERS, LATE_S = 5000, 1.0
ZBLOAD = os.path.join(build_folder(), "perf", "zbload", "bgf-zbload")


def command(gateway, *words):
    return [ZBLOAD, "--zb", gateway.zb, "--subscribers", str(SUBSCRIBERS), "--seconds", "1", *words]


@contextlib.contextmanager
def storm(gateway, path):
    """Thousands register anew at once, over four connections, as fast as they can; again and again until the block ends
    (some five seconds at least)."""
    words = command(gateway, "--connections", "4", "--pending", "4096", "--json", str(path), "install", *["storm"] * 4)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
            said = process.communicate(timeout=240)[0]
        finally:
            process.kill()
    assert process.returncode == 0, said


def test_the_usual_phases(gateway, tmp_path):
    done = subprocess.run(command(gateway, "--json", str(tmp_path / "out.json")), capture_output=True, text=True,
                          timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert [phase["phase"] for phase in found["phases"]] == [
        "install", "single", "confirm", "reauth", "storm", "expire", "release"]
    by_name = {phase["phase"]: phase for phase in found["phases"]}
    for name in ("install", "confirm", "reauth", "storm", "release"):
        assert by_name[name]["sets"] == SUBSCRIBERS and by_name[name]["refused"] == 0, name
    assert found["loss_during_storm"] == 0 and found["sets_live"] == SUBSCRIBERS
    for name in ("zb_sets_per_s_pipelined", "zb_sets_per_s_one_by_one", "bytes_per_ue_control", "timers_cpu_percent"):
        assert found[name] > 0, name
    assert not gateway.sets()


@pytest.mark.parametrize("words, complaint", [
    (["nonsense"], "there is no phase 'nonsense'"),
    (["--subscribers", "0"], "--subscribers 0: a number from 1 to"),
    (["--storm", "6k"], "--storm is more than --subscribers"),
    (["--ue", "fd00::1"], "different families"),
])
def test_a_wrong_command_line_is_told(gateway, words, complaint):
    done = subprocess.run(command(gateway, *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and complaint in done.stderr


@pytest.mark.parametrize("phases", [["storm"] * 20, ["idle"] * 2])
def test_what_is_interrupted_is_released(gateway, phases):
    """In a phase that is busy, between short ones, and in one that only waits."""
    with subprocess.Popen(command(gateway, "--seconds", "20", "install", *phases), stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout.readline()
        process.terminate()
        assert "released" in process.communicate(timeout=240)[0]
    assert process.returncode == 3 and not gateway.sets()


def test_events_that_it_read_too_slowly_are_told(gateway, tmp_path):
    """The gateway waits for nobody, and says that events were lost (GAP): that is no fault of its timers."""
    words = command(gateway, "--json", str(tmp_path / "out.json"), "install", "expire")

    def what_it_said():
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                while not process.stdout.readline().startswith("memory"):
                    assert process.poll() is None
                time.sleep(0.5)
                process.send_signal(signal.SIGSTOP)
                time.sleep(5)  # 20,000 sets live for 2 s
                process.send_signal(signal.SIGCONT)
                said = process.communicate(timeout=240)[0]
            finally:
                process.kill()
        assert process.returncode == 0, said
        return said
    told = "events were lost, and the gateway said so"
    said = best_of(what_it_said, lambda said: told in said)  # where the machine stood still, all ended before the stop
    assert told in said, said
    assert json.loads((tmp_path / "out.json").read_text())["phases"][1]["events_lost"] > 0


def test_without_a_gateway_it_says_so(tmp_path):
    done = subprocess.run([ZBLOAD, "--zb", str(tmp_path / "none.sock")], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 3 and "none.sock" in done.stderr


def test_a_storm_delays_nobody_who_has_a_registration(gateway, zb, tmp_path):
    """Re-authentication, its 200 OK and releases go on while new registrations are refused for overload."""
    watcher, newcomer = Zb(gateway.zb, "watcher", role=1), Zb(gateway.zb, "pcscf2")
    watcher.call("SUBSCRIBE", EVENTS=1 << 11)
    former = install(zb, 0)
    zb.confirm(former["SET_ID"])
    took, refused, rounds = [], 0, 0
    with storm(gateway, tmp_path / "storm.json") as process:
        while process.poll() is None and rounds < 1000:
            begun, rounds = time.monotonic(), rounds + 1
            row = install(zb, 0, PORT_UC=21000 + rounds, PORT_PC=6100 + rounds % 2, SPI_UC=0x02000000 + 2 * rounds,
                          SPI_US=0x02000001 + 2 * rounds)
            zb.confirm(row["SET_ID"])
            zb.release(former["SET_ID"])
            former = row
            took.append(time.monotonic() - begun)
            try:
                newcomer.release(install(newcomer, 1 + rounds)["SET_ID"])
            except ZbRefused as refusal:
                assert refusal.cause == "OVERLOAD" and 500 <= refusal.answer["RETRY_AFTER"] < 1500
                refused += 1
            emergency = install(newcomer, 2000 + rounds, FLAGS=2)
            newcomer.release(emergency["SET_ID"])
            if rounds % 20 == 0:
                watcher.call("HEARTBEAT")  # who is silent for half a minute is closed, and hears nothing more
            time.sleep(0.01)
    phases = json.loads((tmp_path / "storm.json").read_text())
    took.sort()  # the last of them may be those in which the machine stood still
    assert rounds > 20 and took[-1 - rounds // 20] < LATE_S, f"{rounds} rounds, the worst took {took[-5:]} s"
    assert sum(phase["refused_for_overload"] for phase in phases["phases"]) > 0
    assert phases["loss_during_storm"] == 0
    watcher.call("HEARTBEAT")
    told = [event["OVERLOADED"] for name, event in watcher.events if name == "OVERLOAD"]
    assert 1 in told
    watcher.close()
    newcomer.close()


def test_the_state_is_shown(gateway):
    assert gateway.bgfctl("show", "gateway")["overloaded"] in (False, True)
    # calm for a second, and looked at twice a second
    wait_for(lambda: gateway.bgfctl("show", "gateway")["overloaded"] is False, "it is not overloaded any more", 60)
