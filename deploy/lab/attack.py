# SPDX-License-Identifier: BSD-3-Clause
"""A hostile UE on the access link. It sees every frame, and for some attacks it even has a registered UE's keys.

Every method sends one packet and nothing else; what the gateway must count for it is in ATTACKS. The frames have
this attacker's own MAC address as source, so that captures tell them from the phone's.
"""
import logging
import socket

from .capture import Packet, Wire
from .netns import PORT_CLEAR, SERVED4, SERVED6, LabError

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.ipsec import ESP, SecurityAssociation  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

MAC = "02:66:66:66:66:66"
MAC_OCTETS = bytes.fromhex(MAC.replace(":", ""))
STRANGER = {4: "10.45.0.77", 6: "fd00:45::77"}
GENERATION, SPI_RESERVED = 1 << 23, 255  # include/bgf_spi.h, rule 5


def stale_spi(spi):
    """An SPI of the same set's place with another generation. Never a reserved one: the gateway has another name for those,
    and draws generations at random."""
    other = (spi + GENERATION) % 2**32
    return other if other > SPI_RESERVED else other + GENERATION


class Attacker:
    """Attacks one UE at a time: the one that victim() names by what its Ue.state() told."""

    def __init__(self, lab, family):
        self.family = family
        self.ip = IP if family == 4 else IPv6
        self.served = SERVED4 if family == 4 else SERVED6
        self.wire = Wire(lab, lab.ue, "acc0")

    def victim(self, state):
        """The UE to attack from now on."""
        self.state = state
        self.ue = state["address"]
        self.key = bytes.fromhex(state["ik"]) + bytes(4)  # rule 11
        numbers = {f"{side}_{name.replace('-', '_')}": int(state[side][name])
                   for side in ("client", "server") for name in ("spi-c", "spi-s", "port-c", "port-s")}
        self.port_uc, self.port_us = numbers["client_port_c"], numbers["client_port_s"]
        self.port_pc, self.port_ps = numbers["server_port_c"], numbers["server_port_s"]
        self.spi_uc, self.spi_us = numbers["client_spi_c"], numbers["client_spi_s"]
        self.spi_pc, self.spi_ps = numbers["server_spi_c"], numbers["server_spi_s"]
        return self

    # The attacks

    def replayed(self):
        """The phone's last protected packet once more."""
        self._send_frame(self._last(self.spi_ps).frame)

    def bit_flipped(self):
        """A fresh packet with good keys and one bit of its payload turned over."""
        packet = bytearray(bytes(self._protected(self.spi_ps, self.port_uc, self.port_ps)))
        packet[-20] ^= 1
        self._send(bytes(packet))

    def reflected(self):
        """The gateway's last packet to the phone, back to where it came from, unchanged."""
        self._send_frame(self._last(self.spi_us, self.spi_uc).frame)

    def reflected_swapped(self):
        """The same with its addresses swapped."""
        packet = Packet.of(self._last(self.spi_us, self.spi_uc).frame)
        self._send(self._address(self.ue, self.served, socket.IPPROTO_ESP) / ESP(packet.payload))

    def clear_to_port_ps(self):
        """A REGISTER in the clear to the protected port."""
        self._send(self._address(self.ue, self.served) / UDP(sport=self.port_uc, dport=self.port_ps) / (
            b"REGISTER sip:example.org SIP/2.0\r\n\r\n"))

    def other_source(self):
        """A good packet from an address that is not the SA's."""
        self._send(self._protected(self.spi_ps, self.port_uc, self.port_ps, source=STRANGER[self.family]))

    def unknown_spi(self):
        """A packet of an SPI that the gateway has not given out."""
        self._send(self._protected(stale_spi(self.spi_ps), self.port_uc, self.port_ps))

    def other_ports(self):
        """A good packet, with good keys, to ports that are not the SA's. On the SA from port_us, whose numbers a
        UE on UDP does not use: the packet takes one."""
        self._send(self._protected(self.spi_pc, self.port_us, PORT_CLEAR))

    def good_again(self):
        """A good packet, as if the set still lived."""
        self._send(self._protected(self.spi_ps, self.port_uc, self.port_ps))

    def probe(self, port, protocol=UDP):
        """A packet in the clear to a port of the P-CSCF, from a stranger; a SYN for TCP."""
        segment = protocol(sport=40000, dport=port)
        self._send(self._address(STRANGER[self.family], self.served) / segment)

    # How it is done

    def _address(self, source, destination, protocol=None):
        options = {} if protocol is None else {"proto" if self.family == 4 else "nh": protocol}
        return self.ip(src=source, dst=destination, **options)

    def _protected(self, spi, sport, dport, source=None):
        sa = SecurityAssociation(ESP, spi=spi, crypt_algo="NULL", crypt_key=None, auth_algo="HMAC-SHA1-96",
                                 auth_key=self.key)
        inner = self._address(source or self.ue, self.served) / UDP(sport=sport, dport=dport) / (b"hostile " * 8)
        return sa.encrypt(inner, seq_num=self._sequence(spi) + 1)

    def _sequence(self, spi):
        return max((p.sequence for p in self.wire.packets() if p.spi == spi), default=0)

    def _last(self, *spis):
        found = [p for p in self.wire.packets() if p.spi in spis and p.frame[6:12] != MAC_OCTETS]
        if not found:
            raise LabError("nothing of this SA has passed on the access link yet")
        return found[-1]

    def gateway_mac(self):
        """Where the phone sends its packets to."""
        for packet in reversed(self.wire.packets()):
            if packet.destination == self.served:
                return packet.frame[:6]
        raise LabError("the phone has not spoken to the gateway yet")

    def _send(self, packet):
        kind = 0x0800 if self.family == 4 else 0x86dd
        header = Ether(dst=":".join(f"{octet:02x}" for octet in self.gateway_mac()), src=MAC, type=kind)
        self.wire.send(bytes(header / packet) if not isinstance(packet, bytes) else bytes(header) + packet)

    def _send_frame(self, frame):
        self.wire.send(self.gateway_mac() + MAC_OCTETS + frame[12:])


# What it is, the method, and the drop reason that must count it.
ATTACKS = (
    ("a replayed packet", Attacker.replayed, "replay"),
    ("a flipped bit", Attacker.bit_flipped, "icv"),
    ("a reflected packet, unchanged", Attacker.reflected, "source_served"),
    ("a reflected packet, addresses swapped", Attacker.reflected_swapped, "unknown_spi"),
    ("cleartext to port_ps", Attacker.clear_to_port_ps, "clear_port"),
    ("a good ESP packet from another source address", Attacker.other_source, "sa_address"),
    ("an unknown SPI", Attacker.unknown_spi, "unknown_spi"),
    ("ports that are not the SA's", Attacker.other_ports, "selector"),
)

__all__ = ["ATTACKS", "Attacker", "TCP", "UDP"]
