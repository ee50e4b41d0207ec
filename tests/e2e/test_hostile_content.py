# SPDX-License-Identifier: BSD-3-Clause
"""What passes, passes whole: every property of a good packet, of every length, in both directions."""
import os
import struct

import pytest

from hostile import (check_ip, ether, family_of, header_length, one_hop_on, patched, plain, protect, sip, trailer,
                     unprotect)

SETTINGS = {"dataplane.clear_rate": "100000", "dataplane.clear_burst": "100000"}
LENGTHS = {"ps": range(0, 1401), "us": range(0, 1401), "pc": range(0, 1401, 9), "uc": range(0, 1401, 9)}
BATCH = 60
BOTH = pytest.mark.parametrize("family", (4, 6))
TRANSPORTS = pytest.mark.parametrize("transport", ("udp", "tcp"))


@pytest.fixture(scope="module")
def ues(field):
    made = {family: field.ue(family).establish() for family in (4, 6)}
    for ue in made.values():
        ue.reached()  # its neighbour is known from here on
    return made


def batches(packets):
    packets = list(packets)
    for first in range(0, len(packets), BATCH):
        yield packets[first:first + BATCH]


@BOTH
@TRANSPORTS
@pytest.mark.parametrize("sa", ("ps", "pc"))
def test_every_length_to_the_core(field, ues, family, transport, sa):
    """Byte for byte, in order, TTL one less, lengths and checksum right, no trace of ESP."""
    ue, data = ues[family], os.urandom(1400)
    for batch in batches(ue.inner(data[:length], sa, transport) for length in LENGTHS[sa]):
        with field.dropped("access", to_core=len(batch)) as out:
            field.access.send(*[protect(packet, ue.spi(sa), ue.next(sa), ue.key) for packet in batch])
        assert out.core == [one_hop_on(packet) for packet in batch]
        for packet in out.core:
            check_ip(packet)


@BOTH
@TRANSPORTS
@pytest.mark.parametrize("sa", ("us", "uc"))
def test_every_length_to_the_ue(field, ues, family, transport, sa):
    """The UE's SPI, the next sequence number, padding 1, 2, 3, the least of it, a good ICV, the content whole."""
    ue, data = ues[family], os.urandom(1400)
    for batch in batches(ue.from_core(data[:length], sa, transport) for length in LENGTHS[sa]):
        with field.dropped("core", to_access=len(batch)) as out:
            field.core.send(*batch)
        for protected, packet in zip(out.access, batch, strict=True):
            ue.check(protected, packet, sa)
            assert len(protected) - len(packet) <= 8 + 3 + 2 + 12, "more padding than needed"


@BOTH
@TRANSPORTS
def test_header_fields_pass(field, ues, family, transport):
    """DSCP and ECN, TTL, the IPv4 identification and DF, the IPv6 flow label: only the TTL changes."""
    ue = ues[family]
    variants = [{"tos": tos} for tos in (0, 1, 2, 3, 0xB8, 0xFF)] + [{"ttl": ttl} for ttl in (2, 3, 128, 255)]
    if family == 4:
        variants += [{"id": number, "flags": flags} for number in (0, 1, 0xFFFF) for flags in (0, "DF")]
    else:
        variants += [{"fl": label} for label in (1, 0x12345, 0xFFFFF)]
    for fields in variants:
        ue.passes(b"fields", transport=transport, **fields)
        ue.reached(b"fields", transport=transport, **fields)


@BOTH
def test_ethernet_padding_is_no_part_of_the_packet(field, ues, family):
    """Octets behind the IP packet's end go, in ESP and in the clear, in both directions."""
    ue = ues[family]
    ethertype = 0x0800 if family == 4 else 0x86DD
    for more in (1, 2, 3, 18, 46, 300):
        inner = ue.inner(b"padded")
        clear = plain(ue.address, ue.served, 5070, 5060, sip("OPTIONS"))
        protected = protect(inner, ue.spi_ps, ue.next(), ue.key)
        with field.dropped(to_core=2) as out:
            for packet in (protected, clear):
                field.access.send_frame(ether(field.access, ethertype, packet + b"\xee" * more))
        assert sorted(out.core) == sorted([one_hop_on(inner), one_hop_on(clear)])
        outbound = ue.from_core(b"padded")
        with field.dropped(to_access=1) as out:
            field.core.send_frame(ether(field.core, ethertype, outbound + b"\xee" * more))
        ue.check(out.access[0], outbound)


@BOTH
@TRANSPORTS
def test_a_peer_may_pad_as_it_likes(field, ues, family, transport):
    """RFC 4303 2.4 lets a sender pad up to 255 octets."""
    ue = ues[family]
    protocol = 17 if transport == "udp" else 6
    for data in (b"", b"x", b"xy", b"xyz"):
        packet = ue.inner(data, transport=transport)
        inner = len(packet) - header_length(packet)
        for more in range(0, 252, 4):
            tail = trailer(inner, protocol, more)
            with field.dropped(to_core=1) as out:
                field.access.send(protect(packet, ue.spi_ps, ue.next(), ue.key, tail))
            assert out.core == [one_hop_on(packet)]
            if more > 12 and len(data) not in (0, 3):
                break


@BOTH
def test_a_mixed_burst_keeps_the_order_of_each_sa(field, ues, family):
    """Both SAs, both transports, sizes up and down, in one burst: what belongs together stays in order."""
    ue = ues[family]
    kinds = [(sa, transport) for sa in ("ps", "pc") for transport in ("udp", "tcp")]
    sent = [(kinds[n % 4], ue.inner(struct.pack("!I", n) + bytes(n * 331 % 1300), *kinds[n % 4])) for n in range(60)]
    with field.dropped(to_core=len(sent)) as out, field.one_burst():
        field.access.send(*[protect(packet, ue.spi(sa), ue.next(sa), ue.key) for (sa, _), packet in sent])
    for sa in ("ps", "pc"):
        of_sa = [one_hop_on(packet) for kind, packet in sent if kind[0] == sa]
        assert [packet for packet in out.core if packet in of_sa] == of_sa
    there = [(kinds[n % 4], ue.from_core(struct.pack("!I", n) + bytes(n * 331 % 1300),
                                         {"ps": "uc", "pc": "us"}[kinds[n % 4][0]], kinds[n % 4][1]))
             for n in range(60)]
    with field.dropped("core", to_access=len(there)) as out, field.one_burst():
        field.core.send(*[packet for _, packet in there])
    for sa, name in (("ps", "uc"), ("pc", "us")):
        expected = [packet for kind, packet in there if kind[0] == sa]
        mine = [packet for packet in out.access if unprotect(packet, ue.key).spi == ue.spi(name)]
        assert len(mine) == len(expected)
        for protected, packet in zip(mine, expected):
            ue.check(protected, packet, name)


@BOTH
def test_transport_checksums_are_not_the_gateways(field, ues, family):
    """Inside ESP a wrong one is the UE's word, and reaches the core as it was written."""
    ue = ues[family]
    packet = ue.inner(b"checked")
    packet = patched(packet, header_length(packet) + 6, b"\x12\x34")
    with field.dropped(to_core=1) as out:
        field.access.send(protect(packet, ue.spi_ps, ue.next(), ue.key))
    assert out.core == [one_hop_on(packet)]


@BOTH
def test_a_set_counts_what_passed(field, family):
    """Packets, octets of the IP packets with ESP, and the sequence number, by SA."""
    ue = field.ue(family, 9).establish()
    octets = {"ps": 0, "pc": 0, "uc": 0, "us": 0}
    for count, sa in ((3, "ps"), (5, "pc")):
        for length in range(count):
            packet = protect(ue.inner(bytes(length * 100), sa), ue.spi(sa), ue.next(sa), ue.key)
            octets[sa] += len(packet)
            with field.dropped(to_core=1):
                field.access.send(packet)
    for count, sa in ((4, "uc"), (7, "us")):
        for length in range(count):
            with field.dropped("core", to_access=1) as out:
                field.core.send(ue.from_core(bytes(length * 100), sa))
            octets[sa] += len(out.access[0])
    counted = dict(zip(("ps", "pc", "uc", "us"), ue.row()["SA"], strict=True))
    for sa, packets in (("ps", 3), ("pc", 5), ("uc", 4), ("us", 7)):
        assert counted[sa] == {"PACKETS": packets, "OCTETS_COUNT": octets[sa], "SEQUENCE": packets}, sa
    assert ue.drops() == {} and family_of(ue.address) == family


@BOTH
def test_every_set_of_many_has_its_own_keys(field, family):
    """300 UEs at once, each with a packet each way; a burst holds many of them."""
    many = [field.ue(family, 0x100 + n if family == 6 else 2, port_uc=20000 + n, port_us=30000 + n).establish()
            for n in range(300)]
    for some in batches(many):
        inner = [ue.inner(os.urandom(40)) for ue in some]
        with field.dropped(to_core=len(some)) as out, field.one_burst():
            field.access.send(*[protect(packet, ue.spi_ps, ue.next(), ue.key) for ue, packet in zip(some, inner)])
        assert out.core == [one_hop_on(packet) for packet in inner]
        outbound = [ue.from_core(os.urandom(40)) for ue in some]
        for ue in some if family == 6 else some[:1]:  # whose one address it is
            ue.reached(b"neighbour")
        with field.dropped("core", to_access=len(some)) as out, field.one_burst():
            field.core.send(*outbound)
        for ue, protected, packet in zip(some, out.access, outbound, strict=True):
            ue.check(protected, packet)
    for ue in many:
        ue.release()
