# SPDX-License-Identifier: BSD-3-Clause
"""What may come in the clear (rules 25, 26, 29), how much of it, and what a temporary set carries (rule 16)."""
import time

import pytest

from deploy.lab import netns
from hostile import one_hop_on, plain, protect, sip
from support import wait_for

SETTINGS = {"dataplane.clear_rate": "100", "dataplane.clear_burst": "100", "control.await_auth_s": "600"}
BURST, RATE = 100, 100

DIGEST = 'Authorization: Digest username="ue@example.org", realm="example.org", uri="sip:example.org", '
VERIFY = "Security-Verify: ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1001;spi-s=1002;port-c=6060;port-s=6062"

# Rule 29: what has an answer to a challenge in it, however it is written.
ANSWERS = {
    "response": DIGEST + 'nonce="a", response="00112233445566778899aabbccddeeff"',
    "response_first": 'Authorization: Digest response="00112233445566778899aabbccddeeff", nonce="a"',
    "response_spaced": DIGEST + 'nonce="a", response = "00112233445566778899aabbccddeeff"',
    "response_upper_case": DIGEST + 'nonce="a", RESPONSE="00112233445566778899aabbccddeeff"',
    "response_folded": DIGEST + 'nonce="a",\r\n response="00112233445566778899aabbccddeeff"',
    "header_upper_case": DIGEST.upper() + 'NONCE="A", RESPONSE="00112233445566778899AABBCCDDEEFF"',
    "header_spaced": DIGEST.replace(":", " \t:", 1) + 'nonce="a", response="00112233445566778899aabbccddeeff"',
    "proxy_authorization": "Proxy-" + DIGEST + 'nonce="a", response="00112233445566778899aabbccddeeff"',
    "empty_then_full": DIGEST + 'nonce="", response=""\r\n' + DIGEST + 'nonce="a", response="0011223344556677"',
    "auts_in_another_header": "X-Note: auts=1\r\n" + DIGEST + 'nonce="a", response="00112233445566778899aabbccddeeff"',
    "verify": VERIFY,
    "verify_lower_case": VERIFY.lower(),
    "verify_spaced": VERIFY.replace(":", " :", 1),
    "verify_with_empty_response": DIGEST + 'nonce="", response=""\r\n' + VERIFY,
}
# And what has none: the first REGISTER of an IMS UE, a resynchronisation, a plain one.
NO_ANSWERS = {
    "empty_response": DIGEST + 'nonce="", response=""',
    "auts": DIGEST + 'nonce="a", response="00112233445566778899aabbccddeeff", auts="5PYxMuX2NOT2NeQ="',
    "auts_first": DIGEST + 'auts="5PYxMuX2NOT2NeQ=", nonce="a", response="00112233445566778899aabbccddeeff"',
    "none": "Expires: 600000",
    "client_only": VERIFY.replace("Verify", "Client"),
    "verify_in_a_value": "Subject: what is a Security-Verify: header",
}
HOSTS = iter(range(100, 250))


def clear(ue, data, transport="udp", port=5060):
    return plain(ue.address, ue.served, 5070, port, data, transport)


@pytest.fixture
def ue(field, family):
    """A source that has not sent yet, without a set."""
    return field.ue(family, next(HOSTS))


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("transport", ("udp", "tcp"))
@pytest.mark.parametrize("header", ANSWERS.values(), ids=ANSWERS)
def test_rule_29_an_answer_in_the_clear_is_dropped(field, ue, transport, header):
    with field.dropped("access", clear_auth=1):
        field.access.send(clear(ue, sip("REGISTER", header), transport))


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("transport", ("udp", "tcp"))
@pytest.mark.parametrize("header", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_rule_29_a_register_without_an_answer_passes(field, ue, transport, header):
    packet = clear(ue, sip("REGISTER", header), transport)
    with field.dropped("access", to_core=1) as out:
        field.access.send(packet)
    assert out.core == [one_hop_on(packet)]


@pytest.mark.parametrize("family", (4, 6))
def test_rule_29_a_second_message_in_one_segment(field, ue):
    """Over TCP an innocent REGISTER may go before the one that answers, or an empty line."""
    answer = sip("REGISTER", ANSWERS["response"])
    with field.dropped("access", clear_auth=2):
        field.access.send(clear(ue, sip("REGISTER") + answer, "tcp"), clear(ue, b"\r\n\r\n" + answer, "tcp"))


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("transport", ("udp", "tcp"))
def test_rule_25_the_unprotected_port_is_open_both_ways(field, ue, transport):
    there = clear(ue, sip("OPTIONS"), transport)
    back = plain(ue.served, ue.address, 5060, 5070, b"SIP/2.0 200 OK\r\n\r\n", transport)
    with field.dropped(to_core=1, to_access=1) as out:
        field.access.send(there)
        field.core.send(back)
    assert out.core == [one_hop_on(there)] and out.access == [one_hop_on(back)]


@pytest.mark.parametrize("family", (4, 6))
def test_rule_26_a_ue_with_a_set_may_come_in_the_clear(field, ue):
    ue.establish()
    packet = clear(ue, sip("REGISTER"))
    with field.dropped(to_core=1) as out:
        field.access.send(packet)
    assert out.core == [one_hop_on(packet)]


@pytest.mark.parametrize("family", (4,))
def test_a_v4_datagram_without_a_checksum_passes(field, ue):
    packet = plain(ue.address, ue.served, 5070, 5060, sip("OPTIONS"), l4={"chksum": 0})
    with field.dropped(to_core=1) as out:
        field.access.send(packet)
    assert out.core == [one_hop_on(packet)]


# Rule 16

METHODS = ("INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "ACK", "BYE", "NOTIFY", "PUBLISH", "UPDATE", "PRACK",
           "REFER", "INFO", "CANCEL", "REGISTERS", "REGISTE", "X-NEW.METHOD")
NO_REQUEST = {
    "register": sip("REGISTER"),
    "register_after_crlf": b"\r\n\r\n" + sip("REGISTER"),
    "crlf": b"\r\n", "double_crlf": b"\r\n\r\n", "nothing": b"", "nul": b"\0",
    "sigcomp": b"\xf8" + bytes(range(60)), "response": b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "middle_of_a_stream": b"ains: sip:a@b\r\nContent-Length: 0\r\n\r\n", "binary": bytes(range(256)),
}


@pytest.fixture(scope="module")
def temporary(field):
    return {family: field.ue(family, 30).install() for family in (4, 6)}


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("transport", ("udp", "tcp"))
@pytest.mark.parametrize("method", METHODS)
def test_rule_16_a_temporary_set_carries_no_other_request(field, temporary, family, transport, method):
    ue = temporary[family]
    requests = [sip(method), b"\r\n\r\n" + sip(method), sip(method, target="sip:" + "x" * 800)]
    with field.dropped("access", temporary=2 * len(requests)):
        for data in requests:
            for sa in ("ps", "pc"):
                field.access.send(protect(ue.inner(data, sa, transport), ue.spi(sa), ue.next(sa), ue.key))


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("transport", ("udp", "tcp"))
@pytest.mark.parametrize("data", NO_REQUEST.values(), ids=NO_REQUEST)
def test_rule_16_what_a_temporary_set_carries(field, temporary, family, transport, data):
    with field.dropped("access", to_core=1):
        temporary[family].passes(data, transport=transport)


@pytest.mark.parametrize("family", (4, 6))
def test_rule_16_tcp_control_passes(field, temporary, family):
    for flags in ("S", "A", "SA", "F", "FA", "R", "RA"):
        with field.dropped("access", to_core=1):
            temporary[family].passes(b"", transport="tcp", l4={"flags": flags})


@pytest.mark.parametrize("family", (4, 6))
def test_rule_16_answers_go_out_on_a_temporary_set(field, temporary, family):
    for transport in ("udp", "tcp"):
        for sa in ("us", "uc"):
            with field.dropped("core", to_access=1):
                temporary[family].reached(b"SIP/2.0 401 Unauthorized\r\n\r\n", sa, transport)


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("transport", ("udp", "tcp"))
def test_rule_16_no_request_goes_out_on_a_temporary_set(field, temporary, family, transport):
    ue = temporary[family]
    for sa in ("us", "uc"):
        with field.dropped("core", temporary=2):
            field.core.send(ue.from_core(sip("INVITE"), sa, transport), ue.from_core(sip("NOTIFY"), sa, transport))


@pytest.mark.parametrize("family", (4, 6))
def test_rule_18_after_confirm_every_request_passes(field, family):
    ue = field.ue(family, 31).install()
    with field.dropped("access", temporary=1):
        field.access.send(protect(ue.inner(sip("INVITE")), ue.spi_ps, ue.next(), ue.key))
    ue.establish()
    for method in METHODS:
        with field.dropped("access", to_core=1):
            ue.passes(sip(method))


@pytest.mark.parametrize("family", (4, 6))
def test_clear_rate_is_per_source(field, ue):
    """A source has its burst and then its rate; the rest is `clear_rate=`, and its neighbour passes still."""
    before, begin, sent = field.drops(), time.monotonic(), 3 * BURST
    field.core.forget()
    packet = clear(ue, sip("OPTIONS"))
    for _ in range(sent):
        field.access.send(packet)
    field.settle()
    allowed = BURST + RATE * (time.monotonic() - begin) + 1

    def outcome():
        """What has passed, and what was dropped."""
        return len(field.core.received()), {key: value - before.get(key, 0) for key, value in field.drops().items()
                                            if value != before.get(key, 0)}
    wait_for(lambda: outcome()[0] + sum(outcome()[1].values()) >= sent, "every packet has passed or was dropped")
    passed, lost = outcome()
    assert BURST <= passed <= allowed and lost == {("access", "clear_rate"): sent - passed}
    other = field.ue(ue.family, next(HOSTS))
    if ue.family == 6:  # a source is a /64: who has one has all of it
        other.address = "fd00:46::2"
        netns.run("ip", "-n", field.lab.tap, "route", "replace", "fd00:46::/64", "dev", "bgf-acc")
        field.core.forget()

        def is_known():  # the route, to the data plane, which hears of it by itself
            field.access.send(clear(other, sip("OPTIONS")))
            return field.core.wait(lambda _frames: field.core.received(), 0.2)
        wait_for(is_known, "the new route is known")
        field.settle()
    with field.dropped(to_core=1):
        field.access.send(clear(other, sip("OPTIONS")))
