# SPDX-License-Identifier: BSD-3-Clause
"""Zb frames that no good client sends: each has its cause, and nobody else notices."""
import struct
import time

import pytest

import zbwire
from support import Raw, a_set, install, refusal, wait_for
from zbwire import ATTRIBUTE, attribute, frame

FRAME_S = 4  # for a frame: longer than a machine that others use stands still
SETTINGS = {"control.frame_timeout_s": str(FRAME_S), "control.connections_max": "8"}

HELLO = {"NAME": "raw", "INSTANCE_ID": 7, "ROLE": 1}


def header(version=1, kind=2, flags=0, length=12, txn=1):
    return zbwire.HEADER.pack(version, kind, flags, length, txn)


@pytest.mark.parametrize("octets, cause", [
    (header(version=0), "BAD_VERSION"),
    (header(version=2), "BAD_VERSION"),
    (header(version=255, length=0), "BAD_VERSION"),
    (header(length=0), "MALFORMED"),
    (header(length=11), "MALFORMED"),
    (header(length=65537), "MALFORMED"),
    (header(length=0xffffffff), "MALFORMED"),
    (header(flags=4), "MALFORMED"),
    (header(length=13) + b"\0", "MALFORMED"),
    (header(length=15) + b"\0\4\0", "MALFORMED"),
    (header(length=17) + b"\x80\x04\x00\x02\x00", "MALFORMED"),
    (header(length=16) + b"\x80\x04\xff\xff", "MALFORMED"),
])
def test_a_frame_that_is_none_closes_the_association(gateway, octets, cause):
    with Raw(gateway.zb, hello="raw") as raw:
        raw.send(octets)
        assert refusal(raw.answer()) == (cause, None)
        assert raw.is_closed()


@pytest.mark.parametrize("flags", [zbwire.ANSWER, zbwire.EVENT, zbwire.ANSWER | zbwire.EVENT])
def test_what_is_no_request_gets_no_answer(gateway, flags):
    """Or two gateways that are connected by mistake would answer each other for ever."""
    with Raw(gateway.zb, hello="raw") as raw:
        raw.send(header(kind=200, flags=flags) + raw.frame("HEARTBEAT"))
        answer = raw.answer()
        assert answer is None or answer["CAUSE"] == 0


def test_the_first_message_is_hello(gateway):
    with Raw(gateway.zb) as raw:
        assert raw.refused("QUERY")[0] == "NO_HELLO"


@pytest.mark.parametrize("kind", [0, 5, 15, 31, 63, 90, 255])
def test_an_unknown_message_is_refused_and_the_association_goes_on(gateway, kind):
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.refused(kind) == ("UNKNOWN_MESSAGE", None)
        assert raw.call("HEARTBEAT")["CAUSE"] == 0


@pytest.mark.parametrize("kind", ["EXPIRED", "FIRST_USED", "REMOVED", "EPOCH_LOST", "GAP", "SUPERSEDED"])
def test_an_event_is_no_request(gateway, kind):
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.refused(kind) == ("UNKNOWN_MESSAGE", None)
        assert raw.call("HEARTBEAT")["CAUSE"] == 0


@pytest.mark.parametrize("octets, expected", [
    (struct.pack("!HH", 0x8000 | 999, 0), ("UNKNOWN_ATTRIBUTE", None)),
    (attribute("IK", bytes(16)), ("UNKNOWN_ATTRIBUTE", "IK")),  # not of a QUERY
    (attribute("SET_ID", 1) * 2, ("DUPLICATE_ATTRIBUTE", "SET_ID")),
    (attribute("SET_ID", b"\0\0\0\1"), ("BAD_VALUE", "SET_ID")),
    (attribute("SET_ID", bytes(9)), ("BAD_VALUE", "SET_ID")),
    (attribute("SET_ID", b""), ("BAD_VALUE", "SET_ID")),
    (attribute("SET_ID", 0), ("BAD_VALUE", "SET_ID")),
    (attribute("SUBSCRIBER", b""), ("BAD_VALUE", "SUBSCRIBER")),
    (attribute("SUBSCRIBER", b"x" * 128), ("BAD_VALUE", "SUBSCRIBER")),
    (attribute("SUBSCRIBER", b"a\0b"), ("BAD_VALUE", "SUBSCRIBER")),
    (attribute("SUBSCRIBER", b"\xff\xfe"), ("BAD_VALUE", "SUBSCRIBER")),
    (attribute("UE_ADDRESS", bytes(5)), ("BAD_VALUE", "UE_ADDRESS")),
    (attribute("LIMIT", 0), ("BAD_VALUE", "LIMIT")),
    (attribute("LIMIT", 1025), ("BAD_VALUE", "LIMIT")),
])
def test_a_bad_attribute_is_named_and_the_association_goes_on(gateway, octets, expected):
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.refused("QUERY", octets) == expected
        assert raw.call("HEARTBEAT")["CAUSE"] == 0


def test_an_unknown_optional_attribute_is_ignored(gateway):
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.call("QUERY", struct.pack("!HH", 999, 3) + b"abc")["CAUSE"] == 0


@pytest.mark.parametrize("changes, expected", [
    ({"NAME": None}, ("MISSING_ATTRIBUTE", "NAME")),
    ({"INSTANCE_ID": None}, ("MISSING_ATTRIBUTE", "INSTANCE_ID")),
    ({"INSTANCE_ID": 0}, ("BAD_VALUE", "INSTANCE_ID")),
    ({"NAME": "x" * 32}, ("BAD_VALUE", "NAME")),
    ({"NAME": "a b"}, ("BAD_VALUE", "NAME")),
    ({"ROLE": 3}, ("BAD_VALUE", "ROLE")),
    ({"NAME": "stranger", "ROLE": 0}, ("NOT_ALLOWED", "NAME")),
])
def test_a_bad_hello(gateway, changes, expected):
    with Raw(gateway.zb) as raw:
        assert raw.refused("HELLO", HELLO | changes) == expected


def test_hello_twice_is_refused(gateway):
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.call("HELLO", HELLO)["CAUSE"] != 0


def test_half_a_frame_is_closed_after_the_time_for_a_frame(gateway):
    with Raw(gateway.zb, hello="raw") as raw:
        start = time.monotonic()
        raw.send(raw.frame("QUERY", attribute("SET_ID", 1))[:-1])
        while raw.answer() is not None:
            pass
        assert 0.9 * FRAME_S < time.monotonic() - start < FRAME_S + 30


def test_octets_that_trickle_do_not_win_time(gateway):
    with Raw(gateway.zb, hello="raw") as raw:
        octets = raw.frame("QUERY", attribute("SUBSCRIBER", b"x" * 100))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for octet in octets:
                raw.send(bytes([octet]))
                time.sleep(4 * FRAME_S / len(octets))


def test_a_connection_without_a_hello_is_closed(gateway):
    with Raw(gateway.zb) as raw:
        assert raw.is_closed()


def test_slow_and_split_frames_are_whole_frames(gateway):
    with Raw(gateway.zb) as raw:
        for octet in raw.frame("HELLO", HELLO):
            raw.send(bytes([octet]))
            time.sleep(0.001)  # all of it within the time for a frame
        assert raw.answer()["CAUSE"] == 0


def test_many_frames_in_one_write_are_answered_each_in_order(gateway):
    with Raw(gateway.zb, hello="raw") as raw:
        raw.send(b"".join(frame("HEARTBEAT", txn, b"") for txn in range(1000, 1200)))
        assert [raw.answer()["CAUSE"] for _ in range(200)] == [0] * 200


def test_a_client_that_does_not_read_is_not_waited_for(gateway, zb):
    install(zb)
    with Raw(gateway.zb, hello="raw") as raw:
        raw.socket.settimeout(4)
        try:
            while True:
                raw.send(b"".join(frame("QUERY", txn, b"") for txn in range(1, 2000)))
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        start = time.monotonic()
        assert len(zb.query()) == 1
        assert time.monotonic() - start < 20


def test_what_a_bad_client_does_costs_nobody_else_anything(gateway, zb):
    row = install(zb)
    for octets in (b"\xff" * 4096, header(length=65536), b"GET / HTTP/1.1\r\n\r\n", b"REGISTER sip:x SIP/2.0\r\n"):
        with Raw(gateway.zb) as raw:
            raw.send(octets)
    assert [found["SET_ID"] for found in zb.query()] == [row["SET_ID"]]


def connections(gateway):
    """How many bgf-control holds: it notices some time later that a client has closed one."""
    rows = map(str.split, gateway.lab.exec(gateway.lab.gw, "cat", "/proc/net/unix").splitlines())
    return sum(row[-1] == gateway.zb and row[3] == "00000000" for row in rows)  # no flags: not the one that listens


def test_connections_beyond_the_most_are_refused_by_name(gateway):
    wait_for(lambda: connections(gateway) == 0, "connections of the tests before are gone")
    opened = [Raw(gateway.zb) for _ in range(12)]
    try:
        causes = [zbwire.CAUSE[raw.call("HELLO", HELLO | {"NAME": "pcscf1", "ROLE": 0})["CAUSE"]] for raw in opened]
        assert causes == ["DONE"] * 8 + ["TOO_MANY_CONNECTIONS"] * 4
    finally:
        for raw in opened:
            raw.socket.close()
    wait_for(lambda: connections(gateway) == 0, "they are gone")
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.call("HEARTBEAT")["CAUSE"] == 0


def test_a_frame_of_the_greatest_size_is_taken(gateway):
    filler = struct.pack("!HH", 999, 0xfff0 - 4) + bytes(0xfff0 - 4)  # optional and unknown
    with Raw(gateway.zb, hello="raw") as raw:
        assert raw.call("QUERY", filler)["CAUSE"] == 0


def test_bye_closes_in_order_and_keeps_the_sets(gateway, zb, operator):
    row = install(zb)
    assert zb.call("BYE") is not None
    assert zb.socket.recv(1) == b""
    assert [found["SET_ID"] for found in operator.query()] == [row["SET_ID"]]
    zb.close()
    zb.call("HEARTBEAT")  # a new association, so that the set is released afterwards


def test_every_attribute_number_of_the_request_is_in_the_table():
    assert set(a_set()) <= set(ATTRIBUTE)
