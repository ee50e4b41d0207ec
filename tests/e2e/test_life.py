# SPDX-License-Identifier: BSD-3-Clause
"""The life of a UE's SA sets under traffic: a re-authentication's switch-over and cut, a change of address."""
import itertools
import time

import pytest

from hostile import sip
from support import wait_for, wait_until_serving

CUT_S = 6  # in which a slow machine restarts a daemon and sends something on both sets
SETTINGS = {"control.supersede_s": str(CUT_S), "control.await_auth_s": "60"}
BOTH = pytest.mark.parametrize("family", (4, 6))
TEMPORARY, ESTABLISHED, SUPERSEDED = 1, 2, 3
BEGAN_UNPROTECTED = 1


@pytest.fixture
def told(field):
    """What the P-CSCF was told since the test began: told() -> [(event, set id)]."""
    field.zb.call("SUBSCRIBE", EVENTS=0xffffffff)
    field.zb.events.clear()

    def ask():
        field.zb.call("HEARTBEAT")
        return [(kind, body["SET"][0]["SET_ID"]) for kind, body in field.zb.events if "SET" in body]
    yield ask
    field.zb.call("SUBSCRIBE", EVENTS=0)


def used(ue):
    """A set after its own FIRST_USED, which the P-CSCF has been told."""
    ue.passes(sip("MESSAGE"))
    wait_for(lambda: ue.row()["FIRST_USE"], "the set is used")
    ue.field.zb.events.clear()
    return ue


def two_sets(field, family, host):
    """An established set and, of a re-authentication, a temporary one: rule 7 keeps port_us and port_ps."""
    subscriber = f"{family}-{host}@example.org"
    old = used(field.ue(family, host).establish(SUBSCRIBER=subscriber))
    new = field.ue(family, host, port_uc=5066, port_pc=6064).install(SUBSCRIBER=subscriber)
    return old, new


def both_serve(old, new):
    """Answers may be on the old set still, so it carries both directions as the new one does."""
    for ue in (old, new):
        ue.passes(sip("MESSAGE"))
        ue.passes(sip("MESSAGE"), sa="pc")
        ue.reached(sip("MESSAGE"))
        ue.reached(sip("MESSAGE"), sa="uc")


def cut_of(ue):
    """Seconds that are left of a superseded set's life."""
    row = ue.row()
    assert row["STATE"] == SUPERSEDED
    return row["REMAINING"] / 1000


@BOTH
def test_rules_7_and_20_the_first_packet_on_the_new_set_cuts_the_old_one(field, told, family):
    old, new = two_sets(field, family, 70)
    new.passes(sip("REGISTER"))
    old.passes(sip("MESSAGE"))
    new.establish()
    assert new.row()["FIRST_USE"] == 0 and told() == []
    new.passes(sip("REGISTER"))  # the 200 OK was lost: the UE repeats it
    old.passes(sip("MESSAGE"))
    old.reached(sip("MESSAGE"))
    assert (old.row()["STATE"], new.row()["FIRST_USE"], told()) == (ESTABLISHED, 0, [])
    begin = time.monotonic()
    new.passes(sip("MESSAGE"))
    wait_for(lambda: len(told()) == 2, "both events")
    assert told() == [("FIRST_USED", new.set_id), ("SUPERSEDED", old.set_id)]
    left = cut_of(old)
    assert CUT_S - (time.monotonic() - begin) - 0.01 <= left <= CUT_S
    both_serve(old, new)
    assert len(told()) == 2, "each event comes once"
    wait_for(lambda: old.row() is None, "the old set ends in its time", CUT_S + 30)
    assert CUT_S - 0.1 < time.monotonic() - begin
    assert told()[2:] == [("EXPIRED", old.set_id)]
    with field.dropped("access", unknown_spi=1):
        field.access.send(old.protected())
    new.passes()
    new.reached()
    assert new.row()["STATE"] == ESTABLISHED
    new.release()


@BOTH
@pytest.mark.parametrize("daemon", ("control", "dataplane"))
def test_rule_20_the_cut_survives_the_death_of_a_daemon(field, told, family, daemon):
    old, new = two_sets(field, family, 71)
    new.passes(sip("REGISTER"))
    new.establish()
    new.passes(sip("MESSAGE"))
    wait_for(lambda: len(told()) == 2, "both events")
    before, at = cut_of(old), time.monotonic()
    victim = getattr(field.gateway, daemon)
    victim.kill()
    victim.start()
    wait_until_serving(field.gateway)
    back = time.monotonic()
    assert cut_of(old) <= before - (back - at) + 0.01, "a restart lengthened the life"
    both_serve(old, new)
    wait_for(lambda: old.row() is None, "the old set ends in its time", CUT_S + 30)
    assert new.row()["STATE"] == ESTABLISHED
    new.release()


@BOTH
def test_rule_20_a_first_use_while_control_is_away_cuts_when_it_is_back(field, family):
    old, new = two_sets(field, family, 72)
    new.establish()
    field.gateway.control.kill()
    new.passes(sip("MESSAGE"))
    field.gateway.control.start()
    wait_until_serving(field.gateway)
    assert new.row()["FIRST_USE"] == 1
    assert cut_of(old) <= CUT_S
    both_serve(old, new)
    old.release()
    new.release()


def in_order(orders, old, new):
    """Carries out one order of what may happen at a switch-over; True if that made the new set a used one."""
    confirmed = is_used = False
    for what in orders:
        if what == "confirm":
            new.establish()
            confirmed = True
        elif what == "register":  # the first one, or the UE repeats it
            new.passes(sip("REGISTER"))
        elif what == "reply":  # any answer of the P-CSCF on the new set
            new.reached(b"SIP/2.0 200 OK\r\n\r\n", sa="uc")
        elif what == "old":
            old.passes(sip("MESSAGE"))
            old.reached(sip("MESSAGE"))
        elif confirmed:
            new.passes(sip("MESSAGE"))
            is_used = True
        else:  # rule 16
            with new.field.dropped("access", temporary=1):
                new.field.access.send(new.protected(sip("MESSAGE"), sequence=new.next()))
    return is_used


def test_rule_20_in_every_order_the_first_packet_after_confirm_counts(field, told):
    """All orders of CONFIRM, a REGISTER, an answer and a message on the new set, and messages on the old one."""
    for orders in itertools.permutations(("confirm", "register", "reply", "message", "old")):
        old, new = two_sets(field, 4, 79)
        field.zb.call("HEARTBEAT")
        field.zb.events.clear()
        if in_order(orders, old, new):
            wait_for(lambda: len(told()) == 2, f"{orders}: the use is told")
        else:
            assert told() == [], f"{orders}: nothing but what comes after CONFIRM is a use"
            assert (old.row()["STATE"], new.row()["FIRST_USE"]) == (ESTABLISHED, 0)
            new.passes(sip("MESSAGE"))
            wait_for(lambda: len(told()) == 2, f"{orders}: the use is told")
        assert told() == [("FIRST_USED", new.set_id), ("SUPERSEDED", old.set_id)]
        both_serve(old, new)
        old.release()
        new.release()


def test_rule_20_traffic_both_ways_loses_nothing_over_the_switch(field):
    """All that is sent on both sets while one takes over from the other comes out."""
    old, new = two_sets(field, 4, 73)
    new.passes(sip("REGISTER"))
    count = 100
    with field.dropped(to_core=2 * count, to_access=2 * count):
        for number in range(count):
            if number == count // 4:
                new.establish()
            method = "MESSAGE" if number >= count // 2 else "REGISTER"
            field.access.send(old.protected(sip("MESSAGE"), sequence=old.next()),
                              new.protected(sip(method), sequence=new.next()))
            field.core.send(old.from_core(), new.from_core())
    wait_for(lambda: old.row()["STATE"] == SUPERSEDED, "the old set is superseded")
    old.release()
    new.release()


@BOTH
def test_rule_22_a_failed_authentication_leaves_the_old_set_as_it_was(field, told, family):
    old, new = two_sets(field, family, 74)
    begin, before = time.monotonic(), old.row()["REMAINING"]
    new.passes(sip("REGISTER"))
    new.release(drain=8)  # in which the answer gets out, also on a slow machine
    new.reached(b"SIP/2.0 403 Forbidden\r\n\r\n", sa="uc")  # the answer still gets out on it
    wait_for(lambda: new.row() is None, "the new set has drained")
    assert told() == [("REMOVED", new.set_id)]
    assert old.row()["STATE"] == ESTABLISHED
    assert before - old.row()["REMAINING"] <= (time.monotonic() - begin) * 1000 + 10
    old.passes(sip("MESSAGE"))
    old.reached(sip("MESSAGE"))
    old.release()


@BOTH
def test_rules_21_and_24_a_ue_at_another_address_starts_afresh(field, told, family):
    """The old address's sets go at the 200 OK; those of its emergency registration and of another flow stay."""
    subscriber = f"moved-{family}@example.org"
    old = used(field.ue(family, 75).establish(SUBSCRIBER=subscriber))
    emergency = field.ue(family, 76).establish(SUBSCRIBER=subscriber, REGISTRATION_ID="sos", FLAGS=2)
    flow = field.ue(family, 77).establish(SUBSCRIBER=subscriber, REGISTRATION_ID="2")
    moved = field.ue(family, 78).install(SUBSCRIBER=subscriber, FLAGS=BEGAN_UNPROTECTED)
    assert moved.row()["STATE"] == TEMPORARY
    old.passes()
    moved.establish()
    wait_for(lambda: told() == [("REMOVED", old.set_id)], "the old set is gone")
    with field.dropped("access", unknown_spi=1):
        field.access.send(old.protected())
    for ue in (emergency, flow, moved):
        ue.passes()
        ue.reached()
        ue.release()
