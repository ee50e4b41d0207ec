# SPDX-License-Identifier: BSD-3-Clause
"""Two workers over ports with one queue each: sets are spread over both, packets are handed over, and come out once and
in order; the number of workers changes over a store that stays; what telemetry and bgfctl tell of it."""
import ipaddress
import os
import re

import pytest

from hostile import one_hop_on, protect, unprotect
from support import wait_for, wait_until_serving

CORES = sorted(os.sched_getaffinity(0))
if len(CORES) < 2:
    pytest.skip("two workers need two cores", allow_module_level=True)
BOTH_CORES = f"[ {CORES[0]}, {CORES[1]} ]"
SETTINGS = {"dataplane.worker_cores": BOTH_CORES}
UES, ROUNDS = 12, 60


@pytest.fixture(scope="module")
def ues(field):
    return [field.ue(4 if number % 2 else 6, host=20 + number).establish() for number in range(UES)]


def reach(ues):
    """Their neighbours are known from here on: few packets wait for one, and those may be overtaken."""
    for ue in ues:
        ue.reached()


def is_to(packet, ue):
    address = ipaddress.ip_address(ue.address).packed
    return address in (packet[16:20], packet[24:40])


def counted(field, name):
    """{worker: value} of a counter, over both ports."""
    found = {}
    for row in field.gateway.bgfctl("show", "counters")["counters"]:
        if row["name"] == name and row.get("worker") is not None:
            found[row["worker"]] = found.get(row["worker"], 0) + row["value"]
    return found


def exchange(field, ues, rounds=ROUNDS):
    """Numbered packets of all UEs and to all, mixed; every one comes out once, in its UE's order, and no outbound
    sequence number comes twice."""
    sent_in, sent_out = {ue: [] for ue in ues}, {ue: [] for ue in ues}
    field.access.forget()
    field.core.forget()
    for number in range(rounds):
        for ue in ues:
            packet = ue.inner(b"in %d" % number)
            sent_in[ue].append(one_hop_on(packet))
            field.access.send(protect(packet, ue.spi_ps, ue.next(), ue.key))
            packet = ue.from_core(b"out %d" % number)
            sent_out[ue].append(one_hop_on(packet))
            field.core.send(packet)
    wait_for(lambda: len(field.core.packets()) >= rounds * len(ues) and
             len(field.access.packets()) >= rounds * len(ues), "everything came out")
    came_in, came_out = field.core.packets(), field.access.packets()
    for ue in ues:
        assert [packet for packet in came_in if packet in set(sent_in[ue])] == sent_in[ue]
        opened = [unprotect(packet, ue.key) for packet in came_out if is_to(packet, ue)]
        assert [one.packet for one in opened] == sent_out[ue]
        numbers = [one.sequence for one in opened]
        assert numbers == list(range(ue.sequence["us"] + 1, ue.sequence["us"] + 1 + rounds))
        ue.sequence["us"] = numbers[-1]
    assert len(came_in) == len(came_out) == rounds * len(ues)


def test_both_workers_work_and_each_ue_keeps_its_order(field, ues):
    said = field.gateway.dataplane.log()
    assert re.search(r"port access: 1 receive and 1 transmit queues for 2 workers; packets are handed over", said)
    reach(ues)
    exchange(field, ues)
    # the access port is the first worker's, the core port the last one's
    received = counted(field, "rx_packets")
    assert set(received) == {0, 1} and all(value >= UES * ROUNDS for value in received.values())
    assert counted(field, "handover_full") == {0: 0, 1: 0}


@pytest.mark.parametrize("cores", (f"[ {CORES[1]} ]", BOTH_CORES))
def test_another_number_of_workers_over_the_same_store(field, ues, cores):
    gateway = field.gateway
    gateway.dataplane.stop()
    begin, buffers = len(gateway.dataplane.log()), 16384 if cores.count(",") == 0 else 26624
    gateway.change({"dataplane.worker_cores": cores})
    gateway.dataplane.start()
    wait_until_serving(gateway)
    assert f" {buffers} packet buffers of " in gateway.dataplane.log()[begin:]
    assert len(gateway.sets(state="established")) == len(ues) + 1  # and the witness's
    field.settle()
    reach(ues)
    exchange(field, ues, 20)
    assert len(counted(field, "rx_packets")) == cores.count(",") + 1
