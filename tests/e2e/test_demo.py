# SPDX-License-Identifier: BSD-3-Clause
"""deploy/demo as people run it: its variants and its second story, cleaned up after the end, after ctrl-C and after a
crash."""
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from conftest import REPOSITORY
from support import wait_for

DEMO = os.path.join(REPOSITORY, "deploy", "demo")
VARIANTS = [("main", transport, family) for transport in ("udp", "tcp") for family in (4, 6)]
VARIANTS += [("lifecycle", "udp", 4), ("lifecycle", "tcp", 6)]
STEPS = {"main": 8, "lifecycle": 10}
AT_ONCE = 2
RUN_WAIT_S = 600


def name_of(*more):
    return "-".join(["d" + str(os.getpid()), *map(str, more)])


def start(name, folder, *arguments):
    # As from a terminal: a job that a script put into the background has SIGINT ignored, and so has what it starts.
    return subprocess.Popen([DEMO, "--name", name, "--folder", str(folder), *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def left_behind(name):
    """What a run must not leave: namespaces, its lock, its store, processes."""
    found = [ns for ns in os.listdir("/run/netns") if ns.startswith(name + "-")] if os.path.isdir("/run/netns") else []
    found += [path for path in (f"/run/bgf-lab-{name}.lock", f"/dev/shm/{name}.sets", f"/dev/hugepages/{name}.sets")
              if os.path.exists(path)]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            words = cmdline.read().split(b"\0")
            if any(word.startswith(b"umid=" + name.encode()) for word in words):
                found.append(f"process {pid}")
    return found


def assert_nothing_left(name, said=""):
    """A guest's helper processes end a moment after the guest that the run has waited for."""
    wait_for(lambda: not left_behind(name), f"nothing is left of {name}: {left_behind(name)}\n{said}")


def read_until(process, text):
    """What it prints, up to a line with the text in it."""
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without '{text}':\n{said}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All variants, two side by side: {variant: (exit status, what it printed)}."""
    found, room = {}, threading.Semaphore(AT_ONCE)

    def run(story, transport, family):
        with room:
            name = name_of(story[0], transport, family)
            process = start(name, tmp_path_factory.mktemp(name), "--story", story, "--transport", transport,
                            "--family", str(family))
            try:
                said, _ = process.communicate(timeout=RUN_WAIT_S)
            except subprocess.TimeoutExpired:
                process.terminate()  # it cleans up, and what it has said is shown
                said, _ = process.communicate()
            found[story, transport, family] = process.returncode, said
    threads = [threading.Thread(target=run, args=variant) for variant in VARIANTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.slow
@pytest.mark.timeout(RUN_WAIT_S * len(VARIANTS))  # the first one waits for all of them
@pytest.mark.parametrize("story, transport, family", VARIANTS)
def test_the_demo_ends_with_0_failed(runs, story, transport, family):
    status, said = runs[story, transport, family]
    assert re.fullmatch(r"demo: \d\d checks passed, 0 failed", said.rstrip().splitlines()[-1]), said
    assert status == 0
    for step in range(1, STEPS[story] + 1):
        assert re.search(rf"^\[ *\d+\.\d\d s\] {step}\. ", said, re.M), f"step {step} is missing in\n{said}"
    assert_nothing_left(name_of(story[0], transport, family))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("story, moment", [
    ("main", "captures and logs"), ("main", "both phones have booted"), ("lifecycle", "2. Re-authentication")])
def test_ctrl_c_cleans_up(tmp_path, number, story, moment):
    name = name_of("c")
    process = start(name, tmp_path, "--story", story)
    read_until(process, moment)
    os.killpg(process.pid, number)  # as a terminal does: the whole group hears it
    said, _ = process.communicate(timeout=180)
    assert process.returncode != 0
    assert_nothing_left(name, said)


def test_a_crashed_run_is_cleaned_up_by_the_next(tmp_path):
    name = name_of("k")
    process = start(name, tmp_path)
    read_until(process, "S-CSCF are up")
    process.kill()
    process.wait()
    process = start(name, tmp_path)
    read_until(process, "no set exists")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=180)
    assert_nothing_left(name)


def test_an_occupied_name_is_a_sentence(tmp_path):
    name = name_of("n")
    process = start(name, tmp_path)
    read_until(process, "S-CSCF are up")
    second = start(name, tmp_path)
    said, _ = second.communicate(timeout=180)
    assert second.returncode == 1
    assert f"the name '{name}' is taken by a run that is still going (process {process.pid})" in said
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=180)
    assert_nothing_left(name)


@pytest.mark.parametrize("arguments, words", [
    (["--story", "x"], "invalid choice: 'x'"), (["--transport", "sctp"], "invalid choice: 'sctp'"),
    (["--family", "5"], "invalid choice: 5"),
    (["--name", "No Name"], "lower-case letters, digits and '-', at most 20"),
    (["--folder", "/tmp/" + "x" * 80], "choose a shorter --folder")])
def test_arguments_that_cannot_be(arguments, words):
    done = subprocess.run([DEMO, "--name", name_of("a"), *arguments], capture_output=True, text=True,
                          check=False, timeout=180)
    assert done.returncode in (1, 2) and words in done.stderr


def test_not_root_is_a_sentence():
    """Another user may not even be able to read a clone in root's home, so that it changes in between."""
    code = (f"import os, sys; sys.path.insert(0, {REPOSITORY!r}); from deploy.lab import demo; sys.argv = ['demo']; "
            "os.seteuid(65534); sys.exit(demo.main())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 1
    assert done.stderr == ("demo: this makes network namespaces and must run as root: try again with sudo\n")
