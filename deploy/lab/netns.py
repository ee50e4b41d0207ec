# SPDX-License-Identifier: BSD-3-Clause
"""The lab's four network namespaces and the links between them.

    PFX-ue     acc0: the outer end of the access link, without addresses; what sits on it (the phone's guest,
               Scapy) brings its own. ctl0, ctl1: taps for the guests' control.
    PFX-gw     gw-acc, gw-core: the inner ends, which the data plane's DPDK ports open.
    PFX-tap    bgf-acc, bgf-core: the kernel's side of the gateway, with its addresses and routes.
    PFX-core   core0: the outer end of the core link, and the P-CSCF's served addresses on lo.
"""
import atexit
import contextlib
import ctypes
import fcntl
import os
import re
import signal
import subprocess
import time

UE4, UE6 = "10.45.0.2", "fd00:45::2"
ACCESS4, ACCESS6 = "10.45.0.254", "fd00:45::fe"
CORE_GW4, CORE_GW6 = "10.60.0.254", "fd00:60::fe"
CORE4, CORE6 = "10.60.0.2", "fd00:60::2"
SERVED4, SERVED6 = "10.50.0.1", "fd00:50::1"
PORT_CLEAR, PORT_PS, PORTS_PC = 5060, 6062, (6060, 6064, 6066)
CTL_HOST, CTL_GUEST = "10.46.{n}.1", "10.46.{n}.2"
GUESTS = 2

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something about this machine or this run; its text says what to do."""


def run(*argv, stdin=None, check=True, timeout=120):
    """Runs a command and returns its standard output; LabError with its errors when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the namespace for the block; a socket that is opened there stays there."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if _libc.setns(there, CLONE_NEWNET):
                raise LabError(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
        finally:
            os.close(there)
        yield
    finally:
        if _libc.setns(back, CLONE_NEWNET):
            os._exit(1)  # a thread in an unknown namespace must not go on
        os.close(back)


def require_machine():
    """Says in a sentence what keeps the lab from running here."""
    if os.geteuid():
        raise LabError("this makes network namespaces and must run as root: try again with sudo")
    if not os.path.exists("/dev/net/tun"):
        raise LabError("/dev/net/tun is missing: load the module with 'modprobe tun', or in a container pass "
                       "the device through (docker: --device /dev/net/tun)")


def end_process(process, patience=15):
    """Ends a Popen in order, and hard when it does not listen."""
    if process.poll() is not None:
        return process.returncode
    process.terminate()
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def raise_on_signals():
    """SIGTERM and SIGHUP unwind the program as ctrl-C does, so that everything is cleaned up."""
    def unwind(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, unwind)


class Lab:
    """The namespaces of one run. A context manager; also cleaned up at exit, and whatever an earlier run of
    the same prefix left behind is removed before the start. `self.on_close(f)` runs f() before that."""

    def __init__(self, prefix):
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", prefix):
            raise LabError(f"{prefix}: a name here has lower-case letters, digits and '-', at most 20")
        self.prefix = prefix
        self.ue, self.gw, self.tap, self.core = (f"{prefix}-{part}" for part in ("ue", "gw", "tap", "core"))
        self._closers = []
        self._lock = None

    def __enter__(self):
        require_machine()
        self._take_name()
        atexit.register(self.close)
        try:
            self._remove()
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception):
        self.close()

    def on_close(self, closer):
        """Calls closer() when the lab closes, the last one first."""
        self._closers.append(closer)

    def close(self):
        """Removes everything; may be called again."""
        while self._closers:
            try:
                self._closers.pop()()
            except Exception as error:  # the rest must go too
                print(f"lab: while cleaning up: {error}")
        if self._lock is not None:
            self._remove()
            os.unlink(self._lock_path())
            os.close(self._lock)
            self._lock = None
        atexit.unregister(self.close)

    def popen(self, namespace, *argv, **options):
        """Starts a program in one of the namespaces; it is ended when the lab closes."""
        process = subprocess.Popen(("ip", "netns", "exec", namespace) + argv, stdin=subprocess.DEVNULL, **options)
        self.on_close(lambda: end_process(process))
        return process

    def exec(self, namespace, *argv, **options):
        """Runs a program in a namespace to its end; its output."""
        return run("ip", "netns", "exec", namespace, *argv, **options)

    def namespaces(self):
        return (self.ue, self.gw, self.tap, self.core)

    # How it is made

    def _lock_path(self):
        return f"/run/bgf-lab-{self.prefix}.lock"

    def _take_name(self):
        lock = os.open(self._lock_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(lock, 20).decode() or "unknown"
            os.close(lock)
            raise LabError(f"the name '{self.prefix}' is taken by a run that is still going (process {owner}): "
                           "end that one, or choose another name with --name") from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def _remove(self):
        """Ends what runs in this prefix's namespaces and deletes them: this run's, or a crashed one's."""
        there = [ns for ns in self.namespaces() if os.path.exists(f"/run/netns/{ns}")]
        for number in (signal.SIGTERM, signal.SIGKILL):
            alive = self._signal_all(there, number)
            deadline = time.monotonic() + 10
            while alive and time.monotonic() < deadline:
                time.sleep(0.05)
                alive = self._signal_all(there, 0)
        for namespace in there:
            run("ip", "netns", "delete", namespace, check=False)

    @staticmethod
    def _signal_all(namespaces, number):
        found = 0
        for namespace in namespaces:
            for pid in run("ip", "netns", "pids", namespace, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), number)
                    found += 1
        return found

    def _make(self):
        for namespace in self.namespaces():
            if os.path.exists(f"/run/netns/{namespace}"):
                raise LabError(f"the network namespace {namespace} exists and cannot be removed: remove it with "
                               f"'ip netns delete {namespace}', or choose another name with --name")
            run("ip", "netns", "add", namespace)
        self._make_access()
        self._make_taps()
        self._make_core()

    def _sysctl(self, namespace, *settings):
        self.exec(namespace, "sysctl", "-q", "-w", *settings)

    def _batch(self, namespace, text):
        run("ip", "-n", namespace, "-batch", "-", stdin=text)

    def _make_access(self):
        for outer, outer_ns, inner in (("acc0", self.ue, "gw-acc"), ("core0", self.core, "gw-core")):
            run("ip", "link", "add", outer, "netns", outer_ns, "type", "veth", "peer", "name", inner, "netns", self.gw)
            # A veth hands over unfinished checksums and super-packets, which no wire has.
            self.exec(outer_ns, "ethtool", "-K", outer, "tx", "off")
            self.exec(self.gw, "ethtool", "-K", inner, "gro", "off")
        self._sysctl(self.gw, "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self._sysctl(self.ue, "net.ipv6.conf.acc0.disable_ipv6=1")
        self._batch(self.gw, "link set lo up\nlink set gw-acc up\nlink set gw-core up\n")
        text = "link set lo up\nlink set acc0 up\n"
        for n in range(GUESTS):
            text += (f"tuntap add dev ctl{n} mode tap\nlink set ctl{n} up\n"
                     f"addr add {CTL_HOST.format(n=n)}/24 dev ctl{n}\n")
        self._batch(self.ue, text)

    def _make_taps(self):
        self._sysctl(self.tap, "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0",
                     "net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.accept_dad=0")
        text = "link set lo up\n"
        for tap, inner in (("bgf-acc", "gw-acc"), ("bgf-core", "gw-core")):
            mac = self.exec(self.gw, "cat", f"/sys/class/net/{inner}/address").strip()
            text += f"tuntap add dev {tap} mode tap\nlink set {tap} address {mac} mtu 1500 up\n"
        self._batch(self.tap, text + (
            f"addr add {ACCESS4}/24 dev bgf-acc\naddr add {ACCESS6}/64 dev bgf-acc nodad\n"
            f"addr add {CORE_GW4}/24 dev bgf-core\naddr add {CORE_GW6}/64 dev bgf-core nodad\n"
            f"route add {SERVED4}/32 via {CORE4} dev bgf-core\n"
            f"route add {SERVED6}/128 via {CORE6} dev bgf-core\n"))

    def _make_core(self):
        self._sysctl(self.core, "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0",
                     "net.ipv6.conf.default.accept_ra=0", "net.ipv4.conf.all.rp_filter=0",
                     "net.ipv4.conf.default.rp_filter=0")
        self._batch(self.core, (
            "link set lo up\nlink set core0 up\n"
            f"addr add {CORE4}/24 dev core0\naddr add {CORE6}/64 dev core0 nodad\n"
            f"addr add {SERVED4}/32 dev lo\naddr add {SERVED6}/128 dev lo nodad\n"
            f"route add 10.45.0.0/24 via {CORE_GW4} dev core0 src {SERVED4}\n"
            f"route add fd00:45::/64 via {CORE_GW6} dev core0 src {SERVED6}\n"))
