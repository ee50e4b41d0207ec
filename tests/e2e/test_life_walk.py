# SPDX-License-Identifier: BSD-3-Clause
"""A random walk over the life of sets: bgf-control's own code (tests/unit/control/walk.c) beside a plain model.

The model has a list of sets and looks through all of it for every question; it knows no index, timer heap, request or
data plane. After every step both must tell the same cause, events and sets. WALK_SEED and WALK_STEPS choose another
walk; a difference is shown with the seed and the steps that led there.
"""
import os
import random
import subprocess

import pytest

from deploy.lab.gateway import REPOSITORY

SECOND = 10**9
TEMPORARY, ESTABLISHED, SUPERSEDED, DRAINING = 1, 2, 3, 4
BEGAN_UNPROTECTED, EMERGENCY, REPLACE = 1, 2, 4
EXPIRED, FIRST_USED, REMOVED, GAP, SUPERSEDED_EVENT = 1, 2, 3, 5, 6
RELEASED, REPLACED, NEW_CHALLENGE, ANEW, GAVE_WAY = 1, 2, 3, 6, 7
DONE, PORT_IN_USE, TOO_MANY_SETS, UNKNOWN_SET, BAD_STATE = 0, 17, 23, 25, 26
AWAIT_AUTH, GRACE, CUT, VIA_DRAIN, SETS_MAX = 240 * SECOND, 30, 128 * SECOND, 5 * SECOND, 3
BATCH = 1000  # fits into a pipe, so that neither waits for the other to read


class Set:
    """One set, as the rules speak of it."""

    def __init__(self, number, who, ue, ports, flags, until):
        self.id, self.who, self.ue, self.ports, self.flags, self.until = number, who, ue, ports, flags, until
        self.state, self.used, self.watched, self.why, self.replaces = TEMPORARY, 0, False, 0, None

    def tell(self):
        return f"{self.id}:{self.state}:{self.until}:{self.used}:{self.replaces.id if self.replaces else 0}"

    def is_emergency(self):
        return self.flags & EMERGENCY


class Model:
    """The rules, one after the other."""

    def __init__(self):
        self.now, self.last, self.sets, self.events = SECOND, 0, [], []

    def find(self, number):
        return next((s for s in self.sets if s.id == number), None)

    def of(self, who):
        return [s for s in self.sets if s.who == who]

    def older(self, than):
        """Rules 20 and 21: of the same registration, and as much of an emergency."""
        return [s for s in self.of(than.who) if s.id < than.id and s.is_emergency() == than.is_emergency()]

    def end(self, ended, event=REMOVED, why=0):
        self.sets.remove(ended)
        self.events.append((event, ended.id, why))
        for heir in self.sets:  # rule 6: what it waited for has come
            if heir.replaces is ended:
                heir.replaces = None

    def pass_time(self, span):
        self.now += span
        for s in [s for s in self.sets if s.until <= self.now]:
            if s.state == DRAINING:
                self.end(s, REMOVED, s.why)
            else:
                self.end(s, EXPIRED)

    def drain(self, s, why, span):
        s.state, s.why, s.until = DRAINING, why, self.now + span

    def ports(self, ue, ports, flags, goes):
        """Rule 6: whether they may be had, and whose they are then."""
        replaced = None
        for pair in ((0,), (1, 2)):  # (port_uc), and (port_us, port_pc); port_ps is one
            in_way = [s for s in self.sets if s not in goes and s.ue == ue
                      and all(s.ports[i] == ports[i] for i in pair)]
            if not in_way:
                continue
            if (not flags & REPLACE or len(in_way) > 1 or in_way[0].replaces
                    or replaced not in (None, in_way[0])):
                return False, None
            replaced = in_way[0]
        return True, replaced

    def install(self, who, ue, ports, flags, via_id):
        via = self.find(via_id)
        if via_id and via is None:
            return UNKNOWN_SET
        goes = [s for s in self.of(who) if s.state == TEMPORARY and s is not via]  # rule 15
        stay = [s for s in self.of(who) if s not in goes]
        is_free, replaced = self.ports(ue, ports, flags, goes)
        is_used = via in stay and via.state == ESTABLISHED
        may_go = [s for s in stay if s.state == DRAINING]
        may_go.sort(key=lambda s: s.until)
        may_go += [s for s in stay if s.state == SUPERSEDED
                   or is_used and s.state == ESTABLISHED and s in self.older(via)]
        may_go = [s for s in may_go if s not in (via, replaced)]
        count = len([s for s in stay if s is not replaced and not (s is via and s.state == TEMPORARY)])
        too_many = max(0, count + 1 - SETS_MAX)
        ways = may_go[:too_many]
        if not is_free and ways and len(ways) == too_many:
            is_free, replaced = self.ports(ue, ports, flags, goes + ways)
        if not is_free:
            return PORT_IN_USE
        if len(ways) < too_many:
            return TOO_MANY_SETS
        for s in ways:
            self.end(s, REMOVED, s.why if s.state == DRAINING else GAVE_WAY)
        for s in goes:
            self.end(s, REMOVED, NEW_CHALLENGE)
        if via in stay and via.state == TEMPORARY:
            self.drain(via, NEW_CHALLENGE, VIA_DRAIN)
        if is_used:
            self.cut(self.older(via))
        self.last += 1
        self.sets.append(Set(self.last, who, ue, ports, flags, self.now + AWAIT_AUTH))
        self.sets[-1].replaces = replaced
        return DONE

    def confirm(self, number, expires):
        s = self.find(number)
        if s is None:
            return UNKNOWN_SET
        if s.state in (SUPERSEDED, DRAINING):
            return BAD_STATE
        left = [other.until for other in self.of(s.who) if other.state == ESTABLISHED]  # rules 18, 19
        s.until = max([self.now + (expires + GRACE) * SECOND] + left)
        s.state, s.watched = ESTABLISHED, True
        if s.replaces:
            self.end(s.replaces, REMOVED, REPLACED)
        if s.flags & BEGAN_UNPROTECTED:  # rule 21
            for old in self.older(s):
                self.end(old, REMOVED, ANEW)
        else:  # what the UE never came to use between the set that it is on and this one
            self.cut([old for old in self.older(s) if old.state == ESTABLISHED][1:])
        return DONE

    def release(self, number, drain):
        s = self.find(number)
        if s is None:
            return UNKNOWN_SET
        if drain:
            self.drain(s, RELEASED, drain * SECOND)
        else:
            self.end(s, REMOVED, RELEASED)
        return DONE

    def use(self, number, is_told=True):
        s = self.find(number)
        if s and s.watched and not s.used:
            s.used = 1
            if is_told:
                self.events.append((FIRST_USED, s.id, 0))
            if s.state == ESTABLISHED:
                self.cut(self.older(s))

    def cut(self, left):
        """Rule 20."""
        for old in left:
            if old.state == ESTABLISHED:
                old.state, old.until = SUPERSEDED, min(old.until, self.now + CUT)
                self.events.append((SUPERSEDED_EVENT, old.id, 0))

    def restart(self, number):
        """Who is associated then hears of a gap, and of what is cut only now."""
        self.use(number, is_told=False)
        self.events.append((GAP, 0, 0))

    def tell(self, cause):
        return cause, sorted(self.events), sorted(s.tell() for s in self.sets)


def step(model, draw):
    """Draws a step and takes it in the model: the line for the walk, and what must come back."""
    roll = draw.random()
    span = draw.randrange(1, 2 * SECOND) if draw.random() < 0.9 else draw.randrange(1, 300 * SECOND)
    model.events = []
    model.pass_time(span)
    known = draw.choice(model.sets).id if model.sets and draw.random() < 0.97 else draw.randrange(1, model.last + 3)
    if roll < 0.35:
        who, ue = (draw.randrange(2), draw.randrange(2)), draw.randrange(2)
        ports = draw.randrange(5001, 5004), draw.randrange(6001, 6003), draw.randrange(7001, 7004)
        flags = draw.choice((0, 0, 1, 4, 4, 5, 2, 3, 7))
        via = known if draw.random() < 0.3 else 0
        line = "i", *who, ue, *ports, flags, via
        cause = model.install(who, ue, ports, flags, via)
    elif roll < 0.6:
        expires = draw.choice((0, 1, 60, 600, 3600))
        line, cause = ("c", known, expires), model.confirm(known, expires)
    elif roll < 0.72:
        drain = draw.choice((0, 1, 5, 64))
        line, cause = ("r", known, drain), model.release(known, drain)
    elif roll < 0.92:
        line, cause = ("u", known), DONE
        model.use(known)
    elif roll < 0.94:
        line, cause = ("x", known), DONE
        model.restart(known)
    else:
        line, cause = ("t",), DONE
    text = " ".join(str(word) for word in (line[0], span, *line[1:]))
    return text, model.tell(cause)


def parse(line):
    head, tail = line.split("|")
    cause, *events = head.split()
    return int(cause), sorted(tuple(int(part) for part in event.split(":")) for event in events), sorted(tail.split())


def walk(steps, seed):
    model, draw, trail = Model(), random.Random(seed), []
    print(f"WALK_SEED={seed} WALK_STEPS={steps}")
    program = os.path.join(REPOSITORY, "build", "tests", "unit", "control", "walk")
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, bufsize=1 << 20) as walker:
        for begin in range(0, steps, BATCH):
            batch = [step(model, draw) for _ in range(min(BATCH, steps - begin))]
            walker.stdin.write("".join(text + "\n" for text, _ in batch))
            walker.stdin.flush()
            for number, (text, expected) in enumerate(batch, begin):
                trail = (trail + [text])[-20:]
                came = parse(walker.stdout.readline())
                assert came == expected, f"WALK_SEED={seed}: step {number} differs; it came to it by\n" + "\n".join(trail)
        walker.stdin.close()
        assert walker.wait(60) == 0


def seed_of_walk():
    return int(os.environ.get("WALK_SEED") or random.randrange(10**9))


def test_rules_6_to_24_a_random_walk_agrees_with_a_plain_model():
    walk(int(os.environ.get("WALK_STEPS") or 50_000), seed_of_walk())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_rules_6_to_24_a_million_steps_agree_with_a_plain_model():
    walk(1_000_000, seed_of_walk())
