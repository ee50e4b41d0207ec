# SPDX-License-Identifier: BSD-3-Clause
"""AUDIT, written once more from the text of zb/PROTOCOL.md alone, against the document's examples and a running gateway;
and what it costs with very many sets."""
import ipaddress
import json
import os
import re
import struct
import subprocess

import pytest

from deploy.lab.gateway import REPOSITORY
from support import KEYS, best_of, wait_until_serving
from zbwire import Zb

BUCKETS, KEY, MASK = 4096, bytes(range(16)), (1 << 64) - 1


def rotated(word, bits):
    return (word << bits | word >> 64 - bits) & MASK


def siphash(key, data):
    """SipHash-2-4, 64 bits."""
    k0, k1 = struct.unpack("<QQ", key)
    a, b, c, d = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)

    def rounds(count):
        nonlocal a, b, c, d
        for _ in range(count):
            a, c = (a + b) & MASK, (c + d) & MASK
            b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
            a = rotated(a, 32)
            c, a = (c + b) & MASK, (a + d) & MASK
            b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
            c = rotated(c, 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes((len(data) % 256,))
    for (word,) in struct.iter_unpack("<Q", padded):
        d ^= word
        rounds(2)
        a ^= word
    c ^= 0xFF
    rounds(4)
    return a ^ b ^ c ^ d


def digested(row):
    """The octets of a SET group (a dictionary as zbwire gives it)."""
    ue, served = (ipaddress.ip_address(row[name]).packed for name in ("UE_ADDRESS", "SERVED_ADDRESS"))
    octets = struct.pack("!QQ", row["SET_ID"], row["REFERENCE"])
    octets += bytes(row[name] for name in ("STATE", "FLAGS", "ALG", "EALG", "MOD")) + bytes((len(ue),)) + ue + served
    octets += struct.pack("!4H", *(row[name] for name in ("PORT_UC", "PORT_US", "PORT_PC", "PORT_PS")))
    octets += struct.pack("!4I", *(row[name] for name in ("SPI_UC", "SPI_US", "SPI_PC", "SPI_PS")))
    for text in (row["SUBSCRIBER"].encode(), row.get("REGISTRATION_ID", "").encode()):
        octets += bytes((len(text),)) + text
    return octets


def digest(row):
    return siphash(KEY, digested(row))


def test_the_examples_of_the_document():
    with open(os.path.join(REPOSITORY, "zb", "PROTOCOL.md"), encoding="utf-8") as file:
        text = file.read()
    examples = re.findall(r"\n```digest\n([0-9a-f\n]+)\n([0-9a-f]{16})  [^\n]*; bucket (\d+)\n```", text)
    assert len(examples) == 2
    for octets, expected, bucket in examples:
        octets = bytes.fromhex(octets.replace("\n", ""))
        assert siphash(KEY, octets) == int(expected, 16)
        assert int.from_bytes(octets[:8], "big") % BUCKETS == int(bucket)
    assert re.search("`%016x` of no octets" % siphash(KEY, b""), text)
    assert re.search(r"`00` to `0e`\s+`%016x`" % siphash(KEY, bytes(range(15))), text)
    first = {"SET_ID": 1, "REFERENCE": 7, "STATE": 1, "FLAGS": 1, "ALG": 1, "EALG": 0, "MOD": 0,
             "UE_ADDRESS": "10.45.0.2", "SERVED_ADDRESS": "10.50.0.1", "PORT_UC": 5062, "PORT_US": 5064,
             "PORT_PC": 6060, "PORT_PS": 6062, "SPI_UC": 1001, "SPI_US": 1002, "SPI_PC": 0x800001,
             "SPI_PS": 0x800000, "SUBSCRIBER": "user@ims.example"}
    assert digested(first) == bytes.fromhex(examples[0][0].replace("\n", ""))
    second = {"SET_ID": 20971520123, "REFERENCE": MASK, "STATE": 2, "FLAGS": 3, "ALG": 1, "EALG": 0, "MOD": 0,
              "UE_ADDRESS": "fd00:45::2", "SERVED_ADDRESS": "fd00:50::1", "PORT_UC": 50600, "PORT_US": 50601,
              "PORT_PC": 6064, "PORT_PS": 6062, "SPI_UC": 0xFFFFFFFE, "SPI_US": 256, "SPI_PC": 0x12345679,
              "SPI_PS": 0x12345678, "SUBSCRIBER": "001010123456789@ims.mnc001.mcc001.3gppnetwork.org",
              "REGISTRATION_ID": "sos"}
    assert digested(second) == bytes.fromhex(examples[1][0].replace("\n", ""))


def install(zb, number, family=4, **more):
    return zb.install({
        "UE_ADDRESS": f"10.45.9.{number}" if family == 4 else f"fd00:45::9:{number:x}",
        "SERVED_ADDRESS": "10.50.0.1" if family == 4 else "fd00:50::1", "PORT_UC": 5062, "PORT_US": 5064,
        "PORT_PC": 6060, "PORT_PS": 6062, "SPI_UC": 70000 + number, "SPI_US": 80000 + number,
        "SUBSCRIBER": f"ue{number}@example.org"}, KEYS.new(), **more)


def digests(zb):
    """The buckets that are not 0, and how many sets there are."""
    answer = zb.call("AUDIT")
    assert "ROWS" not in answer
    sums = [number for (number,) in struct.iter_unpack("!Q", answer["DIGESTS"])]
    assert len(sums) == BUCKETS
    return {bucket: number for bucket, number in enumerate(sums) if number}, answer["SET_COUNT"]


def rows(zb, bucket):
    answer = zb.call("AUDIT", BUCKET=bucket)
    assert "DIGESTS" not in answer
    return dict(struct.iter_unpack("!QQ", answer["ROWS"]))


def expected(sets):
    sums = {}
    for row in sets:
        bucket = row["SET_ID"] % BUCKETS
        sums[bucket] = (sums.get(bucket, 0) + digest(row)) & MASK
    return sums


def assert_agrees(zb):
    sets = zb.query()
    assert digests(zb) == (expected(sets), len(sets))
    for row in sets:
        assert rows(zb, row["SET_ID"] % BUCKETS)[row["SET_ID"]] == digest(row)
    return sets


def test_a_gateway_digests_what_it_lists_through_the_life_of_its_sets(zb, gateway):
    """Each step of a life shows in the digest, made here from the rows; also after either daemon was killed."""
    seen = set()

    def step(sets):
        found = assert_agrees(zb)
        assert len(found) == sets
        seen.add(json.dumps(digests(zb)))

    step(0)
    first = install(zb, 1)
    step(1)
    zb.confirm(first["SET_ID"])
    step(1)
    install(zb, 2, 6, REGISTRATION_ID="sos", FLAGS=3)
    step(2)
    challenged = zb.install({name: first[name] for name in (
        "UE_ADDRESS", "SERVED_ADDRESS", "PORT_US", "PORT_PS", "SUBSCRIBER")} | {
            "PORT_UC": 5066, "PORT_PC": 6064, "SPI_UC": 90001, "SPI_US": 90002}, KEYS.new(), VIA_SET=first["SET_ID"])
    step(3)
    zb.release(challenged["SET_ID"], drain=60)
    step(3)
    before = digests(zb)
    for daemon in (gateway.dataplane, gateway.control):
        daemon.kill()
        daemon.start()
        wait_until_serving(gateway)
        assert digests(zb) == before
    zb.release(first["SET_ID"])
    step(2)
    assert len(seen) == 7


def test_each_sees_its_own_sets_digests_and_an_observer_all(zb, gateway):
    other, observer = Zb(gateway.zb, "pcscf2"), Zb(gateway.zb, "watcher", role=1)
    try:
        mine, theirs = install(zb, 11), install(other, 12)
        assert digests(zb) == (expected([mine]), 1)
        assert digests(other) == (expected([theirs]), 1)
        assert digests(observer) == (expected([mine, theirs]), 2)
        assert rows(zb, theirs["SET_ID"] % BUCKETS).keys() <= {mine["SET_ID"]}
        other.release(theirs["SET_ID"])
    finally:
        other.close()
        observer.close()


def test_bgfctl_audits(zb, gateway):
    for number in range(20, 25):
        install(zb, number)
    assert gateway.bgfctl("audit") == {"sets": 5, "differences": []}


def reconcile(sets):
    program = os.path.join(REPOSITORY, "build", "tests", "unit", "control", "audit_scale")
    done = subprocess.run([program, str(sets)], capture_output=True, text=True, check=True, timeout=280)
    found = json.loads(done.stdout)
    print(found)
    assert (found["status"], found["differences"], found["right"], found["wrong"]) == (0, 10, 10, 0)
    assert found["octets"] < 1_000_000
    return found


def test_ten_differences_are_found_among_many_sets():
    reconcile(20_000)


@pytest.mark.slow
def test_ten_differences_among_a_million_sets_are_found_within_a_second():
    def is_quick(found):
        return found["ms"] < 1000
    assert is_quick(best_of(lambda: reconcile(1_000_000), is_quick))
