# SPDX-License-Identifier: BSD-3-Clause
"""What a P-CSCF hears of attacks, of sequence numbers that run out, and of phones with SAs that are gone: from the
packet to the event."""
import signal
import subprocess
import time

import pytest

from deploy.lab.attack import stale_spi
from deploy.lab.gateway import program
from hostile import ICV_LEN, patched, protect
from zbwire import Zb

BOTH = pytest.mark.parametrize("family", (4, 6))
ALL, FIRST_USED = 0xFFFFFFFF, 1 << 2


@pytest.fixture(name="hears")
def listener(field):
    """hears(KIND, wait=..): the next event of a kind that the P-CSCF hears, or None."""
    zb = field.zb
    zb.call("SUBSCRIBE", EVENTS=ALL)
    zb.events.clear()

    def next_event(kind, wait=30.0):
        deadline = time.monotonic() + wait
        while True:
            zb.call("HEARTBEAT")
            for i, (found, attributes) in enumerate(zb.events):
                if found == kind:
                    del zb.events[i]
                    return attributes
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
    return next_event


@BOTH
def test_sequence_numbers_that_run_out_are_told_well_before_the_end(field, hears, family):
    ue = field.ue(family, 21).establish()
    for sequence in (0x10000000, 0xF0000000, 0xFF000000, 0xFFFFFFFF):
        field.access.send(protect(ue.inner(sa="pc"), ue.spi("pc"), sequence, ue.key))
        field.settle()
        event = hears("SEQUENCE_LOW", 30.0 if sequence > 0x10000000 else 0.5)
        if sequence == 0x10000000:
            assert event is None
        else:
            assert event["SPI"] == ue.spi("pc") and event["SEQUENCE"] == sequence
            assert event["SET"][0]["SET_ID"] == ue.set_id
    ue.release()


@BOTH
@pytest.mark.parametrize("kind", ("ICV_FAILURES", "REPLAYS"))
def test_an_attack_on_a_set_is_told_with_its_number_and_once_in_a_minute(field, hears, family, kind):
    ue = field.ue(family, 22).establish()
    good = ue.protected(sequence=ue.next())
    field.access.send(good)
    bad = patched(ue.protected(), len(good) - ICV_LEN, bytes(ICV_LEN)) if kind == "ICV_FAILURES" else good
    field.access.send(*[bad] * 40)
    field.settle()
    told = 0
    while told < 40:  # the main lcore may look in the middle, and then the minute may just end
        event = hears(kind, 5.0 if told else 30.0)
        if event is None:
            break
        assert event["SET"][0]["SET_ID"] == ue.set_id and event["COUNT"] >= 8
        told += event["COUNT"]
    assert 8 <= told <= 40
    drops = ue.drops()
    assert drops["icv" if kind == "ICV_FAILURES" else "replay"] == 40
    for _ in range(5):  # at most two minutes are touched in these five seconds
        field.access.send(*[bad] * 40)
        time.sleep(0.5)
    assert len([1 for _ in range(5) if hears(kind, 0.5)]) <= 1
    ue.passes()
    ue.release()


@BOTH
def test_an_unknown_spi_is_told_if_its_ue_has_sets(field, hears, family):
    ue = field.ue(family, 23).establish()
    spi = stale_spi(ue.spi_ps)
    stale = ue.protected(spi=spi)
    other = field.ue(family, 24)
    with field.dropped("access", unknown_spi=13):
        field.access.send(*[stale] * 3)
        field.access.send(*[protect(other.inner(), spi, 1, ue.key)] * 10)
    event = hears("UNKNOWN_SPI")
    assert event == {"NAME": "pcscf1", "UE_ADDRESS": ue.address, "SERVED_ADDRESS": ue.served,
                     "SPI": spi, "COUNT": event["COUNT"]}
    assert 1 <= event["COUNT"] <= 3
    field.access.send(*[stale] * 30)  # in the same minute
    assert hears("UNKNOWN_SPI", 1.0) is None
    ue.release()


def test_a_flood_of_unknown_spis_of_everybody_does_not_flood_the_pcscf(field, hears):
    """Spoofed sources, one in fifty of a UE with sets: each of these is told once, and control goes on answering."""
    ues = [field.ue(4, host).establish() for host in range(30, 34)]
    stale = [ue.protected(spi=0x7FFF0000 + i) for i, ue in enumerate(ues)]
    for i in range(2000):
        spoofed = patched(stale[0], 12, bytes((10, 45, 1 + i % 200, 1 + i // 200)), fix_checksum=True)
        field.access.send(spoofed, *(stale if i % 50 == 0 else ()))
    heard = set()
    while (event := hears("UNKNOWN_SPI", 1.0 if heard else 30.0)) is not None:
        assert event["UE_ADDRESS"] not in heard, "twice in a minute"
        heard.add(event["UE_ADDRESS"])
    assert heard <= {ue.address for ue in ues} and heard
    for ue in ues:
        ue.passes()
        ue.release()


def test_another_pcscf_hears_nothing_and_an_observer_all(field, hears, gateway):
    ue = field.ue(4, 40).establish()
    stranger, observer = Zb(gateway.zb, "pcscf2"), Zb(gateway.zb, "watcher", role=1)
    for zb in (stranger, observer):
        zb.call("SUBSCRIBE", EVENTS=ALL & ~FIRST_USED)
    field.access.send(ue.protected(sequence=0xFFFFFFFF), *[ue.protected(spi=0x7FFF0000)] * 2)
    assert hears("SEQUENCE_LOW") and hears("UNKNOWN_SPI")
    for zb, kinds in ((stranger, set()), (observer, {"SEQUENCE_LOW", "UNKNOWN_SPI"})):
        zb.call("HEARTBEAT")
        assert {kind for kind, _ in zb.events} == kinds
        zb.close()
    ue.release()


@BOTH
def test_a_set_that_goes_is_told_with_all_that_passed_on_it(field, hears, family):
    ue = field.ue(family, 42).establish()
    good = ue.protected(sequence=ue.next())
    field.access.send(*[good] * 3)  # one passes, two are replays
    ue.passes(sa="pc")
    ue.reached()
    before = ue.row()
    ue.release()
    event = hears("REMOVED")
    last = event["SET"][0]
    assert (last["SET_ID"], event["WHY"]) == (ue.set_id, 1)
    assert last["SA"] == before["SA"] and last["DROP"] == before["DROP"]
    assert [sa["PACKETS"] for sa in last["SA"]][1:] == [1, 0, 1] and last["SA"][0]["PACKETS"] >= 1
    assert {drop["STAT_NAME"]: drop["STAT_VALUE"] for drop in last["DROP"]} == {"replay": 2}


def test_bgfctl_follows_them(field, hears, gateway):
    ue = field.ue(6, 41).establish()
    with subprocess.Popen([program("bgfctl"), "--socket", gateway.zb, "events", "--count", "3"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        try:
            assert "waiting" in follower.stderr.readline()
            field.access.send(ue.protected(sequence=0xFFFFFFF0), *[ue.protected(spi=0x7FFF0000)] * 2)
            assert hears("SEQUENCE_LOW") and hears("UNKNOWN_SPI")
            said, _ = follower.communicate(timeout=60)
        finally:
            if follower.poll() is None:
                follower.send_signal(signal.SIGKILL)
    assert "FIRST_USED" in said and f"set {ue.set_id}" in said and "SEQUENCE_LOW" in said and " 15 numbers left" in said
    assert "UNKNOWN_SPI" in said and ue.address in said and "of pcscf1" in said
    ue.release()
