# SPDX-License-Identifier: BSD-3-Clause
"""The life of a registration behind Kamailio: re-authentication, restarts of everybody, deregistration. The lab is that of
test_pcscf.py."""
import contextlib
import os
import signal
import threading
import time

import pytest

from deploy.lab.netns import PORTS_PC, LabError
from support import DRAIN_S, best_of, is_serving, register, sets_known, sets_of, wait_for

# A daemon that comes back in time comes back within this, also on a slow machine. Two waits, as of a deregistration that
# nobody can be told, must fit into the time that the core may take for an answer.
PCSCF = {"BGF_WAIT_MS": "8000", "BGF_FR_MS": 30000}

pytestmark = pytest.mark.usefixtures("no_key_on_the_access_side")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("family", [4, 6])
def test_rules_7_and_20_a_re_authentication_moves_to_a_new_set(new_ue, gateway, scscf, transport, family):
    ue = new_ue(transport=transport, family=family)
    register(ue)
    old, = sets_of(gateway, ue)
    scscf.challenge_again = True
    answer = ue.reregister()
    assert answer["status"] == 200 and answer["challenged"]
    new, = [s for s in sets_of(gateway, ue) if s["set_id"] != old["set_id"]]
    assert (new["port_us"], new["port_ps"]) == (old["port_us"], old["port_ps"])
    assert new["port_uc"] != old["port_uc"] and new["port_pc"] != old["port_pc"]
    assert scscf.originate(ue.impi).status == 200
    assert ue.request()["status"] == 200  # the first packet on the new set after CONFIRM
    wait_for(lambda: [s["first_used"] for s in sets_of(gateway, ue) if s["set_id"] == new["set_id"]] == [True],
             "the new set is in use")
    wait_for(lambda: scscf.originate(ue.impi).status == 200 and ue.received()[-1]["source_port"] == new["port_pc"],
             "requests to the phone leave from the new port_pc")


@pytest.mark.parametrize("used", [False, True])
def test_rule_23_a_deregistration_ends_the_sets_of_earlier_authentications_too(new_ue, gateway, scscf, used):
    """Also when it is challenged: then the set in use is not the one on which the 200 OK goes."""
    ue = new_ue()
    register(ue)
    scscf.challenge_again = True
    if used:
        assert ue.reregister()["status"] == 200 and ue.request()["status"] == 200
    answer = ue.deregister()
    assert answer["status"] == 200 and answer["challenged"]
    assert [s["state"] for s in sets_of(gateway, ue)] == ["draining"] * (2 + used)
    wait_for(lambda: not sets_of(gateway, ue), "all sets are gone", DRAIN_S + 30)


def test_rule_22_a_failed_re_authentication_ends_the_new_set_only(new_ue, gateway, scscf):
    ue = new_ue()
    register(ue)
    old, = sets_of(gateway, ue)
    scscf.challenge_again = True
    answer = ue.reregister(wrong=True)
    assert answer["status"] == 403 and answer["challenged"]
    assert {s["set_id"] == old["set_id"]: s["state"] for s in sets_of(gateway, ue)} == {
        True: "established", False: "draining"}
    assert ue.request()["status"] == 200 and scscf.originate(ue.impi).status == 200
    wait_for(lambda: [s["set_id"] for s in sets_of(gateway, ue)] == [old["set_id"]], "the new one is gone", DRAIN_S + 30)
    answer = ue.reregister()
    assert answer["status"] == 200 and answer["challenged"], "and the next attempt succeeds"


def test_rule_28_the_latest_authentication_counts_also_before_its_set_is_used(new_ue, gateway, scscf, phone):
    ue = new_ue()
    register(ue)
    old, = sets_of(gateway, ue)
    scscf.challenge_again = True
    assert ue.reregister()["status"] == 200
    scscf.challenge_again = False
    assert not [s for s in sets_of(gateway, ue) if s["set_id"] != old["set_id"] and s["first_used"]]
    phone.call(ue.subscriber, "take_identity", {"impi": ue.impi})  # its next Authorization has no response
    came = len(scscf.requests)
    assert ue.reregister()["status"] == 200
    assert 'integrity-protected="yes"' in scscf.seen("REGISTER", came)[0].get("Authorization")


def test_rule_20_a_first_use_that_the_pcscf_could_not_be_told_is_found_afterwards(new_ue, gateway, scscf):
    ue = new_ue()
    register(ue)
    old, = sets_of(gateway, ue)
    scscf.challenge_again = True
    assert ue.reregister()["status"] == 200
    assert scscf.originate(ue.impi).status == 200 and ue.received()[-1]["source_port"] == old["port_pc"]
    gateway.control.kill()
    assert ue.request()["status"] == 200  # the first use, of which nobody hears
    gateway.control.start()
    new, = (s for s in sets_known(gateway, ue) if s["set_id"] != old["set_id"])
    wait_for(lambda: scscf.originate(ue.impi).status == 200 and ue.received()[-1]["source_port"] == new["port_pc"],
             "requests to the phone leave from the new port_pc")


@pytest.mark.parametrize("expires, port", [(1, "new"), (3600, "old")])
def test_rule_20_a_request_to_a_phone_leaves_a_set_that_is_about_to_end(new_ue, gateway, scscf, expires, port):
    """Else a phone that has nothing to say misses what is on its way to it when its old set ends."""
    ue = new_ue()
    register(ue, expires=expires)
    old, = sets_of(gateway, ue)
    scscf.challenge_again = True
    assert ue.reregister(expires=3600)["status"] == 200
    new, = (found for found in sets_of(gateway, ue) if found["set_id"] != old["set_id"])
    for _ in range(2):  # the second time it is known
        assert scscf.originate(ue.impi).status == 200
        assert ue.received()[-1]["source_port"] == {"old": old, "new": new}[port]["port_pc"]


def test_rule_15_an_answer_to_a_challenge_may_be_challenged_again(new_ue, gateway, scscf):
    """TS 24.229 5.4.1.2.3, or an S-CSCF that was restarted. The second challenge is about the same protected ports, travels
    on the set that it ends, and the phone registers with it."""
    ue = new_ue()
    assert ue.initial()["status"] == 401
    first, = sets_of(gateway, ue)
    ue.install()
    scscf.registrations[ue.impi].challenge = ("another", scscf.registrations[ue.impi].challenge[1])
    assert ue.answer()["status"] == 401
    wait_for(lambda: first["set_id"] not in (found["set_id"] for found in sets_of(gateway, ue)), "the first set is gone")
    ue.install()
    assert ue.answer()["status"] == 200
    assert [found["state"] for found in sets_of(gateway, ue)] == ["established"]


def test_rule_6_a_registration_begun_on_the_same_ports_does_not_harm_the_set(new_ue, gateway):
    ue = new_ue()
    register(ue)
    old, = sets_of(gateway, ue)
    assert ue.initial()["status"] == 401 and len(sets_of(gateway, ue)) == 2
    assert ue.request()["status"] == 200
    assert old["set_id"] in [s["set_id"] for s in sets_of(gateway, ue)]
    ue.install()
    assert ue.answer()["status"] == 200, "the new one still takes over"


def test_rule_6_a_port_pc_that_is_in_use_is_passed_over(new_ue, gateway, scscf):
    ue = new_ue()
    register(ue)
    scscf.challenge_again = True
    for _ in range(2):  # nothing but REGISTER, so that requests to the phone stay on the first set
        assert ue.reregister()["status"] == 200
    assert sorted(s["port_pc"] for s in sets_of(gateway, ue)) == [*PORTS_PC]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("deregisters", [False, True])
def test_rule_6_a_phone_that_lost_its_sets_registers_again_on_the_same_ports(new_ue, gateway, transport, deregisters):
    """It rebooted, or it went off and is back while its old set drains, as long as that does in service."""
    ue = new_ue(transport=transport, wait=20)
    register(ue)
    old, = sets_of(gateway, ue)
    if deregisters:
        gateway.bgfctl("set", "release", str(old["set_id"]), "--drain", "600")
    ue.forget()
    register(ue)
    wait_for(lambda: old["set_id"] not in [s["set_id"] for s in sets_of(gateway, ue)], "the old set is replaced")
    assert ue.request()["status"] == 200


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_restarted_pcscf_goes_on_with_the_sets_that_exist(new_ue, gateway, scscf, kamailio, transport):
    ue = new_ue(transport=transport)
    register(ue)
    before, = sets_of(gateway, ue)
    ue.hang_up()
    kamailio.restart()
    came = len(scscf.requests)
    assert scscf.originate(ue.impi).status == 200
    assert ue.request()["status"] == 200
    assert ue.reregister()["status"] == 200
    assert 'integrity-protected="yes"' in scscf.seen("REGISTER", came)[-1].get("Authorization")
    assert [s["set_id"] for s in sets_of(gateway, ue)] == [before["set_id"]]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("daemon", ["control", "dataplane"])
def test_a_registered_phone_outlives_kill_9_of_a_daemon(new_ue, gateway, scscf, phone, daemon, transport):
    ue = new_ue(transport=transport)
    register(ue)
    assert ue.request()["status"] == 200
    before, = sets_of(gateway, ue)
    replays = phone.xfrm_errors().get("XfrmInStateSeqError", 0)
    victim = getattr(gateway, daemon)
    victim.kill()
    try:
        if daemon == "control":
            assert ue.request()["status"] == 200, "traffic goes on without control"
    finally:
        victim.start()
    assert ue.request()["status"] == 200
    assert scscf.originate(ue.impi).status == 200
    after, = sets_known(gateway, ue)
    assert after["set_id"] == before["set_id"]
    assert all(after["sa"][sa]["sequence"] >= before["sa"][sa]["sequence"] for sa in after["sa"])
    assert replays == phone.xfrm_errors().get("XfrmInStateSeqError", 0), "no sequence number went out twice"
    assert ue.reregister()["status"] == 200


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_registered_phone_outlives_two_kills_of_control_one_behind_the_other(new_ue, gateway, scscf, kamailio, transport):
    """After the first the P-CSCF must ask for what it may have missed, and cannot."""
    ue = new_ue(transport=transport)
    register(ue)
    assert ue.request()["status"] == 200
    gaps = len(kamailio.said("event gap"))
    gateway.control.restart()
    wait_for(lambda: len(kamailio.said("event gap")) > gaps, "the P-CSCF knows that it may have missed something")
    gateway.control.kill()
    try:
        assert ue.request()["status"] == 200
        assert scscf.originate(ue.impi).status == 200
    finally:
        gateway.control.start()
    assert ue.reregister()["status"] == 200


@pytest.mark.parametrize("outage", [signal.SIGKILL, signal.SIGSTOP])
def test_in_an_outage_what_is_known_is_not_late(new_ue, gateway, scscf, kamailio, outage):
    """Control is away, or there and silent, after the P-CSCF may have missed something: it need not be waited for."""
    ue = new_ue()
    register(ue)
    assert ue.request()["status"] == 200

    def longest_s():
        gaps, took = len(kamailio.said("event gap")), []
        gateway.control.restart()
        wait_for(lambda: len(kamailio.said("event gap")) > gaps, "the P-CSCF knows that it may have missed something")
        if outage == signal.SIGKILL:
            gateway.control.kill()
        else:
            os.kill(gateway.control.pid(), outage)
        try:
            for _ in range(4):
                for ask in (lambda: ue.request()["status"], lambda: scscf.originate(ue.impi).status):
                    begin = time.monotonic()
                    assert ask() == 200
                    took.append(time.monotonic() - begin)
        finally:
            if outage == signal.SIGKILL:
                gateway.control.start()
            else:
                os.kill(gateway.control.pid(), signal.SIGCONT)
        wait_for(lambda: ue.reregister()["status"] == 200, "the P-CSCF has the gateway again")
        return max(took)
    assert best_of(longest_s, lambda took: took < 1) < 1


@pytest.mark.parametrize("ports", [("port-s",), ("port-c", "port-s")])
def test_rule_24_who_comes_to_an_address_after_another_is_reached_at_once_and_in_its_own_name(new_ue, gateway, scscf, ports):
    """The former one's set lives on, for nobody has told that it is gone."""
    former = new_ue()
    register(former)
    client = former.state()["client"]
    former.close()
    names = {"port-c": "port_uc", "port-s": "port_us"}
    ue = new_ue(**{names[port]: int(client[port]) for port in ports})
    register(ue)
    assert len(sets_of(gateway, former)) == (ports == ("port-s",))
    assert scscf.originate(ue.impi).status == 200
    assert ue.request()["status"] == 200
    assert scscf.requests[-1].get("P-Asserted-Identity") == f"<sip:{ue.impi}>"


def test_rule_6_a_registration_begun_on_the_same_ports_does_not_harm_the_set_without_control(new_ue, gateway):
    ue = new_ue()
    register(ue)
    assert ue.request()["status"] == 200
    assert ue.initial()["status"] == 401 and len(sets_of(gateway, ue)) == 2
    gateway.control.kill()
    try:
        assert ue.request()["status"] == 200
    finally:
        gateway.control.start()


def test_after_a_gap_a_set_that_went_unheard_is_not_used(new_ue, gateway, scscf, kamailio):
    ue = new_ue()
    register(ue)
    gone, = sets_of(gateway, ue)
    gaps = len(kamailio.said("event gap"))
    gateway.bgfctl("set", "release", str(gone["set_id"]), "--drain", "6")
    gateway.control.kill()
    time.sleep(6)
    with kamailio.paused():
        gateway.control.start()
        wait_for(lambda: is_serving(gateway) and not sets_of(gateway, ue), "the set is gone")
    wait_for(lambda: len(kamailio.said("event gap")) > gaps, "the P-CSCF knows that it may have missed something")
    assert not kamailio.said(f"event (expired|removed): set {gone['set_id']} ")
    assert scscf.originate(ue.impi).status == 480


def test_rule_23_a_repeated_deregistration_still_gets_its_answer(new_ue, gateway):
    ue = new_ue()
    register(ue)
    assert ue.deregister()["status"] == 200
    assert ue.repeat()["status"] == 200
    wait_for(lambda: not sets_of(gateway, ue), "the set is gone", DRAIN_S + 30)


def test_after_deregistration_the_network_gets_480(new_ue, scscf):
    ue = new_ue()
    register(ue)
    contact = scscf.registrations[ue.impi].contact
    assert ue.deregister()["status"] == 200
    scscf.registrations[ue.impi].contact, scscf.registrations[ue.impi].until = contact, time.time() + 60
    assert scscf.originate(ue.impi).status == 480


def test_an_expired_set_is_reported_and_forgotten(new_ue, gateway, kamailio):
    ue = new_ue()
    ue.initial()
    found, = sets_of(gateway, ue)
    gateway.bgfctl("set", "release", str(found["set_id"]))
    assert kamailio.wait_said(f"event removed: set {found['set_id']} ", 30)


def test_when_the_store_is_lost_the_pcscf_forgets_and_the_phone_registers_again(new_ue, gateway, scscf, kamailio):
    ue = new_ue()
    register(ue)
    ue.forget()
    gateway.remove_store()
    gateway.start()
    assert kamailio.wait_said("event epoch_lost", 60)

    def is_forgotten():  # just after that was said
        with contextlib.suppress(LabError):
            return scscf.originate(ue.impi).status == 480
    wait_for(is_forgotten, "the P-CSCF has forgotten the set")
    register(ue)
    assert scscf.originate(ue.impi).status == 200


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_dialog_goes_through_the_protected_ports_both_ways(new_ue, scscf, transport):
    ue = new_ue(transport=transport)
    register(ue)
    contact = [("Contact", "<sip:network@10.60.0.2:5070>")]
    answer = scscf.originate(ue.impi, "INVITE", "", headers=contact)
    assert answer.status == 200
    routes = answer.all("Record-Route")
    assert ":6062" in "".join(routes) and "10.60.0.2" in "".join(routes), routes
    scscf.in_dialog(ue.impi, answer, "ACK")
    assert scscf.in_dialog(ue.impi, answer, "BYE").status == 200
    # Nobody answers the ACK, and the BYE may overtake it; what SIP has sent again over UDP is there twice.
    wait_for(lambda: "ACK" in [r["method"] for r in ue.received()], "the ACK has come")
    assert {r["method"] for r in ue.received()} == {"ACK", "BYE", "INVITE"}
    assert len({r["source_port"] for r in ue.received()}) == 1


def test_rule_23_a_release_that_the_gateway_could_not_be_told_is_told_later(new_ue, gateway, kamailio):
    """Also when the cache was emptied meanwhile, as it is after every reconnect."""
    ue = new_ue(wait=60)
    register(ue)
    found, = sets_of(gateway, ue)
    gateway.control.kill()
    assert ue.deregister()["status"] == 200, "the phone need not hear of it"
    time.sleep(1)
    gateway.control.start()
    assert kamailio.wait_said(f"set {found['set_id']} of .* released, drains", 30)
    wait_for(lambda: not sets_of(gateway, ue), "the set is gone", DRAIN_S + 30)


@pytest.mark.parametrize("daemon", ["control", "dataplane"])
@pytest.mark.parametrize("step", ["initial", "answer", "deregister"])
def test_a_daemon_that_comes_back_in_time_costs_a_phone_nothing(new_ue, gateway, scscf, kamailio, daemon, step):
    """INSTALL, CONFIRM and RELEASE are repeated, with their references, until the gateway can say that they are done. What
    the S-CSCF says comes while the daemon is away."""
    kamailio.restart()  # a process of it for which an outage has just lasted too long would not wait again
    ue, victim = new_ue(wait=60), getattr(gateway, daemon)
    if step != "initial":
        assert ue.initial()["status"] == 401
        ue.install()
    if step == "deregister":
        assert ue.answer()["status"] == 200
    scscf.mute = True
    came, answers = len(scscf.heard), []
    asks = threading.Thread(target=lambda: answers.append(getattr(ue, step)()))
    asks.start()
    wait_for(lambda: len(scscf.heard) > came, "the request has reached the S-CSCF")
    victim.kill()
    scscf.mute = False
    scscf.send_answer(scscf.heard[came])
    time.sleep(0.2)
    victim.start()
    asks.join()
    assert answers[0]["status"] == (401 if step == "initial" else 200), answers
    state = {"initial": "temporary", "answer": "established", "deregister": "draining"}[step]
    assert [s["state"] for s in sets_known(gateway, ue)] == [state]
