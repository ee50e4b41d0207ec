# SPDX-License-Identifier: BSD-3-Clause
"""10,000 sets: installed, queried and released with exact counts, and the memory of both daemons stays flat."""
import socket

import pytest

from support import a_set, memory_kb
from zbwire import ANSWER, EVENT, HEADER, Zb, frame, parse

SETS, PIPELINE = 10_000, 64
ROUNDS, LEAK_KB = 5, 128  # 13 octets for each set would show in each round


class Pipeline:
    """Many requests under way at once on one association; answers in any order."""

    def __init__(self, path, name, instance_id):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        assert self.run([("HELLO", {"NAME": name, "INSTANCE_ID": instance_id, "ROLE": 0})])[0]["CAUSE"] == 0

    def run(self, requests):
        """The answers to (message, attributes) pairs, in their order."""
        answers, sent = {}, 0
        while len(answers) < len(requests):
            more = min(len(requests), len(answers) + PIPELINE)
            if sent < more:
                self.socket.sendall(b"".join(frame(*requests[i][:1], i + 1, requests[i][1])
                                             for i in range(sent, more)))
                sent = more
            _, kind, flags, length, txn = HEADER.unpack(self.file.read(HEADER.size))
            body = self.file.read(length - HEADER.size)
            if flags & ANSWER:
                answers[txn] = parse(body)
            elif not flags & EVENT:
                self.socket.sendall(frame(kind, txn, {"CAUSE": 0}, flags=ANSWER))
        return [answers[i + 1] for i in range(len(requests))]


def one_round(gateway, zb, pipeline, number):
    """Installs, queries and releases SETS sets."""
    references = [number * SETS + i + 1 for i in range(SETS)]
    answers = pipeline.run([("INSTALL", {"REFERENCE": references[i]} | a_set(i, IK=bytes(16))) for i in range(SETS)])
    refused = [answer for answer in answers if answer["CAUSE"]]
    assert not refused, refused[0]
    ids = [answer["SET"][0]["SET_ID"] for answer in answers]
    spis = {answer["SET"][0][name] for answer in answers for name in ("SPI_PS", "SPI_PC")}
    assert len(set(ids)) == SETS and len(spis) == 2 * SETS

    rows = zb.query()
    assert sorted(row["SET_ID"] for row in rows) == sorted(ids)
    assert {row["REFERENCE"] for row in rows} == set(references)
    assert [row["SET_ID"] for row in zb.query(SUBSCRIBER="ue4711@ims.example.org")] == [ids[4711]]
    full = Zb(gateway.zb, "watcher", role=1)
    assert {peer["NAME"]: peer["SET_COUNT"] for peer in full.groups("PEERS", "PEER")}["pcscf1"] == SETS
    full.close()

    half = pipeline.run([("RELEASE", {"SET_ID": set_id, "REFERENCE": references[-1] * 10 + i, "DRAIN": 0})
                         for i, set_id in enumerate(ids[:SETS // 2])])
    assert {answer["CAUSE"] for answer in half} == {0}
    assert len(zb.query()) == SETS - SETS // 2
    answer = zb.call("RELEASE", wait=60, ALL_SETS=1, REFERENCE=references[-1] * 10 + SETS, DRAIN=0)
    assert answer["SET_COUNT"] == SETS - SETS // 2
    assert zb.query() == []


@pytest.mark.slow
def test_10000_sets_and_flat_memory(gateway, zb):
    zb.call("HEARTBEAT")
    pipeline = Pipeline(gateway.zb, "pcscf1", zb.instance_id)
    memory = []
    for number in range(ROUNDS):
        one_round(gateway, zb, pipeline, number)
        memory.append({daemon.name: memory_kb(daemon) for daemon in (gateway.control, gateway.dataplane)})
    pipeline.socket.close()
    for name in memory[0]:
        grown = [after[name] - before[name] for before, after in zip(memory[1:], memory[2:])]
        assert min(grown) < LEAK_KB, f"{name} grows in every round, kB: {memory}"  # a heap may take a step once
