# SPDX-License-Identifier: BSD-3-Clause
"""The parts of deploy/kamailio that need no Kamailio: libzb's structures by ctypes, and the texts of the agreement.
And Milenage, with which both ends of the lab authenticate."""
import ctypes
import os
import subprocess
import sys

import pytest

from deploy.lab.gateway import REPOSITORY
from deploy.lab.milenage import Subscriber, subscriber

sys.path.append(os.path.join(REPOSITORY, "deploy", "kamailio"))
import secagree  # noqa: E402  (the path above comes first)
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
     [("fd00::1", 5064, 60), ("10.0.0.2", 5060, None)]), ("*", []), ("", [])])
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
