# SPDX-License-Identifier: BSD-3-Clause
"""INSTALL, CONFIRM and RELEASE as a good P-CSCF uses them, and every way of getting them wrong: a cause, the
attribute, and nothing changed."""
import time

import pytest

from support import KEYS, a_set, install, wait_for
from zbwire import Zb, ZbRefused

SETTINGS = {"dataplane.capacity": "8", "control.await_auth_s": "8"}

MUST = ("REFERENCE", "SUBSCRIBER", "UE_ADDRESS", "SERVED_ADDRESS", "PORT_UC", "PORT_US", "PORT_PC", "PORT_PS",
        "SPI_UC", "SPI_US", "ALG", "IK")


def refused(zb, message, **attributes):
    """(cause, attribute); the sets are the same before and after."""
    before = picture(zb)
    with pytest.raises(ZbRefused) as refusal:
        zb.call(message, **attributes)
    assert picture(zb) == before
    return refusal.value.cause, refusal.value.attribute


def picture(zb):
    return sorted((row["SET_ID"], row["STATE"], row["PORT_UC"], row["SPI_PS"]) for row in zb.query())


@pytest.mark.parametrize("family", [4, 6])
def test_install_gives_the_gateways_spis(zb, family):
    row = install(zb, family=family)
    assert row["STATE"] == 1 and row["NAME"] == "pcscf1"
    assert row["SPI_PS"] > 255 and row["SPI_PC"] > 255
    assert len({row["SPI_PS"], row["SPI_PC"], row["SPI_UC"], row["SPI_US"]}) == 4
    assert len(row["FINGERPRINT"]) == 8 and "IK" not in row


@pytest.mark.parametrize("name", MUST)
def test_each_attribute_that_install_needs(zb, name):
    request = {"REFERENCE": zb.reference()} | a_set() | {name: None}
    assert refused(zb, "INSTALL", **request) == ("MISSING_ATTRIBUTE", name)


@pytest.mark.parametrize("changes, expected", [
    # rule 5: SPIs 0 to 255 are reserved; rule 4: the UE's two differ
    ({"SPI_UC": 0}, ("BAD_SPI", "SPI_UC")),
    ({"SPI_UC": 255}, ("BAD_SPI", "SPI_UC")),
    ({"SPI_US": 1}, ("BAD_SPI", "SPI_US")),
    ({"SPI_UC": 4711, "SPI_US": 4711}, ("BAD_SPI", "SPI_US")),
    # rule 7: ports of the P-CSCF are never unprotected ones, and pairs differ
    ({"PORT_UC": 0}, ("BAD_PORT", "PORT_UC")),
    ({"PORT_US": 0}, ("BAD_PORT", "PORT_US")),
    ({"PORT_PC": 0}, ("BAD_PORT", "PORT_PC")),
    ({"PORT_PS": 0}, ("BAD_PORT", "PORT_PS")),
    ({"PORT_UC": 20000, "PORT_US": 20000}, ("BAD_PORT", "PORT_US")),
    ({"PORT_PC": 6062}, ("BAD_PORT", "PORT_PC")),
    ({"PORT_PC": 5060}, ("BAD_PORT", "PORT_PC")),
    ({"PORT_PS": 5060}, ("BAD_PORT", "PORT_PS")),
    # rules 11 to 13: other algorithms are refused by name
    ({"ALG": 0}, ("BAD_ALGORITHM", "ALG")),
    ({"ALG": 2}, ("BAD_ALGORITHM", "ALG")),
    ({"ALG": 255}, ("BAD_ALGORITHM", "ALG")),
    ({"EALG": 1}, ("BAD_ALGORITHM", "EALG")),
    ({"MOD": 1}, ("BAD_ALGORITHM", "MOD")),
    ({"IK": bytes(15)}, ("BAD_VALUE", "IK")),
    ({"IK": bytes(17)}, ("BAD_VALUE", "IK")),
    ({"IK": b""}, ("BAD_VALUE", "IK")),
    ({"CK": bytes(15)}, ("BAD_VALUE", "CK")),
    ({"UE_ADDRESS": "fd00:45::2"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "10.50.0.1"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "0.0.0.0"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "127.0.0.1"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "224.0.0.5"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "255.255.255.255"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "fe80::1", "SERVED_ADDRESS": "fd00:50::1"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"UE_ADDRESS": "fd00:50::1", "SERVED_ADDRESS": "fd00:50::1"}, ("BAD_ADDRESS", "UE_ADDRESS")),
    ({"SERVED_ADDRESS": "10.50.0.2"}, ("NOT_SERVED", "SERVED_ADDRESS")),
    ({"REFERENCE": 0}, ("BAD_VALUE", "REFERENCE")),
    ({"AWAIT_AUTH": 0}, ("BAD_VALUE", "AWAIT_AUTH")),
    ({"AWAIT_AUTH": 3601}, ("BAD_VALUE", "AWAIT_AUTH")),
    ({"FLAGS": 8}, ("BAD_VALUE", "FLAGS")),
    ({"SUBSCRIBER": ""}, ("BAD_VALUE", "SUBSCRIBER")),
])
def test_a_bad_install_is_refused_by_name(zb, changes, expected):
    request = {"REFERENCE": zb.reference()} | a_set() | changes
    assert refused(zb, "INSTALL", **request) == expected


def test_rule_6_ports_in_use_are_refused_by_name(zb):
    install(zb)
    other = {"SUBSCRIBER": "another@ims.example.org", "SPI_UC": 0x3000000, "SPI_US": 0x3000001}
    request = {"REFERENCE": zb.reference()} | a_set(**other, PORT_US=31000)
    assert refused(zb, "INSTALL", **request) == ("PORT_IN_USE", "PORT_UC")
    request = {"REFERENCE": zb.reference()} | a_set(**other, PORT_UC=21000)
    assert refused(zb, "INSTALL", **request) == ("PORT_IN_USE", "PORT_US")
    install(zb, **other, PORT_UC=21000, PORT_US=31000)


@pytest.mark.parametrize("name", ["SPI_UC", "SPI_US"])
def test_rule_4_an_spi_of_another_set_of_this_phone_is_in_use(zb, name):
    row = install(zb)
    other = {"SUBSCRIBER": "another@ims.example.org", "PORT_UC": 21000, "PORT_US": 31000, "SPI_UC": 0x3000000,
             "SPI_US": 0x3000001, name: row["SPI_US"]}
    request = {"REFERENCE": zb.reference()} | a_set(**other)
    assert refused(zb, "INSTALL", **request) == ("SPI_IN_USE", name)
    install(zb, **(other | {"UE_ADDRESS": "10.45.99.1"}))  # another phone may have chosen the same


def test_rule_6_a_rebooted_phone_replaces_its_set_at_confirm(zb):
    old = install(zb)
    zb.call("CONFIRM", SET_ID=old["SET_ID"], REFERENCE=zb.reference(), EXPIRES=600)
    new = install(zb, SPI_UC=0x3000000, SPI_US=0x3000001, FLAGS=4)
    assert {row["SET_ID"] for row in zb.query()} == {old["SET_ID"], new["SET_ID"]}
    zb.call("CONFIRM", SET_ID=new["SET_ID"], REFERENCE=zb.reference(), EXPIRES=600)
    assert [row["SET_ID"] for row in zb.query()] == [new["SET_ID"]]


def confirmed(zb, number, **changes):
    row = install(zb, number, SUBSCRIBER="one@ims.example.org", **changes)
    zb.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), EXPIRES=600)
    return row["SET_ID"]


def test_rule_6_to_a_fourth_set_gives_way_what_the_ue_has_left(zb):
    oldest, between, newest = (confirmed(zb, number) for number in range(3))
    fourth = install(zb, 3, SUBSCRIBER="one@ims.example.org")["SET_ID"]
    assert {row["SET_ID"] for row in zb.query()} == {oldest, newest, fourth}, f"{between} was to go"


def test_rule_6_three_sets_that_a_ue_may_be_on_and_no_fourth(zb):
    confirmed(zb, 0, FLAGS=2)
    confirmed(zb, 1, FLAGS=2)
    confirmed(zb, 2)
    request = {"REFERENCE": zb.reference()} | a_set(3, SUBSCRIBER="one@ims.example.org")
    assert refused(zb, "INSTALL", **request) == ("TOO_MANY_SETS", "SUBSCRIBER")


def test_rule_15_a_new_challenge_ends_the_temporary_sets_before(zb):
    first = install(zb, SUBSCRIBER="one@ims.example.org")
    second = install(zb, 1, SUBSCRIBER="one@ims.example.org")
    assert first["SET_ID"] != second["SET_ID"]
    assert [row["SET_ID"] for row in zb.query()] == [second["SET_ID"]]


def test_rule_15_another_registration_is_left_alone(zb):
    install(zb, SUBSCRIBER="one@ims.example.org")
    install(zb, 1, SUBSCRIBER="one@ims.example.org", REGISTRATION_ID="emergency")
    assert len(zb.query()) == 2


def test_a_full_table_is_refused_by_name(zb):
    for number in range(8):
        install(zb, number)
    request = {"REFERENCE": zb.reference()} | a_set(8)
    assert refused(zb, "INSTALL", **request)[0] == "TABLE_FULL"
    zb.call("RELEASE", SET_ID=zb.query()[0]["SET_ID"], REFERENCE=zb.reference(), DRAIN=0)
    install(zb, 8)


def test_the_same_reference_with_the_same_content_has_one_effect(zb):
    request = {"REFERENCE": zb.reference()} | a_set()
    first = zb.call("INSTALL", **request)["SET"][0]
    again = zb.call("INSTALL", **request)["SET"][0]
    assert (first["SET_ID"], first["SPI_PS"]) == (again["SET_ID"], again["SPI_PS"])
    assert len(zb.query()) == 1


@pytest.mark.parametrize("changes", [{"PORT_UC": 21000}, {"SPI_UC": 0x3000000}, {"IK": KEYS.new()},
                                     {"SUBSCRIBER": "another@ims.example.org"}, {"FLAGS": 1}])
def test_the_same_reference_with_another_content_is_refused(zb, changes):
    request = {"REFERENCE": zb.reference()} | a_set()
    zb.call("INSTALL", **request)
    assert refused(zb, "INSTALL", **(request | changes)) == ("REFERENCE_CLASH", "REFERENCE")


def test_rule_18_confirm_establishes_for_expires_and_30_s(zb):
    row = install(zb)
    row = zb.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), EXPIRES=600)["SET"][0]
    assert row["STATE"] == 2
    assert 610_000 < row["REMAINING"] <= 630_000


def test_rule_19_confirm_again_only_extends(zb):
    row = install(zb)
    for expires in (600, 900):
        row = zb.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), EXPIRES=expires)["SET"][0]
    assert 910_000 < row["REMAINING"] <= 930_000
    shorter = zb.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), EXPIRES=60)["SET"][0]
    assert shorter["REMAINING"] > 700_000  # rule 18: the longer


def test_confirm_with_the_same_reference_does_not_extend_twice(zb):
    row = install(zb)
    reference = zb.reference()
    first = zb.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=reference, EXPIRES=600)["SET"][0]
    time.sleep(0.1)
    again = zb.call("CONFIRM", SET_ID=row["SET_ID"], REFERENCE=reference, EXPIRES=600)["SET"][0]
    assert again["REMAINING"] <= first["REMAINING"]
    assert refused(zb, "CONFIRM", SET_ID=row["SET_ID"], REFERENCE=reference, EXPIRES=601) == (
        "REFERENCE_CLASH", "REFERENCE")


def test_a_set_that_is_none(zb):
    for message, more in (("CONFIRM", {"EXPIRES": 600}), ("RELEASE", {"DRAIN": 0})):
        assert refused(zb, message, SET_ID=0x123456789, REFERENCE=zb.reference(), **more) == ("UNKNOWN_SET", "SET_ID")


def test_a_draining_set_is_in_no_state_to_be_confirmed(zb):
    row = install(zb)
    zb.call("RELEASE", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), DRAIN=60)
    assert zb.query()[0]["STATE"] == 4
    assert refused(zb, "CONFIRM", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), EXPIRES=600) == (
        "BAD_STATE", "SET_ID")


def test_rule_23_a_released_set_drains_for_the_time_named(zb):
    row = install(zb)
    zb.call("RELEASE", SET_ID=row["SET_ID"], REFERENCE=zb.reference(), DRAIN=6)
    assert [r["STATE"] for r in zb.query()] == [4]
    wait_for(lambda: not zb.query(), "the drained set is gone")


def test_release_names_one_set_or_all(zb):
    assert refused(zb, "RELEASE", REFERENCE=zb.reference(), DRAIN=0) == ("MISSING_ATTRIBUTE", "SET_ID")


def test_rule_14_a_temporary_set_ends_and_its_pcscf_is_told(gateway, zb):
    events = Zb(gateway.zb, "pcscf1", zb.instance_id)
    zb.call("HEARTBEAT")
    events.call("SUBSCRIBE", EVENTS=0xffffffff)
    row = install(zb, AWAIT_AUTH=1)
    default = install(zb, 1)
    wait_for(lambda: events.call("HEARTBEAT") and events.events, "an event", step=0.1)
    kind, told = events.events[0]
    assert kind == "EXPIRED" and told["SET"][0]["SET_ID"] == row["SET_ID"]
    assert [r["SET_ID"] for r in zb.query()] == [default["SET_ID"]]
    wait_for(lambda: not zb.query(), "the other one after control.await_auth_s", 60)
    events.close()


def test_query_by_set_subscriber_and_address(zb):
    rows = [install(zb, number) for number in range(3)]
    one = rows[1]
    for question in ({"SET_ID": one["SET_ID"]}, {"SUBSCRIBER": one["SUBSCRIBER"]},
                     {"UE_ADDRESS": one["UE_ADDRESS"]},
                     {"UE_ADDRESS": one["UE_ADDRESS"], "PORT_UE": one["PORT_UC"], "PORT_LOCAL": 6062},
                     {"UE_ADDRESS": one["UE_ADDRESS"], "PORT_UE": one["PORT_US"], "PORT_LOCAL": 6060}):
        assert [row["SET_ID"] for row in zb.query(**question)] == [one["SET_ID"]], question
    assert zb.query(UE_ADDRESS=one["UE_ADDRESS"], PORT_UE=1) == []
    assert zb.query(SUBSCRIBER="nobody@ims.example.org") == []
    assert zb.query(SUBSCRIBER=one["SUBSCRIBER"], REGISTRATION_ID="emergency") == []
    assert len(zb.query(LIMIT=1)) == 3  # in three answers


def test_an_observer_changes_nothing(gateway, zb):
    row = install(zb)
    observer = Zb(gateway.zb, "watcher", role=1)
    assert refused(observer, "INSTALL", **({"REFERENCE": 1} | a_set(1)))[0] == "NOT_ALLOWED"
    assert refused(observer, "CONFIRM", SET_ID=row["SET_ID"], REFERENCE=2, EXPIRES=600)[0] == "NOT_ALLOWED"
    assert refused(observer, "RELEASE", SET_ID=row["SET_ID"], REFERENCE=3, DRAIN=0)[0] == "NOT_ALLOWED"
    observer.close()


def test_an_operator_releases_any_set(gateway, zb, operator):
    row = install(zb)
    operator.call("RELEASE", SET_ID=row["SET_ID"], REFERENCE=operator.reference(), DRAIN=0)
    assert zb.query() == []
