# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the end-to-end tests: a lab and a running gateway for each test file, what it counted, its logs.

A test file may set SETTINGS (keys of the configuration that differ from the example) and PEERS (the P-CSCFs' names).
After its last test the gateway must still be alive, end in order, and have none of the keys in any of its logs.
"""
import itertools
import os
import re
import shutil
import sys

import pytest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [REPOSITORY, os.path.dirname(os.path.abspath(__file__))]

from deploy.lab.gateway import Gateway  # noqa: E402  (the path above comes first)
from deploy.lab.netns import Lab, raise_on_signals  # noqa: E402
from hostile import Field  # noqa: E402
from support import Counters, KEYS, wait_until_serving  # noqa: E402
from zbwire import Zb  # noqa: E402

LOG_TAIL = 40
_numbers = itertools.count()


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


def release_all(zb):
    if zb.socket:
        zb.call("RELEASE", ALL_SETS=1, REFERENCE=zb.reference(), DRAIN=0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last lines of both logs."""
    report = (yield).get_result()
    gateway = getattr(item.getparent(pytest.Module), "gateway", None)
    if not report.failed or gateway is None:
        return
    for daemon in (gateway.dataplane, gateway.control):
        if os.path.exists(daemon.log_path):
            report.sections.append((daemon.log_path, "\n".join(daemon.log().splitlines()[-LOG_TAIL:])))
