# SPDX-License-Identifier: BSD-3-Clause
"""What the gateway says in ICMP, and what it does when it cannot send: TTL, size, routes, neighbours, its taps."""
import contextlib
import socket
import time

import pytest
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3mq
from scapy.layers.inet import ICMP, IP, IPOption_Router_Alert
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6MLQuery2, ICMPv6PacketTooBig,
                                ICMPv6TimeExceeded, IPv6, IPv6ExtHdrHopByHop, RouterAlert)
from scapy.packet import Raw

from deploy.lab import netns
from hostile import DROP_REASONS, family_of, header_length, network, patched, plain, sip
from support import wait_for

SETTINGS = {"dataplane.exception_rate": "1000", "dataplane.access.mtu": "1400"}
PORTS = {("access", 4): netns.ACCESS4, ("access", 6): netns.ACCESS6, ("core", 4): netns.CORE_GW4,
         ("core", 6): netns.CORE_GW6}
FLOOD_BATCH = 400
MTU = 1400  # of the access link; the core has 1500
BOTH = pytest.mark.parametrize("family", (4, 6))
TRANSPORTS = pytest.mark.parametrize("transport", ("udp", "tcp"))


@pytest.fixture(scope="module")
def ues(field):
    return {family: field.ue(family).establish() for family in (4, 6)}


def parsed(packet):
    """By Scapy, with its checksums looked at: they are the same when written again."""
    kind = IP if packet[0] >> 4 == 4 else IPv6
    again = kind(packet)
    for layer in (again, again.payload):
        for checksum in ("chksum", "cksum"):
            if checksum in layer.fields:
                delattr(layer, checksum)
    assert bytes(again) == packet, f"a wrong checksum or length in {packet.hex()}"
    return kind(packet)


def check_error(packet, side, quoted, destination):
    """An ICMP error of the port on `side` about `quoted`; it parsed."""
    error = parsed(packet)
    family = family_of(destination)
    assert (error.src, error.dst) == (PORTS[side, family], destination)
    quote = packet[header_length(packet) + 8:]
    assert len(quote) >= header_length(quoted) + 8 and quoted.startswith(quote), "it does not quote the packet"
    assert len(packet) <= (576 if family == 4 else 1280)
    return error


def last_hop(packet, ttl):
    return patched(packet, 8 if packet[0] >> 4 == 4 else 7, bytes((ttl,)), fix_checksum=True)


@BOTH
@pytest.mark.parametrize("ttl", (0, 1))
def test_ttl_from_the_access_side(field, ues, family, ttl):
    ue = ues[family]
    for packet in (plain(ue.address, ue.served, 5070, 5060, sip("OPTIONS")), ue.protected()):
        packet = last_hop(packet, ttl)
        with field.dropped("access", ttl_expired=1, to_access=1) as out:
            field.access.send(packet)
        error = check_error(out.access[0], "access", packet, ue.address)
        assert ((error[ICMP].type, error[ICMP].code) == (11, 0)) if family == 4 else ICMPv6TimeExceeded in error
    ue.passes()


@BOTH
@TRANSPORTS
def test_ttl_from_the_core_side(field, ues, family, transport):
    ue = ues[family]
    packet = ue.from_core(bytes(400), transport=transport, ttl=1)
    with field.dropped("core", ttl_expired=1, to_core=1) as out:
        field.core.send(packet)
    check_error(out.core[0], "core", packet, ue.served)
    ue.reached(transport=transport, ttl=2)


@BOTH
def test_no_icmp_error_about_what_must_not_have_one(field, ues, family):
    """RFC 1122 3.2.2, RFC 4443 2.4: none about an ICMP error."""
    ue = ues[family]
    quoted = ue.protected()[:header_length(ue.inner()) + 8]
    error = ICMP(type=3, code=3) / Raw(quoted) if family == 4 else ICMPv6TimeExceeded() / Raw(quoted)
    with field.dropped("access", ttl_expired=1):
        field.access.send(bytes(network(ue.address, ue.served, ttl=1) / error))


def largest(ue, transport):
    """Octets of data that still fit the access link in ESP: 8 of header, 2 of trailer, 12 of ICV, 4 aligned."""
    room = MTU - header_length(ue.inner()) - 8 - 12
    return room - room % 4 - 2 - (8 if transport == "udp" else 20)


@BOTH
@TRANSPORTS
def test_too_big_is_said_to_the_core(field, ues, family, transport):
    ue = ues[family]
    fits = largest(ue, transport)
    ue.reached(bytes(fits), transport=transport)
    packet = ue.from_core(bytes(fits + 1), transport=transport)
    with field.dropped("core", too_big=1, to_core=1) as out:
        field.core.send(packet)
    error = check_error(out.core[0], "core", packet, ue.served)
    said = error[ICMP].nexthopmtu if family == 4 else error[ICMPv6PacketTooBig].mtu
    assert said == len(packet) - 1, "the MTU that it says is the largest packet that fits"
    assert family == 6 or (error[ICMP].type, error[ICMP].code) == (3, 4)
    ue.reached(transport=transport)


@BOTH
def test_too_big_in_the_clear_is_said_too(field, ues, family):
    ue = ues[family]
    room = MTU - header_length(ue.inner()) - 8
    fits, packet = (plain(ue.served, ue.address, 5060, 5070, bytes(length)) for length in (room, room + 1))
    with field.dropped("core", too_big=1, to_core=1, to_access=1) as out:
        field.core.send(fits, packet)
    error = check_error(out.core[0], "core", packet, ue.served)
    assert (error[ICMP].nexthopmtu if family == 4 else error[ICMPv6PacketTooBig].mtu) == MTU


def test_too_big_without_df_is_dropped_in_silence(field, ues):
    with field.dropped("core", too_big=1):
        field.core.send(ues[4].from_core(bytes(largest(ues[4], "udp") + 1), flags=0))
    ues[4].reached()


@pytest.mark.parametrize("side", ("access", "core"))
@BOTH
def test_the_kernel_answers_an_echo_request(field, family, side):
    """ARP or ND, then ICMP, over the port's tap."""
    host = field.ue(family, 40).address if side == "access" else (netns.CORE4 if family == 4 else netns.CORE6)
    echo = ICMP(id=7, seq=1) if family == 4 else ICMPv6EchoRequest(id=7, seq=1)
    packet = bytes(network(host, PORTS[side, family]) / echo / Raw(b"are you there"))
    with field.dropped(**{f"to_{side}": 1}) as out:
        getattr(field, side).send(packet)
    answer = parsed(getattr(out, side)[0])
    assert (answer.src, answer.dst) == (PORTS[side, family], host) and bytes(answer).endswith(b"are you there")
    assert (answer[ICMP].type == 0) if family == 4 else ICMPv6EchoReply in answer


@pytest.mark.parametrize("side", ("access", "core"))
def test_the_kernel_hears_group_queries(field, side):
    """A switch that snoops forgets the groups of a port that does not answer, and then drops what finds it."""
    end = getattr(field, side)
    query = bytes(IPv6(src="fe80::1", dst="ff02::1", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()])
                  / ICMPv6MLQuery2(mrd=1))
    end.chatter.clear()
    with field.dropped(side):
        end.send_frame(b"\x33\x33\0\0\0\1" + end.mac + b"\x86\xdd" + query)
        end.send_frame(b"\1\0\x5e\0\0\1" + end.mac + b"\x08\0" + bytes(
            IP(src="10.45.0.1", dst="224.0.0.1", ttl=1, options=[IPOption_Router_Alert()]) / IGMPv3(mrcode=1)
            / IGMPv3mq()))
    wait_for(lambda: any(frame[20] == 0 and frame[62:63] == b"\x8f" for frame in end.chatter),
             "the kernel reported its groups")


@BOTH
def test_no_route_to_the_ue(field, family):
    ue = field.ue(family)
    ue.address = "172.20.0.2" if family == 4 else "2001:db8::2"
    ue.establish()
    with field.dropped("core", no_route=2):
        field.core.send(ue.from_core(), plain(ue.served, ue.address, 5060, 5070, b"SIP/2.0 200 OK\r\n\r\n"))
    ue.passes()


def await_route(field, ue, is_there):
    """The data plane hears of the kernel's routes by itself, some time later: then its packets find one, or none."""
    def is_noticed():
        before = field.drops().get(("access", "no_route"), 0)
        field.access.send(ue.protected(sequence=ue.next()))
        field.settle()
        return (field.drops().get(("access", "no_route"), 0) == before) == is_there
    wait_for(is_noticed, "the data plane has noticed the route's change")


def test_no_route_to_the_pcscf_and_a_new_one(field, ues):
    """Routes follow the kernel's. (IPv6, for the witness is IPv4.)"""
    route = ("route", "add", f"{netns.SERVED6}/128", "via", netns.CORE6, "dev", "bgf-core")
    netns.run("ip", "-n", field.lab.tap, "route", "del", f"{netns.SERVED6}/128")
    try:
        await_route(field, ues[6], False)
        with field.dropped("access", no_route=1):
            field.access.send(ues[6].protected(sequence=ues[6].next()))
    finally:
        netns.run("ip", "-n", field.lab.tap, *route)
    await_route(field, ues[6], True)
    ues[6].passes()


def test_no_neighbour(field):
    """Two UEs that answer neither ARP nor ND: what waits for them is dropped once the kernel gives up."""
    silent = [field.ue(family, 50).establish() for family in (4, 6)]
    for ue in silent:
        field.access.fall_silent(ue.address)
    with field.dropped("core", no_neighbour=4, patience=30):
        for ue in silent:
            field.core.send(ue.from_core(), plain(ue.served, ue.address, 5060, 5070, b"SIP/2.0 200 OK\r\n\r\n"))
    for ue in silent:  # and they come back
        field.access.play(ue.address)
        sent = (ue.sequence["us"], ue.from_core())
        ue.sequence["us"] += 1  # the packet that was dropped had a number
        field.access.forget()
        deadline = time.monotonic() + 30
        while not field.access.received():
            assert time.monotonic() < deadline, f"never reached again: {field.tell()}"
            field.core.send(sent[1])
            field.access.wait(lambda frames: frames, 0.5)


def test_the_kernel_sends_from_its_own_addresses_only(field):
    """A program beside the gateway cannot speak as a UE or as the P-CSCF through a tap."""
    for tap, side in (("bgf-acc", "access"), ("bgf-core", "core")):
        end = getattr(field, side)
        with netns.inside(field.lab.tap):
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            raw.bind((tap, 0))
        for family in (4, 6):
            ue = field.ue(family, 41)
            for source, destination in ((ue.served, ue.address), (ue.address, ue.served)):
                packet = plain(source, destination, 5060, 5060, sip("OPTIONS"))
                frame = end.mac + end.gateway_mac + (b"\x08\0" if family == 4 else b"\x86\xdd") + packet
                with field.dropped(side, tap_source=1):
                    raw.send(frame)
        raw.close()


def flood(field, packet, begin):
    """Sends twice as many as a rate of 1,000 a second lets through since `begin`, however slow the machine is, in
    batches that a receive ring (1,024) holds while the worker does not run. How many it were."""
    sent = 0
    while sent < 2 * 1000 * (time.monotonic() - begin + 1):
        assert sent < 200_000, "this machine cannot send more than the rate"
        field.access.send(*[packet] * FLOOD_BATCH)
        sent += FLOOD_BATCH
        field.settle()
    return sent


@BOTH
@pytest.mark.parametrize("side", ("access", "core"))
def test_rule_25_a_served_address_on_a_tap_says_nothing_in_the_clear(field, ues, side, family):
    """An operator's mistake: it is logged, no program speaks from there to a UE or to the core, and the P-CSCF behind
    the core port is served on."""
    ue, tap = ues[family], {"access": "bgf-acc", "core": "bgf-core"}[side]
    error = f"error: tap {tap}: {ue.served} is a served address"
    target = ue.address if side == "access" else {4: netns.CORE4, 6: netns.CORE6}[family]
    address = (f"{ue.served}/{32 if family == 4 else 128}", "dev", tap)
    begin = len(field.gateway.dataplane.log())
    ue.passes()  # and the kernel knows the neighbour
    before = field.counters()
    netns.run("ip", "-n", field.lab.tap, "addr", "add", *address, *(("nodad",) if family == 6 else ()))
    try:
        wait_for(lambda: error in field.gateway.dataplane.log()[begin:], error)
        getattr(field, side).forget()
        for port in (5060, 6060):
            with netns.inside(field.lab.tap):
                program = socket.socket({4: socket.AF_INET, 6: socket.AF_INET6}[family], socket.SOCK_DGRAM)
            program.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, tap.encode())
            program.bind((ue.served, port))
            program.sendto(sip("OPTIONS"), (target, ue.port_us))
            program.close()
        wait_for(lambda: (field.counters() - before)[side, "tap_source"] > 0, "tap_source is counted")
        field.settle()
        assert not [p for p in getattr(field, side).packets() if b"OPTIONS sip:" in p]
        ue.passes()
        ue.reached()
    finally:
        netns.run("ip", "-n", field.lab.tap, "addr", "del", *address)


@BOTH
def test_more_icmp_errors_than_their_rate(field, ues, family):
    """A flood of what asks for errors gets as many as the rate allows, and is dropped by its name all the same."""
    packet = last_hop(plain(ues[family].address, ues[family].served, 5070, 5060, sip("OPTIONS")), 1)
    time.sleep(1.1)  # the rate's burst is whole
    before, begin = field.counters(), time.monotonic()
    field.access.forget()
    sent = flood(field, packet, begin)
    wait_for(lambda: len(field.access.received()) > 250, "errors came")  # some are the main lcore's to send yet
    errors = len(field.access.received())
    assert (field.counters() - before)["access", "ttl_expired"] == sent
    assert errors <= 1000 * (time.monotonic() - begin + 1) + 1
    ues[family].passes()


def test_more_for_the_kernel_than_its_rate(field):
    """A flood of echo requests costs the kernel its rate and no more; the rest is `exception_rate=`."""
    host = field.ue(4, 42).address
    packet = bytes(network(host, netns.ACCESS4) / ICMP() / Raw(b"flood"))
    before, begin = field.counters(), time.monotonic()
    field.access.forget()
    flood(field, packet, begin)
    wait_for(field.access.received, "an answer came")
    answered = len(field.access.received())
    allowed = 1000 * (time.monotonic() - begin + 1) + 1

    def let_through():
        """The worker counts what is asked; what is too much the main lcore, when it comes to it."""
        moved = field.counters() - before
        return moved["access", "exceptions"] - moved["access", "exception_rate"]
    with contextlib.suppress(AssertionError):  # it is judged below
        wait_for(lambda: let_through() <= allowed, "the main lcore has come to all of it")
    moved = field.counters() - before
    asked, lost = moved["access", "exceptions"], moved["access", "exception_rate"]
    assert {name for _, name in moved if name in DROP_REASONS} == {"exception_rate"}
    assert 0 < answered <= asked - lost <= allowed


def test_it_passes_the_rest_on(field, ues):
    for ue in ues.values():
        for transport in ("udp", "tcp"):
            ue.passes(transport=transport)
            ue.reached(transport=transport)
