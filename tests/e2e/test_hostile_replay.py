# SPDX-License-Identifier: BSD-3-Clause
"""Replay, forgery, reflection, another's packets, and SPIs whose set is gone (rules 4, 9, 14, 17, 23, 27)."""
import pytest

from hostile import ICV_LEN, header_length, one_hop_on, patched, plain, protect
from support import wait_for

WINDOW = 128
SOON_S = 5  # a set's end, before which a slow machine still sends something on it
BOTH = pytest.mark.parametrize("family", (4, 6))
TRANSPORTS = pytest.mark.parametrize("transport", ("udp", "tcp"))


@pytest.fixture
def ue(field, family):
    """A UE with a fresh established set, whose windows and sequence numbers are at 0."""
    made = field.ue(family).establish()
    yield made
    if made.row():
        made.release()
        field.settle()  # what asks the P-CSCF about TCP connections of the set (rule 24) has left


def good(ue, sequence, sa="ps", transport="udp"):
    return protect(ue.inner(b"%d" % sequence, sa, transport), ue.spi(sa), sequence, ue.key)


# Rule 9: anti-replay is on for every SA, always

@BOTH
@TRANSPORTS
@pytest.mark.parametrize("sa", ("ps", "pc"))
def test_rule_9_a_packet_passes_once(field, ue, transport, sa):
    packet = good(ue, 7, sa, transport)
    with field.dropped("access", to_core=1):
        field.access.send(packet)
    with field.dropped("access", replay=3):
        field.access.send(packet, packet, packet)


@BOTH
@TRANSPORTS
def test_rule_9_twice_in_one_burst(field, ue, transport):
    """The copies lie beside each other when the window is asked first: the test is repeated behind the ICV."""
    for sequence in range(1, 20):
        packet = good(ue, sequence, transport=transport)
        with field.dropped("access", replay=2, to_core=1) as out, field.one_burst():
            field.access.send(packet, packet, packet)
        assert out.core == [one_hop_on(ue.inner(b"%d" % sequence, transport=transport))]


@BOTH
def test_rule_9_copies_among_others_in_one_burst(field, ue):
    packets = [good(ue, sequence) for sequence in range(1, 17)]
    with field.dropped("access", replay=48, to_core=16), field.one_burst():
        field.access.send(*packets, *reversed(packets), *packets, *packets)
    others = [good(ue, sequence, "pc") for sequence in range(1, 9)]
    forged = [patched(packet, len(packet) - 1, bytes((packet[-1] ^ 1,))) for packet in others]
    with field.dropped("access", icv=8, replay=8, to_core=8), field.one_burst():  # a forgery takes no one's place
        field.access.send(*forged, *others, *others)


@BOTH
@pytest.mark.parametrize("top", (128, 129, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
def test_rule_9_edges_of_the_window(field, ue, top):
    """The window of 128 ends at top - 127; what is behind was perhaps never seen, and is refused."""
    with field.dropped("access", to_core=1):
        field.access.send(good(ue, top))
    inside = [top - back for back in (WINDOW - 1, WINDOW - 2, 64, 63, 1)]
    with field.dropped("access", to_core=len(inside)):
        field.access.send(*[good(ue, sequence) for sequence in inside])
    behind = [top - back for back in (WINDOW, WINDOW + 1, top - 1) if 0 < top - back <= top - WINDOW]
    with field.dropped("access", replay=len(inside) + 1 + len(behind)):
        field.access.send(*[good(ue, sequence) for sequence in [*inside, top, *behind]])


@BOTH
def test_rule_9_the_window_slides_as_it_must(field, ue):
    """Against the plainest model, over steps that shift by parts, by just the whole and by more than the window."""
    seen, top = set(), 0
    for step in (1, 63, 1, 64, 127, 128, 129, 5, 200, 1):
        tried = [top + step, top + step - 127, top + step - 128, top + step, top, top + 1, top - 64]
        for sequence in [number for number in tried if number > 0]:
            fresh = sequence not in seen and sequence > top - WINDOW
            with field.dropped("access", replay=0 if fresh else 1, to_core=1 if fresh else 0):
                field.access.send(good(ue, sequence))
            if fresh:
                seen.add(sequence)
                top = max(top, sequence)


@BOTH
def test_rule_9_each_sa_has_its_own_window(field, ue):
    for sa in ("ps", "pc"):
        with field.dropped("access", to_core=1):
            field.access.send(good(ue, 5, sa))
    with field.dropped("access", replay=2):
        field.access.send(good(ue, 5, "ps"), good(ue, 5, "pc"))


# Forged packets

@BOTH
@TRANSPORTS
def test_rule_17_no_flipped_bit_passes(field, ue, transport):
    """Each bit of the sequence number, the payload, the trailer and the ICV in turn; nobody answers."""
    packet = ue.protected(transport=transport, sequence=0x01020304)
    start = header_length(packet)
    forged = [patched(packet, at, bytes((packet[at] ^ 1 << bit,)))
              for at in range(start + 4, len(packet)) for bit in range(8)]
    for first in range(0, len(forged), 256):
        some = forged[first:first + 256]
        with field.dropped("access", icv=len(some)):
            field.access.send(*some)
    spis = {ue.spi_ps ^ 0xFF << 8 * at for at in range(4)} - field.spis()
    reserved = [spi for spi in spis if spi < 256]
    with field.dropped("access", spi_reserved=len(reserved), unknown_spi=len(spis) - len(reserved)):
        field.access.send(*[patched(packet, start, spi.to_bytes(4, "big")) for spi in spis])
    with field.dropped("access", to_core=1):
        field.access.send(packet)


@BOTH
def test_a_forged_icv_of_one_good_octet(field, ue):
    """The whole ICV is compared: not its begin, not its end, not none of it."""
    packet = ue.protected()
    tag = packet[-ICV_LEN:]
    forged = [packet[:-ICV_LEN] + bytes(ICV_LEN), packet[:-ICV_LEN] + tag[::-1]]
    forged += [packet[:-ICV_LEN] + tag[:kept] + bytes(255 - octet for octet in tag[kept:]) for kept in range(ICV_LEN)]
    forged += [ue.protected(key=bytes(20)), ue.protected(key=ue.ik[::-1] + bytes(4))]
    with field.dropped("access", icv=len(forged)):
        field.access.send(*forged)
    ue.passes()


@BOTH
def test_a_storm_of_forgeries_moves_no_window(field, ue):
    """2,000 packets with sequence numbers far ahead and all the way back; then good ones pass as before."""
    for _ in range(3):
        ue.passes()
    inner = ue.inner()
    forged = [ue.protected(sequence=4 + number * 2_000_000, packet=inner) for number in range(2000)]
    for first in range(0, len(forged), 250):
        with field.dropped("access", icv=250):
            field.access.send(*[patched(packet, len(packet) - 1, bytes((packet[-1] ^ 0x55,)))
                                for packet in forged[first:first + 250]])
    assert ue.row()["SA"][0]["SEQUENCE"] == 3, "the window moved"
    with field.dropped("access", replay=1):
        field.access.send(good(ue, 3))
    ue.passes()


# Rule 4: reflection

@BOTH
@TRANSPORTS
def test_rule_4_what_the_gateway_sent_comes_back(field, ue, transport):
    """Unchanged, with its addresses swapped, and with its addresses and ports swapped."""
    for sa in ("us", "uc"):
        with field.dropped("core", to_access=1) as out:
            field.core.send(ue.from_core(sa=sa, transport=transport))
        sent = out.access[0]
        with field.dropped("access", source_served=1):
            field.access.send(sent)
        source, length = (12, 4) if ue.family == 4 else (8, 16)
        addresses = sent[source + length:source + 2 * length] + sent[source:source + length]
        with field.dropped("access", unknown_spi=1):
            field.access.send(patched(sent, source, addresses, fix_checksum=True))
        ports = ue.inner(sa="ps", transport=transport, ports=ue.ports(sa)[::-1])
        with field.dropped("access", unknown_spi=1):
            field.access.send(protect(ports, ue.spi(sa), 1, ue.key))


@BOTH
@TRANSPORTS
def test_rule_4_what_came_to_the_core_goes_back(field, ue, transport):
    with field.dropped("access", to_core=1) as out:
        field.access.send(good(ue, 1, transport=transport))
    with field.dropped("core", source_not_served=2):
        field.core.send(out.core[0], good(ue, 2, transport=transport))


@BOTH
def test_esp_from_the_core_is_nobodys(field, ue):
    """A server in the core has no business with ESP: it goes neither to the UE nor into an SA."""
    for spi in (ue.spi_us, ue.spi_ps):
        with field.dropped("core", clear_protocol=1):
            field.core.send(protect(ue.from_core(), spi, 9, ue.key))


# Rule 27: another's packets

@BOTH
def test_rule_27_two_ues(field, ue):
    """Each with the other's address, key, SPI and ports."""
    other = field.ue(ue.family, 3).establish()
    mine, theirs = ue.inner(), other.inner()
    with field.dropped("access", sa_address=2):
        field.access.send(protect(theirs, ue.spi_ps, 5, ue.key), protect(mine, other.spi_ps, 5, other.key))
    with field.dropped("access", icv=2):
        field.access.send(protect(mine, ue.spi_ps, 5, other.key), protect(theirs, other.spi_ps, 5, ue.key))
    for one in (ue, other):
        one.passes()
        one.reached()
    other.release()


@BOTH
def test_rule_27_two_sets_of_one_ue(field, ue):
    """The same address and key, other ports: a packet with the other set's ports is not this SA's."""
    second = field.ue(ue.family, ik=ue.ik, port_uc=5072, port_us=5074, port_pc=6064).establish()
    with field.dropped("access", selector=2):
        field.access.send(protect(second.inner(), ue.spi_ps, 5, ue.key), protect(ue.inner(), second.spi_ps, 5, ue.key))
    ue.passes()
    second.passes()
    second.reached()
    second.release()


# A set that is gone

@BOTH
@TRANSPORTS
def test_rule_23_after_release_its_spis_are_unknown(field, ue, transport):
    ue.passes(transport=transport)
    ue.release()
    field.settle()  # as in `ue`
    with field.dropped("access", unknown_spi=2):
        field.access.send(good(ue, 2, "ps", transport), good(ue, 2, "pc", transport))
    with field.dropped("core", no_set=2, to_core=2 if transport == "tcp" else 0):  # rule 24: a reset for each
        field.core.send(ue.from_core(transport=transport), ue.from_core(sa="uc", transport=transport))


@BOTH
def test_rule_23_a_draining_set_works_until_its_end(field, ue):
    ue.release(drain=SOON_S)
    assert ue.row()["REMAINING"] <= SOON_S * 1000
    ue.passes()
    ue.reached()
    wait_for(lambda: ue.row() is None, "the set has drained", SOON_S + 30)
    with field.dropped("access", unknown_spi=1):
        field.access.send(good(ue, 9))


@BOTH
def test_rule_14_a_temporary_set_ends_by_itself(field, family):
    ue = field.ue(family, 4).install(AWAIT_AUTH=SOON_S)
    assert ue.row()["REMAINING"] <= SOON_S * 1000
    ue.passes(b"REGISTER sip:example.org SIP/2.0\r\n\r\n")
    wait_for(lambda: ue.row() is None, "its time is over", SOON_S + 30)
    with field.dropped("access", unknown_spi=1):
        field.access.send(good(ue, 9))
    with field.dropped("core", no_set=1):
        field.core.send(ue.from_core())


@BOTH
def test_a_stale_generation_is_unknown_after_its_slot_was_used_again(field, family):
    """The same UE comes and goes; none of its earlier SPIs works, under any key it ever had."""
    former = []
    for _ in range(12):
        ue = field.ue(family, 5).establish()
        ue.passes()
        for old in former:
            with field.dropped("access", unknown_spi=2):
                field.access.send(good(old, 50), protect(ue.inner(), old.spi_ps, 50, ue.key))
        assert ue.spi_ps not in {old.spi_ps for old in former}
        ue.passes()
        ue.release()
        former.append(ue)


@BOTH
def test_the_clear_way_stays_shut_while_sets_come_and_go(field, ue):
    """Plain packets from the core to the protected pair never go out in the clear, before, in or after the set."""
    pair = plain(ue.served, ue.address, *ue.ports("us"), b"a secret of the core")
    with field.dropped("core", to_access=1) as out:
        field.core.send(pair)
    ue.check(out.access[0], pair)
    ue.release()
    with field.dropped("core", no_set=1):
        field.core.send(pair)
