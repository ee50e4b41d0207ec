# SPDX-License-Identifier: BSD-3-Clause
"""A phone with Linux's own IPsec, Kamailio as the P-CSCF and an S-CSCF that checks AKA, around the gateway: what the
P-CSCF has to get right (RULES-33203), and what must never happen, a key on the access side above all."""
import os
import re
import signal
import socket
import threading
import time

import pytest

from deploy.lab.kamailio import Kamailio
from deploy.lab.netns import CORE4, PORT_PS, PORTS_PC, inside
from support import DRAIN_S, register, sets_of, wait_for, wait_until_serving
from zbwire import RefusingGateway

pytestmark = pytest.mark.usefixtures("no_key_on_the_access_side")


# What a P-CSCF does with what a UE offers

def test_a_register_without_security_client_gets_421(new_ue):
    answer = new_ue().initial(client="")
    assert answer["status"] == 421 and "Require: sec-agree" in answer["text"]


@pytest.mark.parametrize("client", [
    "ipsec-3gpp; alg=hmac-md5-96; spi-c=1111; spi-s=2222; port-c=5062; port-s=5064",
    "ipsec-3gpp; alg=hmac-sha-1-96; ealg=aes-cbc; spi-c=1111; spi-s=2222; port-c=5062; port-s=5064",
    "ipsec-3gpp; alg=hmac-sha-1-96; spi-c=255; spi-s=2222; port-c=5062; port-s=5064",
    "ipsec-3gpp; alg=hmac-sha-1-96; spi-c=1111; spi-s=1111; port-c=5062; port-s=5064",
    "ipsec-3gpp; alg=hmac-sha-1-96; spi-c=1111; spi-s=2222; port-c=0; port-s=5064", "tls", ";;,;"])
def test_an_offer_that_cannot_be_taken_gets_494_with_what_can(new_ue, client):
    answer = new_ue().initial(client=client)
    assert answer["status"] == 494
    assert "Security-Server: ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans" in answer["text"]


def test_of_several_offers_the_one_that_can_be_taken_is(new_ue, gateway):
    ue = new_ue()
    good = "spi-c=3333; spi-s=4444; port-c=7001; port-s=7002"
    answer = ue.initial(client=f"tls, ipsec-3gpp; alg=hmac-md5-96; {good}, ipsec-3gpp; alg=hmac-sha-1-96; {good}")
    assert answer["status"] == 401
    found, = sets_of(gateway, ue)
    assert (found["spi_uc"], found["spi_us"], found["port_uc"], found["port_us"]) == (3333, 4444, 7001, 7002)


def test_rule_28_what_the_ue_writes_about_integrity_is_removed(new_ue, scscf):
    ue = new_ue()
    forged = (f'Digest username="{ue.impi}", realm="x", nonce="", uri="sip:x", response="", integrity-protected="yes"')
    assert ue.initial(authorization=forged)["status"] == 401
    sent = scscf.requests[-1].get("Authorization")
    assert 'integrity-protected="no"' in sent and "yes" not in sent


@pytest.mark.parametrize("gap, status", [("\t", 401), ("\r\n\t", 401), (' realm="x" ', 400), (" ,,", 400)])
def test_rule_28_however_the_ue_writes_it(new_ue, scscf, gap, status):
    ue, came = new_ue(), len(scscf.requests)
    forged = f'Digest{gap}username="{ue.impi}",nonce="",uri="sip:x",response="",integrity-protected="yes"'
    assert ue.initial(authorization=forged)["status"] == status
    assert not [r for r in scscf.seen("REGISTER", came) if "yes" in r.get("Authorization")]


@pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION", "authorization ", "Authorization\t"])
def test_rule_28_there_is_one_authorization(new_ue, scscf, name):
    ue, came = new_ue(), len(scscf.requests)
    forged = f'Digest username="{ue.impi}", nonce="", uri="sip:x", response="", integrity-protected="yes"'
    assert ue.initial(headers=[(name, forged)])["status"] == 400
    assert not scscf.seen("REGISTER", came)


def test_rule_28_integrity_protected_is_no_in_the_clear_and_yes_on_the_set_of_the_challenge(new_ue, scscf):
    ue = new_ue()
    register(ue)
    first, second = scscf.seen("REGISTER")[-2:]
    assert 'integrity-protected="no"' in first.get("Authorization")
    assert 'integrity-protected="yes"' in second.get("Authorization")


def test_sec_agree_ends_at_the_pcscf(new_ue, scscf):
    ue = new_ue()
    register(ue)
    assert ue.request()["status"] == 200
    for request in scscf.requests[-3:]:
        assert not [n for n, _ in request.headers if n.lower().startswith("security-")]
        assert not any("sec-agree" in value for value in request.all("Require") + request.all("Proxy-Require"))
    assert scscf.seen("REGISTER")[-1].get("Path") == "<sip:term@10.60.0.2:5060;lr>"


def test_only_register_is_taken_in_the_clear(new_ue, phone, scscf):
    ue = new_ue()
    came = len(scscf.requests)
    said = phone.shell(
        "python3 - <<'END'\nimport socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.bind(('{ue.state()['address']}', 5060))\ns.settimeout(30)\n"
        "s.sendto(b'OPTIONS sip:x SIP/2.0\\r\\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bKx\\r\\nMax-Forwards: 9\\r\\n"
        "From: <sip:a@x>;tag=1\\r\\nTo: <sip:x>\\r\\nCall-ID: c\\r\\nCSeq: 1 OPTIONS\\r\\n"
        f"Content-Length: 0\\r\\n\\r\\n' % b'{ue.state()['address']}', ('10.50.0.1', 5060))\n"
        "print(s.recv(2000).split(b'\\r\\n')[0].decode())\nEND")
    assert said.startswith("SIP/2.0 403") and len(scscf.requests) == came


# The agreement is checked

@pytest.mark.parametrize("header", ["verify", "client"])
def test_a_security_verify_or_client_that_was_not_agreed_gets_494_and_the_set_goes(new_ue, gateway, scscf, header):
    ue = new_ue()
    ue.initial()
    ue.install()
    came = len(scscf.requests)
    other = ("ipsec-3gpp; alg=hmac-sha-1-96; ealg=null; prot=esp; mod=trans; spi-c=1111; spi-s=2222; port-c=6060; "
             "port-s=6062")
    assert ue.answer(**{header: other})["status"] == 494
    assert len(scscf.requests) == came
    assert [s["state"] for s in sets_of(gateway, ue)] == ["draining"]
    wait_for(lambda: not sets_of(gateway, ue), "the set is gone", DRAIN_S + 30)


def test_rule_22_a_wrong_answer_gets_403_and_the_new_set_goes(new_ue, gateway):
    ue = new_ue()
    ue.initial()
    ue.install()
    assert ue.answer(wrong=True)["status"] == 403
    assert [s["state"] for s in sets_of(gateway, ue)] == ["draining"]
    wait_for(lambda: not sets_of(gateway, ue), "the set is gone", DRAIN_S + 30)
    register(ue)


def test_rule_16_a_set_whose_authentication_failed_carries_no_request(new_ue, gateway, scscf):
    ue, before = new_ue(wait=4), gateway.drops().get("temporary", 0)
    ue.initial()
    ue.install()
    assert ue.answer(wrong=True)["status"] == 403
    came = len(scscf.requests)
    assert ue.request()["status"] == 0
    assert gateway.drops()["temporary"] > before and len(scscf.requests) == came


def test_rule_28_a_registration_in_a_victims_name_on_ones_own_ports_gives_no_identity(new_ue, scscf):
    """The victim's temporary set has the ports of the thief's set; what comes on the latter is the thief's."""
    victim, thief = new_ue(), new_ue()
    register(victim)
    register(thief)
    attempt = f'Digest username="{victim.impi}", realm="x", nonce="%s", uri="sip:x", response="%s"'
    answer = thief.initial(authorization=attempt % ("", ""))
    assert answer["status"] == 401
    nonce = re.search(r'nonce="(.*?)"', answer["text"])[1]
    answers, came = [], len(scscf.requests)
    fails = threading.Thread(target=lambda: answers.append(thief.request(method="REGISTER", headers=[
        ("Authorization", attempt % (nonce, "00"))])))
    fails.start()
    time.sleep(0.5)
    assert thief.request()["status"] == 200
    fails.join()
    assert answers[0]["status"] == 403
    assert [r.get("P-Asserted-Identity") for r in scscf.requests[came:]] == [f"<sip:{thief.impi}>"]


def test_rule_22_a_failed_registration_attempt_leaves_the_established_set_alone(new_ue, gateway, scscf):
    ue = new_ue()
    register(ue)
    before, = sets_of(gateway, ue)
    stranger = new_ue()
    attempt = f'Digest username="{ue.impi}", realm="x", nonce="", uri="sip:x", response=""'
    assert stranger.initial(authorization=attempt)["status"] == 401
    assert {s["state"] for s in sets_of(gateway, ue)} == {"established", "temporary"}
    assert ue.request()["status"] == 200
    assert before["set_id"] in [s["set_id"] for s in sets_of(gateway, ue)]
    assert scscf.originate(ue.impi).status == 200


def test_a_set_of_another_subscriber_cannot_carry_a_register(new_ue, scscf, phone):
    victim, thief = new_ue(), new_ue()
    register(victim)
    register(thief)
    came = len(scscf.requests)
    phone.call(thief.subscriber, "take_identity", {"impi": victim.impi})
    assert thief.reregister()["status"] == 403
    assert len(scscf.requests) == came


def test_an_answer_to_a_resynchronisation_is_taken(new_ue, gateway, scscf):
    ue = new_ue()
    ue.set_sqn(sqn=1 << 20)
    answer = ue.initial()
    assert answer["status"] == 401 and answer["resynchronised"]
    assert len(sets_of(gateway, ue)) == 1, "rule 15: the second challenge replaced the first one's set"
    ue.install()
    assert ue.answer()["status"] == 200
    assert scscf.registrations[ue.impi].sqn > 1 << 20


@pytest.mark.parametrize("family", [4, 6])
def test_rule_3_rport_does_not_draw_responses_to_port_uc(new_ue, family):
    ue = new_ue(family=family, via=";rport")
    ue.initial()
    ue.install()
    assert ue.answer()["status"] == 200
    answer = ue.request()
    assert answer["status"] == 200 and answer["source_port"] in PORTS_PC


# Whatever fails: no key on the access side (a fixture looks), and the phone hears 504

def assert_504(ue):
    answer = ue.initial()
    assert answer["status"] == 504, answer
    assert "WWW-Authenticate" not in answer["text"] and "Security-Server" not in answer["text"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_without_control_a_challenge_becomes_504(new_ue, gateway, transport):
    gateway.control.kill()
    try:
        assert_504(new_ue(transport=transport))
    finally:
        gateway.control.start()
        wait_until_serving(gateway)
    register(new_ue(transport=transport))


def test_a_control_that_does_not_answer_makes_504(new_ue, gateway):
    os.kill(gateway.control.pid(), signal.SIGSTOP)
    try:
        assert_504(new_ue())
    finally:
        os.kill(gateway.control.pid(), signal.SIGCONT)
    register(new_ue())


def test_a_data_plane_that_does_not_run_makes_504_at_once(new_ue, gateway, phone):
    ue = new_ue()
    gateway.dataplane.stop()
    done = None
    try:
        done = gateway.bgfctl("show", "gateway")
    finally:
        gateway.dataplane.start()
    assert done is not None
    wait_for(lambda: ue.initial()["status"] == 401, "the gateway works again", 60)


def test_a_200_that_cannot_be_confirmed_becomes_504(new_ue, gateway):
    ue = new_ue()
    ue.initial()
    ue.install()
    os.kill(gateway.control.pid(), signal.SIGSTOP)
    try:
        assert ue.answer()["status"] == 504
    finally:
        os.kill(gateway.control.pid(), signal.SIGCONT)
    wait_for(lambda: ue.register()["status"] == 200, "the phone registers once the gateway answers", 60)


def _www(directives):
    return "WWW-Authenticate", "Digest " + ", ".join(directives)


@pytest.mark.parametrize("status, dress", [
    (401, lambda d: (401, [("www-authenticate", "digest " + ",".join(d))])),
    (401, lambda d: (401, [_www(d[::-1])])),
    (401, lambda d: (401, [("WWW-Authenticate", "Digest " + ",\r\n\t".join(d))])),
    (401, lambda d: (401, [_www([d[0], d[1], *(text.replace("=", " = ").upper() for text in d[4:]), d[2]])])),
    (401, lambda d: (401, [_www(d), ("Proxy-Authenticate", "Digest " + ", ".join(d))])),
    (401, lambda d: (401, [_www(d), ("WWW-Authenticate", 'Basic realm="x"')])),
    (401, lambda d: (401, [_www(d[:4]), _www(d)])),
    (504, lambda d: (401, [_www(d[:4])])),
    (504, lambda d: (401, [_www([*d[:4], d[4][:-3] + '"', d[5]])])),
    (504, lambda d: (401, [])),
    (504, lambda d: (407, [("Proxy-Authenticate", "Digest " + ", ".join(d))]))])
def test_however_a_challenge_is_written_its_keys_stay_here(new_ue, scscf, status, dress):
    ue = new_ue()
    scscf.dress = dress
    answer = ue.initial()
    assert answer["status"] == status, answer
    if status == 401:
        ue.install()
        assert ue.answer()["status"] == 200


def test_a_challenge_to_another_request_than_register_loses_its_keys_too(new_ue, scscf):
    ue = new_ue()
    register(ue)
    secret = 'Digest realm="x", nonce="eA==", algorithm=AKAv1-MD5, ik="00112233445566778899aabbccddeeff"'
    scscf.refuse_others = 407, [("Proxy-Authenticate", secret)]
    answer = ue.request()
    assert answer["status"] == 407 and "Proxy-Authenticate" not in answer["text"]
    scscf.refuse_others = 407, [("Proxy-Authenticate", 'Digest realm="x", nonce="eA=="')]
    answer = ue.request()
    assert answer["status"] == 407 and "Proxy-Authenticate" in answer["text"]


def test_an_scscf_that_does_not_answer_makes_504(new_ue, scscf):
    scscf.mute = True
    assert_504(new_ue(wait=60))


@pytest.mark.parametrize("broken", [{"BGF_LIBZB": "/nonexistent/libzb.so"}, {"BGF_ZB": "/nonexistent/zb.sock"},
                                    {"BGF_WAIT_MS": "no number"}, {"BGF_NAME": "no such peer"}])
def test_a_fault_in_the_module_makes_504(new_ue, lab, folder, gateway, kamailio, broken):
    kamailio.stop()
    try:
        faulty = Kamailio(lab, folder, gateway.zb, **broken)
        try:
            faulty.start()
            assert_504(new_ue())
        finally:
            faulty.stop()  # it has the ports of the good one
    finally:
        kamailio.start()
    register(new_ue())


@pytest.mark.parametrize("cause, retry_after_ms, wanted", [
    ("OVERLOAD", 2000, "2"), ("OVERLOAD", 2001, "3"), ("OVERLOAD", 1, "1"), ("TABLE_FULL", None, None)])
def test_a_gateway_that_takes_no_more_makes_503_and_says_when_it_may(new_ue, lab, folder, kamailio, cause,
                                                                     retry_after_ms, wanted):
    kamailio.stop()
    try:
        with RefusingGateway(os.path.join(folder, "refusing.sock"), cause, retry_after_ms) as refusing:
            turned_away = Kamailio(lab, folder, refusing.path)
            try:
                turned_away.start()
                answer = new_ue().initial()
            finally:
                turned_away.stop()
    finally:
        kamailio.start()
    assert answer["status"] == 503 and "WWW-Authenticate" not in answer["text"]
    assert re.findall(r"Retry-After: (.*?)\r?\n", answer["text"]) == ([wanted] if wanted else [])


def test_a_late_challenge_without_a_transaction_goes_nowhere(new_ue, scscf, access, kamailio):
    ue = new_ue(wait=6)
    scscf.mute = True
    since = time.monotonic()
    assert ue.initial()["status"] in (0, 504)
    kamailio.restart()
    scscf.mute = False
    request = next(r for r in reversed(scscf.heard) if r.method == "REGISTER")
    begin = time.monotonic()
    scscf.send_answer(request)
    time.sleep(1)
    assert access.packets(since)
    assert not [p for p in access.packets(begin) if b"SIP/2.0 401" in p.payload]


BROKEN = {"status": lambda text: text.replace("401", "4O1"), "end": lambda text: text[:text.index("ik=") + 30],
          "to": lambda text: text.replace("To: <", "To: <<")}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_challenge_that_is_broken_is_not_logged(lab, kamailio, broken):
    key, begin = os.urandom(16).hex(), len(kamailio.log())
    challenge = "\r\n".join([
        "SIP/2.0 401 Unauthorized", f"Via: SIP/2.0/UDP {CORE4}:5060;branch=z9hG4bKx", "From: <sip:a@b>;tag=1",
        "To: <sip:a@b>;tag=2", "Call-ID: 1", "CSeq: 1 REGISTER", f'WWW-Authenticate: Digest nonce="eA==", ik="{key}"',
        "Content-Length: 0", "", ""])
    with inside(lab.core), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(BROKEN[broken](challenge).encode(), (CORE4, 5060))
    time.sleep(0.3)
    assert key not in kamailio.log()[begin:]


def test_requests_to_an_unknown_contact_get_480_and_leave_no_plain_packet(new_ue, scscf, access):
    ue = new_ue()
    register(ue)
    registration = scscf.registrations[ue.impi]
    registration.contact = registration.contact.replace("10.45.0.2", "10.45.0.99")
    begin = time.monotonic()
    assert scscf.originate(ue.impi).status == 480
    assert not [p for p in access.packets(begin) if p.sport in (PORT_PS, *PORTS_PC)]
