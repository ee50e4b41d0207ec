# SPDX-License-Identifier: BSD-3-Clause
"""Rule 24: TCP connections on a set that goes are reset toward the core, where a real kernel has the other end. Rule 6: a
phone that rebooted opens them anew.

The UE is played by hand, in ESP; the P-CSCF's sockets are this machine's own, in the core's namespace.
"""
import contextlib
import errno
import select
import socket
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from deploy.lab import netns
from hostile import Field, header_length, plain, protect, unprotect
from support import wait_for

SETTINGS = {"dataplane.exception_rate": "100"}
RATE = 100
BOTH = pytest.mark.parametrize("family", (4, 6))
SYN, ACK, SYN_ACK, RST, FIN_ACK, UE_SEQ = "S", "A", "SA", "R", "FA", 0xFFFFFFF0
RESET_S = 20.0


class Kernels(Field):
    """A field whose core is the kernel's: it keeps its addresses and answers."""

    def _silence(self):
        pass


@pytest.fixture(scope="module")
def field(lab, gateway):
    made = Kernels(lab, gateway)
    try:
        yield made
    finally:
        made.close()


def segments(packets):
    """The TCP headers among packets."""
    layers = [(IPv6 if packet[0] >> 4 == 6 else IP)(packet) for packet in packets]
    return [layer[TCP] for layer in layers if TCP in layer]


class Phone:
    """A UE with an established set, and TCP by hand on either of its pairs of ports."""

    def __init__(self, field, family, host):
        self.field, self.ue = field, field.ue(family, host).establish()
        self.family = socket.AF_INET if family == 4 else socket.AF_INET6
        self.way = {"out": ("ps", "uc"), "in": ("pc", "us")}

    def say(self, pair, flags, seq, ack=0, data=b""):
        sa = self.way[pair][0]
        packet = self.ue.inner(data, sa, "tcp", l4={"flags": flags, "seq": seq, "ack": ack})
        self.field.access.send(protect(packet, self.ue.spi(sa), self.ue.next(sa), self.ue.key))

    def hear(self, pair, flags):
        """The segment with these flags that the P-CSCF sent in ESP."""
        def heard():
            opened = [unprotect(packet, self.ue.key) for packet in self.field.access.packets()]
            return [s for s in segments(one.packet for one in opened if one.spi == self.ue.spi(self.way[pair][1]))
                    if s.flags == flags]
        wait_for(heard, f"the P-CSCF sent {flags}")
        return heard()[0]

    def socket(self, port, listens=False):
        with netns.inside(self.field.lab.core):
            made = socket.socket(self.family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((self.ue.served, port))
        if listens:
            made.listen()
        made.settimeout(RESET_S)
        return made

    def connect_to_pcscf(self):
        """The UE's connection from port_uc to port_ps: the P-CSCF's end."""
        with self.socket(self.ue.port_ps, listens=True) as listener:
            self.field.access.forget()
            self.say("out", SYN, UE_SEQ)
            answer = self.hear("out", SYN_ACK)
            self.say("out", ACK, UE_SEQ + 1, answer.seq + 1)
            return listener.accept()[0]

    def start_from_pcscf(self):
        """A socket that begins to connect from port_pc to port_us."""
        made = self.socket(self.ue.port_pc)
        made.setblocking(False)
        assert made.connect_ex((self.ue.address, self.ue.port_us)) == errno.EINPROGRESS
        return made

    def connect_from_pcscf(self):
        """The P-CSCF's connection from port_pc to port_us: its end."""
        self.field.access.forget()
        made = self.start_from_pcscf()
        self.say("in", SYN_ACK, UE_SEQ, self.hear("in", SYN).seq + 1)
        wait_for(lambda: select.select((), (made,), (), 0)[1], "the connection is there")
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        made.settimeout(RESET_S)
        return made


HOSTS = iter(range(20, 200))


@pytest.fixture
def phone(field, family):
    return Phone(field, family, next(HOSTS))


def is_reset(connection):
    connection.settimeout(RESET_S)
    with contextlib.closing(connection), pytest.raises(ConnectionResetError):
        connection.recv(1)


@BOTH
@pytest.mark.parametrize("opened_by", ("ue", "pcscf"))
def test_rule_24_an_idle_tcp_connection_is_reset_when_its_set_goes(phone, opened_by):
    connection = phone.connect_to_pcscf() if opened_by == "ue" else phone.connect_from_pcscf()
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    begin = time.monotonic()
    phone.ue.release()
    is_reset(connection)
    print(f"reset {1000 * (time.monotonic() - begin):.0f} ms after the release was asked for")


@BOTH
def test_rule_24_data_under_way_does_not_keep_it_from_being_reset(phone):
    """The UE has not acknowledged what was sent, and other data of the UE arrived."""
    connection = phone.connect_to_pcscf()
    phone.say("out", "PA", UE_SEQ + 1, phone.hear("out", SYN_ACK).seq + 1, b"\r\n\r\n" * 100)
    assert connection.recv(4)
    connection.sendall(b"x" * 20_000)
    phone.ue.release()
    with contextlib.closing(connection), pytest.raises(ConnectionResetError):
        while connection.recv(4096):
            pass


@BOTH
def test_rule_24_a_connection_on_another_set_of_the_phone_lives_on(phone, field):
    """A re-authentication, and then the old set goes."""
    old, new = phone.connect_to_pcscf(), Phone.__new__(Phone)
    new.__dict__.update(phone.__dict__, ue=type(phone.ue)(field, phone.ue.address, port_uc=5072, port_us=phone.ue.port_us,
                                                          port_pc=6064).establish())
    kept = new.connect_to_pcscf()
    phone.ue.release()
    is_reset(old)
    new.say("out", "PA", UE_SEQ + 1, new.hear("out", SYN_ACK).seq + 1, b"alive")
    assert kept.recv(5) == b"alive"
    new.ue.release()
    is_reset(kept)


def heard_under(ue, sa="uc"):
    """The segments that came in ESP under this SPI of a UE's."""
    return segments(unprotect(packet, ue.key).packet for packet in ue.field.access.packets()
                    if packet[header_length(packet):][:4] == ue.spi(sa).to_bytes(4, "big"))


def opens(phone, seq):
    """A kernel's SYN, and its RST to what does not answer that (RFC 9293, 3.10.7.3). The SYN-ACK, or None in a second."""
    phone.field.access.forget()
    phone.say("out", SYN, seq)
    phone.field.access.wait(lambda _frames: heard_under(phone.ue), 1)
    for answer in heard_under(phone.ue):
        if (answer.flags, answer.ack) == (SYN_ACK, seq + 1):
            return answer
        phone.say("out", RST, answer.ack)
    return None


@BOTH
@pytest.mark.parametrize("is_confirmed", (False, True))
def test_rule_6_a_phone_that_rebooted_opens_tcp_again_although_the_pcscf_has_its_old_connection(phone, field, is_confirmed):
    """On the same ports; and the authentication on its new set succeeds, or fails and the old set has the answers again."""
    stale, again, seq = phone.connect_to_pcscf(), Phone.__new__(Phone), 1_000_000
    again.__dict__.update(phone.__dict__, ue=type(phone.ue)(field, phone.ue.address).install(FLAGS=1 | 4))
    with again.socket(again.ue.port_ps, listens=True) as listener:
        answer = wait_for(lambda: opens(again, seq), "the P-CSCF's answer comes under the new set")
        again.say("out", ACK, seq + 1, answer.seq + 1)
        connection = listener.accept()[0]
    is_reset(stale)
    again.say("out", "PA", seq + 1, answer.seq + 1, b"REGISTER")
    assert connection.recv(8) == b"REGISTER"
    if is_confirmed:
        again.ue.establish()
    field.access.forget()
    connection.sendall(b"answer")
    wait_for(lambda: any(b"answer" in bytes(segment) for segment in heard_under(again.ue)), "the answer is read")
    again.ue.release()
    if not is_confirmed:
        phone.ue.release()  # it had the ports again
    is_reset(connection)


@BOTH
def test_rule_24_a_new_connection_to_a_ue_whose_set_went_is_refused_at_once(phone):
    connection = phone.connect_from_pcscf()
    phone.ue.release()
    is_reset(connection)  # and its ports are free
    with contextlib.closing(phone.start_from_pcscf()) as late:
        assert select.select((), (late,), (), RESET_S)[1], "neither refused nor reset"
        assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


@BOTH
def test_rule_24_what_never_had_a_set_is_not_reset(phone, field):
    """Another gateway may have it."""
    connection = phone.connect_to_pcscf()
    field.core.forget()
    phone.ue.release()
    is_reset(connection)
    wait_for(lambda: [s for s in segments(field.core.packets()) if "R" in s.flags], "its reset is seen")  # or it came below
    stranger = field.ue(family=4 if phone.family == socket.AF_INET else 6, host=next(HOSTS))
    field.core.forget()
    field.core.send(plain(stranger.served, stranger.address, stranger.port_ps, stranger.port_uc, b"", "tcp"),
                    plain(phone.ue.served, phone.ue.address, phone.ue.port_ps + 1, phone.ue.port_uc, b"", "tcp"),
                    plain(phone.ue.served, phone.ue.address, phone.ue.port_ps, phone.ue.port_uc + 2, b"", "tcp"))
    time.sleep(0.3)
    assert not segments(field.core.packets())


@BOTH
def test_rule_24_a_set_that_carried_no_tcp_ends_in_silence(phone, field):
    phone.ue.passes()
    phone.ue.reached()
    field.core.forget()
    phone.ue.release()
    time.sleep(0.3)
    field.core.send(phone.ue.from_core(b"", transport="tcp", l4={"flags": ACK}))
    time.sleep(0.3)
    assert not segments(field.core.packets())


@BOTH
def test_rule_24_resets_are_limited_and_a_reset_is_never_answered(phone, field):
    phone.connect_to_pcscf().close()
    phone.ue.release()
    time.sleep(1.2)  # the rate's burst is whole again
    field.core.forget()
    field.core.send(*(phone.ue.from_core(b"", "uc", "tcp", l4={"flags": flags}) for flags in (RST, "RA") for _ in range(9)))
    time.sleep(0.3)
    assert not segments(field.core.packets())
    begin, sent, asking = time.monotonic(), 0, phone.ue.from_core(b"", "uc", "tcp", l4={"flags": FIN_ACK, "ack": 77})
    while sent < 4 * RATE * (time.monotonic() - begin + 1):  # however slow the machine is, far more than the rate
        assert sent < 100_000, "this machine cannot send more than the rate"
        field.core.send(*[asking] * 4 * RATE)
        sent += 4 * RATE
        time.sleep(0.05)
    wait_for(lambda: len(field.core.packets()) > RATE / 2, "resets came")
    time.sleep(0.3)
    resets = segments(field.core.packets())
    most = RATE * (1 + time.monotonic() - begin) + 1
    assert RATE / 2 < len(resets) <= most, f"{len(resets)} resets, at most {most:.0f}"
    assert {(s.flags.value, s.seq, s.sport, s.dport) for s in resets} == {(4, 77, phone.ue.port_uc, phone.ue.port_ps)}
