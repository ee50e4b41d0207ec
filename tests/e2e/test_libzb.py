# SPDX-License-Identifier: BSD-3-Clause
"""libzb against the real gateway, as a P-CSCF uses it: waits that end, reconnects, events, and fork."""
import os
import signal
import sys
import time

import pytest

from deploy.lab.gateway import REPOSITORY, program
from support import KEYS, wait_for, wait_until_serving

sys.path.insert(0, os.path.join(REPOSITORY, "deploy", "kamailio"))
import zb as libzb  # noqa: E402  (the path above comes first)

WAIT_MS = 8000  # more than a machine that others use stands still


@pytest.fixture(name="client")
def a_pcscf(gateway):
    made = libzb.Zb(program("libzb.so"), gateway.zb, "pcscf1", int.from_bytes(os.urandom(7), "big") + 1, WAIT_MS)
    yield made
    for row in made.query("10.45.9.1", 0):
        made.release(row.set_id, row.set_id, 0)
    made.close()


def an_install(reference, **changes):
    selectors = {"ue": libzb.Address.of("10.45.9.1"), "served": libzb.Address.of("10.50.0.1"), "port_uc": 20001,
                 "port_us": 30001, "port_pc": 6060, "port_ps": 6062, "spi_uc": 4711, "spi_us": 4712} | changes
    install = libzb.Install(reference=reference, subscriber=b"ue@ims.example.org", registration_id=b"",
                            selectors=libzb.Selectors(**selectors), alg=libzb.ALG_HMAC_SHA_1_96)
    install.ik[:] = KEYS.new()
    return install


def test_a_set_from_install_to_release(client):
    row = client.install(an_install(1))
    assert row.state == libzb.TEMPORARY and row.selectors.spi_ps > 255
    assert client.confirm(row.set_id, 2, 600).state == libzb.ESTABLISHED
    assert [found.set_id for found in client.query("10.45.9.1", 20001, 6062)] == [row.set_id]
    client.release(row.set_id, 3, 0)
    assert client.query("10.45.9.1", 20001) == []


def test_a_refusal_has_cause_attribute_and_sentence(client):
    with pytest.raises(libzb.ZbError) as refusal:
        client.install(an_install(1, port_pc=5060))
    told = refusal.value
    assert told.answered and (told.cause, told.attribute) == ("BAD_PORT", "PORT_PC") and str(told)


def test_it_connects_again_by_itself(gateway, client):
    row = client.install(an_install(1))
    gateway.control.restart()
    wait_until_serving(gateway)
    assert [found.set_id for found in client.query("10.45.9.1", 20001)] == [row.set_id]


def test_a_gateway_that_hangs_costs_the_wait_and_no_more(gateway, client):
    client.query("10.45.9.1", 0)
    os.kill(gateway.control.pid(), signal.SIGSTOP)
    try:
        start = time.monotonic()
        with pytest.raises(libzb.ZbError) as failure:
            client.install(an_install(1))
        assert not failure.value.answered
        assert WAIT_MS / 1000 * 0.9 < time.monotonic() - start < 2 * WAIT_MS / 1000, "it waited a second time"
    finally:
        os.kill(gateway.control.pid(), signal.SIGCONT)
    wait_for(lambda: len(client.query("10.45.9.1", 0)) == 1, "what was asked in vain was carried out all the same")


def test_without_a_gateway_a_call_fails_at_once(gateway, client):
    gateway.control.stop()
    try:
        start = time.monotonic()
        with pytest.raises(libzb.ZbError) as failure:
            client.query("10.45.9.1", 0)
        assert not failure.value.answered and time.monotonic() - start < 2 * WAIT_MS / 1000
    finally:
        gateway.control.start()
        wait_until_serving(gateway)


def test_events_come_also_after_a_reconnect(gateway, client):
    """With a gap before them: some may have been told to nobody."""
    client.subscribe()
    gateway.control.restart()
    wait_until_serving(gateway)
    install = an_install(1)
    install.await_auth_s = 1
    row = client.install(install)
    events = []

    def expired():
        events.extend((event.kind, event.set_id) for event in client.process())
        return (libzb.EVENT_EXPIRED, row.set_id) in events
    wait_for(expired, "the event")
    assert events[0] == (libzb.EVENT_GAP, 0)


def test_a_child_cannot_use_its_parents_association(client):
    client.query("10.45.9.1", 0)
    child = os.fork()
    if child == 0:
        try:
            client.query("10.45.9.1", 0)
        except libzb.ZbError as failure:
            os._exit(7 if not failure.answered else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert client.query("10.45.9.1", 0) == []
