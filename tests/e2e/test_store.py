# SPDX-License-Identifier: BSD-3-Clause
"""A store that is not this program's own is refused with its reason, and no key stays in what is set aside."""
import mmap
import os

import pytest

from deploy.lab.gateway import Daemon
from deploy.lab.netns import LabError
from support import KEYS, Raw, install, wait_until_serving
from zbwire import Zb

SETTINGS = {"dataplane.capacity": "1024"}
SETS = 5
LAYOUT_AT, BOOT_ID_AT = 8, 48  # in the header's page


@pytest.fixture(name="stopped")
def a_stopped_gateway_with_sets(gateway):
    """Sets are in the store, both daemons are stopped; both run again afterwards."""
    zb = Zb(gateway.zb, "pcscf1")
    keys = [KEYS.new() for _ in range(SETS)]
    for number, key in enumerate(keys):
        install(zb, number, IK=key)
    zb.close()
    gateway.stop()
    with open_store(gateway) as content:
        assert all(content.find(key) >= 0 for key in keys), "a test that looks for keys must be able to find them"
    yield gateway, keys
    if not gateway.dataplane.alive():
        gateway.dataplane.start()
    if not gateway.control.alive():
        gateway.control.start()
    wait_until_serving(gateway)
    zb = Zb(gateway.zb, "pcscf1")
    zb.call("RELEASE", ALL_SETS=1, REFERENCE=zb.reference(), DRAIN=0)
    zb.close()


def open_store(gateway, path=None):
    descriptor = os.open(path or gateway.store, os.O_RDWR)
    try:
        return mmap.mmap(descriptor, 0)
    finally:
        os.close(descriptor)


def hello(gateway):
    with Raw(gateway.zb) as raw:
        return raw.call("HELLO", {"NAME": "watcher", "INSTANCE_ID": 1, "ROLE": 1})


def assert_refused(gateway, keys, said):
    """The data plane started anew, said why, and no key is left anywhere."""
    for path in (gateway.store, gateway.store + ".refused"):
        with open_store(gateway, path) as content:
            assert all(content.find(key) < 0 for key in keys), f"a key is left in {path}"
    assert said in gateway.dataplane.log(), gateway.dataplane.log()[-1500:]
    gateway.control.start()
    wait_until_serving(gateway)
    assert hello(gateway)["SET_COUNT"] == 0


@pytest.mark.parametrize("at, octets, said", [
    (0, b"notours!", "refused"),
    (LAYOUT_AT, b"\x63\0\0\0", "layout"),
    (LAYOUT_AT + 8, b"\x05\0\0\0", "refused"),  # SPI layout
    (BOOT_ID_AT, bytes(16), "refused"),
])
def test_a_store_of_another_make_is_refused_and_wiped(stopped, at, octets, said):
    gateway, keys = stopped
    with open_store(gateway) as content:
        content[at:at + len(octets)] = octets
    gateway.dataplane.start()
    assert_refused(gateway, keys, said)


def test_a_store_of_another_capacity_is_refused_and_wiped(stopped):
    gateway, keys = stopped
    with open(gateway.config, encoding="utf-8") as config:
        text = config.read()
    try:
        with open(gateway.config, "w", encoding="utf-8") as config:
            config.write(text.replace("capacity = 1024;", "capacity = 2048;"))
        gateway.dataplane.start()
        assert_refused(gateway, keys, "it was made for 1024 sets")
        assert hello(gateway)["CAPACITY"] == 2048
    finally:
        gateway.stop()
        with open(gateway.config, "w", encoding="utf-8") as config:
            config.write(text)


def test_a_good_store_is_taken_over_whole(stopped):
    gateway, keys = stopped
    gateway.dataplane.start()
    gateway.control.start()
    wait_until_serving(gateway)
    zb = Zb(gateway.zb, "pcscf1")
    assert len(zb.query()) == len(keys)
    zb.close()


def test_a_second_process_does_not_get_the_store(gateway):
    """Nor anything else of the first: it ends with a sentence, and the first one serves on."""
    second = Daemon(gateway.lab, os.path.dirname(gateway.config), "bgf-dataplane", gateway.config)
    second.log_path += ".second"
    with pytest.raises(LabError, match="ended with status 1"):
        second.start()
    assert gateway.dataplane.alive()
    assert hello(gateway)["DATAPLANE_UP"] == 1


def test_the_store_is_for_its_owner_only(gateway):
    mode = os.stat(gateway.store)
    assert mode.st_mode & 0o777 == 0o600 and mode.st_uid == os.geteuid()
