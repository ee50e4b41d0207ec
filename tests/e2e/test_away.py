# SPDX-License-Identifier: BSD-3-Clause
"""A P-CSCF that goes away: its phones' traffic passes for control.peer_gone_s, then its sets are released, and it is
told when it returns."""
import time

from support import wait_for
from zbwire import Zb

GONE_S = 6  # in which traffic passes, also on a slow machine
SETTINGS = {"control.peer_gone_s": str(GONE_S)}
REMOVED, PEER_GONE = 3, 8


def test_the_sets_of_a_pcscf_that_is_gone_serve_on_and_are_released_in_their_time(field, gateway):
    ue = field.ue(4, 50)
    owner = Zb(gateway.zb, "pcscf2", instance_id=1)
    field.zb, witness = owner, field.zb  # the set is the second P-CSCF's
    try:
        ue.establish()
    finally:
        field.zb = witness
    assert owner.gateway()["ENDED_AWAY"] == 0
    observer = Zb(gateway.zb, "watcher", role=1)
    observer.call("SUBSCRIBE", EVENTS=1 << REMOVED)
    gone = time.monotonic()
    owner.close()
    ue.passes()
    ue.reached()
    wait_for(lambda: field.zb.call("HEARTBEAT") and not observer.query(SET_ID=ue.set_id), "the set is released",
             GONE_S + 30, 0.05)
    assert time.monotonic() > gone + GONE_S - 0.5
    wait_for(lambda: observer.call("HEARTBEAT") and observer.events, "the event")
    (kind, event), = observer.events
    assert (kind, event["WHY"], event["SET"][0]["SET_ID"]) == ("REMOVED", PEER_GONE, ue.set_id)
    with_phone = ue.protected(sequence=ue.next())
    with field.dropped("access", unknown_spi=1):
        field.access.send(with_phone)
    assert owner.gateway()["ENDED_AWAY"] == 1  # connects anew
    owner.close()
    assert owner.gateway()["ENDED_AWAY"] == 0
    owner.close()
    observer.close()
    field.settle()  # the first P-CSCF was there all the time: its set serves
