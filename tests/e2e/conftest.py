# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the end-to-end tests: a lab and a running gateway for each test file, what it counted, its logs.

A test file may set SETTINGS (keys of the configuration that differ from the example) and PEERS (the P-CSCFs' names).
After its last test the gateway must still be alive, end in order, and have none of the keys in any of its logs.
"""
import contextlib
import itertools
import os
import re
import shutil
import sys
import time

import pytest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [REPOSITORY, os.path.dirname(os.path.abspath(__file__))]

from deploy.lab.capture import Wire, leaks_key  # noqa: E402  (the path above comes first)
from deploy.lab.gateway import Gateway  # noqa: E402
from deploy.lab.kamailio import Kamailio  # noqa: E402
from deploy.lab.netns import Lab, raise_on_signals  # noqa: E402
from deploy.lab.phone import Phone  # noqa: E402
from deploy.lab.scscf import Scscf  # noqa: E402
from hostile import Field  # noqa: E402
from support import DRAIN_S, Counters, KEYS, wait_until_serving  # noqa: E402
from zbwire import Zb  # noqa: E402

LOG_TAIL = 40
SUBSCRIBERS = 200
_numbers, _subscribers = itertools.count(), itertools.count(1)


def pytest_configure():
    raise_on_signals()


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    """Logs, sockets and captures of one test file; kept in build/tests/ if one of its tests failed."""
    path = tmp_path_factory.mktemp("bgf", numbered=True)
    failed = request.session.testsfailed
    yield str(path)
    if request.session.testsfailed > failed:
        kept = os.path.join(REPOSITORY, "build", "tests", request.module.__name__)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(path, kept, ignore=lambda where, names: [n for n in names if n.endswith(".sock")])


@pytest.fixture(scope="module")
def lab():
    """Four namespaces of this test file's own (deploy/lab/netns.py)."""
    with Lab(f"t{os.getpid()}-{next(_numbers)}") as made:
        yield made


@pytest.fixture(scope="module")
def gateway(request, lab, folder):
    """Both daemons, ready, with two ports (deploy/lab/gateway.py)."""
    made = Gateway(lab, folder, getattr(request.module, "SETTINGS", None),
                   getattr(request.module, "PEERS", ("pcscf1", "pcscf2", "bgfctl")))
    request.node.gateway = made
    made.start()
    wait_until_serving(made)
    yield made
    assert made.dataplane.alive(), f"bgf-dataplane is dead, see {made.dataplane.log_path}"
    assert made.control.alive(), f"bgf-control is dead, see {made.control.log_path}"
    assert made.control.stop() == 0, made.control.log()[-2000:]
    assert made.dataplane.stop() == 0, made.dataplane.log()[-2000:]
    for daemon in (made.dataplane, made.control):  # of any of its lives
        assert not re.search(r"Sanitizer|runtime error:", daemon.log()), daemon.log()[-4000:]
    KEYS.assert_not_in_files(folder)


@pytest.fixture(scope="module")
def field(lab, gateway):
    """The gateway between a hostile UE and a core played by hand (hostile.py)."""
    made = Field(lab, gateway)
    try:
        yield made.begin()
    finally:
        made.close()


@pytest.fixture
def zb(gateway):
    """An association as the P-CSCF 'pcscf1'. Its sets are released afterwards."""
    with_sets = Zb(gateway.zb, "pcscf1")
    yield with_sets
    release_all(with_sets)
    with_sets.close()


@pytest.fixture
def operator(gateway):
    """An association as an operator, who sees everything."""
    made = Zb(gateway.zb, "operator", role=2)
    yield made
    made.close()


@pytest.fixture
def counters(gateway):
    """What the data plane counts: `with counters.grow(unknown_spi=1): ...`, and Counters of support.py."""
    made = Counters(Zb(gateway.zb, "counters", role=1))
    yield made
    made.zb.close()


@pytest.fixture(scope="module")
def scscf(lab, folder):
    """An S-CSCF (deploy/lab/scscf.py)."""
    return Scscf(lab, folder, SUBSCRIBERS)


@pytest.fixture(scope="module")
def phone(lab, folder):
    """A phone with a kernel of its own (deploy/lab/phone.py)."""
    return Phone(lab, folder).wait()


@pytest.fixture(scope="module")
def kamailio(request, lab, folder, gateway):
    """Kamailio as the P-CSCF (deploy/lab/kamailio.py), with PCSCF of the test file, which changes its configuration."""
    return Kamailio(lab, folder, gateway.zb, BGF_DRAIN_S=str(DRAIN_S),
                    **getattr(request.module, "PCSCF", {})).start()


@pytest.fixture(scope="module")
def access(lab):
    """A look at the access link."""
    return Wire(lab, lab.ue, "acc0")


@pytest.fixture
def no_key_on_the_access_side(access):
    """Whatever a test does: the keys of the challenges stay on the core side."""
    begin = time.monotonic()
    yield
    leaks = [p for p in access.packets(begin) if leaks_key(p.payload)]
    assert not leaks, leaks[0].payload


@pytest.fixture
def new_ue(phone, kamailio, scscf):
    """A factory of UEs, each of another subscriber and on ports of its own."""
    made = []

    def make(**options):
        number = next(_subscribers)
        ue = phone.ue(number, **{"port_uc": 20000 + 50 * number, "port_us": 20001 + 50 * number, "wait": 30} | options)
        ue.impi = ue.state()["impi"]
        made.append(ue)
        return ue
    yield make
    scscf.challenge_again, scscf.mute, scscf.dress, scscf.refuse_others = False, False, None, None
    for ue in made:
        ue.close()


def release_all(zb):
    if zb.socket:
        zb.call("RELEASE", wait=60, ALL_SETS=1, REFERENCE=zb.reference(), DRAIN=0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last lines of both logs. A daemon that it had ended runs again before anything is cleaned
    up, or every test after it would fail too; one that ended by itself stays dead, which `gateway` tells."""
    report = (yield).get_result()
    gateway = getattr(item.getparent(pytest.Module), "gateway", None)
    if not report.failed or gateway is None:
        return
    for daemon in (gateway.dataplane, gateway.control):
        if os.path.exists(daemon.log_path):
            report.sections.append((daemon.log_path, "\n".join(daemon.log().splitlines()[-LOG_TAIL:])))
    if call.when == "call" and gateway.dataplane.was_ended | gateway.control.was_ended:
        with contextlib.suppress(Exception):  # the test has failed, which is what must be seen
            for daemon in (gateway.dataplane, gateway.control):
                if daemon.was_ended:
                    daemon.start()
            wait_until_serving(gateway)
