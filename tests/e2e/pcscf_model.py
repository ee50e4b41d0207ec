# SPDX-License-Identifier: BSD-3-Clause
"""A P-CSCF that loses its answers, and a plain model of the sets it has: for tests that kill the gateway.

    Pcscf   the peer: its instance, its lines, and the check of what the gateway has against what it must have
    Line    one connection and the phones it serves, with a thread that registers, re-authenticates and releases them

A request without an answer is repeated with its reference until there is one. Each set of the model knows from when on it
may be gone (`early`) and until when it may be there (`late`), since a test sees the gateway's moments only roughly.
"""
import collections
import itertools
import random
import threading
import time

from phones import PhoneSet
from support import wait_for
from zbwire import Zb, ZbRefused

TEMPORARY, ESTABLISHED, SUPERSEDED, DRAINING = 1, 2, 3, 4
BEGAN_UNPROTECTED, REPLACE = 1, 4
GRACE_S, SLACK_S, SETS_MAX = 30, 0.3, 3
PORT_PS, PORTS_PC = 6062, (6060, 6064, 6066)
PATIENCE_S = 30
FOREVER = float("inf")


class Undecided(AssertionError):
    """A request got no answer, however often it was repeated."""


class Line:
    """One association of the peer; `lock` is held during each step, so that whoever has it sees none half done."""

    def __init__(self, pcscf, phones, seed):
        self.pcscf, self.phones, self.draw = pcscf, phones, random.Random(seed)
        self.zb = Zb(pcscf.path, pcscf.name, pcscf.instance_id)
        self.lock, self.asks = threading.RLock(), threading.Event()
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while self.running:
            with self.lock:
                try:
                    self.step()
                except Exception as error:
                    self.pcscf.fault(f"a P-CSCF's request: {error!r}")
                    return
            time.sleep(self.draw.uniform(0.001, self.pcscf.pause))

    # Requests

    def order(self, look, message, **attributes):
        """The request's answer, after as many repetitions as it needs; look() is called before each of them,
        and tells whether the request had its effect."""
        request = {"REFERENCE": self.zb.reference()} | attributes
        deadline = time.monotonic() + PATIENCE_S
        for times in itertools.count():
            try:
                found = times and look()
                self.asks.set()
                answer = self.zb.once(message, **request)
                if times:
                    self.pcscf.half_done[message, "done" if found else "undone"] += 1
                return answer
            except ZbRefused as refused:
                if refused.cause not in ("DATAPLANE_DOWN", "INSTANCE_CLASH"):
                    raise
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise Undecided(f"{message} is still not answered")
            time.sleep(0.01)

    def rows(self, **having):
        """QUERY; goes on to the next repetition when the gateway is away."""
        return self.zb.query(**having)

    # What a P-CSCF does

    def step(self):
        """One thing that may happen to a phone next."""
        phone = self.draw.choice(self.phones)
        live = [one for one in phone.sets if one.ends is None]
        temporary = [one for one in live if one.state == TEMPORARY]
        roll = self.draw.random()
        if temporary and roll < 0.7:
            self.confirm(temporary[0])
        elif temporary and roll < 0.8:
            self.release(temporary[0], self.draw.choice((0, 1)))  # a failed authentication (rule 22)
        elif live and roll < 0.4:
            self.release(self.draw.choice(live), self.draw.choice((0, 0, 1)))
        elif len(phone.sets) < SETS_MAX or temporary:
            self.install(phone, live)
        elif live and live[0].state == ESTABLISHED:
            self.confirm(live[0])  # not challenged: extended (rule 19)

    def install(self, phone, live):
        """A challenge: rule 15 ends the other temporary sets."""
        flags, ports, replaced = 0, None, None
        established = [one for one in live if one.state == ESTABLISHED and one.replaced_by is None]
        roll = self.draw.random()
        if established and roll < 0.25:
            flags, replaced = REPLACE, self.draw.choice(established)
            ports = replaced.port_uc, replaced.port_us, replaced.port_pc, replaced.port_ps
        else:
            if roll > 0.85:
                flags = BEGAN_UNPROTECTED
            free = [port for port in PORTS_PC if all(one.port_pc != port for one in phone.sets)]
            if not free:
                return
            phone.port_uc = 20000 + (getattr(phone, "port_uc", 20000) - 19999) % 10000
            ports = phone.port_uc, 5064, self.draw.choice(free), PORT_PS
        await_auth = self.draw.choice((2, 240, 240))
        made = PhoneSet(phone, ports, flags=flags, replaces=replaced, replaced_by=None, ends=None, state=TEMPORARY,
                        early=0.0, late=FOREVER, number=next(self.pcscf.numbers))
        going = [one for one in live if one.state == TEMPORARY]
        self.pcscf.wire.know(made)
        begin, found = time.monotonic(), []

        def look():  # done or undone, which the repetition must tell
            rows = [row for row in self.rows(UE_ADDRESS=phone.address) if row["SPI_UC"] == made.spi_uc]
            if len(rows) > 1:
                self.pcscf.fault(f"one INSTALL made {len(rows)} sets")
            found[:] = rows
            return rows
        for one in going:
            one.ends = begin
        try:
            answer = self.order(look, "INSTALL", SUBSCRIBER=phone.subscriber, ALG=1, IK=made.ik, FLAGS=flags,
                                AWAIT_AUTH=await_auth, **made.selectors())["SET"][0]
        except ZbRefused as refused:
            # What has just ended here may be there for a moment longer.
            if refused.cause not in ("TOO_MANY_SETS", "PORT_IN_USE"):
                raise
            if not any(one.ends is not None or one.early < time.monotonic() for one in phone.sets):
                self.pcscf.fault(f"INSTALL refused, with {len(phone.sets)} sets: {refused}")
            for one in going:
                one.early, one.ends = min(one.early, begin), None
            self.pcscf.refused += 1
            return
        if found and (answer["SET_ID"], answer["SPI_PS"]) != (found[0]["SET_ID"], found[0]["SPI_PS"]):
            self.pcscf.fault(f"INSTALL had made set {found[0]['SET_ID']}, and its repetition made {answer['SET_ID']}")
        made.id, made.spi_ps, made.spi_pc = answer["SET_ID"], answer["SPI_PS"], answer["SPI_PC"]
        made.reference = answer["REFERENCE"]
        made.early, made.late = begin + await_auth, time.monotonic() + await_auth
        phone.sets = tuple(one for one in phone.sets if one not in going) + (made,)

    def confirm(self, made):
        """The 200 OK."""
        expires = self.draw.choice((600, 3600))
        ending = [made.replaces] if made.replaces else []
        older = [one for one in made.phone.sets if one.number < made.number and one.state == ESTABLISHED]
        if made.flags & BEGAN_UNPROTECTED and made.state == TEMPORARY:  # rule 21
            ending = [one for one in made.phone.sets if one is not made]
        begin, found = time.monotonic(), []

        def look():
            found[:] = self.rows(SET_ID=made.id)
            return found and found[0]["STATE"] == ESTABLISHED
        for one in ending:
            one.ends = begin
        for one in older[1:] if made.state == TEMPORARY else ():  # their 200 OK did not arrive: the UE has left them
            one.overtaken = one.overtaken or begin
        try:
            answer = self.order(look, "CONFIRM", SET_ID=made.id, EXPIRES=expires)["SET"][0]
        except ZbRefused as refused:
            for one in ending:
                one.early, one.ends = min(one.early, begin), None
            over = refused.cause == "UNKNOWN_SET" and made.early - SLACK_S < time.monotonic()
            cut = refused.cause == "BAD_STATE" and made.overtaken
            if not (over or cut):
                self.pcscf.fault(f"CONFIRM of set {made.id} in state {made.state}: {refused}")
            return
        cut = answer["STATE"] == SUPERSEDED and made.overtaken  # meanwhile (rule 20)
        if answer["STATE"] != ESTABLISHED and not cut:
            self.pcscf.fault(f"CONFIRM was answered, and set {made.id} has state {answer['STATE']}")
        done = found and found[0]["STATE"] == ESTABLISHED and made.state == TEMPORARY
        if done and answer["REMAINING"] > found[0]["REMAINING"]:
            self.pcscf.fault(f"CONFIRM had its effect on set {made.id}, and its repetition another")
        made.state = ESTABLISHED
        left = [one for one in made.phone.sets if one.state == ESTABLISHED]  # rules 18, 19
        made.early = max([begin + expires + GRACE_S] + [one.early for one in left if one is made])
        made.late = max([time.monotonic() + expires + GRACE_S] + [one.late for one in left])
        if cut:
            made.state, made.early = SUPERSEDED, min(made.early, self.pcscf.cut_from(made))
        for one in ending:
            one.replaced_by = made if one is made.replaces else None
        made.replaces = None
        made.phone.sets = tuple(one for one in made.phone.sets if one not in ending)

    def release(self, made, drain):
        made.ends, repeats = time.monotonic(), []

        def look():
            repeats.append(1)
            rows = self.rows(SET_ID=made.id)
            return not rows or rows[0]["STATE"] == DRAINING
        try:
            self.order(look, "RELEASE", SET_ID=made.id, DRAIN=drain)
        except ZbRefused as refused:
            over = min(made.early, self.pcscf.cut_from(made)) - SLACK_S < time.monotonic()
            if refused.cause != "UNKNOWN_SET" or not (over or repeats):
                self.pcscf.fault(f"RELEASE of set {made.id}: {refused}")
            drain, made.early = 0, min(made.early, made.ends)
        if drain:
            made.state, made.early, made.late = DRAINING, made.ends + drain, time.monotonic() + drain
        else:
            made.phone.sets = tuple(one for one in made.phone.sets if one is not made)


class Pcscf:
    """The peer `name`, with some lines; `pause` is the longest time between two steps of one."""

    def __init__(self, path, wire, phones, seed, lines=3, name="pcscf1", cut_s=128, pause=0.03):
        self.path, self.wire, self.phones, self.name = path, wire, phones, name
        self.cut_s, self.pause = cut_s, pause
        self.instance_id, self.refused, self.half_done = 1 + seed, 0, collections.Counter()
        self.numbers = itertools.count(1)
        self.lines = [Line(self, phones[n::lines], seed + n) for n in range(lines)]

    def fault(self, text):
        self.wire.fault(text)

    def start(self):
        for line in self.lines:
            line.thread.start()

    def stop(self):
        for line in self.lines:
            line.running = False
        for line in self.lines:
            line.thread.join(PATIENCE_S + 10)
            line.zb.close()

    def __enter__(self):
        """Every line is between two steps."""
        for line in self.lines:
            line.lock.acquire()
        return self

    def __exit__(self, *_exception):
        for line in self.lines:
            line.lock.release()

    def start_anew(self, release):
        """A restart of the P-CSCF: another instance, which keeps the sets or has none. Inside `with`."""
        self.instance_id += 1000
        for line in self.lines:
            line.zb.close()
            line.zb.instance_id = self.instance_id
        zb = self.lines[0].zb
        wait_for(lambda: self._greets(zb, release), "the new instance is associated")
        if release:
            for phone in self.phones:
                for one in phone.sets:
                    one.ends = time.monotonic()
                phone.sets = ()

    def forget_all(self):
        """Every set is gone with the store."""
        for phone in self.phones:
            for one in phone.sets:
                one.ends = one.ends or time.monotonic()
            phone.sets = ()

    @staticmethod
    def _greets(zb, release):
        try:
            zb.restart = int(release)
            return zb.gateway()["DATAPLANE_UP"] == 1
        except (OSError, ZbRefused):
            zb.close()
            return False
        finally:
            zb.restart = None

    # What the gateway has

    def check(self, patience=30):
        """The gateway has the sets that it must have, as they must be, each once. Inside `with`, when it serves."""
        deadline = time.monotonic() + patience
        while True:
            wrong = self._compare()
            if not wrong or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for text in wrong:
            self.fault(text)

    def _compare(self):
        begin, wrong = time.monotonic(), []
        rows = self.lines[0].zb.query()
        now = time.monotonic()
        by_id = {row["SET_ID"]: row for row in rows}
        if len(by_id) != len(rows):
            wrong.append("a set is told twice")
        for phone in self.phones:
            for one in phone.sets:
                row = by_id.pop(one.id, None)
                if row is not None:
                    wrong += self._judge(one, row, begin, now)
                elif min(one.early, self.cut_from(one)) > begin + SLACK_S:
                    wrong.append(f"set {one.id} of {phone.subscriber}, state {one.state}, is lost")
                else:
                    one.ends = one.ends or begin
            phone.sets = tuple(one for one in phone.sets if one.id in {row["SET_ID"] for row in rows})
        wrong += [f"set {one} of {row['SUBSCRIBER']}, state {row['STATE']}, should not be there"
                  for one, row in by_id.items()]
        return wrong

    def cut_from(self, one):
        """From when on rule 20 may have ended a set."""
        return one.overtaken + self.cut_s if one.overtaken and one.state in (ESTABLISHED, SUPERSEDED) else FOREVER

    def _judge(self, one, row, begin, now):
        phone = one.phone
        expected = one.selectors() | {"SPI_PS": one.spi_ps, "SPI_PC": one.spi_pc, "REFERENCE": one.reference,
                                      "SUBSCRIBER": phone.subscriber, "NAME": self.name, "FLAGS": one.flags}
        wrong = [f"set {one.id}: {name} is {row.get(name)}, not {value}"
                 for name, value in expected.items() if row.get(name) != value]
        newer = [other for other in phone.sets if other.number > one.number and other.state == ESTABLISHED]
        must_be_cut = any(other.used and other.used < begin - SLACK_S for other in newer)
        if one.state == ESTABLISHED and row["STATE"] == SUPERSEDED and one.overtaken:
            one.state = SUPERSEDED
            one.early = min(one.early, self.cut_from(one))
            one.late = min(one.late, now + self.cut_s)
        elif row["STATE"] != one.state or (must_be_cut and row["STATE"] == ESTABLISHED):
            wrong.append(f"set {one.id}: state {row['STATE']}, not {one.state}")
        end = now + row["REMAINING"] / 1000
        if not one.early - SLACK_S <= end or not begin + row["REMAINING"] / 1000 <= one.late + SLACK_S:
            wrong.append(f"set {one.id}, state {one.state}: {row['REMAINING']} ms left, not "
                         f"{one.early - now:.3f} to {one.late - now:.3f} s")
        if one.late + SLACK_S < begin:
            wrong.append(f"set {one.id}, state {one.state}, is {begin - one.late:.1f} s beyond its time")
        if one.used and one.used < begin - SLACK_S and not row["FIRST_USE"]:
            wrong.append(f"set {one.id} is used, and the gateway does not know")
        if not one.requested and row["FIRST_USE"]:
            wrong.append(f"set {one.id} is not used, and the gateway thinks so")
        return wrong
