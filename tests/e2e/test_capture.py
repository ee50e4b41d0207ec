# SPDX-License-Identifier: BSD-3-Clause
"""How the demo and the tests look for keys on the access link: what is one, and what only looks like one."""
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from deploy.lab.capture import frames_with_keys, leaks_key

CHALLENGE = 'WWW-Authenticate: Digest realm="x", nonce="{nonce}", algorithm=AKAv1-MD5{more}\r\n'
NONCE = "9aw8XrmlbC3TxjaQT+IHpe2x9X20QYAAH3xCeBHavuA="
KEY = "00112233445566778899aabbccddeeff"
CASES = [
    (NONCE, "", False),
    (NONCE[:-3] + "ik=", "", False),
    (NONCE[:-3] + "ck=", ', qop="auth"', False),
    (NONCE, f', ik="{KEY}"', True),
    (NONCE, f', qop="auth",ck="{KEY}"', True),
    (NONCE, f',\r\n IK = "{KEY}"', True),
    (NONCE, f";ck={KEY.upper()}", True),
    (NONCE, ', ik=""', True),
]
ICVS = [b' ik="0123456', b"\n1\t3;ck=8f2a", b"AB,Ik  =  00", b"1234567,ck=f"]  # behind a trailer of ESP


@pytest.fixture(scope="module")
def suspects(tmp_path_factory):
    """The frames of a capture, numbered from 1, that have a key: a case each, behind octets as of ESP, and before them."""
    path = str(tmp_path_factory.mktemp("capture") / "keys.pcap")
    payloads = [b"\x00\xff\x81" + text_of(*case[:2]) for case in CASES] + [sealed(icv) for icv in ICVS]
    wrpcap(path, [Ether() / IP() / UDP(sport=6060, dport=5062) / payload for payload in payloads])
    return frames_with_keys(path)


def text_of(nonce, more):
    return CHALLENGE.format(nonce=nonce, more=more).encode()


def sealed(icv):
    return text_of(NONCE, "") + b"\x01\x02\x02\x11" + icv


@pytest.mark.parametrize("nonce, more, is_leak", CASES)
def test_a_key_is_told_from_a_nonce_that_ends_like_one(nonce, more, is_leak, suspects):
    assert leaks_key(text_of(nonce, more)) is is_leak
    assert (str(1 + CASES.index((nonce, more, is_leak))) in suspects) is is_leak


@pytest.mark.parametrize("icv", ICVS)
def test_a_key_is_told_from_an_icv_that_looks_like_one(icv, suspects):
    assert len(icv) == 12 and not leaks_key(sealed(icv))
    assert str(1 + len(CASES) + ICVS.index(icv)) not in suspects
