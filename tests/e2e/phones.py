# SPDX-License-Identifier: BSD-3-Clause
"""Phones with SA sets, and a record of every packet of theirs: what was sent, and what came out of the gateway.

    Phone      a UE: an address, and its sets (PhoneSet)
    Wire       both outer link ends; sends numbered messages, and judges each packet that comes

Each message has a number of its own, which comes out once at most, unchanged but for the hop. Each ESP packet must have
the right ICV and a sequence number that its SA did not have before. `faults` has what was wrong.
"""
import collections
import ipaddress
import itertools
import os
import struct
import threading
import time

from deploy.lab import netns
from hostile import ESP, ETH_IP4, ETH_IP6, End, check_ip, checksum, expanded, protect, unprotect
from support import KEYS

PROTECTED = {"ps": ("port_uc", "port_ps"), "pc": ("port_us", "port_pc"),  # rule 1: source, destination
             "uc": ("port_ps", "port_uc"), "us": ("port_pc", "port_us")}
INBOUND = ("ps", "pc")
REQUEST = b"MESSAGE sip:u@example.org SIP/2.0\r\nCall-ID: %016d\r\n\r\n"
REGISTER = b"REGISTER sip:example.org SIP/2.0\r\nCall-ID: %016d\r\n\r\n"
ANSWER = b"SIP/2.0 200 OK\r\nCall-ID: %016d\r\n\r\n"
FAULTS_MAX, SLOW_S = 20, 0.1
SPIS = itertools.count(0x30000000 + int.from_bytes(os.urandom(3), "big"))  # no two of a phone are the same (rule 4)

Message = collections.namedtuple("Message", "number sent set sa packet is_request")


def datagram(source, destination, source_port, destination_port, data):
    """A UDP datagram in its IP packet; addresses are octets."""
    length = 8 + len(data)
    udp = struct.pack("!HHHH", source_port, destination_port, length, 0) + data
    total = checksum(source + destination + struct.pack("!II", length, 17) + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total) + data
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, length, 17, 64) + source + destination + udp
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0x1234, 0x4000, 64, 17, 0) + source + destination
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp


def is_one_hop_on(came, sent):
    """Whether a packet is the one that was sent, one hop on."""
    check_ip(came)
    if sent[0] >> 4 == 6:
        return came[7] == sent[7] - 1 and came[:7] == sent[:7] and came[8:] == sent[8:]
    return came[8] == sent[8] - 1 and came[:8] == sent[:8] and came[9:10] == sent[9:10] and came[12:] == sent[12:]


class Phone:
    """A UE, whose sets change: `sets` is a tuple that is replaced, so that any thread may look through it."""

    def __init__(self, address):
        self.address = address
        self.octets = ipaddress.ip_address(address).packed
        self.family = 6 if len(self.octets) == 16 else 4
        self.served = netns.SERVED6 if self.family == 6 else netns.SERVED4
        self.served_octets = ipaddress.ip_address(self.served).packed
        self.subscriber = f"{address}@example.org"
        self.sets = ()


class PhoneSet:
    """One SA set, as the phone and its P-CSCF know it. `sequence` has the number that each inbound SA used last."""

    def __init__(self, phone, ports, **more):
        self.phone = phone
        self.port_uc, self.port_us, self.port_pc, self.port_ps = ports
        self.spi_uc, self.spi_us = next(SPIS), next(SPIS)
        self.ik = KEYS.new()
        self.key = expanded(self.ik)
        self.id = self.spi_ps = self.spi_pc = None
        self.sequence = {"ps": 0, "pc": 0}
        self.came = {"uc": set(), "us": set()}  # sequence numbers
        self.last = {"uc": 0, "us": 0}  # the highest of them
        self.requested = self.used = None  # when a request was first sent on it, and when one had come out
        self.overtaken = None  # when a request was first sent on a newer set of the phone
        self.__dict__.update(more)

    def selectors(self):
        """INSTALL's."""
        return {"UE_ADDRESS": self.phone.address, "SERVED_ADDRESS": self.phone.served, "PORT_UC": self.port_uc,
                "PORT_US": self.port_us, "PORT_PC": self.port_pc, "PORT_PS": self.port_ps, "SPI_UC": self.spi_uc,
                "SPI_US": self.spi_us}

    def plain(self, sa, data):
        ports = [getattr(self, name) for name in PROTECTED[sa]]
        ends = (self.phone.octets, self.phone.served_octets)
        return datagram(*(ends if sa in INBOUND else ends[::-1]), *ports, data)


class Recorder(End):
    """A link end that gives what comes to `heard` and keeps nothing."""

    heard = None

    def keep(self, frame):
        if self.heard is not None:
            self.heard(frame[14:])


class Wire:
    """Both links of a Field whose ends are Recorders."""

    def __init__(self, field):
        self.field, self.faults = field, []
        self.open, self.late = {}, {}  # messages on their way, and those that were given up
        self.came = {}  # when each number came
        self.sent_inbound = collections.deque(maxlen=5000)  # (set, sa, packet, number), to be replayed
        self.sets, self.highest_jump = {}, 0
        self.last_came, self.slow = time.monotonic(), collections.deque(maxlen=5000)  # [sent, came] of what took long
        self._numbers, self._lock = itertools.count(1), threading.Lock()
        field.core.heard, field.access.heard = self._at_core, self._at_access

    def play(self, phone):
        self.field.access.play(phone.address)

    def know(self, made):
        """A set may be used by the gateway from now on."""
        for sa in ("uc", "us"):
            self.sets[made.phone.octets, getattr(made, f"spi_{sa}")] = made, sa

    def send(self, made, sa, kind=REQUEST):
        """One message on an SA of a set; its number."""
        with self._lock:
            number = next(self._numbers)
            packet = made.plain(sa, kind % number)
            is_request = kind is REQUEST and sa in INBOUND
            now = time.monotonic()
            if is_request and made.requested is None:
                made.requested = now
                for older in itertools.takewhile(lambda one: one is not made, made.phone.sets):
                    older.overtaken = older.overtaken or now
            self.open[number] = Message(number, now, made, sa, packet, is_request)
            if sa not in INBOUND:
                self.field.core.send(packet)
                return number
            made.sequence[sa] += 1
            frame = protect(packet, made.spi_ps if sa == "ps" else made.spi_pc, made.sequence[sa], made.key)
            self.sent_inbound.append((made, sa, frame, number))
            self.field.access.send(frame)
            return number

    def wait(self, numbers, patience=3):
        """Those of the messages that do not come in time."""
        deadline = time.monotonic() + patience
        while any(number not in self.came for number in numbers) and time.monotonic() < deadline:
            time.sleep(0.002)
        return [number for number in numbers if number not in self.came]

    def fault(self, text):
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(text)

    def _at_core(self, packet):
        try:
            self._arrived(packet, None)
        except Exception as error:  # a reader that died would find nothing wrong any more
            self.fault(f"at the core: {error!r}: {packet.hex()}")

    def _at_access(self, packet):
        try:
            v6 = packet[0] >> 4 == 6
            if (packet[6] if v6 else packet[9]) != ESP:
                self.fault(f"to a UE, and not ESP: {packet.hex()}")
                return
            spi = packet[40:44] if v6 else packet[20:24]
            made, sa = self.sets.get((packet[24:40] if v6 else packet[16:20], int.from_bytes(spi, "big")), (None, None))
            if made is None:
                self.fault(f"to a UE under an SPI it never had: {packet.hex()}")
                return
            opened = unprotect(packet, made.key)
            if opened.sequence in made.came[sa] or opened.sequence == 0:
                self.fault(f"sequence number {opened.sequence} again on SPI {opened.spi:#x} of set {made.id}")
            self.highest_jump = max(self.highest_jump, opened.sequence - made.last[sa])
            made.last[sa] = max(made.last[sa], opened.sequence)
            made.came[sa].add(opened.sequence)
            self._arrived(opened.packet, made)
        except Exception as error:
            self.fault(f"at the UE: {error!r}: {packet.hex()}")

    def _arrived(self, packet, to):
        number = int(packet[-20:-4])
        if number in self.came:
            self.fault(f"message {number} came out twice" + ("" if to else ": a replay was accepted"))
            return
        message = self.open.pop(number, None) or self.late.pop(number)
        if (to is None) != (message.sa in INBOUND) or not is_one_hop_on(packet, message.packet):
            self.fault(f"message {number} came out changed")
        now = time.monotonic()
        if message.is_request and message.set.used is None:
            message.set.used = now
        self.came[number] = self.last_came = now
        if now > message.sent + SLOW_S:
            self.slow.append((message.sent, now))

    def replay(self, packets):
        """Sends packets of sent_inbound once more."""
        for _, _, packet, _ in packets:
            self.field.access.send_frame(self.field.access.gateway_mac + self.field.access.mac + struct.pack(
                "!H", ETH_IP6 if packet[0] >> 4 == 6 else ETH_IP4) + packet)
