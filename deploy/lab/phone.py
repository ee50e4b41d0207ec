# SPDX-License-Identifier: BSD-3-Clause
"""A phone: a User-mode Linux guest on the access link. Its kernel does the IPsec, and the IMS UEs in it (ue.py)
are called from here over a control link of its own."""
import ctypes
import json
import os
import re
import socket
import subprocess
import time

from .netns import ACCESS4, ACCESS6, CTL_GUEST, SERVED4, SERVED6, UE4, UE6, LabError, end_process, inside

AGENT_PORT = 9999
BOOT_WAIT_S = 240
CALL_WAIT_S = 300
CONNECT_WAIT_S = 60
RECEIVE_BUFFER = 8 << 20  # octets: bulk traffic overflows the 208 KiB that a raw socket has

SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438
SO_RCVBUFFORCE = 33


class Phone:
    """A guest on the access link. number 0 and 1 may run side by side; their addresses end in .2 and .3."""

    def __init__(self, lab, folder, number=0, memory="128M"):
        self.lab, self.number = lab, number
        self.addresses = {4: UE4[:-1] + str(2 + number), 6: UE6[:-1] + str(2 + number)}
        self.control = CTL_GUEST.format(n=number)
        self.console = os.path.join(folder, f"phone{number}.log")
        here = os.path.dirname(os.path.abspath(__file__))
        with open(self.console, "wb") as console:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", lab.ue, "linux.uml", f"mem={memory}", "root=/dev/root", "rootfstype=hostfs",
                 "rootflags=/", "ro", "quiet", f"umid={lab.prefix}-{number}", f"init={here}/guest_init.sh",
                 "vec0:transport=raw,ifname=acc0,depth=128", f"vec1:transport=tap,ifname=ctl{number},depth=32",
                 "con=null", "con0=null,fd:1", "ssl=null", f"LAB={here}", f"A4={self.addresses[4]}",
                 f"A6={self.addresses[6]}", f"C4={self.control}", f"G4={ACCESS4}", f"G6={ACCESS6}"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        lab.on_close(self.stop)

    def wait(self, patience=BOOT_WAIT_S):
        """Returns when the guest is up."""
        deadline = time.monotonic() + patience
        while "GUEST-READY" not in (said := self._said()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the phone's guest did not come up; its console is {self.console}: "
                               f"{' '.join(said.split()[-20:])}")
            time.sleep(0.05)
        self._widen_receive_buffer()
        return self

    def stop(self):
        end_process(self.process)

    def shell(self, script, check=True):
        """Runs a shell script in the guest; what it printed."""
        answer = self._ask({"shell": script})
        if check and answer["status"]:
            raise LabError(f"in the phone: {script}: {answer['output'].strip()}")
        return answer["output"]

    def ue(self, subscriber, family=4, transport="udp", **options):
        """A UE of this phone for test subscriber 1, 2, ... on the phone's own address. The methods of ue.Ue are
        the methods of what is returned."""
        make = {"number": subscriber, "address": self.addresses[family], "transport": transport,
                "pcscf": SERVED4 if family == 4 else SERVED6} | options
        self._ask({"ue": subscriber, "make": make})
        return RemoteUe(self, subscriber)

    def xfrm_errors(self):
        """The counters of /proc/net/xfrm_stat that are not 0: XfrmInStateSeqError, XfrmInTmplMismatch, ..."""
        rows = (line.split() for line in self.shell("cat /proc/net/xfrm_stat").splitlines())
        return {name: int(value) for name, value in rows if int(value)}

    def xfrm_states(self):
        """The kernel's SAs: {spi: {"src", "dst", "packets", "octets", "window"...}}."""
        found = {}
        for block in re.split(r"\n(?=src )", self.shell("ip -s xfrm state")):
            if ends := re.search(r"src (\S+) dst (\S+)\s+proto esp spi 0x(\w+)", block):
                used = re.search(r"lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)", block)
                found[int(ends[3], 16)] = {"src": ends[1], "dst": ends[2], "octets": int(used[1]),
                                           "packets": int(used[2])}
        return found

    def call(self, subscriber, method, arguments):
        answer = self._ask({"ue": subscriber, "call": method, "arguments": arguments})
        if "error" in answer:
            raise LabError(f"in the phone, {method}: {answer['error']}\n{answer['trace']}")
        return answer["result"]

    def _ask(self, request):
        with inside(self.lab.ue):
            connection = socket.create_connection((self.control, AGENT_PORT), CONNECT_WAIT_S)
        with connection:
            connection.settimeout(CALL_WAIT_S)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
        if not line:
            raise LabError(f"the phone's guest hung up; its console is {self.console}")
        answer = json.loads(line)
        if "error" in answer and "call" not in request:
            raise LabError(f"in the phone: {answer['error']}\n{answer['trace']}")
        return answer

    def _said(self):
        with open(self.console, encoding="utf-8", errors="replace") as console:
            return console.read()

    def _widen_receive_buffer(self):
        """The guest's raw socket is User-mode Linux's own: borrow it and widen its buffer."""
        call = ctypes.CDLL(None, use_errno=True).syscall
        pidfd = call(SYS_PIDFD_OPEN, self.process.pid, 0)
        if pidfd < 0:
            return  # a kernel that does not lend descriptors: the narrow buffer is enough for signalling
        for name in os.listdir(f"/proc/{self.process.pid}/fd"):
            borrowed = call(SYS_PIDFD_GETFD, pidfd, int(name), 0)
            if borrowed < 0:
                continue
            try:
                with socket.socket(fileno=borrowed) as raw:
                    if raw.family == socket.AF_PACKET:
                        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
            except OSError:  # not a socket
                os.close(borrowed)
        os.close(pidfd)


class RemoteUe:
    """A UE in the guest: register(...), request(...), ... run there and return here."""

    def __init__(self, phone, subscriber):
        self.phone, self.subscriber = phone, subscriber

    def __getattr__(self, method):
        return lambda **arguments: self.phone.call(self.subscriber, method, arguments)
