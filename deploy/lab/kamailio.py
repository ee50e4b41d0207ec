# SPDX-License-Identifier: BSD-3-Clause
"""Kamailio as the lab's P-CSCF, with the configuration of deploy/kamailio as it stands there."""
import contextlib
import os
import re
import signal
import subprocess
import time

from .gateway import REPOSITORY, program
from .netns import LabError, end_process

FOLDER = os.path.join(REPOSITORY, "deploy", "kamailio")
READY_WAIT_S = 120


class Kamailio:
    """The P-CSCF in PFX-core. `defines` are #!define's of kamailio.cfg: BGF_DRAIN_S="4", BGF_FR_MS=30000, ..."""

    def __init__(self, lab, folder, zb, **defines):
        self.lab, self.folder = lab, folder
        self.log_path = os.path.join(folder, "kamailio.log")
        self.defines = {"BGF_ZB": zb, "BGF_LIBZB": program("libzb.so"),
                        "BGF_MODULE": os.path.join(FOLDER, "bgf_pcscf.py"), "BGF_WAIT_MS": "4000"} | defines
        self.process = None
        lab.on_close(self.stop)

    def start(self):
        """Starts it; returns when it listens on Mw and Gm."""
        argv = ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", os.path.join(FOLDER, "kamailio.cfg"),
                "-Y", self.folder, "-P", os.path.join(self.folder, "kamailio.pid")]
        for name, value in self.defines.items():
            argv += ["-A", f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.lab.core, *argv], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
        deadline = time.monotonic() + READY_WAIT_S
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                errors = [line for line in self.log().splitlines() if "ERROR" in line or "CRITICAL" in line]
                raise LabError(f"Kamailio did not start; its log is {self.log_path}: {' '.join(errors[-2:])}")
            time.sleep(0.05)
        return self

    def _listens(self):
        """The processes of the UDP sockets are there once the TCP ones are, which listen last."""
        return re.search(r":6066\s", self.lab.exec(self.lab.core, "ss", "-Hltn")) is not None

    def stop(self):
        if self.process is not None:
            end_process(self.process, 30)

    def kill(self):
        """As a crash would: all of its processes at once."""
        pids = self.pids()
        for pid in [self.process.pid, *pids]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    @contextlib.contextmanager
    def paused(self):
        """None of its processes runs."""
        pids = self.pids()
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def pids(self):
        """Of its children."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def said(self, pattern):
        """The lines of the module's log, `bgf: ...`, that match."""
        return re.findall(rf"bgf: (.*{pattern}.*)", self.log())

    def wait_said(self, pattern, patience=30):
        """The same, once there is one; an empty list when none comes."""
        deadline = time.monotonic() + patience
        while not (found := self.said(pattern)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found
