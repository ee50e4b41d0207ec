# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: sets to install, keys that must not leak, counters, waiting, raw Zb."""
import contextlib
import os
import re
import socket
import time

import zbwire
from deploy.lab.netns import LabError

SERVED4, SERVED6 = "10.50.0.1", "fd00:50::1"
DRAIN_S = 5  # of sets that Kamailio releases; in it a slow machine still looks at them


def wait_for(condition, what, patience=30, step=0.02):
    """Returns what condition() returns once it is true; fails with `what` when it never is. The patience is that of a
    machine which others use too: it costs time only where something is wrong."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {patience} s still not: {what}"
        time.sleep(step)


def best_of(measure, is_good, times=4):
    """What measure() returns, the first that is good or else the last: a machine that stands still for some seconds spoils
    one of them, a slow program spoils all."""
    for _ in range(times):
        found = measure()
        if is_good(found):
            break
    return found


class Keys:
    """The keys that tests have used. None of them may be in a log or in what a program prints."""

    def __init__(self):
        self.used = []

    def new(self):
        key = os.urandom(16)
        self.used.append(key)
        return key

    def assert_not_in(self, octets, where):
        lower = octets.lower()
        for key in self.used:
            for form in (key, key.hex().encode(), key.hex(" ").encode(), key.hex(":").encode()):
                assert form not in (octets if form is key else lower), f"a key is in {where}"

    def assert_not_in_files(self, folder):
        for where, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        self.assert_not_in(file.read(), path)


KEYS = Keys()


def a_set(number=0, family=4, **changes):
    """The attributes of an INSTALL that the gateway takes, another UE address and ports for each number below
    65,000. A change to None leaves the attribute out."""
    ue = f"10.45.{1 + number // 250}.{1 + number % 250}" if family == 4 else f"fd00:45::1:{number + 1:x}"
    return {
        "SUBSCRIBER": f"ue{number}@ims.example.org",
        "UE_ADDRESS": ue,
        "SERVED_ADDRESS": SERVED4 if family == 4 else SERVED6,
        "PORT_UC": 20000 + number % 1000, "PORT_US": 30000 + number % 1000,
        "PORT_PC": 6060, "PORT_PS": 6062,
        "SPI_UC": 0x01000000 + 2 * number, "SPI_US": 0x01000001 + 2 * number,
        "ALG": 1, "EALG": 0, "MOD": 0, "IK": changes["IK"] if "IK" in changes else KEYS.new(),
    } | changes


def install(zb, number=0, family=4, **changes):
    """Installs a_set(); the answer's SET."""
    request = {"REFERENCE": zb.reference()} | a_set(number, family, **changes)
    return zb.call("INSTALL", **request)["SET"][0]


class Counters:
    """The data plane's counters, summed over ports and workers."""

    def __init__(self, zb):
        self.zb = zb

    def all(self):
        sums = {}
        for row in self.zb.counters():
            sums[row["STAT_NAME"]] = sums.get(row["STAT_NAME"], 0) + row["STAT_VALUE"]
        return sums

    @contextlib.contextmanager
    def grow(self, patience=30, **expected):
        """After the block each named counter has grown by just as much, and no other drop has."""
        before = self.all()
        drops = drop_names()
        yield
        grown = {}

        def as_expected():
            after = self.all()
            grown.clear()
            grown.update({name: after[name] - before.get(name, 0) for name in after
                          if after[name] != before.get(name, 0) and (name in drops or name in expected)})
            return grown == expected
        with contextlib.suppress(AssertionError):
            wait_for(as_expected, "", patience)
        assert grown == expected


def sets_of(gateway, ue):
    return gateway.sets(subscriber=ue.impi)


def sets_known(gateway, ue):
    """The same, once control has the data plane again."""
    def known():
        with contextlib.suppress(LabError):
            return sets_of(gateway, ue)
    return wait_for(known, "control knows the sets again")


def register(ue, **options):
    answer = ue.register(**options)
    assert answer["status"] == 200, answer
    return answer


def drop_names():
    with open(os.path.join(zbwire.REPOSITORY, "include", "bgf_drop.h"), encoding="utf-8") as header:
        return set(re.findall(r"\tX\([A-Z0-9_]+, (\w+), ", header.read()))


def memory_kb(daemon):
    """Resident memory of a daemon, kB."""
    with open(f"/proc/{daemon.pid()}/status", encoding="ascii") as status:
        return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M)[1])


def is_serving(gateway):
    """Whether bgf-control answers and has found the data plane."""
    with Raw(gateway.zb) as raw:
        return raw.call("HELLO", {"NAME": "is-serving", "INSTANCE_ID": 1, "ROLE": 1})["DATAPLANE_UP"] == 1


def wait_until_serving(gateway):
    wait_for(lambda: is_serving(gateway), "the gateway serves", 60)


class Raw:
    """A Zb connection that says what it is told, octet by octet."""

    def __init__(self, path, hello=None, wait=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(wait)
        self.socket.connect(path)
        self.txn = 0
        if hello:
            assert self.call("HELLO", {"NAME": hello, "INSTANCE_ID": 1, "ROLE": 1})["CAUSE"] == 0

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def frame(self, message, attributes=b"", **changes):
        self.txn += 1
        return zbwire.frame(message, self.txn, attributes, **changes)

    def call(self, message, attributes=b"", **changes):
        """One request, and its answer's attributes."""
        self.send(self.frame(message, attributes, **changes))
        return self.answer()

    def refused(self, message, attributes=b"", **changes):
        """(cause, attribute) of a refusal, by name."""
        return refusal(self.call(message, attributes, **changes))

    def answer(self):
        """The next answer's attributes; None when the gateway has closed."""
        while True:
            header = self._octets(zbwire.HEADER.size)
            if header is None:
                return None
            _, kind, flags, length, txn = zbwire.HEADER.unpack(header)
            body = self._octets(length - zbwire.HEADER.size)
            if flags & zbwire.ANSWER:
                return zbwire.parse(body)
            if not flags & zbwire.EVENT:  # a heartbeat
                self.send(zbwire.frame(kind, txn, zbwire.attribute("CAUSE", 0), flags=zbwire.ANSWER))

    def is_closed(self):
        """Whether the gateway closes the connection, within the wait."""
        return self.answer() is None

    def _octets(self, count):
        found = b""
        while len(found) < count:
            try:
                more = self.socket.recv(count - len(found))
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            found += more
        return found


def refusal(answer):
    """An answer's cause and offending attribute by their names; the sentence for people must be there."""
    assert answer is not None, "the gateway closed without an answer"
    cause = zbwire.CAUSE[answer["CAUSE"]]
    assert cause != "DONE" and answer.get("TEXT"), f"not a refusal with a sentence: {answer}"
    return cause, zbwire.ATTRIBUTE_NAME.get(answer.get("BAD_ATTRIBUTE"), (None,))[0]
