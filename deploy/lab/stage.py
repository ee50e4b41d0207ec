# SPDX-License-Identifier: BSD-3-Clause
"""What the demo's stories share: the lab with everything in it, and ways to look at what happens there."""
import time

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from .attack import MAC, UDP, Attacker
from .capture import Capture, Wire, frames_with_keys, sa_tables, tshark, write_decoder
from .gateway import Gateway, program
from .kamailio import Kamailio
from .netns import PORT_CLEAR, SERVED4, SERVED6
from .phone import Phone
from .scscf import Scscf

DRAIN_S = 6     # of the deregistered set; a P-CSCF in service takes 128
PHONES = 2
LINK_S = 30     # in which a busy machine shows us what has passed on a link


class Stage:
    """The lab of one run. settings: keys of the gateway's configuration that are not the example's;
    pcscf: the same of kamailio.cfg; ue: of ue.Ue."""

    settings = {}
    pcscf = {}
    ue = {}
    store_lost = None  # when, and the sets that there had been until then

    def __init__(self, lab, folder, report, family=4, transport="udp"):
        self.lab, self.folder, self.family, self.transport = lab, folder, family, transport
        self.served = SERVED4 if self.family == 4 else SERVED6
        self.say, self.check, self.step, self.within = report.say, report.check, report.step, report.within

    def bring_up(self):
        """Everything that the picture in README.md shows."""
        self.phones = [Phone(self.lab, self.folder, number) for number in range(PHONES)]
        self.captures = [Capture(self.lab, self.lab.ue, "acc0", self.folder, "access"),
                         Capture(self.lab, self.lab.core, "core0", self.folder, "core")]
        self.gateway = Gateway(self.lab, self.folder, self.settings)
        self.gateway.start()
        self.scscf = Scscf(self.lab, self.folder, PHONES)
        self.kamailio = Kamailio(self.lab, self.folder, self.gateway.zb,
                                 **{"BGF_DRAIN_S": str(DRAIN_S)} | self.pcscf).start()
        self.say(f"gateway (on {self.gateway.driver}), Kamailio and S-CSCF are up")
        for phone in self.phones:
            phone.wait()
        self.say("both phones have booted: Linux " + self.phones[0].shell("uname -r").strip())
        self.ues = [phone.ue(number + 1, self.family, self.transport, **self.ue)
                    for number, phone in enumerate(self.phones)]
        self.impis = [ue.state()["impi"] for ue in self.ues]
        self.access = Attacker(self.lab, self.family)
        self.core = Wire(self.lab, self.lab.core, "core0")

    # Looking

    def drops_grow(self, what, send, **expected):
        """send() must make exactly these drop counters grow by exactly so much."""
        before = self.drops_at_rest()
        send()
        deadline = time.monotonic() + LINK_S
        grown = {}
        while time.monotonic() < deadline:
            after = self.gateway.drops()
            grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
            if all(grown.get(name, 0) >= count for name, count in expected.items()):
                break
            time.sleep(0.05)
        told = ", ".join(f"{name} +{count}" for name, count in expected.items())
        self.check(f"{what}: dropped as {told}", grown == expected, f"the counters say {grown}")

    def drops_at_rest(self):
        """The counters once they stand still: what a set that went had on its way is no part of the next step."""
        former, deadline = None, time.monotonic() + LINK_S
        while (drops := self.gateway.drops()) != former and time.monotonic() < deadline:
            former = drops
            time.sleep(0.1)
        return drops

    def set_of(self, number):
        """The set of the first or second phone, or None."""
        return next(iter(self.gateway.sets(subscriber=self.impis[number])), None)

    def esp_since(self, since, from_phone):
        """SPIs of the ESP packets that passed on the access link."""
        return {packet.spi for packet in self.access.wire.packets(since)
                if packet.spi and (packet.destination == self.served) == from_phone}

    def plain_on_core(self, since, sport, dport, text):
        """Whether a plain packet between these ports, with this text in it, passed on the core link."""
        return any((packet.sport, packet.dport) == (sport, dport) and text in packet.payload
                   for packet in self.core.packets(since))

    def core_packet(self, number, sport, dport):
        """Sends a plain UDP packet from the P-CSCF's address to a phone, past Kamailio."""
        ip = IP if self.family == 4 else IPv6
        address = ip(src=self.served, dst=self.phones[number].addresses[self.family])
        mac = self.lab.exec(self.lab.tap, "cat", "/sys/class/net/bgf-core/address").strip()
        self.core.send(bytes(Ether(dst=mac, src=MAC) / address / UDP(sport=sport, dport=dport) / b"x"))

    def step_captures(self):
        """Ends the captures and asks tshark about them."""
        self.step("What the capture of the access link says (tshark)")
        for capture in self.captures:
            capture.stop()
        path, tables = self.captures[0].path, sa_tables(self.family, self.states())
        decode = write_decoder(self.folder, tables)
        self.say(f"  to see it yourself: {decode} {path} -Y sip")
        not_ours = f"eth.src != {MAC}"
        # Without TCP: where its reassembly trips over a segment that was sent again, tshark has no verdict on the ICV.
        icv = []
        for when, states in self.stores():
            icv += tshark(path, f"esp && {not_ours} && {when}", ["esp.icv_good"],
                          [*sa_tables(self.family, states), "--disable-protocol", "tcp"])
        self.check(f"{len(icv)} ESP packets, every ICV good", icv and all(good in ("1", "True") for good, in icv),
                   f"{sum(good not in ('1', 'True') for good, in icv)} are not")
        keys = frames_with_keys(path)
        self.check("no ik= and no ck=", not keys, f"frames {', '.join(keys)}")
        clear = tshark(path, f"sip && !esp && {not_ours}", ["sip.CSeq.method", "udp.port", "tcp.port"])
        wrong = [row for row in clear if set(row[0].split(",")) != {"REGISTER"} or
                 str(PORT_CLEAR) not in (row[1] + "," + row[2]).split(",")]
        self.check(f"{len(clear)} SIP messages in the clear, all unprotected REGISTERs and their answers",
                   clear and not wrong, wrong)

    def states(self):
        """Every set that a phone agreed to: tshark checks ICVs with them."""
        return [state for ue in self.ues for state in ue.states()]

    def lose_store(self):
        """From now on SPIs may come again: another store's generations are drawn anew."""
        self.store_lost = time.time(), self.states()

    def stores(self):
        """[(tshark's filter for the time of a store, all sets, its own first)]."""
        states = self.states()
        if self.store_lost is None:
            return [("frame", states)]
        when, former = self.store_lost
        new = [state for state in states if state not in former]
        return [(f"frame.time_epoch < {when:.6f}", former + new), (f"frame.time_epoch >= {when:.6f}", new + former)]

    def keep(self):
        """Leaves a registered phone, tells how to look, and waits for ctrl-C."""
        self.step("It stays up, with the first phone registered again, until ctrl-C")
        answer = self.ues[0].register(expires=3600)
        self.check("the first phone registers again", answer["status"] == 200, answer)
        lab, gateway = self.lab, self.gateway
        bgfctl = f"{program('bgfctl')} --socket {gateway.zb}"
        print(f"""
  {bgfctl} show sets
  {bgfctl} show set {self.set_of(0)['set_id'] if self.set_of(0) else 'ID'}
  {bgfctl} show counters
  {bgfctl} events
  ip netns exec {lab.ue} tcpdump -ni acc0          # the access link; core0 in {lab.core} is the core link
  ip netns exec {lab.tap} ip -br addr               # the gateway as its kernel sees it
  tail -f {self.kamailio.log_path}
""", flush=True)
        while True:
            time.sleep(3600)
