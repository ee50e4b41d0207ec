# SPDX-License-Identifier: BSD-3-Clause
"""Two P-CSCFs at one gateway: names, instances, connections, and whose set is whose."""
import pytest

from support import Raw, a_set, install, refusal, wait_for
from zbwire import Zb, ZbRefused


@pytest.fixture(name="other")
def other_pcscf(gateway):
    made = Zb(gateway.zb, "pcscf2")
    made.call("HEARTBEAT")
    yield made
    made.call("RELEASE", ALL_SETS=1, REFERENCE=made.reference(), DRAIN=0)
    made.close()


def test_each_sees_and_changes_its_own_sets_only(zb, other, operator):
    mine = install(zb, 0)
    theirs = install(other, 1)
    assert [row["SET_ID"] for row in zb.query()] == [mine["SET_ID"]]
    assert [row["SET_ID"] for row in other.query()] == [theirs["SET_ID"]]
    assert {row["NAME"] for row in operator.query()} == {"pcscf1", "pcscf2"}
    for message, more in (("CONFIRM", {"EXPIRES": 600}), ("RELEASE", {"DRAIN": 0})):
        with pytest.raises(ZbRefused, match="UNKNOWN_SET"):
            zb.call(message, SET_ID=theirs["SET_ID"], REFERENCE=zb.reference(), **more)
    zb.call("RELEASE", ALL_SETS=1, REFERENCE=zb.reference(), DRAIN=0)
    assert [row["STATE"] for row in operator.query()] == [1]


def test_the_same_reference_of_two_peers_is_two_references(zb, other):
    first = zb.call("INSTALL", **({"REFERENCE": 4711} | a_set(0)))["SET"][0]
    second = other.call("INSTALL", **({"REFERENCE": 4711} | a_set(1)))["SET"][0]
    assert first["SET_ID"] != second["SET_ID"]


def test_rule_6_ports_of_another_peers_set_are_in_use_too(zb, other):
    install(zb, 0)
    with pytest.raises(ZbRefused, match="PORT_IN_USE"):
        install(other, 0, SUBSCRIBER="another@ims.example.org")


def test_an_event_goes_to_the_peer_whose_set_it_was(gateway, zb, other):
    listeners = []
    for peer in (zb, other):
        peer.call("HEARTBEAT")
        listeners.append(Zb(gateway.zb, peer.name, peer.instance_id))
        listeners[-1].call("SUBSCRIBE", EVENTS=0xffffffff)
    row = install(zb, 0, AWAIT_AUTH=1)
    wait_for(lambda: listeners[0].call("HEARTBEAT") and listeners[0].events, "the event", step=0.1)
    listeners[1].call("HEARTBEAT")
    assert [kind for kind, _ in listeners[0].events] == ["EXPIRED"]
    assert listeners[0].events[0][1]["SET"][0]["SET_ID"] == row["SET_ID"]
    assert listeners[1].events == []
    for listener in listeners:
        listener.close()


def test_a_second_live_instance_of_one_name_is_refused(gateway, zb):
    zb.call("HEARTBEAT")
    with Raw(gateway.zb) as raw:
        answer = raw.call("HELLO", {"NAME": "pcscf1", "INSTANCE_ID": zb.instance_id + 1, "ROLE": 0})
        assert refusal(answer)[0] == "INSTANCE_CLASH"
    assert zb.call("HEARTBEAT")["CAUSE"] == 0


def test_many_processes_of_one_instance_share_its_sets(gateway, zb):
    row = install(zb)
    processes = [Zb(gateway.zb, "pcscf1", zb.instance_id) for _ in range(17)]
    for process in processes:
        assert [found["SET_ID"] for found in process.query()] == [row["SET_ID"]]
    peers = {peer["NAME"]: peer for peer in zb.groups("PEERS", "PEER")}
    assert peers["pcscf1"]["CONNECTIONS"] == 18 and peers["pcscf1"]["SET_COUNT"] == 1
    assert peers["pcscf1"]["INSTANCE_ID"] == zb.instance_id
    processes[0].call("RELEASE", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), DRAIN=0)
    assert zb.query() == []
    for process in processes:
        process.close()


@pytest.mark.parametrize("restart, left", [(0, 1), (1, 0)])
def test_a_new_instance_keeps_or_releases_what_the_former_had(gateway, zb, restart, left):
    install(zb)
    zb.close()
    with Raw(gateway.zb) as raw:
        hello = {"NAME": "pcscf1", "INSTANCE_ID": zb.instance_id + 1, "ROLE": 0, "RESTART": restart}
        wait_for(lambda: raw.call("HELLO", hello)["CAUSE"] == 0, "the former instance is forgotten")
        # a release of them all takes some in each turn of the gateway's loop, behind the answer
        wait_for(lambda: len(raw.call("QUERY").get("SET", [])) == left, f"{left} sets are left")
    zb.instance_id += 1
    wait_for(lambda: zb.call("HEARTBEAT"), "an association for the clean-up")


def test_a_new_instance_confirms_what_the_former_installed(gateway, zb):
    row = install(zb)
    zb.close()
    successor = Zb(gateway.zb, "pcscf1")
    done = successor.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=successor.reference(), EXPIRES=60)
    assert done["SET"][0]["STATE"] == 2
    successor.call("RELEASE", ALL_SETS=1, REFERENCE=successor.reference(), DRAIN=0)
    successor.close()


def test_hello_tells_the_gateway(gateway, zb):
    install(zb)
    with Raw(gateway.zb) as raw:
        answer = raw.call("HELLO", {"NAME": "watcher", "INSTANCE_ID": 1, "ROLE": 1})
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot_id:
        assert answer["BOOT_ID"].hex() == boot_id.read().strip().replace("-", "")
    assert answer["DATAPLANE_UP"] == 1 and answer["STORE_EPOCH"] != 0
    assert answer["CAPACITY"] == 16384 and answer["SET_COUNT"] == 1
    assert answer["NAME"] == gateway.lab.prefix
