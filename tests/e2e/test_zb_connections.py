# SPDX-License-Identifier: BSD-3-Clause
"""One who opens as many Zb connections as it can: operators, P-CSCFs and their workers get theirs all the same."""
import contextlib
import os
import subprocess
import sys

import pytest

import zbwire
from support import Raw, refusal, wait_for
from zbwire import Zb, ZbRefused, frame

PLACES, WATCHERS, STRANGER = 8, 32, 65534  # control.connections_max; PLACES_WATCHERS of control/places.h; nobody
NAMELESS = PLACES + WATCHERS  # without a HELLO
MANY = 3 * NAMELESS
# nothing ends for its age within a test, however slow the machine is
SETTINGS = {"control.connections_max": str(PLACES), "control.frame_timeout_s": "60", "control.heartbeat_s": "300",
            "control.zb_mode": '"0666"'}

HOLDER = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].settimeout(60)
    held[-1].connect(sys.argv[1])
    if sys.argv[3]:
        held[-1].sendall(bytes.fromhex(sys.argv[3]))
        held[-1].recv(1)
print("holds", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(gateway, count, hello=None, user=None):
    """Another process, of that user, that has opened so many connections, and said HELLO on each; it keeps them."""
    os.chmod(gateway.folder, 0o711)
    said = frame("HELLO", 1, hello).hex() if hello else ""
    with subprocess.Popen([sys.executable, "-c", HOLDER, os.path.basename(gateway.zb), str(count), said], user=user,
                          cwd=gateway.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"holds\n"
            yield process
        finally:
            process.stdin.close()


def hello(name, role=0, instance_id=7):
    return {"NAME": name, "INSTANCE_ID": instance_id, "ROLE": role}


def rows(gateway):
    """What an operator sees: how many connections each peer has."""
    return {(row["name"], row["role"]): row["connections"] for row in gateway.bgfctl("show", "peers")["peers"]}


def log_has(gateway, *words):
    wait_for(lambda: any(all(word in line for word in words) for line in gateway.control.log().splitlines()), words)


@pytest.fixture(autouse=True)
def nobody_is_connected(gateway):
    wait_for(lambda: not {peer for peer in rows(gateway) if peer[0] != "bgfctl"}, "those of the test before are gone")


@pytest.mark.parametrize("user", [None, STRANGER])
def test_connections_without_a_hello_keep_nobody_out(gateway, user):
    with Raw(gateway.zb) as earlier, holder(gateway, MANY, user=user), contextlib.ExitStack() as opened:
        workers = [earlier] + [opened.enter_context(Raw(gateway.zb)) for _ in range(PLACES - 1)]
        assert [raw.call("HELLO", hello("pcscf1"))["CAUSE"] for raw in workers] == [0] * PLACES
        assert rows(gateway)["pcscf1", "peer"] == PLACES
        log_has(gateway, "(no HELLO yet)", f"all {NAMELESS} connections without a HELLO are open")


@pytest.mark.parametrize("user", [None, STRANGER])
def test_watchers_keep_no_operator_and_no_pcscf_out(gateway, operator, user):
    operator.call("HEARTBEAT")
    mine = operator.socket
    with holder(gateway, MANY, hello("watcher", 1), user):
        seen = rows(gateway)
        assert seen["watcher", "observer"] in (WATCHERS - 1, WATCHERS - 2), "the operator's, and bgfctl's"
        operator.call("HEARTBEAT")
        assert operator.socket is mine, "the operator's was never closed"
        zb = Zb(gateway.zb, "pcscf1")
        zb.call("HEARTBEAT")
        zb.close()
        log_has(gateway, "association of watcher", f"all {WATCHERS} connections of observers and operators are open")


def test_a_pcscf_that_holds_all_places_gives_way_to_another(gateway):
    with holder(gateway, PLACES, hello("pcscf1")):
        assert rows(gateway)["pcscf1", "peer"] == PLACES
        with contextlib.ExitStack() as opened:
            def another():
                return opened.enter_context(Raw(gateway.zb)).call("HELLO", hello("pcscf2"))
            assert [another()["CAUSE"] for _ in range(PLACES // 2)] == [0] * (PLACES // 2)
            answer = another()
            assert refusal(answer) == ("TOO_MANY_CONNECTIONS", None)
            assert "all 8 connections" in answer["TEXT"] and "control.connections_max" in answer["TEXT"]
            seen = rows(gateway)
            assert (seen["pcscf1", "peer"], seen["pcscf2", "peer"]) == (PLACES // 2, PLACES // 2)
    log_has(gateway, "association of pcscf1", "it gave way to pcscf2")
    log_has(gateway, "HELLO of pcscf2", "has its share")


def test_a_worker_that_holds_all_places_gives_way_to_those_beside_it(gateway):
    with holder(gateway, PLACES, hello("pcscf1")), contextlib.ExitStack() as workers:
        for _ in range(PLACES - 1):
            workers.enter_context(holder(gateway, 1, hello("pcscf1")))
        assert rows(gateway)["pcscf1", "peer"] == PLACES
        zb = Zb(gateway.zb, "pcscf1", 7)
        with pytest.raises(ZbRefused) as refused:
            zb.call("HEARTBEAT")
        assert refused.value.cause == "TOO_MANY_CONNECTIONS", "each of them has one"
        zb.close()


def test_who_gives_way_is_told_why(gateway):
    with contextlib.ExitStack() as opened:
        held = [opened.enter_context(Raw(gateway.zb)) for _ in range(PLACES)]
        for raw in held:
            assert raw.call("HELLO", hello("pcscf1"))["CAUSE"] == 0
        zb = Zb(gateway.zb, "pcscf2")
        zb.call("HEARTBEAT")
        octets = b""
        while more := held[0].socket.recv(4096):
            octets += more
        _, kind, flags, length, _ = zbwire.HEADER.unpack(octets[:zbwire.HEADER.size])
        bye = zbwire.parse(octets[zbwire.HEADER.size:])
        assert (kind, flags, length) == (zbwire.MESSAGE["BYE"], 0, len(octets))
        assert zbwire.CAUSE[bye["CAUSE"]] == "TOO_MANY_CONNECTIONS" and "gave way to pcscf2" in bye["TEXT"]
        assert held[1].call("HEARTBEAT")["CAUSE"] == 0
        zb.close()


def test_a_low_limit_of_open_files_is_raised(gateway):
    """Or who holds connections without a HELLO would use them up before there is anybody to give way."""
    gateway.control.stop()
    gateway.control.within = ["prlimit", "--nofile=40:1024"]
    try:
        gateway.control.start()
        with holder(gateway, NAMELESS):
            rows(gateway)
        gateway.control.stop()
        gateway.control.within = ["prlimit", "--nofile=100:100"]
        gateway.control.start()
        log_has(gateway, "100 files may be open", f"{2 * NAMELESS + 64} are needed for control.connections_max")
    finally:
        gateway.control.stop()
        gateway.control.within = []
        gateway.control.start()
