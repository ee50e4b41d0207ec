# SPDX-License-Identifier: BSD-3-Clause
"""bgf-control dies and comes back; bgf-dataplane goes and comes back: what the sets, timers and clients notice."""
import glob
import os
import time

import pytest

from support import Raw, a_set, best_of, install, wait_for, wait_until_serving
from zbwire import Zb, ZbRefused

SETTINGS = {"control.await_auth_s": "120"}
AWAIT_S = 15  # longer than a restart takes on a slow machine


def kept(row):
    """What of a set must not change: everything but the time that is left."""
    return {name: value for name, value in row.items() if name != "REMAINING"}


def restart_control(gateway):
    gateway.control.kill()
    gateway.control.start()
    wait_until_serving(gateway)


def test_sets_survive_the_death_of_control(gateway, zb, operator):
    rows = [install(zb, number) for number in range(20)]
    confirmed = zb.call("CONFIRM", SET_ID=rows[0]["SET_ID"], REFERENCE=zb.reference(), EXPIRES=600)["SET"][0]
    zb.call("RELEASE", SET_ID=rows[1]["SET_ID"], REFERENCE=zb.reference(), DRAIN=300)
    begin = time.monotonic()
    before = {row["SET_ID"]: row for row in zb.query()}
    restart_control(gateway)
    after = {row["SET_ID"]: row for row in zb.query()}
    assert {i: kept(row) for i, row in before.items()} == {i: kept(row) for i, row in after.items()}
    assert after[confirmed["SET_ID"]]["STATE"] == 2 and after[rows[1]["SET_ID"]]["STATE"] == 4
    took_ms = (time.monotonic() - begin) * 1000 + 10
    for set_id, row in after.items():
        assert -took_ms <= row["REMAINING"] - before[set_id]["REMAINING"] <= 0
    assert len(operator.query()) == 20


def test_timers_survive_the_death_of_control(gateway, zb):
    begin = time.monotonic()
    row = install(zb, AWAIT_AUTH=AWAIT_S)
    installed = time.monotonic()
    restart_control(gateway)
    zb.call("SUBSCRIBE", EVENTS=0xffffffff)
    asked = time.monotonic()
    found, = zb.query()
    assert found["SET_ID"] == row["SET_ID"]
    # Whatever the restart took: the end is where it was, to some milliseconds.
    assert (AWAIT_S - (time.monotonic() - begin)) * 1000 - 10 <= found["REMAINING"] <= (
        AWAIT_S - (asked - installed)) * 1000 + 10
    wait_for(lambda: zb.call("HEARTBEAT") and zb.events, "the event", step=0.05)
    assert zb.events[0][0] == "EXPIRED" and zb.events[0][1]["SET"][0]["SET_ID"] == row["SET_ID"]
    ended = time.monotonic()
    assert AWAIT_S - 0.2 < ended - begin and ended - installed < AWAIT_S + 30


def test_a_set_that_ran_out_while_control_was_away_ends_when_it_is_back(gateway, zb):
    install(zb, AWAIT_AUTH=1)
    gateway.control.kill()
    time.sleep(1.2)
    gateway.control.start()
    wait_until_serving(gateway)
    wait_for(lambda: not zb.query(), "the set is gone")


def test_references_survive_the_death_of_control(gateway, zb):
    request = {"REFERENCE": zb.reference()} | a_set()
    first = zb.call("INSTALL", **request)["SET"][0]
    confirm = {"SET_ID": first["SET_ID"], "REFERENCE": zb.reference(), "EXPIRES": 600}
    confirmed = zb.call("CONFIRM", **confirm)["SET"][0]
    restart_control(gateway)
    again = zb.call("INSTALL", **request)["SET"][0]
    assert (again["SET_ID"], again["SPI_PS"], again["SPI_PC"]) == (
        first["SET_ID"], first["SPI_PS"], first["SPI_PC"])
    assert zb.call("CONFIRM", **confirm)["SET"][0]["REMAINING"] <= confirmed["REMAINING"]
    assert len(zb.query()) == 1
    with pytest.raises(ZbRefused, match="REFERENCE_CLASH"):
        zb.call("INSTALL", **(request | {"PORT_UC": 29999}))


def test_without_control_the_store_keeps_its_epoch(gateway, zb):
    def epoch():
        with Raw(gateway.zb) as raw:
            return raw.call("HELLO", {"NAME": "watcher", "INSTANCE_ID": 1, "ROLE": 1})["STORE_EPOCH"]
    zb.call("HEARTBEAT")
    before = epoch()
    restart_control(gateway)
    assert epoch() == before


def test_without_the_data_plane_zb_says_so_at_once_and_recovers(gateway, zb):
    row = install(zb)
    gateway.dataplane.kill()

    def refusal_s():
        start = time.monotonic()
        with pytest.raises(ZbRefused, match="DATAPLANE_DOWN"):
            install(zb, 1)
        return time.monotonic() - start
    assert best_of(refusal_s, lambda took: took < 1) < 1
    with Raw(gateway.zb) as raw:
        hello = raw.call("HELLO", {"NAME": "watcher", "INSTANCE_ID": 1, "ROLE": 1})
        assert hello["CAUSE"] == 0 and hello["DATAPLANE_UP"] == 0
    gateway.dataplane.start()
    wait_until_serving(gateway)
    assert [kept(found) for found in zb.query()] == [kept(row)]
    install(zb, 1)


def test_control_starts_without_the_data_plane_and_finds_it_later(gateway, zb):
    gateway.stop()
    gateway.control.start()
    zb.call("HEARTBEAT")
    with pytest.raises(ZbRefused, match="DATAPLANE_DOWN"):
        install(zb)
    gateway.dataplane.start()
    wait_until_serving(gateway)
    assert install(zb)["STATE"] == 1


def test_an_install_under_way_when_the_data_plane_dies_is_answered(gateway, zb):
    with Raw(gateway.zb) as raw:
        assert raw.call("HELLO", {"NAME": "pcscf2", "INSTANCE_ID": 1, "ROLE": 0})["CAUSE"] == 0
        gateway.dataplane.kill()
        raw.send(b"".join(raw.frame("INSTALL", {"REFERENCE": n + 1} | a_set(n)) for n in range(50)))
        causes = {raw.answer()["CAUSE"] for _ in range(50)}
        assert causes == {27}
    gateway.dataplane.start()
    wait_until_serving(gateway)
    assert Zb(gateway.zb, "pcscf2", 1).query() == []


def test_a_new_store_is_a_new_epoch_and_the_peers_are_told(gateway, zb):
    install(zb)
    zb.call("SUBSCRIBE", EVENTS=0xffffffff)
    gateway.dataplane.stop()
    for name in glob.glob(gateway.store + "*"):
        os.unlink(name)
    gateway.dataplane.start()
    wait_until_serving(gateway)
    wait_for(lambda: zb.call("HEARTBEAT") and "EPOCH_LOST" in [kind for kind, _ in zb.events], "the event", step=0.1)
    assert zb.query() == []
