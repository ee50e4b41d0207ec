# SPDX-License-Identifier: BSD-3-Clause
"""The parts of deploy/kamailio that need no Kamailio: libzb's structures by ctypes, the texts of the agreement, and the
cache of sets over a table that is only a dictionary. And Milenage, with which both ends of the lab authenticate."""
import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
import time
import types
from dataclasses import replace

import pytest

from deploy.lab.gateway import REPOSITORY, program
from deploy.lab.milenage import Subscriber, subscriber

sys.path.append(os.path.join(REPOSITORY, "deploy", "kamailio"))
TABLES = {}
sys.modules["KSR"] = types.SimpleNamespace(htable=types.SimpleNamespace(  # what sets.py takes of Kamailio
    sht_get=lambda table, key: TABLES.get((table, key)), sht_rm=lambda table, key: TABLES.pop((table, key), None),
    sht_sets=lambda table, key, value: TABLES.update({(table, key): value}),
    sht_setxs=lambda table, key, value, expires: TABLES.update({(table, key): value, ("expires", key): expires}),
    sht_reset=lambda table: [TABLES.pop(row) for row in list(TABLES) if row[0] == table]))
import secagree  # noqa: E402  (the path above comes first)
import sets  # noqa: E402
import zb  # noqa: E402

AGREED = {"spi-c": 1000, "spi-s": 2000, "port-c": 6060, "port-s": 6062}
SERVER = "ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;prot=esp;mod=trans;spi-c=1000;spi-s=2000;port-c=6060;port-s=6062"
CHALLENGE = 'nonce="bm9uY2U=", algorithm=AKAv1-MD5, qop="auth,auth-int"'
IK, CK = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"


def test_the_structures_are_those_of_zb_h(tmp_path):
    lines = []
    for name, structure in zb.STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, _ in structure._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));')
    source = tmp_path / "layout.c"
    source.write_text('#include <stdio.h>\n#include "zb.h"\nint main(void)\n{\n' +
                      "\n".join(lines) + "\nreturn 0;\n}\n")
    program = tmp_path / "layout"
    subprocess.run(["cc", "-I", os.path.join(REPOSITORY, "include"), str(source), "-o", str(program)], check=True)
    said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    found = {name: int(number) for name, number in (line.split() for line in said.splitlines())}
    wanted = {}
    for name, structure in zb.STRUCTURES.items():
        wanted[name] = ctypes.sizeof(structure)
        wanted |= {f"{name}.{field}": getattr(structure, field).offset for field, _ in structure._fields_}
    assert wanted == found


def test_the_numbers_are_those_of_the_headers(tmp_path):
    pairs = {"BGF_ALG_HMAC_SHA_1_96": zb.ALG_HMAC_SHA_1_96, "BGF_EALG_NONE": zb.EALG_NULL,
             "BGF_MOD_TRANS": zb.MOD_TRANS, "BGF_SET_TEMPORARY": zb.TEMPORARY, "BGF_SET_ESTABLISHED": zb.ESTABLISHED,
             "BGF_SET_SUPERSEDED": zb.SUPERSEDED, "BGF_SET_DRAINING": zb.DRAINING,
             "BGF_SET_BEGAN_UNPROTECTED": zb.BEGAN_UNPROTECTED, "BGF_SET_REPLACE": zb.REPLACE,
             "ZB_ROLE_PEER": zb.ROLE_PEER, "ZB_EVENT_EXPIRED": zb.EVENT_EXPIRED, "ZB_EVENT_REMOVED": zb.EVENT_REMOVED,
             "ZB_EVENT_FIRST_USED": zb.EVENT_FIRST_USED, "ZB_EVENT_EPOCH_LOST": zb.EVENT_EPOCH_LOST,
             "ZB_EVENT_GAP": zb.EVENT_GAP, "ZB_EVENT_SUPERSEDED": zb.EVENT_SUPERSEDED,
             "ZB_EVENT_SEQUENCE_LOW": zb.EVENT_SEQUENCE_LOW, "ZB_EVENT_ICV_FAILURES": zb.EVENT_ICV_FAILURES,
             "ZB_EVENT_REPLAYS": zb.EVENT_REPLAYS, "ZB_EVENT_UNKNOWN_SPI": zb.EVENT_UNKNOWN_SPI,
             "ZB_EVENT_OVERLOAD": zb.EVENT_OVERLOAD}
    checks = "\n".join(f'_Static_assert({name} == {value}, "{name}");' for name, value in pairs.items())
    source = tmp_path / "numbers.c"
    source.write_text(f'#include "zb.h"\n{checks}\n')
    subprocess.run(["cc", "-c", "-I", os.path.join(REPOSITORY, "include"), str(source), "-o", os.devnull], check=True)


@pytest.mark.parametrize("offer", [
    "ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1000;spi-s=2000;port-c=6060;port-s=6062",
    "IPSEC-3GPP ; Alg=HMAC-SHA-1-96 ; ealg=null; prot=esp; mod=trans; spi-c=1000; spi-s=2000; port-c=6060; port-s=6062",
    'ipsec-3gpp;q=0.1;alg="hmac-sha-1-96";spi-c=1000;spi-s=2000;port-c=6060;port-s=6062',
    "tls;q=0.2, ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1000;spi-s=2000;port-c=6060;port-s=6062"])
def test_rule_13_offers_with_their_defaults(offer):
    assert secagree.choose([offer]) == AGREED
    assert secagree.offered_again([offer], AGREED)


@pytest.mark.parametrize("change", [
    ("alg=hmac-sha-1-96", "alg=hmac-md5-96"), ("ealg=null", "ealg=aes-cbc"), ("mod=trans", "mod=tun"),
    ("prot=esp", "prot=ah"), ("spi-c=1000", "spi-c=255"), ("spi-c=1000", "spi-c=4294967296"),
    ("spi-c=1000", "spi-c=2000"), ("spi-c=1000", "spi-c=-1000"), ("spi-s=2000", "spi-s=2k"),
    ("port-c=6060", "port-c=0"),
    ("port-c=6060", "port-c=65536"), ("port-s=6062", ""), ("ipsec-3gpp", "ipsec-ike"), ("alg=hmac-sha-1-96;", "")])
def test_rules_5_and_13_offers_that_cannot_be_taken(change):
    assert secagree.choose([SERVER.replace(*change)]) is None


@pytest.mark.parametrize("values, good", [
    ([SERVER], True), ([SERVER.replace(";", "; ")], True), ([SERVER.replace("1000", "1001")], False),
    ([SERVER.replace("6062", "6064")], False), ([SERVER.replace("hmac-sha-1-96", "hmac-md5-96")], False),
    ([], False), ([SERVER + ", tls"], False), ([SERVER, SERVER], False), (["tls"], False)])
def test_security_verify_repeats_security_server_and_nothing_besides(values, good):
    assert secagree.verified(values, AGREED) is good
    assert secagree.server(AGREED) == SERVER


@pytest.mark.parametrize("text", [
    f'Digest realm="a, b", {CHALLENGE}, ik="{IK}", ck="{CK}"',
    f'Digest ik="{IK}", ck="{CK}", realm="a, b", {CHALLENGE}',
    f'Digest realm="a, b",ck={CK},{CHALLENGE},ik={IK}',
    f'Digest IK = "{IK.upper()}" , realm="a, b", {CHALLENGE}, ck="{CK}"'])
def test_the_keys_leave_the_challenge_wherever_they_stand(text):
    (clean,), ik, ck = secagree.challenge([text])
    assert clean == f'Digest realm="a, b", {CHALLENGE}'
    assert (ik.hex(), ck.hex()) == (IK, CK)


@pytest.mark.parametrize("text", [f'Digest realm="x", {CHALLENGE}', f'Digest ik="{IK[:-2]}", {CHALLENGE}',
                                  f'Digest ik="{IK}00", {CHALLENGE}', 'Digest ik="", ck="x"', "Digest", ""])
def test_a_challenge_without_a_whole_key_has_none(text):
    (clean,), ik, _ = secagree.challenge([text])
    assert ik is None and "ik" not in clean.lower().replace("digest", "")


def test_the_keys_of_every_challenge_are_taken_out():
    clean, ik, _ = secagree.challenge([f'Digest realm="x", {CHALLENGE}',
                                       f'Digest ik="{IK}", realm="y", ck="{CK}", ik="{IK}"'])
    assert IK not in " ".join(clean) and CK not in " ".join(clean) and ik.hex() == IK


def test_rule_28_integrity_protected_is_ours_alone():
    forged = 'Digest username="a", Integrity-Protected="yes", response="", integrity-protected=yes'
    assert secagree.authorization(forged, "no") == 'Digest username="a", integrity-protected="no", response=""'


@pytest.mark.parametrize("text", [
    'Digest\tusername="a",integrity-protected="yes",response=""', 'Digest  username = "a" ,\r\n\tresponse = ""',
    'digest username="a",INTEGRITY-PROTECTED = yes, response=""'])
def test_rule_28_whatever_parts_the_parameters_they_are_read(text):
    sent = secagree.authorization(text, "no")
    assert sent.count("ntegrity-protected") == 1 and 'integrity-protected="no"' in sent
    assert secagree.digest(text)[1]["username"] == ('"a"', "a")


@pytest.mark.parametrize("text", [
    'Digest username="a" integrity-protected="yes"', 'Digest username="a", x integrity-protected="yes"',
    'Digest username="a", opaque="b, integrity-protected="yes"', 'Digest username="a", "integrity-protected="yes"',
    'Digest username="a"; integrity-protected="yes"', 'Digest username="a", integrity-protected'])
def test_rule_28_what_others_might_read_otherwise_is_not_read_at_all(text):
    with pytest.raises(ValueError):
        secagree.digest(text)


def test_a_challenge_that_cannot_be_read_goes_as_a_whole():
    assert secagree.challenge([f'Digest realm="x" ik="{IK}", {CHALLENGE}']) == ([], None, None)


@pytest.mark.parametrize("contact, found", [
    ("<sip:a@10.0.0.1:5064;sos>;expires=60", "sos"), ("<sip:a@10.0.0.1:5064;transport=tcp;SOS>", "sos"),
    ("<sip:a@10.0.0.1:5064>;sos", ""), ("<sip:sos@10.0.0.1:5064>;reg-id=2", ""), ("<sip:a@10.0.0.1;sosx>", ""),
    ("sip:a@10.0.0.1", ""), ("*", "")])
def test_an_emergency_registration_is_one_of_its_own(contact, found):
    assert secagree.registration_id([contact]) == found


@pytest.mark.parametrize("value, left", [("sec-agree", ""), ("path, sec-agree", "path"), ("Sec-Agree,gruu", "gruu"),
                                         ("path", "path"), ("", "")])
def test_only_sec_agree_leaves_require(value, left):
    assert secagree.without_sec_agree(value) == left


@pytest.mark.parametrize("value, found", [
    ("<sip:a@10.0.0.1:5064>;expires=60", [("10.0.0.1", 5064, 60)]),
    ("<sip:a@[FD00::0:1]:5064;transport=tcp>;expires=60;q=1, <sip:b@10.0.0.2>",
     [("fd00::1", 5064, 60), ("10.0.0.2", 5060, None)]), ("*", []), ("", []),
    ("<sip:b@[of:another:phone]:5064>;expires=9, <sip:a@[fd00::1]:5064>;expires=60",
     [("of:another:phone", 5064, 9), ("fd00::1", 5064, 60)])])
def test_contacts(value, found):
    assert [(c["host"], c["port"], c["expires"]) for c in secagree.contacts(value)] == found


def test_references_are_repeatable_and_tell_contents_apart():
    assert secagree.reference("install", 1, "2") == secagree.reference("install", "1", 2) != 0
    assert secagree.reference("a", "bc") != secagree.reference("ab", "c")


def test_milenage_against_ts_35_208_set_1():
    h = bytes.fromhex
    sim = Subscriber("i", "u", h("465b5ce8b199b49faa5f0a2ee238a6bc"), h("cdc202d5123e20f62b6d676ac72cb318"), h("b9b9"))
    vector = sim.vector(h("23553cbe9637a89d218ae64dae47bf35"), h("ff9bb4d0b607"), h("b9b9"))
    assert (vector.mac_a.hex(), vector.mac_s.hex()) == ("4a9ffac354dfafb3", "01cfaf9ec4e871e9")
    assert (vector.res.hex(), vector.ak.hex(), vector.ak_resync.hex()) == (
        "a54211d5e3ba50bf", "aa689c648370", "451e8beca43b")
    assert vector.ck.hex() == "b40ba9a3c58b2a05bbf0d987b21bf8cb"
    assert vector.ik.hex() == "f769bcd751044604127672711c6d3441"


def test_auts_carries_the_ues_sqn_and_a_forged_one_is_known():
    sim, other = subscriber(1), subscriber(2)
    nonce, vector = sim.challenge(64)
    assert sim.answer(nonce) == (64, vector)
    assert sim.resynchronise(nonce, sim.auts(nonce, 4711)) == 4711
    assert sim.resynchronise(nonce, other.auts(nonce, 4711)) is None


def test_a_gateway_that_is_there_but_silent_is_not_waited_for_again_and_again(tmp_path):
    """Or the processes of a P-CSCF would do nothing else. An answer that is not needed is never waited for so long."""
    waited = []
    install = zb.Install(reference=1, subscriber=b"a", registration_id=b"", alg=zb.ALG_HMAC_SHA_1_96)
    install.selectors.ue, install.selectors.served = zb.Address.of(UE), zb.Address.of(SERVED)
    for number, name in enumerate(("port_uc", "port_us", "port_pc", "port_ps", "spi_uc", "spi_us"), 256):
        setattr(install.selectors, name, number)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "zb.sock"))
        silent.listen()
        client = zb.Zb(program("libzb.so"), str(tmp_path / "zb.sock"), "pcscf1", 1, 6000)
        for ask in (lambda: client.query(UE, hasty=True), lambda: client.query(UE), lambda: client.query(UE),
                    lambda: client.confirm(1, 1, 60), lambda: client.release(1, 1, 0), lambda: client.install(install)):
            begin = time.monotonic()
            with pytest.raises(zb.ZbError) as failure:
                ask()
            assert failure.value.uncertain, failure.value
            waited.append(time.monotonic() - begin)
        client.close()
    others = sorted(waited[:1] + waited[2:])
    assert waited[1] > 5.5 and others[-1] < 5 and others[2] < 0.5, waited  # one may have met a machine that stood still


def test_the_ports_of_kamailio_cfg_are_those_that_the_routes_go_by():
    text = {}
    for name in ("kamailio.cfg", "bgf_pcscf.cfg", "bgf_pcscf.py"):
        with open(os.path.join(REPOSITORY, "deploy", "kamailio", name), encoding="utf-8") as file:
            text[name] = file.read()
    names = re.findall(r"#!define (BGF_PORT\w+)", text["kamailio.cfg"])
    assert len(names) == 3 and not re.search(r"\b(5060|606[0-9])\b", text["bgf_pcscf.cfg"] + text["bgf_pcscf.py"])
    assert [name for name in names if name not in text["bgf_pcscf.cfg"] + text["bgf_pcscf.py"]] == []


# The cache of sets

UE, SERVED, PC, PS = "10.45.0.2", "10.50.0.1", 6060, 6062
SILENCE = zb.ZbError(errno.ETIMEDOUT, "", "", "silence")


def a_record(number, subscriber="a", state=zb.ESTABLISHED, uc=5001, us=5002, pc=PC, served=SERVED, **more):
    """A set on which something came, unless told otherwise."""
    return sets.SetRecord(set_id=number, reference=number, subscriber=subscriber, state=state, ue=UE, served=served,
                          port_uc=uc, port_us=us, port_pc=pc, port_ps=PS, spi_uc=1000, spi_us=1001, spi_pc=1002,
                          spi_ps=1003, **{"received": True, "until": time.monotonic() + 600} | more)


class FakeGateway:
    """What a SetCache asks: .sets is what it has, by id; .silent: it gives no answer; .asked: how, each time."""

    def __init__(self, *records):
        self.sets, self.silent, self.asked = {record.set_id: record for record in records}, False, []
        TABLES.clear()
        self.cache = sets.SetCache(self.query)

    def query(self, ue, port_ue, port_local, hasty):
        self.asked.append("hastily" if hasty else "patiently")
        if self.silent:
            raise SILENCE
        return [replace(r) for r in self.sets.values() if r.ue == ue and port_ue in (r.port_uc, r.port_us) and (
            port_local in (0, r.port_ps, r.port_pc))]

    def has(self, *records):
        self.sets = {record.set_id: record for record in records}

    def tells(self, *records):
        """The P-CSCF knows these, as an INSTALL or a CONFIRM told them."""
        for record in records:
            self.cache.put(replace(record), self.cache.generation())

    def subscriber(self, port_ue=5001, port_local=PS, served=SERVED):
        """In whose name a request between these ports is."""
        record = self.cache.of_flow(UE, port_ue, served, port_local)
        return record.subscriber if record is not None and record.is_confirmed() else None


OLD, NEW = a_record(1), a_record(2, "b", zb.TEMPORARY, pc=6064)
UNUSED = replace(NEW, received=False)


@pytest.mark.parametrize("found, wanted, number", [
    ([], 0, None), ([OLD], 0, 1), ([NEW], 0, 2), ([OLD, UNUSED], 0, 1), ([UNUSED, OLD], 0, 1),
    ([OLD, NEW], 0, 2), ([NEW, OLD], 1, 2), ([OLD, NEW], 2, 2), ([OLD, UNUSED], 2, 1),  # 2: the newcomer's challenge
    ([OLD, replace(NEW, state=zb.DRAINING)], 0, 2), ([OLD, replace(UNUSED, state=zb.DRAINING)], 0, 1),
    ([OLD, replace(NEW, subscriber="a")], 0, 1), ([OLD, replace(NEW, subscriber="a")], 2, 2),
    ([replace(OLD, state=zb.DRAINING), NEW], 0, 1), ([replace(OLD, state=zb.DRAINING), NEW], 2, 2),
    ([replace(OLD, state=zb.SUPERSEDED), UNUSED], 0, 1)])
def test_rule_28_of_two_sets_with_the_same_ports_the_one_on_which_a_request_can_have_come(found, wanted, number):
    chosen = sets.carrier(found, lambda record: record.set_id == wanted)
    assert (chosen.set_id if chosen else None) == number


def test_rule_2_a_set_that_has_both_ports_in_other_pairs_carries_nothing():
    """port_us of the one is port_uc of the other."""
    gateway = FakeGateway(a_record(1, "victim", uc=5000, us=5001), a_record(2, "b", zb.TEMPORARY))
    assert gateway.subscriber() is None
    assert gateway.cache.of_flow(UE, 5001, SERVED, PS).set_id == 2


def test_the_same_ports_towards_another_served_address_are_another_set():
    gateway = FakeGateway(OLD, a_record(2, "b", served="10.50.0.2"))
    assert [gateway.subscriber(), gateway.subscriber(served="10.50.0.2"), gateway.subscriber()] == ["a", "b", "a"]


def test_one_ipv6_address_is_one_however_it_is_spelt():
    gateway = FakeGateway(replace(OLD, ue="fd00::1", served="fd00:50::1"))
    for ue, served in (("fd00::1", "FD00:50:0:0:0:0:0:1"), ("[FD00:0::1]", "[fd00:50::1]")):
        assert gateway.cache.of_flow(ue, 5001, served, PS).set_id == 1
    assert gateway.cache.of_contact("[FD00::0:1]", 5002).set_id == 1
    assert gateway.asked == ["patiently"] * 2


@pytest.mark.parametrize("end", ["released", "release_later"])
def test_rule_28_a_set_that_failed_does_not_get_the_ports_of_one_that_works(end):
    gateway = FakeGateway(OLD, UNUSED)
    gateway.tells(OLD, UNUSED)
    getattr(gateway.cache, end)(replace(UNUSED), 10)
    assert gateway.subscriber() == "a"


@pytest.mark.parametrize("subscriber, name", [("a", "a"), ("b", None)])
def test_rule_28_ports_that_another_subscriber_wants_count_for_nobody_while_the_gateway_is_silent(subscriber, name):
    """For it may have confirmed the other one, and that could not be heard."""
    gateway = FakeGateway()
    gateway.tells(OLD, replace(UNUSED, subscriber=subscriber))
    gateway.silent = True
    if name is None:
        with pytest.raises(zb.ZbError):
            gateway.subscriber()
    else:
        assert gateway.subscriber() == name
    gateway.silent = False
    gateway.has(replace(NEW, subscriber=subscriber, state=zb.ESTABLISHED))
    gateway.cache.remove(1)
    assert gateway.subscriber() == subscriber
    gateway.silent = True
    assert gateway.subscriber() == subscriber


@pytest.mark.parametrize("was_used, names", [(False, [None, "a"]), (True, [None, None])])
def test_rule_28_what_came_on_a_newcomers_set_is_not_the_former_ones_when_that_has_ended(was_used, names):
    """It may have waited in a socket. What nothing ever came on leaves the ports at once, when its end is told."""
    gateway = FakeGateway(OLD, replace(NEW, received=was_used))
    gateway.tells(OLD, UNUSED)
    assert gateway.subscriber() == (None if was_used else "a")
    gateway.has(OLD)
    found = [gateway.subscriber()]
    gateway.cache.remove(2, was_used)
    assert found + [gateway.subscriber()] == names
    gateway.tells(replace(NEW, set_id=3, subscriber="c"))
    new = replace(NEW, set_id=3, subscriber="c", state=zb.ESTABLISHED)
    gateway.has(new)
    gateway.cache.confirmed(replace(new), gateway.cache.generation())
    gateway.silent = True
    assert gateway.subscriber() == "c"


def test_rule_28_ports_for_which_a_confirm_got_no_answer_stay_in_doubt_as_long_as_a_registration_lasts():
    gateway = FakeGateway()
    gateway.tells(OLD, UNUSED)
    rivals = [("expires", sets.rival_key(key)) for key in UNUSED.flows()]
    assert TABLES[rivals[0]] < 700 and rivals[1] not in TABLES, "port_pc is another one"
    gateway.cache.perhaps_confirmed(replace(UNUSED), 3600)
    assert TABLES[rivals[0]] >= 3600 and rivals[1] not in TABLES
    gateway.silent = True
    with pytest.raises(zb.ZbError):
        gateway.subscriber()


def test_rule_28_a_late_answer_does_not_give_back_the_ports_to_who_had_them():
    """A process that asked before the CONFIRM and writes after it."""
    gateway = FakeGateway(OLD, UNUSED)
    gateway.tells(OLD, UNUSED)
    new = replace(NEW, state=zb.ESTABLISHED)
    gateway.has(new)
    gateway.cache.confirmed(replace(new), "")
    gateway.tells(OLD)
    assert gateway.subscriber() == "b"
    gateway.cache.remove(1)
    gateway.tells(OLD)
    gateway.silent = True
    assert gateway.subscriber() == "b"


def test_what_is_written_of_a_set_after_its_end_does_not_stay():
    gateway = FakeGateway()
    gateway.tells(OLD)
    gateway.cache.remove(1)
    gateway.tells(OLD)
    gateway.cache.confirmed(replace(OLD), "")
    gateway.cache.released(replace(OLD), 10)
    assert [key for table, key in TABLES if table == sets.TABLE] == ["x|1"]


def test_rule_20_requests_stay_on_the_older_set_only_if_the_ue_can_still_have_it():
    for newer, number in (({}, 1), ({"began_unprotected": True}, 2), ({"subscriber": "b"}, 2), ({"pc": PC}, 2)):
        gateway = FakeGateway()
        gateway.cache.confirmed(replace(OLD), "")
        gateway.cache.confirmed(a_record(2, **{"uc": 5003, "pc": 6064} | newer), "")
        assert gateway.cache.of_contact(UE, 5002).set_id == number, newer


def test_events_that_cross_what_other_processes_say():
    gateway = FakeGateway()
    cache = gateway.cache
    gateway.tells(NEW)
    cache.first_used(2)  # its CONFIRM's answer is not written yet
    assert gateway.subscriber() == "b" and cache.of_contact(UE, 5002).set_id == 2
    cache.released(cache.of_contact(UE, 5002), 10)
    cache.superseded(2)
    cache.first_used(2)
    gateway.has()
    assert gateway.subscriber() is None and cache.of_contact(UE, 5002) is None


def test_what_events_may_have_been_lost_of_is_asked_for_and_counts_while_there_is_no_answer():
    gateway = FakeGateway(OLD)
    gateway.cache.confirmed(replace(OLD), "")
    asked = [gateway.subscriber, lambda: gateway.cache.of_contact(UE, 5002).subscriber,
             lambda: gateway.cache.latest_of(OLD).subscriber]
    assert [ask() for ask in asked] == ["a"] * 3 and not gateway.asked
    gateway.cache.doubt()
    gateway.silent = True
    assert [ask() for ask in asked * 3] == ["a"] * 9
    assert gateway.asked == ["hastily"], "who was not answered is not asked again at once"
    gateway.cache.doubt()  # after a reconnect: it answers
    gateway.silent = False
    gateway.has()
    assert gateway.subscriber() is None and gateway.cache.of_contact(UE, 5002) is None
    assert gateway.cache.latest_of(OLD) is None


def test_what_was_asked_for_before_events_were_lost_is_in_doubt():
    gateway = FakeGateway()
    generation = gateway.cache.generation()
    gateway.cache.doubt()
    gateway.cache.confirmed(replace(OLD), generation)
    assert gateway.subscriber() is None and gateway.asked == ["hastily"]
    generation = gateway.cache.generation()
    gateway.cache.forget()
    gateway.cache.confirmed(replace(OLD), generation)
    assert gateway.subscriber() is None, "the store is lost, and another process writes late"


def test_a_register_that_does_not_fit_to_what_is_known_waits_for_the_gateway():
    """A phone that begins anew on its ports: its answer fits to the set that is to replace the known one."""
    gateway = FakeGateway(OLD, replace(NEW, subscriber="a"))
    gateway.tells(OLD)
    assert gateway.cache.of_flow(UE, 5001, SERVED, PS, lambda record: record.set_id == 2).set_id == 2
    assert gateway.asked == ["patiently"]


def test_rule_28_the_latest_of_two_that_were_not_used_is_the_one_that_lives_longer():
    gateway = FakeGateway(OLD, a_record(2, uc=5003, pc=6064, until=OLD.until + 1), a_record(3, "b", uc=5005, pc=6066))
    assert gateway.cache.latest_of(OLD).set_id == 2
