# SPDX-License-Identifier: BSD-3-Clause
"""Every drop reason, provoked from outside: what must be dropped is dropped under its name, once a packet, nothing
comes out, and a good packet still passes afterwards.

CASES is the table. A case is a function that makes the packets of one reason for one UE; what it sends from the
core side says so. NOT_FROM_OUTSIDE has the reasons that no table can have, and why.
"""
import os
import struct

import pytest

from deploy.lab import netns
from hostile import (DROP_REASONS, ESP, ETH_IP4, ETH_IP6, ether, header_length, icv, network, patched, plain,
                     protect, sip, trailer, with_payload)
from scapy.layers.inet import ICMP, IP, IPOption_NOP, IPOption_Router_Alert, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.packet import Raw

SETTINGS = {"dataplane.access.verify_l4": "true", "dataplane.clear_rate": "2000", "dataplane.clear_burst": "4000",
            "control.await_auth_s": "600"}

NOT_FROM_OUTSIDE = {
    "headroom": "every packet of the ports' own MTU has the room; the unit tests take it away",
    "tx_full": "needs a transmit queue that a veth never fills; the unit tests fill one",
    "exception_full": "the queue to the kernel is longer than exception_rate lets it become",
    "tap_write": "needs a tap that the kernel has taken away; the unit tests take it",
    "handover_full": "needs two workers; the lab has one",
    "crypto": "needs a crypto library that does not finish a job",
    "no_mbuf": "needs a pool that is used up, and two ports' rings cannot use it up",
}
ELSEWHERE = {
    "clear_rate": "test_hostile_clear.py", "clear_auth": "test_hostile_clear.py",
    "temporary": "test_hostile_clear.py", "ttl_expired": "test_hostile_icmp.py", "too_big": "test_hostile_icmp.py",
    "no_route": "test_hostile_icmp.py", "no_neighbour": "test_hostile_icmp.py",
    "tap_source": "test_hostile_icmp.py", "exception_rate": "test_hostile_icmp.py",
    "replay": "test_hostile_replay.py", "icv": "test_hostile_replay.py", "seq_exhausted": "test_restart.py",
}
CASES = []


def case(reason, side="access", families=(4, 6), transports=("udp",), frames=False):
    """Registers a maker of packets; `frames`: it makes whole Ethernet frames."""
    def keep(make):
        for family in families:
            for transport in transports:
                CASES.append(pytest.param(reason, side, family, transport, frames, make,
                                          id=f"{reason}-{make.__name__}-{transport}{family}"))
        return make
    return keep


@pytest.fixture(scope="module")
def ues(field):
    return {family: field.ue(family).establish() for family in (4, 6)}


@pytest.mark.parametrize("reason, side, family, transport, frames, make", CASES)
def test_drop(field, ues, reason, side, family, transport, frames, make):
    ue = ues[family]
    made = list(make(ue, transport))
    end = field.access if side == "access" else field.core
    on_set = ue.drops().get(reason, 0)
    with field.dropped(side, **{reason: len(made)}):
        for packet in made:
            if frames:
                end.send_frame(packet)
            else:
                end.send(packet)
    if DROP_REASONS[reason] == "SA":
        assert ue.drops().get(reason, 0) == on_set + len(made), "the set has not counted them"
    ue.passes(transport=transport)
    ue.reached(transport=transport)


@pytest.mark.parametrize("family", (4, 6))
def test_esp_without_a_whole_spi(field, ues, family):
    """Too short to belong to any set."""
    with field.dropped("access", esp_length=4):
        field.access.send(*[with_payload(ues[family].inner(), ESP, b"\x12\x34\x56"[:length]) for length in range(4)])


def test_every_reason_has_a_case():
    tabled = {param.values[0] for param in CASES}
    for reason, file in ELSEWHERE.items():
        with open(os.path.join(os.path.dirname(__file__), file), encoding="utf-8") as test:
            assert f"{reason}=" in test.read(), f"{file} does not provoke {reason}"
    assert not tabled & set(NOT_FROM_OUTSIDE) and not set(ELSEWHERE) & set(NOT_FROM_OUTSIDE)
    assert tabled | set(ELSEWHERE) | set(NOT_FROM_OUTSIDE) == set(DROP_REASONS)


# Any packet

@case("truncated", transports=("udp", "tcp"))
def cut_anywhere(ue, transport):
    """A good ESP packet, its end cut off at each place from the IP header on."""
    packet = ue.protected(transport=transport)
    return [packet[:length] for length in range(1, len(packet))]


@case("truncated", side="core", transports=("udp", "tcp"))
def cut_from_core(ue, transport):
    packet = ue.from_core(transport=transport)
    return [packet[:length] for length in range(1, len(packet))]


@case("truncated", frames=True)
def no_ip_at_all(ue, _):
    return [ether(ue.field.access, ETH_IP4 if ue.family == 4 else ETH_IP6, b"")]


@case("truncated")
def length_beyond_the_frame(ue, _):
    at = 2 if ue.family == 4 else 4
    packet = ue.protected()
    return [patched(packet, at, struct.pack("!H", length), fix_checksum=True) for length in
            (len(packet) + 1, len(packet) + 44, 9000, 65535)]


@case("ip_header", families=(4,))
def header_of_v4(ue, _):
    good = ue.protected()
    yield from (patched(good, at, bytes((good[at] ^ 0x40,))) for at in range(1, 20) if at not in (2, 3))
    yield patched(good, 0, b"\x44", fix_checksum=True)  # shorter than a header is
    yield patched(good, 0, b"\x40", fix_checksum=True)
    yield patched(good, 2, struct.pack("!H", 19), fix_checksum=True)  # total length within the header
    yield patched(good, 2, struct.pack("!H", 0), fix_checksum=True)


@case("ip_header", frames=True)
def another_version(ue, _):
    good, ethertype = ue.protected(), ETH_IP4 if ue.family == 4 else ETH_IP6
    for version in set(range(16)) - {ue.family}:
        packet = patched(good, 0, bytes((version << 4 | good[0] & 15,)), fix_checksum=False)
        yield ether(ue.field.access, ethertype, packet)


@case("ip_options", families=(4,), transports=("udp", "tcp"))
def options(ue, transport):
    l4 = (UDP if transport == "udp" else TCP)(sport=ue.port_uc, dport=5060)
    for some in ([IPOption_NOP()] * 4, [IPOption_Router_Alert()], [IPOption_NOP()] * 40):
        yield bytes(IP(src=ue.address, dst=ue.served, options=some) / l4 / Raw(sip("OPTIONS")))


@case("ip_options", side="core", families=(4,))
def options_from_core(ue, _):
    yield bytes(IP(src=ue.served, dst=ue.address, options=[IPOption_Router_Alert()])
                / UDP(sport=ue.port_pc, dport=ue.port_us) / Raw(b"hello"))


@case("ip_extension", families=(6,), transports=("udp", "tcp"))
def extension(ue, transport):
    l4 = (UDP if transport == "udp" else TCP)(sport=ue.port_uc, dport=5060)
    for header in (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(addresses=[ue.served])):
        yield bytes(IPv6(src=ue.address, dst=ue.served) / header / l4 / Raw(sip("OPTIONS")))
    for header in (135, 139, 140):
        yield with_payload(plain(ue.address, ue.served, 1, 1), header, b"\x32\0" + bytes(30))


@case("ip_extension", side="core", families=(6,))
def extension_from_core(ue, _):
    yield bytes(IPv6(src=ue.served, dst=ue.address) / IPv6ExtHdrDestOpt()
                / UDP(sport=ue.port_pc, dport=ue.port_us) / Raw(b"hello"))


@case("fragment", families=(4,))
def fragment_of_v4(ue, _):
    good = ue.protected()
    for flags_and_offset in (0x2000, 0x2001, 0x0001, 0x1FFF, 0x3FFF, 0x6000):
        yield patched(good, 6, struct.pack("!H", flags_and_offset), fix_checksum=True)


@case("fragment", families=(6,))
def fragment_of_v6(ue, _):
    inner = ue.protected()[40:]
    for more, offset in ((1, 0), (0, 1), (1, 100), (0, 0)):
        yield bytes(IPv6(src=ue.address, dst=ue.served)
                    / IPv6ExtHdrFragment(nh=ESP, m=more, offset=offset, id=7) / Raw(inner))


@case("fragment", side="core")
def fragment_from_core(ue, _):
    packet = ue.from_core()
    if ue.family == 4:
        return [patched(packet, 6, b"\x20\0", fix_checksum=True), patched(packet, 6, b"\0\5", fix_checksum=True)]
    return [bytes(IPv6(src=ue.served, dst=ue.address) / IPv6ExtHdrFragment(nh=17, m=1, id=7) / Raw(packet[40:]))]


@case("ethertype", frames=True, families=(4,))
def ethertypes(ue, _):
    """802.1Q, QinQ, MPLS, PPPoE, LLC, nonsense: all with a good packet inside."""
    for ethertype in (0x8100, 0x88A8, 0x8847, 0x8864, 0x9000, 0x0000, 0x05DC, 0x0801, 0x86DE, 0xFFFF):
        yield ether(ue.field.access, ethertype, ue.protected())
    yield ether(ue.field.access, 0x8100, b"\0\1\x08\0" + ue.protected())


@case("not_ours", frames=True)
def other_station(ue, _):
    ethertype = ETH_IP4 if ue.family == 4 else ETH_IP6
    mac = ue.field.access.gateway_mac
    others = (b"\xff" * 6, b"\2\0\0\0\0\1", mac[:5] + bytes((mac[5] ^ 1,)), bytes((mac[0] ^ 2,)) + mac[1:], bytes(6))
    for destination in others:
        yield ether(ue.field.access, ethertype, ue.protected(), destination)


@case("source_invalid")
def no_host_has_it(ue, _):
    sources = (("0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255") if ue.family == 4 else
               ("::", "::1", "ff02::1", "ff0e::1", "::ffff:10.45.0.2"))
    for source in sources:
        yield plain(source, ue.served, 5060, 5060, sip("REGISTER"))
        yield protect(plain(source, ue.served, ue.port_uc, ue.port_ps), ue.spi_ps, 100_000, ue.key)


@case("source_invalid", transports=("udp", "tcp"))
def no_way_leads_back(ue, transport):
    """In the clear with the address of a core server, of the gateway, of a network or of nobody this side knows."""
    sources = (("10.60.0.2", "10.60.0.254", "10.45.0.254", "10.45.0.255", "192.0.2.1") if ue.family == 4 else
               ("fd00:60::2", "fd00:60::fe", "fd00:45::fe", "2001:db8::1"))
    return [plain(source, ue.served, 5060, 5060, sip("REGISTER"), transport) for source in sources]


@case("source_invalid", side="core")
def no_host_has_it_in_the_core(ue, _):
    for source in ("127.0.0.1", "224.0.0.5") if ue.family == 4 else ("::1", "ff02::1"):
        yield plain(source, ue.address, ue.port_pc, ue.port_us)


@case("l4_checksum", transports=("udp", "tcp"))
def checksum_wrong(ue, transport):
    good = plain(ue.address, ue.served, 5070, 5060, sip("OPTIONS"), transport)
    at = header_length(good) + (6 if transport == "udp" else 16)
    yield patched(good, at, bytes((good[at] ^ 1, good[at + 1])))
    yield patched(good, len(good) - 1, b"#")


@case("l4_checksum", side="core", transports=("udp", "tcp"))
def checksum_wrong_from_core(ue, transport):
    good = ue.from_core(transport=transport)
    at = header_length(good) + (6 if transport == "udp" else 16)
    yield patched(good, at, bytes((good[at] ^ 1, good[at + 1])))
    yield patched(good, len(good) - 1, b"#")


@case("l4_checksum", families=(6,))
def no_checksum_in_v6(ue, _):
    """RFC 8200 8.1: it may not be left out."""
    yield plain(ue.address, ue.served, 5070, 5060, sip("OPTIONS"), l4={"chksum": 0})


def odd_l4(source, destination, ports, transport):
    """Transport headers that are cut short or lie about their length."""
    good = plain(source, destination, *ports, b"0123456789", transport)
    start = header_length(good)
    if transport == "udp":
        yield from (with_payload(good, 17, good[start:start + length]) for length in range(8))
        yield from (patched(good, start + 4, struct.pack("!H", length)) for length in (0, 7, 19, 65535))
    else:
        yield from (with_payload(good, 6, good[start:start + length]) for length in range(20))
        yield from (patched(good, start + 12, bytes((words << 4,))) for words in (0, 4, 8, 15))


@case("l4_header", transports=("udp", "tcp"))
def transport_header(ue, transport):
    return odd_l4(ue.address, ue.served, (5070, 5060), transport)


@case("l4_header", side="core", transports=("udp", "tcp"))
def transport_header_from_core(ue, transport):
    return odd_l4(ue.served, ue.address, (ue.port_pc, ue.port_us), transport)


# From the access side

@case("source_served", transports=("udp", "tcp"))
def says_it_is_the_pcscf(ue, transport):
    """Reflection without swapping (rule 4), in ESP and in the clear."""
    yield protect(ue.from_core(transport=transport), ue.spi_ps, 100_000, ue.key)
    yield protect(ue.from_core(transport=transport), ue.spi_us, 1, ue.key)
    yield plain(ue.served, ue.address, 5060, 5070, sip("OPTIONS"), transport)
    yield plain(ue.served, ue.served, 5060, 5060, sip("OPTIONS"), transport)


@case("not_served", transports=("udp", "tcp"))
def transit(ue, transport):
    """The gateway is no router: not to the core's other hosts, not to other UEs, not out on the same side."""
    others = (("10.60.0.2", "10.45.0.3", "10.50.0.2", "192.0.2.1") if ue.family == 4 else
              ("fd00:60::2", "fd00:45::3", "fd00:50::2", "2001:db8::1"))
    for other in others:
        yield plain(ue.address, other, 5060, 5060, sip("OPTIONS"), transport)
        yield protect(plain(ue.address, other, ue.port_uc, ue.port_ps, b"", transport), ue.spi_ps, 100_000, ue.key)


@case("spi_reserved")
def rule_5_reserved_spis(ue, _):
    return [ue.protected(spi=spi) for spi in (0, 1, 2, 254, 255)]


@case("unknown_spi")
def unknown_spis(ue, _):
    near = {ue.spi_ps ^ 1 << bit for bit in range(32)} - ue.field.spis()
    return [ue.protected(spi=spi) for spi in sorted(near | {256, 0x7FFFFFFF, 0xFFFFFFFF}) if spi > 255]


@case("unknown_spi")
def rule_4_the_ues_own_spis(ue, _):
    """A reflected packet with its addresses swapped carries an SPI that the UE chose."""
    return [ue.protected(spi=ue.spi_uc), ue.protected(spi=ue.spi_us)]


@case("unknown_spi")
def to_the_gateway_itself(ue, _):
    """No SA ends at a port's own address, and its kernel must not answer."""
    own = netns.ACCESS4 if ue.family == 4 else netns.ACCESS6
    return [protect(plain(ue.address, own, *ue.ports("ps")), spi, 100_000, ue.key) for spi in (ue.spi_ps, 0x1234)]


@case("unknown_spi", side="core")
def to_the_gateway_itself_from_core(ue, _):
    own = netns.CORE_GW4 if ue.family == 4 else netns.CORE_GW6
    return [protect(plain(source, own, *ue.ports("us")), spi, 1, ue.key)
            for source in (ue.served, ue.address) for spi in (ue.spi_ps, ue.spi_us)]


@case("sa_address")
def another_source(ue, _):
    for other in ("10.45.0.99", "10.44.0.2", "192.0.2.9") if ue.family == 4 else ("fd00:45::99", "fd00:44::2"):
        yield protect(plain(other, ue.served, ue.port_uc, ue.port_ps), ue.spi_ps, 100_000, ue.key)


@case("sa_address")
def another_family(ue, _):
    source, served = (("fd00:45::2", netns.SERVED6) if ue.family == 4 else ("10.45.0.2", netns.SERVED4))
    yield protect(plain(source, served, ue.port_uc, ue.port_ps), ue.spi_ps, 100_000, ue.key)


@case("esp_length")
def esp_of_odd_length(ue, _):
    """Too short for a trailer and an ICV, or no multiple of 4, with an ICV that would be good."""
    packet = ue.inner()
    for length in [*range(4, 23), 25, 27]:
        body = (struct.pack("!II", ue.spi_ps, 100_000) + bytes(length))[:length]
        yield with_payload(packet, ESP, body[:-12] + icv(ue.key, body[:-12]) if length >= 20 else body)
    for more in (1, 2, 3):
        yield ue.protected(tail=trailer(len(packet) - header_length(packet), 17, more))


@case("l4_header", transports=("udp", "tcp"))
def transport_header_in_esp(ue, transport):
    """What a UE with good keys can still write."""
    for packet in odd_l4(ue.address, ue.served, ue.ports("ps"), transport):
        yield protect(packet, ue.spi_ps, ue.next(), ue.key)


@case("seq_zero")
def sequence_zero(ue, _):
    return [ue.protected(sequence=0), ue.protected(sa="pc", sequence=0), ue.protected(sequence=0, key=bytes(20))]


@case("padding", transports=("udp", "tcp"))
def padding_wrong(ue, transport):
    inner = len(ue.inner(transport=transport)) - header_length(ue.inner())
    right = trailer(inner, 17 if transport == "udp" else 6, 8)
    pad = right[-2]
    tails = [right[:at] + bytes((right[at] ^ 1,)) + right[at + 1:] for at in range(pad)]
    tails += [bytes(pad) + right[-2:]]
    tails += [right[:-2] + bytes((length, right[-1])) for length in (inner + pad + 1, 254, 255)]
    return [ue.protected(transport=transport, tail=tail, sequence=ue.next()) for tail in tails]


@case("dummy")
def rule_10_dummy(ue, _):
    for data in (b"hostile", b"", bytes(1000)):
        for sa in ("ps", "pc"):
            yield ue.protected(data, sa, sequence=ue.next(sa), next_header=59)


@case("next_header")
def carries_something_else(ue, _):
    return [ue.protected(sequence=ue.next(), next_header=number)
            for number in (0, 1, 4, 41, 50, 51, 58, 60, 132, 136, 255)]


@case("selector", transports=("udp", "tcp"))
def rule_2_sas_mixed_up(ue, transport):
    """Only (uc, ps) and (us, pc) are pairs, each on its own SA."""
    for sa in ("ps", "pc"):
        for source in (ue.port_uc, ue.port_us, 1):
            for destination in (ue.port_ps, ue.port_pc, 5060, 6064):
                if (source, destination) != ue.ports(sa):
                    yield ue.protected(sa=sa, transport=transport, ports=(source, destination), sequence=ue.next(sa))
    yield ue.protected(transport=transport, ports=(ue.port_ps, ue.port_uc), sequence=ue.next())


@case("clear_port", transports=("udp", "tcp"))
def rule_25_clear_to_another_port(ue, transport):
    for port in (ue.port_ps, ue.port_pc, 6064, 5061, 22, 1, 65535):
        yield plain(ue.address, ue.served, ue.port_uc, port, sip("REGISTER"), transport)
    yield plain(ue.address, ue.served, 5060, ue.port_ps, sip("REGISTER"), transport)


@case("clear_protocol")
def another_protocol(ue, _):
    """AH, SCTP, tunnels, no next header, and ICMP that is nobody's: to a served address."""
    packet = plain(ue.address, ue.served, 1, 1)
    yield from (with_payload(packet, number, bytes(40)) for number in (2, 4, 41, 47, 51, 59, 103, 132, 136, 255))
    echo = ICMP() if ue.family == 4 else ICMPv6EchoRequest()
    yield bytes(network(ue.address, ue.served) / echo)
    about = plain(ue.served, ue.address, 5060, 5070)
    error = ICMP(type=3, code=3) if ue.family == 4 else ICMPv6DestUnreach(code=4)
    yield bytes(network(ue.address, ue.served) / error / Raw(about))


@case("icmp_esp")
def icmp_that_quotes_esp(ue, _):
    """'Fragmentation needed' about what the gateway sent, from the UE and from a router on the way."""
    quoted = protect(ue.from_core(bytes(100)), ue.spi_us, 7, ue.key)[:header_length(ue.inner()) + 8]
    for source in (ue.address, "10.45.0.77" if ue.family == 4 else "fd00:45::77"):
        if ue.family == 4:
            yield bytes(network(source, ue.served) / ICMP(type=3, code=4, nexthopmtu=600) / Raw(quoted))
            yield bytes(network(source, ue.served) / ICMP(type=3, code=2) / Raw(quoted))
        else:
            yield bytes(network(source, ue.served) / ICMPv6PacketTooBig(mtu=1280) / Raw(quoted))
            yield bytes(network(source, ue.served) / ICMPv6DestUnreach(code=4) / Raw(quoted))


# From the core side

@case("source_not_served", side="core", transports=("udp", "tcp"))
def another_host_of_the_core(ue, transport):
    others = ("10.60.0.2", "10.50.0.2", ue.address) if ue.family == 4 else ("fd00:60::2", "fd00:50::2", ue.address)
    for other in others:
        yield plain(other, ue.address, ue.port_pc, ue.port_us, b"", transport)
        yield plain(other, ue.address, 5060, 5060, b"", transport)


@case("no_set", side="core", transports=("udp", "tcp"))
def never_in_the_clear(ue, transport):
    """To a protected port for which there is no set: other pairs, other UEs, and SAs mixed up."""
    pairs = [(source, destination) for source in (ue.port_pc, ue.port_ps, 6064, 6066)
             for destination in (ue.port_uc, ue.port_us, 5066)
             if (source, destination) not in (ue.ports("uc"), ue.ports("us"))]
    yield from (plain(ue.served, ue.address, *pair, b"secret", transport) for pair in pairs)
    stranger = "10.45.0.98" if ue.family == 4 else "fd00:45::98"
    yield plain(ue.served, stranger, *ue.ports("us"), b"secret", transport)
