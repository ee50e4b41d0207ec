# SPDX-License-Identifier: BSD-3-Clause
"""Both daemons are killed and come back while phones are registered: ARCHITECTURE.md, 'Where state lives'."""
import ipaddress
import itertools
import mmap
import os
import struct
import threading
import time

import pytest

from hostile import one_hop_on, protect, sip, unprotect
from support import wait_for, wait_until_serving

BOTH = pytest.mark.parametrize("family", (4, 6))
INTERVAL_S = 0.004
STEP_S, QUIET_LOOKS = 0.02, 100
MOST = 400  # packets under way, where none may be lost: a ring has 1,024 places, for a worker that comes to run late
HELD = 64  # packets that wait for a neighbour; those behind them may pass them when it answers


def in_order(numbers, late=0):
    """Whether none came twice, and none more than `late` numbers behind a higher one."""
    highest = itertools.accumulate(numbers, max)
    return len(set(numbers)) == len(numbers) and all(high - number <= late for high, number in zip(highest, numbers))


class Traffic(threading.Thread):
    """One numbered packet a UE and direction every few milliseconds, from `start` to `end`."""

    def __init__(self, field, ues, late=0, most=None):
        super().__init__(daemon=True)
        self.late, self.most = late, most
        self.field, self.ues, self.stopping = field, ues, threading.Event()
        self.inbound, self.outbound = [], []
        self.first = {ue: ue.sequence["us"] for ue in ues}

    def __enter__(self):
        self.field.access.forget()
        self.field.core.forget()
        self.start()
        time.sleep(0.3)
        return self

    def __exit__(self, *_exception):
        time.sleep(0.3)
        self.stopping.set()
        self.join()
        self._await_silence()

    def _await_silence(self):
        """All has come, or for many looks nothing has."""
        ends, looks, former = (self.field.core, self.field.access), 0, None
        while looks < QUIET_LOOKS:
            came = [len(end.packets()) for end in ends]
            if came[0] >= len(self.inbound) and came[1] >= len(self.outbound):
                return
            looks, former = (0 if came != former else looks + 1), came
            time.sleep(STEP_S)

    def run(self):
        number = 0
        while not self.stopping.wait(INTERVAL_S):
            if self.most and len(self.inbound) - len(self.field.core.frames) > self.most or (
                    self.most and len(self.outbound) - len(self.field.access.frames) > self.most):
                continue
            number += 1
            for ue in self.ues:
                packet = ue.inner(b"inbound %d" % number)
                self.inbound.append(one_hop_on(packet))
                self.field.access.send(protect(packet, ue.spi_ps, ue.next(), ue.key))
                packet = ue.from_core(b"outbound %d" % number)
                self.outbound.append(one_hop_on(packet))
                self.field.core.send(packet)

    def lost_inbound(self):
        """How many never came, after all that came was found to be sent, once and in order."""
        return self._lost(self.inbound, self.field.core.packets())

    def lost_outbound(self):
        """The same to the UEs; no sequence number came twice or fell back."""
        opened = [[unprotect(packet, ue.key) for packet in self.field.access.packets() if self._is_to(packet, ue)]
                  for ue in self.ues]
        for ue, packets in zip(self.ues, opened):
            numbers = [self.first[ue]] + [one.sequence for one in packets]
            assert in_order(numbers, self.late), "a sequence number came again"
            ue.sequence["us"] = max(numbers)
        order = {packet: place for place, packet in enumerate(self.outbound)}
        came = sorted((one.packet for packets in opened for one in packets), key=order.__getitem__)
        return self._lost(self.outbound, came)

    @staticmethod
    def outage(end):
        """The longest time in which nothing came, in seconds."""
        return max(later - earlier for earlier, later in zip(end.times, end.times[1:]))

    @staticmethod
    def _is_to(packet, ue):
        address = ipaddress.ip_address(ue.address).packed
        return address in (packet[16:20], packet[24:40])

    def _lost(self, sent, came):
        places = {packet: place for place, packet in enumerate(sent)}
        for family in (4, 6):
            order = [places[packet] for packet in came if packet[0] >> 4 == family]
            assert in_order(order, self.late * len(self.ues)), "a packet came twice, or out of order"
        return len(sent) - len(came)


@pytest.fixture
def ues(field):
    made = [field.ue(family).establish() for family in (4, 6)]
    for ue in made:
        ue.passes()
        ue.reached()
    wait_for(lambda: all(row["FIRST_USE"] for row in field.zb.query()), "the workers' notices of the first use arrived")
    yield made
    for ue in made:
        ue.release()


def rows(field):
    """What the gateway knows of every set, but for what changes by itself."""
    return {row["SET_ID"]: {name: value for name, value in row.items() if name not in ("REMAINING", "SA", "DROP")}
            for row in field.zb.query()}


def restart_dataplane(field):
    field.gateway.dataplane.start()
    wait_for(lambda: dataplane_is_up(field), "the data plane and control found each other")


def dataplane_is_up(field):
    field.zb.close()
    return field.zb.gateway()["DATAPLANE_UP"] == 1


def test_control_is_killed_under_traffic(field, ues):
    """Nothing is lost; the sets are known again, with the same SPIs, and their time went on."""
    before, begin = rows(field), time.monotonic()
    left = {row["SET_ID"]: row["REMAINING"] for row in field.zb.query()}
    told = time.monotonic()
    with Traffic(field, ues, most=MOST) as traffic:
        field.gateway.control.kill()
        time.sleep(0.5)
        field.gateway.control.start()
    assert (traffic.lost_inbound(), traffic.lost_outbound()) == (0, 0)
    wait_until_serving(field.gateway)
    assert rows(field) == before
    asked = time.monotonic()
    found = field.zb.query()
    least, most = (asked - told) * 1000 - 10, (time.monotonic() - begin) * 1000 + 10
    for row in found:
        assert least <= left[row["SET_ID"]] - row["REMAINING"] <= most, "the timer did not go on"
    print(f"control killed: {len(traffic.inbound) + len(traffic.outbound)} packets, none lost")


BACK_S = 15  # longer than a restart takes on a slow machine


def test_rule_14_timers_go_on_over_a_restart_of_control(field):
    """One set ends while control is away, one after it is back."""
    away, back = (field.ue(4, host).install(AWAIT_AUTH=seconds) for host, seconds in ((60, 1), (61, BACK_S)))
    end = time.monotonic() + BACK_S
    field.gateway.control.kill()
    time.sleep(1.2)
    field.gateway.control.start()
    wait_until_serving(field.gateway)
    wait_for(lambda: away.row() is None, "the set that ended while control was away is gone")
    back.passes(sip("REGISTER"))
    asked = time.monotonic()
    assert back.row()["REMAINING"] <= (end - asked) * 1000 + 10, "the restart gave it time"
    wait_for(lambda: back.row() is None, "the other ended in its time")
    with field.dropped("access", unknown_spi=2):
        field.access.send(away.protected(), back.protected())


def test_the_dataplane_is_killed_under_traffic(field, ues):
    """Window and sequence numbers go on where they were; only what came meanwhile is lost."""
    before, former = rows(field), [protect(ue.inner(), ue.spi_ps, 1, ue.key) for ue in ues]
    with Traffic(field, ues, late=HELD) as traffic:
        field.gateway.dataplane.kill()
        restart_dataplane(field)
    lost = traffic.lost_inbound(), traffic.lost_outbound()
    outage = traffic.outage(field.core), traffic.outage(field.access)
    print(f"data plane killed: nothing passed for {outage[0]:.2f} s to the core, {outage[1]:.2f} s to the UEs; "
          f"lost {lost[0]} and {lost[1]} of {len(traffic.inbound)} each way")
    for gone, time_ in zip(lost, outage):
        assert gone <= (time_ / INTERVAL_S + 2) * len(ues), "more was lost than came in the outage"
    assert rows(field) == before
    with field.dropped("access", replay=len(former)):
        field.access.send(*former)
    for ue in ues:
        ue.passes()
        ue.reached()


@BOTH
def test_rule_9_no_packet_passes_a_second_time_after_a_crash(field, family):
    """Every packet that passed before the kill is a replay after it; what had not come yet still may."""
    ue = field.ue(family, 62).establish()
    sent = [protect(ue.inner(b"%d" % number), ue.spi_ps, number, ue.key) for number in range(1, 101)]
    skipped = (10, 50, 99)
    with field.dropped(to_core=97):
        field.access.send(*[packet for number, packet in enumerate(sent, 1) if number not in skipped])
    ue.reached()
    field.gateway.dataplane.kill()
    restart_dataplane(field)
    with field.dropped("access", replay=97, to_core=3) as out:
        field.access.send(*sent)
    assert out.core == [one_hop_on(ue.inner(b"%d" % number)) for number in skipped]
    assert ue.row()["SA"][0]["SEQUENCE"] == 100
    ue.reached()  # checks that the number follows
    ue.release()


def test_rule_16_a_temporary_set_stays_temporary(field):
    ue = field.ue(4, 63).install()
    field.gateway.dataplane.kill()
    restart_dataplane(field)
    with field.dropped("access", temporary=1):
        field.access.send(protect(ue.inner(sip("INVITE")), ue.spi_ps, ue.next(), ue.key))
    ue.passes(sip("REGISTER"))
    ue.establish()
    ue.passes(sip("INVITE"))
    ue.release()


def test_both_are_killed(field, ues):
    before = rows(field)
    field.gateway.control.kill()
    field.gateway.dataplane.kill()
    field.gateway.dataplane.start()
    for ue in ues:  # the data plane needs no control
        ue.passes()
    field.gateway.control.start()
    wait_for(lambda: dataplane_is_up(field), "the data plane and control found each other")
    assert rows(field) == before
    for ue in ues:
        ue.passes()
        ue.reached()


def test_a_set_that_ended_while_the_dataplane_was_away(field):
    """Its time is over when the data plane comes back: it goes, and its SPI is unknown."""
    ue = field.ue(6, 64).install(AWAIT_AUTH=2)
    field.gateway.dataplane.kill()
    time.sleep(2.2)
    restart_dataplane(field)
    wait_for(lambda: ue.row() is None, "the set is gone")
    with field.dropped("access", unknown_spi=1):
        field.access.send(ue.protected())


def test_an_end_in_order_keeps_the_sets(field, ues):
    before = rows(field)
    assert field.gateway.dataplane.stop() == 0
    restart_dataplane(field)
    assert field.gateway.control.stop() == 0
    field.gateway.control.start()
    wait_for(lambda: dataplane_is_up(field), "the data plane and control found each other")
    assert rows(field) == before
    for ue in ues:
        ue.passes()
        ue.reached()


def set_last_sequence(path, ue, sa, sequence):
    """Writes into the store what 2^32 packets would: an outbound SA is SPI, ports, and the number sent last."""
    line = struct.pack("!IHH", ue.spi(sa), *ue.ports(sa))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), os.path.getsize(path)) as store:
        at = store.find(line)
        assert at >= 0 and store.find(line, at + 1) < 0, "the SA's line in the store"
        store[at + 8:at + 12] = struct.pack("=I", sequence)


def test_nothing_is_sent_after_the_last_sequence_number(field, ues):
    """RFC 4303 3.3.3: the counter must not cycle. Beyond it: `seq_exhausted=`, on this SA alone."""
    last = 2**32 - 1
    assert field.gateway.dataplane.stop() == 0
    for ue in ues:
        set_last_sequence(field.gateway.store, ue, "us", last - 2)
        ue.sequence["us"] = last - 2
    restart_dataplane(field)
    for ue in ues:
        ue.reached()
        ue.reached()
        assert ue.sequence["us"] == last
        with field.dropped("core", seq_exhausted=3):
            field.core.send(*[ue.from_core()] * 3)
        assert ue.drops()["seq_exhausted"] == 3
        ue.reached(sa="uc")
        ue.passes()
    field.gateway.dataplane.kill()
    restart_dataplane(field)
    for ue in ues:
        with field.dropped("core", seq_exhausted=1):
            field.core.send(ue.from_core())
