# SPDX-License-Identifier: BSD-3-Clause
"""Rule 6: a phone that lost its SA sets comes back on the same ports. It can read only what leaves under its new set, also
before that is confirmed: over TCP the REGISTER comes when the SYN was answered. Two workers, where there are two cores."""
import os

import pytest

from hostile import Ue, header_length, sip
from support import wait_for, wait_until_serving

CORES = sorted(os.sched_getaffinity(0))
SETTINGS = {"dataplane.worker_cores": f"[ {CORES[0]}, {CORES[1]} ]"} if len(CORES) > 1 else {}
BOTH = pytest.mark.parametrize("family", (4, 6))
ESTABLISHED, DRAINING = 2, 4
BEGAN_UNPROTECTED, REPLACE = 1, 4
SYN = {"data": b"", "transport": "tcp", "l4": {"flags": "S", "seq": 1}}
SYN_ACK = {"data": b"", "transport": "tcp", "l4": {"flags": "SA", "seq": 7, "ack": 2}}
REGISTER = {"data": sip("REGISTER")}
ANSWER = {"data": b"SIP/2.0 200 OK\r\n\r\n"}
FORBIDDEN = {"data": b"SIP/2.0 403 Forbidden\r\n\r\n"}
FIRST = {"tcp": (SYN, SYN_ACK), "udp": (REGISTER, FORBIDDEN)}  # what comes on the new set, and is answered unconfirmed
AWAY_S = 10  # then what the P-CSCF sent has gone nowhere, and it sends it again


def come_back(old):
    """The temporary set of the phone that lost `old`."""
    return Ue(old.field, old.address).install(SUBSCRIBER=f"{old.address}@example.org", FLAGS=REPLACE | BEGAN_UNPROTECTED)


def registered(field, family, host):
    ue = field.ue(family, host)
    ue.establish(SUBSCRIBER=f"{ue.address}@example.org")
    ue.passes(sip("MESSAGE"))
    ue.reached(**ANSWER, sa="uc")
    return ue


def leaves_under(*sets, sa="uc", **how):
    """Sends once from the core; the set under whose SPI, keys and sequence number it reaches the phone, or None."""
    field, packet = sets[0].field, sets[0].from_core(sa=sa, **how)
    field.access.forget()
    field.core.send(packet)
    if not field.access.wait(lambda frames: frames, AWAY_S):
        return None
    came = field.access.frames[0][14:]
    spi = int.from_bytes(came[header_length(came):][:4], "big")
    under, = [one for one in sets if one.spi(sa) == spi]
    under.check(came, packet, sa)
    return under


def is_answered(new, old, **how):
    """The P-CSCF sends its answer until the phone can read it, as TCP and SIP do."""
    wait_for(lambda: leaves_under(new, old, **how) is new, "the answer leaves under the new set")


def has_answers_only(new, old):
    """The new set has the answers, and the old one works on."""
    new.reached(**ANSWER, sa="uc")
    old.reached(sip("MESSAGE"))
    old.passes(sip("MESSAGE"))
    assert old.row()["STATE"] == ESTABLISHED


def works_alone(ue):
    ue.passes(sip("MESSAGE"))
    ue.passes(sip("MESSAGE"), sa="pc")
    ue.reached(**ANSWER, sa="uc")
    ue.reached(sip("MESSAGE"))


@BOTH
@pytest.mark.parametrize("transport", FIRST)
@pytest.mark.parametrize("is_draining", (False, True), ids=("rebooted", "deregistered"))
def test_rule_6_a_phone_that_lost_its_sets_is_answered_on_its_new_one(field, family, transport, is_draining):
    first, answer = FIRST[transport]
    old = registered(field, family, 80)
    if is_draining:
        old.release(drain=600)
    new = come_back(old)
    assert leaves_under(new, old, **answer) is old, "nobody has shown the new keys"
    new.passes(**first)
    is_answered(new, old, **answer)
    assert leaves_under(new, old, sa="us", **ANSWER) is old, "the rest stays until CONFIRM"
    assert old.row()["STATE"] == (DRAINING if is_draining else ESTABLISHED)
    new.passes(sip("REGISTER"), transport=transport)
    new.establish()
    wait_for(lambda: old.row() is None, "the old set is replaced")
    works_alone(new)
    new.release()


def fail(new):
    """Rule 22: the answer goes out on the set that failed, which drains."""
    new.release(drain=600)
    new.reached(**FORBIDDEN, sa="uc")
    new.release()


@BOTH
@pytest.mark.parametrize("end", (fail, lambda new: new.release(), None), ids=("failed", "released", "challenged again"))
def test_rules_6_and_22_a_set_that_ends_unconfirmed_gives_the_answers_back(field, family, end):
    old = registered(field, family, 81)
    for _ in range(2):
        new = come_back(old)
        new.passes(**SYN)
        is_answered(new, old, **SYN_ACK)
        has_answers_only(new, old)
        next_one = None
        if end is None:
            next_one = come_back(old)  # rule 15: the other temporary set goes
        else:
            end(new)
        assert leaves_under(old, new, **ANSWER) is old
        works_alone(old)
        if next_one is not None:
            next_one.passes(**SYN)
            is_answered(next_one, old, **SYN_ACK)
            next_one.release()
            works_alone(old)
    old.release()


@BOTH
def test_rule_6_who_has_not_the_keys_gets_no_answers(field, family):
    old = registered(field, family, 82)
    new = come_back(old)
    with field.dropped("access", icv=1):
        field.access.send(new.protected(**SYN, key=os.urandom(20), sequence=new.next()))
    with field.dropped("access", temporary=1):  # rule 16
        field.access.send(new.protected(sip("MESSAGE"), sequence=new.next()))
    assert leaves_under(old, new, **ANSWER) is old
    works_alone(old)
    new.release()
    old.release()


@BOTH
def test_rule_6_the_new_set_goes_on_when_the_old_one_ends(field, family):
    old = registered(field, family, 83)
    new = come_back(old)
    new.passes(**SYN)
    is_answered(new, old, **SYN_ACK)
    old.release()
    new.reached(**ANSWER, sa="uc")
    wait_for(lambda: leaves_under(new, sa="us", **ANSWER) is new, "the new set has all that is sent")
    new.establish()
    works_alone(new)
    new.release()


@BOTH
@pytest.mark.parametrize("daemon", ("control", "dataplane"))
@pytest.mark.parametrize("is_heard", (False, True), ids=("before the first packet", "behind it"))
def test_rule_6_who_has_the_answers_survives_the_death_of_a_daemon(field, family, daemon, is_heard):
    old = registered(field, family, 84)
    new = come_back(old)
    if is_heard:
        new.passes(**SYN)
        is_answered(new, old, **SYN_ACK)
    victim = getattr(field.gateway, daemon)
    victim.kill()
    victim.start()
    wait_until_serving(field.gateway)
    old.passes(sip("MESSAGE"))
    assert leaves_under(new, old, **ANSWER) is (new if is_heard else old)
    new.passes(**SYN)
    is_answered(new, old, **SYN_ACK)
    has_answers_only(new, old)
    new.release()
    works_alone(old)
    old.release()
