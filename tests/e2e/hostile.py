# SPDX-License-Identifier: BSD-3-Clause
"""A hostile UE, and the core behind the gateway, by hand: Scapy and raw sockets on the lab's outer link ends.

    End       one outer link end: sends frames, keeps what came, answers ARP and ND for the addresses it plays
    Ue        a UE with an SA set: protected packets with any field wrong, and the check of what the gateway sends
    Field     the lab, the gateway, both ends, and `dropped`, which counts to the packet what a block of code cost

ESP here is written with Python's hmac alone, so that neither the gateway's code nor a kernel's is its own judge.
"""
import collections
import contextlib
import hmac
import ipaddress
import itertools
import os
import re
import signal
import socket
import struct
import threading
import time

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from deploy.lab import netns
from deploy.lab.gateway import REPOSITORY
from support import KEYS
from zbwire import Zb

ETH_IP4, ETH_ARP, ETH_IP6 = 0x0800, 0x0806, 0x86DD
ESP, ICV_LEN = 50, 12
PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 23, 33
SOL_PACKET = 263
WITNESS = b"the witness passes "
WITNESS_S = 4.0  # then it is sent again
SPIS = itertools.count(int.from_bytes(os.urandom(3), "big"))  # one after the other: no two of a UE are the same (rule 4)


def drop_reasons():
    """{name: scope} of include/bgf_drop.h, in its order."""
    with open(os.path.join(REPOSITORY, "include", "bgf_drop.h"), encoding="utf-8") as header:
        return dict(re.findall(r"X\([A-Z0-9_]+, (\w+), (PORT|SA),", header.read()))


DROP_REASONS = drop_reasons()


def family_of(address):
    return ipaddress.ip_address(address).version


def checksum(data):
    """RFC 1071, over an even number of octets or one zero more."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# Packets are octets, beginning with the IP header. Scapy writes them, and `protect` puts ESP on.

def network(source, destination, **fields):
    """An IP header for Scapy of the addresses' family. `ttl` is the hop limit too."""
    if family_of(source) == 4:
        return IP(src=source, dst=destination, **({"ttl": 64, "id": 0x1234, "flags": "DF"} | fields))
    fields = {{"ttl": "hlim", "tos": "tc"}.get(name, name): value for name, value in fields.items()}
    return IPv6(src=source, dst=destination, **({"hlim": 64} | fields))


def plain(source, destination, source_port, destination_port, data=b"", transport="udp", l4=None, **fields):
    """A UDP datagram or TCP segment in its IP packet; `l4` are fields of the transport header."""
    if transport == "udp":
        header = UDP(sport=source_port, dport=destination_port, **(l4 or {}))
    else:
        header = TCP(sport=source_port, dport=destination_port, **({"flags": "PA", "seq": 1000, "ack": 1} | (l4 or {})))
    return bytes(network(source, destination, **fields) / header / Raw(data))


def header_length(packet):
    return 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4


def with_payload(packet, protocol, payload):
    """The packet's IP header before another payload: length, protocol and header checksum are made right."""
    header = bytearray(packet[:header_length(packet)])
    if header[0] >> 4 == 6:
        header[4:6], header[6] = struct.pack("!H", len(payload)), protocol
    else:
        header[2:4], header[9], header[10:12] = struct.pack("!H", len(header) + len(payload)), protocol, b"\0\0"
        header[10:12] = struct.pack("!H", checksum(bytes(header)))
    return bytes(header) + payload


def patched(packet, at, octets, fix_checksum=False):
    """The packet with other octets at a place; with fix_checksum the IPv4 header is made right again."""
    packet = bytearray(packet)
    packet[at:at + len(octets)] = octets
    if fix_checksum and packet[0] >> 4 == 4:
        packet[10:12] = b"\0\0"
        packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
    return bytes(packet)


def expanded(ik):
    """The key of hmac-sha-1-96: rule 11."""
    return ik + bytes(4)


def icv(key, data):
    return hmac.digest(key, data, "sha1")[:ICV_LEN]


def trailer(length, next_header, more=0):
    """Padding 1, 2, 3, ... to a multiple of 4, and `more` octets beyond; its length and the next header."""
    pad = (-(length + 2)) % 4 + more
    return bytes(range(1, pad + 1)) + bytes((pad, next_header))


def protect(packet, spi, sequence, key, tail=None, next_header=None):
    """The packet in ESP transport mode, NULL with HMAC-SHA-1-96. `tail` is another trailer than the right one."""
    start = header_length(packet)
    inner, protocol = packet[start:], packet[6] if packet[0] >> 4 == 6 else packet[9]
    if tail is None:
        tail = trailer(len(inner), protocol if next_header is None else next_header)
    body = struct.pack("!II", spi, sequence) + inner + tail
    return with_payload(packet, ESP, body + icv(key, body))


Opened = collections.namedtuple("Opened", "packet spi sequence")


def unprotect(packet, key):
    """What `protect` did, undone, with everything checked that RFC 4303 lets a receiver check."""
    start = header_length(packet)
    protocol = packet[6] if packet[0] >> 4 == 6 else packet[9]
    assert protocol == ESP, f"protocol {protocol}, not ESP"
    check_ip(packet)
    body, tag = packet[start:-ICV_LEN], packet[-ICV_LEN:]
    assert tag == icv(key, body), "the ICV is wrong"
    assert len(body) % 4 == 0, "the ESP packet ends at no multiple of 4"
    spi, sequence = struct.unpack_from("!II", body)
    pad, next_header = body[-2], body[-1]
    assert pad < 4, f"{pad} octets of padding, more than needed"
    assert body[-2 - pad:-2] == bytes(range(1, pad + 1)), f"padding {body[-2 - pad:-2].hex()}"
    return Opened(with_payload(packet, next_header, body[8:-2 - pad]), spi, sequence)


def check_ip(packet):
    """Lengths and the IPv4 header checksum are right."""
    if packet[0] >> 4 == 6:
        assert len(packet) == 40 + struct.unpack_from("!H", packet, 4)[0], "the IPv6 payload length is wrong"
    else:
        assert len(packet) == struct.unpack_from("!H", packet, 2)[0], "the IPv4 total length is wrong"
        assert checksum(packet[:header_length(packet)]) == 0, "the IPv4 header checksum is wrong"


def one_hop_on(packet):
    """The packet as a router sends it on: TTL or hop limit one less, nothing else."""
    if packet[0] >> 4 == 6:
        return patched(packet, 7, bytes((packet[7] - 1,)))
    return patched(packet, 8, bytes((packet[8] - 1,)), fix_checksum=True)


def sip(method, *headers, body=b"", target="sip:example.org"):
    """A request as readable as a gateway may meet it."""
    lines = [f"{method} {target} SIP/2.0", "Via: SIP/2.0/UDP 10.45.0.2:5064;branch=z9hG4bK1", "Max-Forwards: 70",
             "From: <sip:ue@example.org>;tag=1", "To: <sip:ue@example.org>", "Call-ID: hostile",
             f"CSeq: 1 {method}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class End:
    """One outer link end, and the thread that reads it."""

    def __init__(self, namespace, device, gateway_mac, addresses):
        with netns.inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.socket.bind((device, 3))
        self.mac = self.socket.getsockname()[4]
        self.gateway_mac = gateway_mac
        self.addresses = {ipaddress.ip_address(address).packed for address in addresses}
        self.frames, self.times, self.came = [], [], threading.Condition()
        self.chatter = collections.deque(maxlen=256)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.running = True
        self.thread.start()

    def play(self, address):
        """Answers for one more address from now on."""
        self.addresses = self.addresses | {ipaddress.ip_address(address).packed}

    def fall_silent(self, address):
        """Answers for an address no more."""
        self.addresses = self.addresses - {ipaddress.ip_address(address).packed}

    def send(self, *packets):
        """IP packets, to the gateway's port."""
        for packet in packets:
            ethertype = ETH_IP6 if packet[:1] and packet[0] >> 4 == 6 else ETH_IP4
            self.send_frame(self.gateway_mac + self.mac + struct.pack("!H", ethertype) + packet)

    def send_frame(self, frame):
        self.socket.send(frame)

    def forget(self):
        with self.came:
            self.frames.clear()
            self.times.clear()

    def received(self):
        """The frames that came since `forget`, witnesses and the kernel's neighbour chatter apart."""
        with self.came:
            return [frame for frame in self.frames if WITNESS not in frame]

    def packets(self):
        """The same without Ethernet headers, which must be the gateway's."""
        for frame in self.received():
            assert frame[6:12] == self.gateway_mac, f"a frame from {frame[6:12].hex(':')}, not the gateway's port"
            assert frame[:6] == self.mac, f"a frame to {frame[:6].hex(':')}"
        return [frame[14:] for frame in self.received()]

    def wait(self, wanted, timeout=30.0):
        """Whether `wanted(frames)` came true in time, frames being all that came since `forget`."""
        with self.came:
            return self.came.wait_for(lambda: wanted(self.frames), timeout)

    def close(self):
        self.running = False
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(2)
        self.socket.close()

    def _read(self):
        self.socket.settimeout(0.2)
        while self.running:
            try:
                frame = self.socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if self._neighbours(frame):
                self.chatter.append(frame)
            else:
                self.keep(frame)

    def keep(self, frame):
        """What is done with a frame that came; in the reading thread."""
        with self.came:
            self.frames.append(frame)
            self.times.append(time.monotonic())
            self.came.notify_all()

    def _neighbours(self, frame):
        """Whether the frame is talk among neighbours (ARP, ND, MLD); what asks for our addresses is answered."""
        ethertype = struct.unpack_from("!H", frame, 12)[0]
        if ethertype == ETH_ARP:
            if frame[20:22] == b"\0\1" and frame[38:42] in self.addresses:
                self.send_frame(frame[6:12] + self.mac + frame[12:20] + b"\0\2" + self.mac + frame[38:42]
                                + frame[22:32])
            return True
        if ethertype != ETH_IP6 or len(frame) < 55:
            return False
        if frame[20] == 0:  # hop-by-hop options: MLD
            return True
        if frame[20] != 58 or not 133 <= frame[54] <= 137:
            return False
        if frame[54] == 135 and frame[62:78] in self.addresses and frame[22:38] != bytes(16):
            self._advertise(frame)
        return True

    def _advertise(self, frame):
        target, asker = frame[62:78], frame[22:38]
        body = b"\x88\0\0\0\x60\0\0\0" + target + b"\2\1" + self.mac
        pseudo = target + asker + struct.pack("!II", len(body), 58)
        body = patched(body, 2, struct.pack("!H", checksum(pseudo + body)))
        header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + target + asker
        self.send_frame(frame[6:12] + self.mac + b"\x86\xdd" + header + body)


class Ue:
    """A UE at an address, with one SA set. The four SAs are named as in rule 1: 'ps' and 'pc' towards the gateway,
    'uc' and 'us' from it; `sequence` has the number that each used last."""

    def __init__(self, field, address, port_uc=5062, port_us=5064, ik=None, port_pc=6060, port_ps=6062,
                 spi_uc=None, spi_us=None):
        self.field, self.address, self.family = field, address, family_of(address)
        self.served = netns.SERVED4 if self.family == 4 else netns.SERVED6
        self.port_uc, self.port_us, self.port_pc, self.port_ps = port_uc, port_us, port_pc, port_ps
        self.ik = ik or KEYS.new()
        self.key = expanded(self.ik)
        spi = next(SPIS) & 0xffffff
        self.spi_uc, self.spi_us = spi_uc or 0x10000000 + spi, spi_us or 0x20000000 + spi
        self.spi_ps = self.spi_pc = self.set_id = None
        self.sequence = {"ps": 0, "pc": 0, "uc": 0, "us": 0}
        field.access.play(address)

    def install(self, **more):
        """A temporary set."""
        answer = self.field.zb.install({
            "UE_ADDRESS": self.address, "SERVED_ADDRESS": self.served, "PORT_UC": self.port_uc,
            "PORT_US": self.port_us, "PORT_PC": self.port_pc, "PORT_PS": self.port_ps, "SPI_UC": self.spi_uc,
            "SPI_US": self.spi_us}, self.ik, **({"SUBSCRIBER": f"{self.address}-{self.port_uc}@example.org"} | more))
        self.spi_ps, self.spi_pc, self.set_id = answer["SPI_PS"], answer["SPI_PC"], answer["SET_ID"]
        return self

    def establish(self, expires=3600, **more):
        """An established set."""
        if self.set_id is None:
            self.install(**more)
        self.field.zb.confirm(self.set_id, expires)
        return self

    def release(self, drain=0):
        self.field.zb.release(self.set_id, drain)

    def row(self):
        """The set as QUERY reports it; None when there is none."""
        rows = self.field.zb.query(SET_ID=self.set_id)
        return rows[0] if rows else None

    def drops(self):
        """What was dropped on this set: {reason: count}."""
        return {drop["STAT_NAME"]: drop["STAT_VALUE"] for drop in self.row().get("DROP", [])}

    def spi(self, sa):
        return getattr(self, f"spi_{sa}")

    def ports(self, sa):
        """Source and destination port of what travels on an SA."""
        return {"ps": (self.port_uc, self.port_ps), "pc": (self.port_us, self.port_pc),
                "uc": (self.port_ps, self.port_uc), "us": (self.port_pc, self.port_us)}[sa]

    def inner(self, data=b"hostile", sa="ps", transport="udp", ports=None, **fields):
        """A plain packet towards the core, as it must arrive there (one hop on)."""
        source, destination = ports or self.ports(sa)
        return plain(self.address, self.served, source, destination, data, transport, **fields)

    def protected(self, data=b"hostile", sa="ps", sequence=None, packet=None, key=None, spi=None, tail=None,
                  next_header=None, **how):
        """A packet on an inbound SA. Without `sequence` it is a far one that a good packet must not be hurt by:
        a window that a refused packet moved shows at the next good one."""
        sequence = self.sequence[sa] + 100_000 if sequence is None else sequence
        return protect(packet or self.inner(data, sa, **how), self.spi(sa) if spi is None else spi, sequence,
                       key or self.key, tail, next_header)

    def next(self, sa="ps"):
        """The next sequence number of an inbound SA."""
        self.sequence[sa] += 1
        return self.sequence[sa]

    def from_core(self, data=b"to the phone", sa="us", transport="udp", **fields):
        """A plain packet from the core to the UE, on an outbound SA's ports."""
        return plain(self.served, self.address, *self.ports(sa), data, transport, **fields)

    def passes(self, data=b"good", sa="ps", transport="udp", **how):
        """Sends a good packet and sees it arrive at the core, byte for byte."""
        packet = self.inner(data, sa, transport, **how)
        self.field.core.forget()
        self.field.access.send(protect(packet, self.spi(sa), self.next(sa), self.key))
        arrived = one_hop_on(packet)
        assert self.field.core.wait(lambda frames: any(frame[14:] == arrived for frame in frames)), \
            f"a good packet did not pass: {self.field.tell()}"

    def reached(self, data=b"good", sa="us", transport="udp", **how):
        """Sends a plain packet from the core and sees it arrive in ESP on `sa` with the next sequence number."""
        packet = self.from_core(data, sa, transport, **how)
        self.field.access.forget()
        self.field.core.send(packet)
        address = ipaddress.ip_address(self.address).packed

        def mine(frames):  # a late witness is not
            return [frame for frame in frames if address in (frame[30:34], frame[38:54])]
        assert self.field.access.wait(mine), f"nothing reached the UE: {self.field.tell()}"
        self.check(mine(self.field.access.frames)[0][14:], packet, sa)

    def check(self, protected, packet, sa="us"):
        """`protected` is what the gateway must make of `packet`, and follows what it sent before on this SA."""
        opened = unprotect(protected, self.key)
        assert opened.spi == self.spi(sa), f"SPI {opened.spi:#x}, not the UE's {sa}"
        assert opened.sequence == self.sequence[sa] + 1, \
            f"sequence number {opened.sequence} after {self.sequence[sa]}"
        self.sequence[sa] = opened.sequence
        assert opened.packet == one_hop_on(packet), "the content is not what the core sent"


class Out:
    """What came out of the gateway during a `dropped` block: IP packets."""

    access, core = (), ()


class Field:
    """The gateway under attack: a lab in which nothing but the two Ends answers, and its counters."""

    def __init__(self, lab, gateway, end=End):
        self.lab, self.gateway = lab, gateway
        self._silence()
        macs = {device: bytes.fromhex(lab.exec(lab.gw, "cat", f"/sys/class/net/{device}/address").strip()
                                      .replace(":", "")) for device in ("gw-acc", "gw-core")}
        self.access = end(lab.ue, "acc0", macs["gw-acc"], ())
        self.core = end(lab.core, "core0", macs["gw-core"], (netns.CORE4, netns.CORE6))
        self.zb = Zb(gateway.zb)
        self.witness = None

    def begin(self):
        """The gateway runs: the witness's set, whose packets prove that all sent before them were dealt with."""
        self.witness = Ue(self, "10.45.0.250", 7062, 7064).establish()
        self.witness.passes(WITNESS)
        self.witness.reached(WITNESS)
        return self

    def close(self):
        self.zb.close()
        self.access.close()
        self.core.close()

    def ue(self, family, host=2, **how):
        """A UE of a family; `host` tells addresses apart."""
        return Ue(self, f"10.45.0.{host}" if family == 4 else f"fd00:45::{host:x}", **how)

    def spis(self):
        """Those that the gateway has given out. It draws their generations at random: one that a test makes out of another
        may be among them."""
        return {row[name] for row in self.zb.query() for name in ("SPI_PS", "SPI_PC")}

    def counters(self):
        """{(side, name): value} of the data plane, over all workers."""
        found = collections.Counter()
        for row in self.zb.counters():
            side = {0: "access", 1: "core"}.get(row.get("PORT_NUMBER"), "both")
            found[side, row["STAT_NAME"]] += row["STAT_VALUE"]
        return found

    def drops(self):
        return {key: value for key, value in self.counters().items() if key[1] in DROP_REASONS}

    def tell(self):
        """The drops so far, for a failed assertion."""
        return ", ".join(f"{side} {name} {count}" for (side, name), count in self.drops().items() if count)

    @contextlib.contextmanager
    def dropped(self, side="access", to_access=0, to_core=0, patience=30.0, **reasons):
        """The block must cost exactly these drops, of packets from `side`, and no others, and let out exactly so
        many packets on each side. Gives an Out, filled at the end of the block."""
        before = self.drops()
        self.access.forget()
        self.core.forget()
        out = Out()
        yield out
        self.settle()
        expected = {(side, name): count for name, count in reasons.items() if count}
        deadline = time.monotonic() + patience
        while True:
            moved = {key: value - before.get(key, 0) for key, value in self.drops().items()
                     if value != before.get(key, 0)}
            out.access, out.core = self.access.packets(), self.core.packets()
            if (moved, len(out.access), len(out.core)) == (expected, to_access, to_core):
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        assert moved == expected, f"dropped {moved}, not {expected}"
        assert len(out.core) == to_core, f"{len(out.core)} packets to the core: {[p.hex() for p in out.core[:3]]}"
        assert len(out.access) == to_access, \
            f"{len(out.access)} packets to the UE: {[p.hex() for p in out.access[:3]]}"

    @contextlib.contextmanager
    def one_burst(self):
        """What is sent in the block waits in the port's ring, and the worker meets it in one burst (of at most 64)."""
        pid = self.gateway.dataplane.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            time.sleep(0.002)  # the kernel brings the last frame into the ring
            os.kill(pid, signal.SIGCONT)

    def settle(self):
        """Everything that was sent has gone through the worker, for a good packet sent after it has."""
        witness = self.witness
        self._see(self.core, lambda mark: self.access.send(witness.protected(mark, sequence=witness.next())))
        self._see(self.access, lambda mark: self.core.send(witness.from_core(mark)))
        time.sleep(0.003)  # a burst's other stages send a moment later

    def _see(self, end, send):
        """A marked packet arrives at `end`. A machine that stood still for seconds gets a second chance."""
        for _ in range(3):
            mark = WITNESS + os.urandom(8)
            send(mark)
            if end.wait(lambda frames, mark=mark: any(mark in frame for frame in frames), WITNESS_S):
                return
            print(f"a witness is late; so far {dict(self.counters())}")
        raise AssertionError(f"the witness did not pass: {self.tell()}")

    def _silence(self):
        """No kernel speaks on the links but the gateway's own taps."""
        for device in ("core0", "lo"):
            netns.run("ip", "-n", self.lab.core, "addr", "flush", "dev", device)
        self.lab.exec(self.lab.core, "sysctl", "-q", "-w", "net.ipv6.conf.core0.disable_ipv6=1")


def ether(field_end, ethertype, payload, destination=None):
    """A frame with any ethertype and destination."""
    return bytes(Ether(src=field_end.mac.hex(":"), dst=(destination or field_end.gateway_mac).hex(":"),
                       type=ethertype) / Raw(payload))
