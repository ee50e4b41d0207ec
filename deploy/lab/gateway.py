# SPDX-License-Identifier: BSD-3-Clause
"""The gateway in the lab: both daemons in PFX-gw with the annotated example configuration, and bgfctl."""
import json
import os
import re
import signal
import subprocess
import time

from .netns import LabError, end_process

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(REPOSITORY, "deploy", "bgf.conf.example")
READY_WAIT_S = 120
STOP_WAIT_S = 120
BGFCTL_WAIT_S = 120
TELEMETRY_MAX = 49
PCAP = {"access": "net_pcap0,iface=gw-acc", "core": "net_pcap1,iface=gw-core"}


def render(text, settings):
    """The configuration `text` with other values: settings maps 'dataplane.access.mtu' to a libconfig value.
    Every key must be in the text, so that the example stays complete."""
    left, path, out = dict(settings), [], []
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        code = line.split("#")[0].strip()
        opened = re.fullmatch(r"(\w+)\s*=\s*([({]?)(.*)", code)
        if opened and opened[2] == "(" and not code.endswith(");"):  # a list over several lines is one value
            while not line.endswith(");\n"):
                line += next(lines)
        if opened and opened[2] == "{":
            path.append(opened[1])
        elif code == "};" and path:
            path.pop()
        elif opened and ".".join(path + [opened[1]]) in left:
            indent = line[:len(line) - len(line.lstrip())]
            line = f"{indent}{opened[1]} = {left.pop('.'.join(path + [opened[1]]))};\n"
        out.append(line)
    if left:
        raise LabError(f"not in {EXAMPLE}: {', '.join(left)}")
    return "".join(out)


def build_folder():
    """Where the programs are: BGF_BUILD, or build/ in the source tree."""
    return os.environ.get("BGF_BUILD") or os.path.join(REPOSITORY, "build")


def program(name):
    folder = {"libzb.so": "zb", "bgf-dataplane": "dataplane"}.get(name, "control")
    path = os.path.join(build_folder(), folder, name)
    if not os.path.exists(path):
        raise LabError(f"{path} is missing: build with 'meson setup build && ninja -C build', or run deploy/setup")
    return path


class Daemon:
    """One of the two daemons: a program, its configuration file and its log, through any number of lives."""

    def __init__(self, lab, folder, name, config):
        self.lab, self.name, self.config = lab, name, config
        self.log_path = os.path.join(folder, f"{name}.log")
        self.process = None
        self.within = []  # what runs the program: a command that ends in its place
        self.was_ended = False  # by stop() or kill(), and has not been started since
        lab.on_close(self.stop)

    def start(self, wait=READY_WAIT_S):
        """Starts it and returns when it says 'ready'; LabError with its last words when it ends instead."""
        return self.await_ready(self.launch(), wait)

    def launch(self):
        """Starts it. Where its words begin in the log, for await_ready."""
        with open(self.log_path, "ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.lab.gw, *self.within, program(self.name), "--config", self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.was_ended = False
        return offset

    def await_ready(self, offset, wait=READY_WAIT_S):
        deadline = time.monotonic() + wait
        while True:
            said = self.log(offset)
            if re.search(r"^(.*: )?ready$", said, re.M):
                return self
            if self.process.poll() is not None:
                raise LabError(f"{self.name} ended with status {self.process.returncode}: "
                               f"{' '.join(said.strip().splitlines()[-3:])}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} was not ready after {wait} s; its log is {self.log_path}")
            time.sleep(0.005)

    def stop(self):
        """Ends it in order. Its exit status; None if it did not run."""
        if self.process is None:
            return None
        self.was_ended = self.was_ended or self.alive()
        return end_process(self.process, STOP_WAIT_S)

    def kill(self):
        """Kills it with signal 9, as a crash would end it."""
        self.was_ended = self.was_ended or self.alive()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def pid(self):
        """Of the daemon: `ip netns exec` has become it."""
        return self.process.pid

    def log(self, offset=0):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(offset)
            return log.read()


class Gateway:
    """bgf-dataplane and bgf-control for one lab. `settings` changes the example's keys ('control.await_auth_s':
    '5'); `peers` are its P-CSCFs' names, all for root."""

    def __init__(self, lab, folder, settings=None, peers=("pcscf1", "bgfctl")):
        self.lab, self.folder = lab, folder
        self.zb = os.path.join(folder, "zb.sock")
        self.store = self._store_path()
        self.config = os.path.join(folder, "bgf.conf")
        self.driver = "af_xdp"
        self._changes = self._settings(peers) | (settings or {})
        self._write()
        self.dataplane = Daemon(lab, folder, "bgf-dataplane", self.config)
        self.control = Daemon(lab, folder, "bgf-control", self.config)
        lab.on_close(self.remove_store)

    def start(self):
        """Starts both; returns when both are ready. Where the kernel or the container has no AF_XDP the ports are
        pcap's, which sees the same frames, more slowly."""
        try:
            self.dataplane.start()
        except LabError:
            if "device net_af_xdp" not in self.dataplane.log():
                raise
            self.driver = "pcap"
            for port, device in PCAP.items():
                self._changes[f"dataplane.{port}.device"] = f'"{device}"'
            self._write()
            self.dataplane.start()
        self.control.start()
        return self

    def change(self, settings):
        """Other values of the example's keys, for the next start of either program."""
        self._changes |= settings
        self._write()

    def stop(self):
        self.control.stop()
        self.dataplane.stop()

    def remove_store(self):
        """What a reboot would do to the sets. Both daemons are ended first."""
        self.stop()
        for name in os.listdir(os.path.dirname(self.store)):
            if name.startswith(os.path.basename(self.store)):
                os.unlink(os.path.join(os.path.dirname(self.store), name))

    def bgfctl(self, *arguments, check=True, stdin=None, parse=True):
        """Runs bgfctl with --json and returns what it printed, parsed (None for nothing); with parse=False the
        finished process."""
        argv = [program("bgfctl"), "--socket", self.zb] + (["--json"] if parse else []) + list(arguments)
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=BGFCTL_WAIT_S)
        if check and done.returncode:
            raise LabError(f"bgfctl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        if not parse:
            return done
        return json.loads(done.stdout) if done.stdout.strip() else None

    def drops(self):
        """What was dropped so far: {reason: packets}, without those that are 0, over all ports and workers."""
        found = {}
        for row in self.bgfctl("show", "counters")["counters"]:
            if row["drop"] and row["value"]:
                found[row["name"]] = found.get(row["name"], 0) + row["value"]
        return found

    def sets(self, **having):
        """The sets as `bgfctl show sets` tells them: those whose fields have these values."""
        return [found for found in self.bgfctl("show", "sets")["sets"]
                if all(found[name] == value for name, value in having.items())]

    def _write(self):
        with open(EXAMPLE, encoding="utf-8") as example:
            text = render(example.read(), self._changes)
        with open(self.config, "w", encoding="utf-8") as config:
            config.write(text)

    def _settings(self, peers):
        cores = sorted(os.sched_getaffinity(0))
        huge = self.store.startswith("/dev/hugepages")
        prefix = self.lab.prefix
        names = ", ".join(f'{{ name = "{name}"; uid = 0; }}' for name in peers)
        settings = {
            "name": f'"{prefix}"',
            "dataplane.link": f'"{self.folder}/dataplane.sock"',
            "dataplane.store": f'"{self.store}"',
            "dataplane.main_core": str(cores[0]),
            "dataplane.worker_cores": f"[ {cores[1] if len(cores) > 1 else cores[0]} ]",
            "dataplane.huge_pages": "true" if huge else "false",
            "dataplane.file_prefix": f'"{prefix}"',
            "dataplane.telemetry": f'"{self.folder if len(self.folder) < TELEMETRY_MAX else ""}"',
            "control.zb": f'"{self.zb}"',
        }
        for port in ("access", "core"):
            settings[f"dataplane.{port}.tap_netns"] = f'"{self.lab.tap}"'
        return settings | {"control.peers": f"( {names} )"}

    def _store_path(self):
        """On huge pages where enough are free, else on /dev/shm."""
        with open("/proc/meminfo", encoding="ascii") as info:
            found = dict(re.findall(r"^(\w+):\s+(\d+)", info.read(), re.M))
        free_mb = int(found.get("HugePages_Free", 0)) * int(found.get("Hugepagesize", 0)) // 1024
        with open("/proc/mounts", encoding="ascii") as mounts:
            mounted = re.search(r"^\S+ /dev/hugepages hugetlbfs ", mounts.read(), re.M)
        return f"{'/dev/hugepages' if mounted and free_mb >= 320 else '/dev/shm'}/{self.lab.prefix}.sets"
