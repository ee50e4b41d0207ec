# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's telemetry socket, asked as any monitoring program asks it: who may, what it tells of the gateway, and no key."""
import glob
import json
import os
import socket
import stat

import pytest

from support import drop_names, wait_for

PARTS = "rx_packets rx_octets tx_packets tx_octets exceptions forwarded_esp forwarded_clear".split()


class Telemetry:
    def __init__(self, gateway):
        self.path, = glob.glob(os.path.join(gateway.folder, "dpdk", "*", "dpdk_telemetry.v2"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        self.socket.connect(self.path)
        self.room = json.loads(self.socket.recv(1024))["max_output_len"]
        self.heard = b""

    def ask(self, command):
        self.socket.send(command.encode())
        answer = self.socket.recv(self.room)
        self.heard += answer
        return json.loads(answer)[command.split(",")[0]]


@pytest.fixture
def telemetry(gateway):
    made = Telemetry(gateway)
    yield made
    made.socket.close()


def test_only_its_user_may_ask(gateway, telemetry):
    folder = os.path.dirname(telemetry.path)
    for path in (folder, os.path.dirname(folder), telemetry.path):
        found = os.stat(path)
        assert found.st_uid == os.geteuid()
        assert stat.S_IMODE(found.st_mode) & 0o077 == 0, f"{path}: {found.st_mode:o}"


def test_each_command_is_listed_with_help(telemetry):
    listed = telemetry.ask("/")
    for command in ("/bgf/workers", "/bgf/counters", "/bgf/sets"):
        assert command in listed
        assert telemetry.ask(f"/help,{command}")[command]


def test_workers_are_told(telemetry):
    workers = telemetry.ask("/bgf/workers")
    assert list(workers) == ["0"]
    first = workers["0"]
    assert first["clock_us"] > 0 and first["turns"] > 0 and first["busy_us"] <= first["clock_us"]
    for name in ("busy_cycles", "busy_turns", "busy_packets", "handover_queue", "outgoing_queue", "kernel_queue",
                 "poll_gap_us", "lcore", "socket"):
        assert name in first
    wait_for(lambda: telemetry.ask("/bgf/workers,0")["0"]["turns"] > first["turns"], "the loop goes on")
    assert telemetry.ask("/bgf/workers,7") is None and telemetry.ask("/bgf/workers,x") is None


def test_what_was_dropped_is_told(field, telemetry):
    ue = field.ue(4, 40).establish()
    before = telemetry.ask("/bgf/counters")
    assert set(before) == {"access", "core"}
    assert set(before["access"]) == set(PARTS) | drop_names()
    with field.dropped("access", icv=3, to_core=1):
        field.access.send(*(ue.protected(key=bytes(20)) for _ in range(3)), ue.protected())
    after = telemetry.ask("/bgf/counters")
    assert after["access"]["icv"] - before["access"]["icv"] == 3
    assert after["access"]["forwarded_esp"] > before["access"]["forwarded_esp"]
    assert telemetry.ask("/bgf/counters,0") == after or telemetry.ask("/bgf/counters,0")["access"]["icv"] == \
        after["access"]["icv"]
    assert telemetry.ask("/bgf/counters,1") is None and telemetry.ask("/bgf/counters,-1") is None
    ue.release()


def test_sets_are_counted_and_nothing_more_is_told(field, telemetry):
    def settled():
        """Sets that were released wait for the workers for a moment."""
        told = telemetry.ask("/bgf/sets")
        return told if told["waiting_for_workers"] == 0 else None
    before = wait_for(settled, "no released set waits")
    ues = [field.ue(4, 41).install(), field.ue(6, 42).install(), field.ue(4, 43).establish()]
    after = wait_for(settled, "no set waits")
    assert set(after) == {"capacity", "live", "temporary", "established", "superseded", "draining",
                          "waiting_for_workers"}
    assert {name: after[name] - before[name] for name in after} == {
        "capacity": 0, "live": 3, "temporary": 2, "established": 1, "superseded": 0, "draining": 0,
        "waiting_for_workers": 0}
    for ue in ues:
        assert ue.key.hex().encode() not in telemetry.heard and ue.address.encode() not in telemetry.heard
        ue.release()
    assert wait_for(settled, "no released set waits") == before


def test_a_folder_that_others_may_write_to_is_refused(gateway):
    open_to_all = os.path.join(gateway.folder, "t")
    os.mkdir(open_to_all)
    os.chmod(open_to_all, 0o777)
    gateway.change({"dataplane.telemetry": f'"{open_to_all}"'})
    try:
        gateway.dataplane.stop()
        with pytest.raises(Exception, match="nobody else may write there"):
            gateway.dataplane.start()
        assert not os.listdir(open_to_all)
    finally:
        gateway.change({"dataplane.telemetry": f'"{gateway.folder}"'})
        gateway.dataplane.start()
