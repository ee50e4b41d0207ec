# SPDX-License-Identifier: BSD-3-Clause
"""What went over the lab's links: captures in the run folder, live taps, and tshark's verdict."""
import collections
import contextlib
import os
import re
import select
import shlex
import socket
import struct
import subprocess
import threading
import time

from .netns import PORT_PS, PORTS_PC, LabError, end_process, inside, run

# A parameter of a challenge with a key for its value (TS 24.229 7.2A.1). What stands before the name matters: one
# nonce of 512 is base64 that ends in "ik=" or "ck=", and an ICV may be anything. No text begins with a parameter, and
# behind octets that are none an ICV is too short for so much of it.
KEY_PARAMETER = r"[\s\x20-\x7e]{8}[\s,;](ik|ck)\s*=\s*[\x220-9a-f]"

ETH_P_ALL = 3
SO_RCVBUFFORCE, RECEIVE_BUFFER = 33, 8 << 20  # octets: this program may come to run late
RECENT = 16384
FILE_HEADER_LEN = 24  # of a capture file without packets, at least


class Capture:
    """dumpcap on one interface into FOLDER/NAME.pcapng."""

    def __init__(self, lab, namespace, interface, folder, name):
        self.path = os.path.join(folder, f"{name}.pcapng")
        with open(os.path.join(folder, f"{name}.dumpcap.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, "dumpcap", "-q", "-i", interface, "-B", "8", "-w", self.path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        lab.on_close(self.stop)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path) or os.path.getsize(self.path) < FILE_HEADER_LEN:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"dumpcap does not capture on {interface}: see {log.name}")
            time.sleep(0.02)

    def stop(self):
        """Ends it; the file is then complete."""
        if self.process.poll() is None:
            time.sleep(0.3)  # dumpcap reads the kernel's buffer in blocks
        end_process(self.process)


def sa_tables(family, states):
    """tshark options that name the SAs of UEs (what Ue.state() told), so that it decodes them and checks ICVs. Of two sets
    with one SPI the first counts."""
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
               "-o", "esp.enable_null_encryption_decode_heuristic:TRUE"]
    keys = {}
    for state in states:
        for spi in (state["client"]["spi-c"], state["client"]["spi-s"], state["server"]["spi-c"],
                    state["server"]["spi-s"]):
            keys.setdefault(int(spi), state["ik"])
    for spi, ik in keys.items():
        options += ["-o", f'uat:esp_sa:"IPv{family}","*","*","0x{spi:08x}","NULL","",'
                    f'"HMAC-SHA-1-96 [RFC2404]","0x{ik}00000000"']
    return options


def write_decoder(folder, options):
    """FOLDER/decode: tshark with these options, for people."""
    path = os.path.join(folder, "decode")
    for port in (PORT_PS, *PORTS_PC):
        options = [*options, "-d", f"tcp.port=={port},sip", "-d", f"udp.port=={port},sip"]
    with open(path, "w", encoding="utf-8") as script:
        script.write("#!/bin/sh\n# Shows a capture with its ESP taken off: decode FILE [-Y FILTER] [-V]\n"
                     f'file=$1; shift; exec tshark -n -r "$file" {shlex.join(options)} "$@"\n')
    os.chmod(path, 0o700)
    return path


def tshark(path, where, fields, options=()):
    """The fields of the packets of a capture that match a display filter: a list of tuples of text."""
    argv = ["tshark", "-n", "-r", path, *options, "-Y", where, "-T", "fields"]
    for field in fields:
        argv += ["-e", field]
    out = run(*argv, timeout=300)
    return [tuple(line.split("\t")) for line in out.splitlines()]


class Wire:
    """A live look at an interface: the frames that pass, newest last. Frame is (time, octets)."""

    def __init__(self, lab, namespace, interface):
        with inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self._socket.bind((interface, 0))
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._frames = collections.deque(maxlen=RECENT)
        self._ended = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        lab.on_close(self.close)

    def _listen(self):
        while not self._ended:
            if select.select([self._socket], [], [], 0.2)[0]:
                self._take()

    def _take(self):
        """All that the kernel has for us, now: who looks must not miss what this thread has not come to yet."""
        with self._lock, contextlib.suppress(BlockingIOError):
            while True:
                self._frames.append((time.monotonic(), self._socket.recv(65535)))

    def close(self):
        self._ended = True
        self._thread.join(2)
        self._socket.close()

    def send(self, frame):
        self._socket.send(frame)

    def frames(self, since=0.0):
        self._take()
        return [frame for at, frame in list(self._frames) if at >= since]

    def packets(self, since=0.0):
        """The IP packets among them, taken apart."""
        return [packet for packet in map(Packet.of, self.frames(since)) if packet]


class Packet:
    """The outside of an IP packet: addresses, protocol, ports or SPI and sequence number."""

    def __init__(self, frame, source, destination, protocol, payload):
        self.frame, self.source, self.destination, self.protocol = frame, source, destination, protocol
        self.payload = payload
        ports = protocol in (socket.IPPROTO_UDP, socket.IPPROTO_TCP) and len(payload) >= 4
        self.sport, self.dport = struct.unpack("!HH", payload[:4]) if ports else (0, 0)
        esp = protocol == socket.IPPROTO_ESP and len(payload) >= 8
        self.spi, self.sequence = struct.unpack("!II", payload[:8]) if esp else (0, 0)

    @classmethod
    def of(cls, frame):
        """None for a frame that is not IP."""
        kind, packet = frame[12:14], frame[14:]
        if kind == b"\x08\x00" and len(packet) >= 20:
            length = (packet[0] & 15) * 4
            total = struct.unpack("!H", packet[2:4])[0]
            return cls(frame, socket.inet_ntop(socket.AF_INET, packet[12:16]),
                       socket.inet_ntop(socket.AF_INET, packet[16:20]), packet[9], packet[length:total])
        if kind == b"\x86\xdd" and len(packet) >= 40:
            total = 40 + struct.unpack("!H", packet[4:6])[0]
            return cls(frame, socket.inet_ntop(socket.AF_INET6, packet[8:24]),
                       socket.inet_ntop(socket.AF_INET6, packet[24:40]), packet[6], packet[40:total])
        return None


def leaks_key(data):
    """Whether SIP text has a key in it: an ik= or ck= parameter."""
    return re.search(KEY_PARAMETER.encode(), data, re.I) is not None


def frames_with_keys(path):
    """The numbers of a capture's frames with a key in them, whatever they are frames of."""
    return [number for number, in tshark(path, f'frame matches r"{KEY_PARAMETER}"', ["frame.number"])]
