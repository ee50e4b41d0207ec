# SPDX-License-Identifier: BSD-3-Clause
"""A kill schedule: the daemons are killed with signal 9 at random moments while phones register, talk and leave.

KILL_SEED and KILL_COUNT choose another schedule. The seed decides what is killed, when, and what the P-CSCF does; the
moments within a millisecond are the machine's. After each restart the gateway must have the sets that a plain model of
its P-CSCF has (pcscf_model.py), no sequence number may have come again and no packet twice (phones.py), packets that
came out before are sent once more, and messages that nothing excuses must all have come out.
"""
import contextlib
import itertools
import os
import random
import socket
import statistics
import sys
import threading
import time
import uuid

import pytest

from deploy.lab import netns
from hostile import Field
from pcscf_model import DRAINING, REPLACE, TEMPORARY, Pcscf
from phones import ANSWER, REGISTER, REQUEST, Phone, Recorder, Wire
from support import Counters, wait_until_serving
from zbwire import Zb, ZbRefused

CUT_S = 3
SETTINGS = {"control.supersede_s": str(CUT_S), "dataplane.capacity": "64"}  # slots are soon used again
IN_FLIGHT_S = 0.3  # a message that was sent so long before a kill may have been in the gateway still
NEAR_S = 5.0  # and as long as others took that were sent so shortly before or after it
STANDSTILL_S = 8.0  # a machine that others use may stand still; a set that ends within it may be gone
JUDGED_S = 1.0
REPLAYED = 150


class Traffic(threading.Thread):
    """Messages in both directions on all sets of all phones, one phone after the other."""

    def __init__(self, wire, phones, interval=0.004, seed=0):
        super().__init__(daemon=True)
        self.wire, self.phones, self.interval = wire, phones, interval
        self.draw, self.running = random.Random(seed), True

    def run(self):
        for phone in itertools.cycle(self.phones):
            if not self.running:
                return
            for one in phone.sets:
                if one.ends is None:
                    self.talk(one)
            # A link's ring has 1,024 places: where nothing comes out for a while, little is sent.
            is_still = time.monotonic() > self.wire.last_came + IN_FLIGHT_S
            time.sleep(20 * self.interval if is_still else self.interval)

    def talk(self, one):
        if one.state != TEMPORARY:
            self.wire.send(one, self.draw.choice(("ps", "ps", "pc")))
            sa = self.draw.choice(("us", "us", "uc"))
            self.wire.send(one, sa, ANSWER if sa == "uc" else REQUEST)  # a temporary set may have its answers (rule 6)
        else:
            self.wire.send(one, "ps", REGISTER)
            if not one.flags & REPLACE:  # else, until it was heard, it has answers only as long as the other set lives
                self.wire.send(one, "uc", ANSWER)

    def end(self):
        self.running = False
        self.join()


class Schedule:
    """The gateway, its P-CSCF and phones, and what happens to them."""

    def __init__(self, gateway, field, seed, say):
        self.gateway, self.field, self.draw, self.say = gateway, field, random.Random(seed), say
        self.wire, self.zb = Wire(field), Zb(gateway.zb, "judge", role=1)
        self.phones = [Phone(f"10.45.0.{host}") for host in range(100, 108)] + [
            Phone(f"fd00:45::{host:x}") for host in range(100, 104)]
        for phone in self.phones:
            self.wire.play(phone)
        self.pcscf = Pcscf(gateway.zb, self.wire, self.phones, seed, lines=6, cut_s=CUT_S)
        self.traffic = Traffic(self.wire, self.phones, seed=seed)
        self.kills = {"bgf-dataplane": 0, "bgf-control": 0}
        self.down = []  # [from, until] of the data plane
        self.starts, self.excused, self.replayed = [], 0, 0
        self.anew = {False: 0, True: 0}

    def __enter__(self):
        sys.setswitchinterval(0.0005)
        self.pcscf.start()
        self.traffic.start()
        return self

    def __exit__(self, *_exception):
        self.traffic.end()
        self.pcscf.stop()
        self.zb.close()
        sys.setswitchinterval(0.005)

    def count(self):
        return sum(self.kills.values())

    # Kills

    def kill(self, daemon):
        if daemon is self.gateway.dataplane and not self.is_down():
            self.down.append([time.monotonic(), None])
        daemon.kill()
        self.kills[daemon.name] += 1

    def is_down(self):
        return bool(self.down) and self.down[-1][1] is None

    def choose_moment(self, line):
        """Some time, or the moment in which a request of a line is being done."""
        if self.draw.random() < 0.4:
            time.sleep(self.draw.uniform(0.02, 0.6))
        else:
            self.await_request(line)
            time.sleep(self.draw.choice((0, self.draw.uniform(0, 0.0005), self.draw.uniform(0, 0.01))))

    @staticmethod
    def await_request(line):
        line.asks.clear()
        line.asks.wait(1)

    def start(self, daemon, again):
        """Starts a daemon; `again`: it is killed in its start as often, a random time after it began."""
        for _ in range(again):
            daemon.launch()
            time.sleep(self.draw.uniform(0, 0.3 if daemon is self.gateway.dataplane else 0.03))
            self.kill(daemon)
        begin = time.monotonic()
        daemon.await_ready(daemon.launch())
        if daemon is self.gateway.dataplane:
            self.starts.append(time.monotonic() - begin)
            self.down[-1][1] = time.monotonic()

    def strike(self):
        """One kill of one or both, and their restarts in any order."""
        both = [self.gateway.dataplane, self.gateway.control]
        victims = self.draw.choice((both[:1], both[:1], both[1:], both[1:], both))
        self.choose_moment(self.draw.choice(self.pcscf.lines))
        for victim in self.draw.sample(victims, len(victims)):
            self.kill(victim)
            if self.draw.random() < 0.3:
                time.sleep(self.draw.uniform(0, 0.05))
        for victim in self.draw.sample(victims, len(victims)):
            self.start(victim, self.draw.choice((0, 0, 0, 1, 2)))
        wait_until_serving(self.gateway)

    def hang_up(self):
        """A P-CSCF's connection breaks while a request is under way on it."""
        line = self.draw.choice(self.pcscf.lines)
        self.await_request(line)
        time.sleep(self.draw.uniform(0, 0.0005))
        with contextlib.suppress(OSError, AttributeError):
            line.zb.socket.shutdown(socket.SHUT_RDWR)

    def start_pcscf_anew(self):
        """Another instance of the P-CSCF keeps the sets, or releases them all."""
        release = self.draw.random() < 0.5
        with self.pcscf:
            self.pcscf.start_anew(release)
        self.anew[release] += 1

    # Judgement

    def judge(self):
        """Everything is as it must be, with no request under way."""
        with self.pcscf:
            self.pcscf.check()
            self.probe()
            self.replay()
            self.judge_messages()
        assert not self.wire.faults, "\n".join([f"after {self.count()} kills:"] + self.wire.faults + [self.told()])

    def told(self):
        """What the data plane counted since its last start, its ports, and the neighbours as the kernel beside them has
        them: for who looks for a fault."""
        counted = {name: value for name, value in Counters(self.zb).all().items()
                   if value and not name.startswith("poll")}
        ports = [{stat["STAT_NAME"]: stat["STAT_VALUE"] for stat in port.pop("STAT")} | port
                 for port in self.zb.call("PORTS")["PORT"]]
        neighbours = netns.run("ip", "-n", self.field.lab.tap, "-s", "neigh", "show")
        return f"counted {counted}\nports {ports}\n{neighbours}"

    def probe(self):
        """A message on each SA of each set comes out, once a neighbour that was forgotten was asked for."""
        while self.down and time.monotonic() < self.down[-1][1] + IN_FLIGHT_S:
            time.sleep(0.01)
        live = [one for phone in self.phones for one in phone.sets
                if one.ends is None and self.end_of(one) > time.monotonic() + 2]
        numbers = [self.wire.send(one, sa, REGISTER if one.state == TEMPORARY else REQUEST)
                   for one in live for sa in ("ps", "pc")]
        numbers += [self.wire.send(one, sa, ANSWER if one.state == TEMPORARY or sa == "uc" else REQUEST)
                    for one in live for sa in ("uc", "us") if not (one.state == TEMPORARY and one.replaces)]
        missing = self.wire.wait(numbers, 30)
        for one in filter(None, map(self.wire.open.get, missing)):
            if self.end_of(one.set) > one.sent + STANDSTILL_S:
                self.wire.fault(f"message {one.number} on SA {one.sa} of set {one.set.id} of {one.set.phone.address}, "
                                f"state {one.set.state}, is lost")

    def replay(self):
        """What came out once does not come out again: those sent last, and some of the older ones."""
        sent = list(self.wire.sent_inbound)
        chosen = sent[-REPLAYED:] + self.draw.sample(sent, min(REPLAYED, len(sent)))
        with_set = [entry[0] for entry in chosen if entry[3] in self.wire.came and entry[0].ends is None]
        before = self.refused_as_replay()
        self.wire.replay(chosen)
        self.replayed += len(chosen)
        deadline = time.monotonic() + 30
        while self.refused_as_replay() - before < len(
                still := [one for one in with_set if self.end_of(one) > time.monotonic() + 2]):
            if time.monotonic() > deadline:
                self.wire.fault(f"{len(still)} packets were sent again, and not all were refused as replays")
                return
            time.sleep(0.01)

    def refused_as_replay(self):
        return Counters(self.zb).all().get("replay", 0)

    def judge_messages(self):
        """Every message that nothing excuses has come out."""
        now = time.monotonic()
        for number, message in list(self.wire.open.items()):
            if message.sent > now - JUDGED_S:
                continue
            self.wire.late[number] = message  # first: it may come at any moment, and must be in one of the two
            if self.wire.open.pop(number, None) is None or number in self.wire.came:
                self.wire.late.pop(number, None)
            elif self.is_excused(message):
                self.excused += 1
            elif self.wire.wait([number], 0 if self.wire.faults else 30):  # a slow machine may bring it yet
                self.wire.fault(f"message {number} of {now - message.sent:.2f} s ago on SA {message.sa} of set "
                                f"{message.set.id} of {message.set.phone.address}, state {message.set.state}, is lost; "
                                f"{self.round_about(message, now)}")

    def round_about(self, message, now):
        """What went on when a message was sent: for who looks for a fault."""
        one = message.set
        downs = [f"{now - begin:.2f} to {now - until:.2f}" for begin, until in self.down[-4:]]
        came = [number for number in range(message.number - 40, message.number + 80) if number in self.wire.came]
        return (f"now is {now:.2f}, ends {one.ends}, early {one.early}, overtaken {one.overtaken}, ports of another's "
                f"{one.replaces is not None}; the data plane was down {', '.join(downs)} s ago; came: {came}")

    def is_excused(self, message):
        """It met a dead data plane, or a set at its end."""
        one, sent = message.set, message.sent
        took = max([IN_FLIGHT_S] + [came - other for other, came in list(self.wire.slow) if abs(other - sent) < NEAR_S])
        return sent > min(self.end_of(one), one.ends or one.early) - took or any(
            begin - took < sent < (until or sent) + took for begin, until in self.down)

    def end_of(self, one):
        """From when on a set may be gone."""
        return min(one.early, self.pcscf.cut_from(one))


def run(gateway, field, count, say):
    seed = int(os.environ.get("KILL_SEED") or random.randrange(10**6))
    count = int(os.environ.get("KILL_COUNT") or count)
    say(f"KILL_SEED={seed} KILL_COUNT={count}")
    with Schedule(gateway, field, seed, say) as schedule:
        shown, begin = 0, time.monotonic()
        while schedule.count() < count:
            for _ in range(schedule.draw.randrange(4)):
                schedule.hang_up()
            schedule.strike()
            schedule.judge()
            if schedule.draw.random() < 0.1:
                schedule.start_pcscf_anew()
            if schedule.count() >= shown + 20:
                shown = schedule.count()
                say(f"{shown} kills in {time.monotonic() - begin:.0f} s, {len(schedule.wire.came)} messages came out")
    half_done = ", ".join(f"{message} {what} {number}"
                          for (message, what), number in sorted(schedule.pcscf.half_done.items()))
    starts = sorted(schedule.starts)
    say(f"killed: {schedule.kills}; the P-CSCF started anew {sum(schedule.anew.values())} times, and released its sets "
        f"{schedule.anew[True]} times; KILL_SEED={seed}")
    say(f"requests that were under way, as found before they were repeated: {half_done}")
    say(f"{len(schedule.wire.came)} messages came out, {schedule.excused} met a dead data plane or a set's end; "
        f"{schedule.replayed} replays, none came out; no sequence number again, the highest step was "
        f"{schedule.wire.highest_jump}")
    say(f"the data plane started in {statistics.median(starts):.3f} s (median), {starts[-1]:.3f} s at most")


@pytest.fixture(name="recorded")
def a_recorded_field(lab, gateway):
    made = Field(lab, gateway, Recorder)
    yield made
    zb = Zb(gateway.zb, "operator", role=2)
    for row in zb.query():
        with contextlib.suppress(ZbRefused):  # its time came
            zb.release(row["SET_ID"])
    zb.close()
    made.close()


@pytest.fixture(name="say")
def on_the_terminal(capfd):
    """Says something at once, and in the report of a failure."""
    def say(text):
        print(text)
        with capfd.disabled():
            print(f"    {text}", flush=True)
    return say


def test_twenty_kills_lose_and_double_nothing(gateway, recorded, say):
    run(gateway, recorded, 20, say)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_two_hundred_kills_lose_and_double_nothing(gateway, recorded, say):
    run(gateway, recorded, 200, say)


@pytest.mark.parametrize("is_kept", (False, True), ids=("store is gone", "store is of another boot"))
def test_a_reboot_of_the_host_is_told_and_leaves_nothing(gateway, recorded, tmp_path, say, is_kept):
    """Another boot id, another epoch, no set; what was sent before is under an unknown SPI; phones register anew."""
    boot_id = tmp_path / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    watcher = Zb(gateway.zb, "pcscf2")
    before = watcher.gateway()
    with Schedule(gateway, recorded, 1, say) as schedule:
        time.sleep(2)
        with schedule.pcscf:
            schedule.pcscf.check()
            assert schedule.wire.sent_inbound and not schedule.wire.faults
            reboot(gateway, schedule, boot_id, is_kept)
            schedule.pcscf.forget_all()
            watcher.close()
            rebooted = watcher.gateway()
            assert rebooted["BOOT_ID"] != before["BOOT_ID"] and rebooted["STORE_EPOCH"] != before["STORE_EPOCH"]
            assert rebooted["BOOT_ID"].hex() == uuid.UUID(boot_id.read_text().strip()).hex
            assert rebooted["SET_COUNT"] == 0 and not watcher.query()
            schedule.wire.replay(list(schedule.wire.sent_inbound)[-REPLAYED:])
        time.sleep(2)
        schedule.judge()
        assert any(phone.sets for phone in schedule.phones)
    watcher.close()


def reboot(gateway, schedule, boot_id, is_kept):
    """Everything dies, the kernel's boot id is another, and hugetlbfs and tmpfs are empty (or they are not)."""
    schedule.kill(gateway.control)
    schedule.kill(gateway.dataplane)
    if not is_kept:
        os.unlink(gateway.store)
    for daemon in (gateway.dataplane, gateway.control):  # `ip netns exec` gives each a mount namespace of its own
        daemon.within = ["sh", "-c", f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh"]
        schedule.start(daemon, 0)
    wait_until_serving(gateway)
