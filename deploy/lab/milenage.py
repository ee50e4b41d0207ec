# SPDX-License-Identifier: BSD-3-Clause
"""Milenage (TS 35.206) and what IMS makes of it: AKAv1-MD5 (RFC 3310) and resynchronisation (TS 33.102 6.3.5).

Both ends of the lab use it: the phones' UEs and the S-CSCF. Python's standard library has no AES: this needs
python3-cryptography.
"""
import base64
import hashlib
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

RESYNC_AMF = bytes(2)  # TS 33.102 6.3.3: the AMF of MAC-S is zero
SQN_STEP = 32          # TS 33.102 C.1: the low five bits are the index IND
REALM = "ims.mnc001.mcc001.3gppnetwork.org"


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


@dataclass(frozen=True)
class Vector:
    """What one (RAND, SQN, AMF) yields under a subscriber's keys."""
    mac_a: bytes
    mac_s: bytes
    res: bytes
    ck: bytes
    ik: bytes
    ak: bytes
    ak_resync: bytes


@dataclass(frozen=True)
class Subscriber:
    """A test subscriber: identities and the keys on its (U)SIM."""
    impi: str
    impu: str
    k: bytes
    op: bytes
    amf: bytes = bytes.fromhex("8000")

    def vector(self, rand, sqn, amf):
        """f1 to f5*, TS 35.206 4.1, with the example constants."""
        encrypt = Cipher(algorithms.AES(self.k), modes.ECB()).encryptor().update
        opc = xor(encrypt(self.op), self.op)
        temp = encrypt(xor(rand, opc))

        def out(rotate, constant, block=temp):
            mixed = xor(block, opc)
            mixed = mixed[rotate:] + mixed[:rotate]
            return mixed[:15] + bytes([mixed[15] ^ constant])

        in1 = xor((sqn + amf) * 2, opc)
        out1 = xor(encrypt(xor(temp, in1[8:] + in1[:8])), opc)
        out2, out3, out4, out5 = (xor(encrypt(out(rotate, constant)), opc)
                                  for rotate, constant in ((0, 1), (4, 2), (8, 4), (12, 8)))
        return Vector(mac_a=out1[:8], mac_s=out1[8:], res=out2[8:], ak=out2[:6], ck=out3, ik=out4, ak_resync=out5[:6])

    # The network's side

    def challenge(self, sqn):
        """(nonce, vector) of a fresh challenge with this SQN (a number)."""
        rand, sqn = os.urandom(16), sqn.to_bytes(6, "big")
        vector = self.vector(rand, sqn, self.amf)
        autn = xor(sqn, vector.ak) + self.amf + vector.mac_a
        return base64.b64encode(rand + autn).decode(), vector

    def resynchronise(self, nonce, auts):
        """The SQN in an AUTS, or None when its MAC-S is wrong."""
        rand, auts = base64.b64decode(nonce)[:16], base64.b64decode(auts)
        sqn = xor(auts[:6], self.vector(rand, bytes(6), RESYNC_AMF).ak_resync)
        good = self.vector(rand, sqn, RESYNC_AMF).mac_s == auts[6:]
        return int.from_bytes(sqn, "big") if good else None

    # The phone's side

    def answer(self, nonce):
        """(sqn, vector) of a challenge; ValueError when AUTN's MAC is wrong."""
        raw = base64.b64decode(nonce)
        rand, autn = raw[:16], raw[16:32]
        sqn = xor(autn[:6], self.vector(rand, bytes(6), bytes(2)).ak)
        vector = self.vector(rand, sqn, autn[6:8])
        if vector.mac_a != autn[8:16]:
            raise ValueError("the MAC of AUTN is wrong")
        return int.from_bytes(sqn, "big"), vector

    def auts(self, nonce, sqn):
        """The AUTS of a UE that is at this SQN."""
        rand, sqn = base64.b64decode(nonce)[:16], sqn.to_bytes(6, "big")
        vector = self.vector(rand, sqn, RESYNC_AMF)
        return base64.b64encode(xor(sqn, vector.ak_resync) + vector.mac_s).decode()


def digest_response(user, password, method, uri, nonce, nc=None, cnonce=None, qop=None):
    """The `response` of Digest (RFC 2617 3.2.2) with AKA's RES, a string of octets, as the password."""
    def md5(data):
        return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
    ha1 = md5(f"{user}:{REALM}:".encode() + password)
    ha2 = md5(f"{method}:{uri}".encode())
    middle = f":{nonce}:{nc}:{cnonce}:{qop}:" if qop else f":{nonce}:"
    return md5(ha1 + middle.encode() + ha2).decode()


def subscriber(number):
    """Test subscriber 1, 2, ...: the lab's phones and its S-CSCF both know it by its number."""
    imsi = f"00101{number:010d}"
    return Subscriber(impi=f"{imsi}@{REALM}", impu=f"sip:{imsi}@{REALM}",
                      k=hashlib.sha256(f"lab K {number}".encode()).digest()[:16],
                      op=hashlib.sha256(b"lab OP").digest()[:16])
