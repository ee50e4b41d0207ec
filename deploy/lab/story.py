# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's main job, step by step, each step checked from the wire, the counters or a peer's log. deploy/demo
runs it, and so do the end-to-end tests."""
import time

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from .attack import ATTACKS, MAC, TCP, UDP, Attacker
from .capture import Capture, Wire, leaks_key, sa_tables, tshark, write_decoder
from .gateway import Gateway, program
from .kamailio import Kamailio
from .netns import PORT_CLEAR, PORT_PS, PORTS_PC, SERVED4, SERVED6, LabError
from .phone import Phone
from .scscf import Scscf

DRAIN_S = 3     # of the deregistered set; a P-CSCF in service takes 128
EXPIRES_S = 2   # the second phone's registration: its set lives 30 s longer (rule 18)
PHONES = 2
LINK_S = 3      # in which a busy machine shows us what has passed on a link


class Demo:
    """The lab of one run and the steps in it."""

    def __init__(self, lab, folder, report, family=4, transport="udp"):
        self.lab, self.folder, self.family, self.transport = lab, folder, family, transport
        self.served = SERVED4 if self.family == 4 else SERVED6
        self.states = []  # of every set that was agreed: tshark checks ICVs with them
        self.say, self.check, self.step, self.within = report.say, report.check, report.step, report.within

    def bring_up(self):
        """Everything that the picture in README.md shows."""
        self.phones = [Phone(self.lab, self.folder, number) for number in range(PHONES)]
        self.captures = [Capture(self.lab, self.lab.ue, "acc0", self.folder, "access"),
                         Capture(self.lab, self.lab.core, "core0", self.folder, "core")]
        self.gateway = Gateway(self.lab, self.folder)
        self.gateway.start()
        self.scscf = Scscf(self.lab, self.folder, PHONES)
        self.kamailio = Kamailio(self.lab, self.folder, self.gateway.zb, BGF_DRAIN_S=str(DRAIN_S)).start()
        self.say(f"gateway (on {self.gateway.driver}), Kamailio and S-CSCF are up")
        for phone in self.phones:
            phone.wait()
        self.say("both phones have booted: Linux " + self.phones[0].shell("uname -r").strip())
        self.ues = [phone.ue(number + 1, self.family, self.transport) for number, phone in enumerate(self.phones)]
        self.impis = [ue.state()["impi"] for ue in self.ues]
        self.access = Attacker(self.lab, self.family)
        self.core = Wire(self.lab, self.lab.core, "core0")

    # Looking

    def drops_grow(self, what, send, **expected):
        """send() must make exactly these drop counters grow by exactly so much."""
        before = self.gateway.drops()
        send()
        deadline = time.monotonic() + 3
        grown = {}
        while time.monotonic() < deadline:
            after = self.gateway.drops()
            grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
            if all(grown.get(name, 0) >= count for name, count in expected.items()):
                break
            time.sleep(0.05)
        told = ", ".join(f"{name} +{count}" for name, count in expected.items())
        self.check(f"{what}: dropped as {told}", grown == expected, f"the counters say {grown}")

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

    # The steps

    def step_1(self):
        self.step("1. The Zb association, and what is open")
        self.within("Kamailio is associated as peer pcscf1", lambda: any(
            peer["name"] == "pcscf1" and peer["connections"] for peer in self.gateway.bgfctl("show", "peers")["peers"]),
            10, lambda: self.gateway.bgfctl("show", "peers"))
        self.check("no set exists", not self.gateway.sets())
        connect = ("python3 -c 'import socket; socket.create_connection((\"%s\", %d), 3)'" % (self.served, PORT_CLEAR))
        self.check(f"port {PORT_CLEAR} takes connections", "Error" not in self.phones[0].shell(connect, check=False))
        closed = (PORT_PS, *PORTS_PC, 22, 80)
        since = time.monotonic()
        self.drops_grow(f"UDP and TCP to {', '.join(map(str, closed))}", lambda: [
            self.access.probe(port, protocol) for port in closed for protocol in (UDP, TCP)],
            clear_port=2 * len(closed))
        self.check("none of that reached the core", not any(
            packet.dport in closed and packet.sport == 40000 for packet in self.core.packets(since)))

    def step_2(self):
        self.step(f"2. REGISTER in the clear over {self.transport.upper()}, and its challenge")
        before = time.monotonic()
        answer = self.ues[0].initial(expires=3600)
        self.check("the phone gets 401", answer["status"] == 401, answer["text"])
        installed = self.set_of(0)
        if not self.check("the gateway has a temporary set for it", installed and installed["state"] == "temporary",
                          self.kamailio.said("INSTALL")):
            raise LabError("without a set nothing else can work")

        def challenge():
            return [p.payload for p in self.access.wire.packets(before) if b"401 Unauthorized" in p.payload]
        server = (f"spi-c={installed['spi_pc']};spi-s={installed['spi_ps']};port-c={installed['port_pc']};"
                  f"port-s={PORT_PS}")
        self.within(f"Security-Server on the access link: {server}", lambda: any(
            server.encode() in payload for payload in challenge()), LINK_S)
        self.check("and no ik, no ck", challenge() and not any(map(leaks_key, challenge())), "keys on the access link")

    def step_3(self):
        self.step("3. The answer to the challenge, in ESP")
        since, came = time.monotonic(), len(self.scscf.requests)
        ue, found = self.ues[0], self.set_of(0)
        ue.install()
        self.states.append(ue.state())
        answer = ue.answer(expires=3600)
        self.check("the phone gets 200 OK on the protected pair", answer["status"] == 200 and
                   answer["source_port"] == (found["port_pc"] if self.transport == "udp" else PORT_PS), answer)
        self.within("its REGISTER went as ESP under the gateway's spi-s, the answer as ESP under the phone's",
                    lambda: found["spi_ps"] in self.esp_since(since, True) and
                    self.esp_since(since, False) & {found["spi_us"], found["spi_uc"]}, LINK_S)
        self.within(f"it reached the P-CSCF as plain SIP on port {PORT_PS}",
                    lambda: self.plain_on_core(since, found["port_uc"], PORT_PS, b"REGISTER sip:"), LINK_S)
        requests = self.scscf.seen("REGISTER", came)
        self.check('the S-CSCF saw integrity-protected="yes" and nothing of the agreement', len(requests) == 1 and
                   'integrity-protected="yes"' in requests[0].get("Authorization") and
                   not requests[0].all("Security-Verify") + requests[0].all("Security-Client"))
        self.check("the set is established, for 3630 s", self.set_of(0)["state"] == "established" and
                   3600_000 < self.set_of(0)["remaining_ms"] <= 3630_000, self.set_of(0))

    def second_phone(self):
        self.step(f"   Meanwhile the second phone registers for {EXPIRES_S} s; step 8 waits for the end of it")
        ue = self.ues[1]
        answer = ue.register(expires=EXPIRES_S)
        self.states.append(ue.state())
        self.second_since = time.monotonic()
        self.check("the second phone gets 200 OK", answer["status"] == 200, answer)
        self.second_set = self.set_of(1)

    def step_4(self):
        self.step("4. Requests both ways")
        since, came = time.monotonic(), len(self.scscf.requests)
        ue, found = self.ues[0], self.set_of(0)
        answer = ue.request(method="MESSAGE")
        self.check("MESSAGE from the phone is answered 200", answer["status"] == 200, answer)
        self.check("the S-CSCF got it, with the subscriber's asserted identity", any(
            self.impis[0] in request.get("P-Asserted-Identity") for request in self.scscf.seen("MESSAGE", came)))
        answer = self.scscf.originate(self.impis[0])
        self.check("MESSAGE from the network is answered 200 by the phone", answer.status == 200, answer.start)
        received = ue.received()
        self.within(f"it went from port_pc {found['port_pc']} to port_us {found['port_us']} over {self.transport}",
                    lambda: len(received) == 1 and received[0]["source_port"] == found["port_pc"] and
                    received[0]["transport"] == self.transport and
                    self.plain_on_core(since, found["port_pc"], found["port_us"], b"hello from the network"), LINK_S,
                    lambda: received)
        self.within("all of it as ESP under the phone's spi-s",
                    lambda: found["spi_us"] in self.esp_since(since, False), LINK_S)
        self.within("the gateway has noted the set's first use", lambda: self.set_of(0)["first_used"], LINK_S)

    def step_5(self):
        self.step("5. A re-REGISTER without challenge")
        before = self.set_of(0)
        came = len(self.scscf.requests)
        answer = self.ues[0].reregister(expires=7200)
        self.check("the phone gets 200 OK, and was not challenged", answer["status"] == 200 and
                   "challenged" not in answer and len(self.scscf.seen("REGISTER", came)) == 1, answer)
        after = self.gateway.sets(subscriber=self.impis[0])
        self.check("it is still the same set, and lives longer", len(after) == 1 and
                   after[0]["set_id"] == before["set_id"] and 7200_000 < after[0]["remaining_ms"] <= 7230_000, after)

    def step_6(self):
        self.step("6. Attacks")
        attacker = self.access.victim(self.states[0])
        before, heard = self.scscf.requests[:], self.kamailio.log().count("ERROR")
        for what, attack, reason in ATTACKS:
            self.drops_grow(what, lambda attack=attack: attack(attacker), **{reason: 1})
        drops = self.set_of(0)["drops"]
        self.check("the set itself tells the four that concern it: " + ", ".join(f"{n} {c}" for n, c in drops.items()),
                   drops == {"replay": 1, "icv": 1, "sa_address": 1, "selector": 1}, drops)
        self.check("nothing of it reached the P-CSCF or the S-CSCF", before == self.scscf.requests and
                   heard == self.kamailio.log().count("ERROR"))
        answer = self.ues[0].request(method="OPTIONS", body="")
        self.check("the phone's own traffic goes on", answer["status"] == 200, answer)

    def step_7(self):
        self.step("7. Deregistration")
        found = self.set_of(0)
        since = time.monotonic()
        answer = self.ues[0].deregister()
        draining = self.set_of(0)
        self.check(f"the set drains for {DRAIN_S} s", draining and draining["state"] == "draining" and
                   draining["remaining_ms"] <= DRAIN_S * 1000, draining)
        self.within("200 OK has reached the phone under protection", lambda: answer["status"] == 200 and
                    self.esp_since(since, False) & {found["spi_us"], found["spi_uc"]}, LINK_S, lambda: answer)
        self.ues[0].hang_up()
        self.within("and is gone", lambda: self.set_of(0) is None, DRAIN_S + 5, lambda: self.set_of(0))
        self.drops_grow("ESP after that", self.access.good_again, unknown_spi=1)

    def step_8(self):
        left = EXPIRES_S + 30 - (time.monotonic() - self.second_since)
        self.step(f"8. The second phone's lifetime ends, in {max(left, 0):.0f} s")
        set_id = self.second_set["set_id"]
        self.within("its set is gone", lambda: self.set_of(1) is None, max(left, 0) + 10, lambda: self.set_of(1))
        lived = time.monotonic() - self.second_since
        self.check(f"after {EXPIRES_S} s of registration and 30 s more", abs(lived - EXPIRES_S - 30) < 3,
                   f"{lived:.1f} s")
        self.check("the P-CSCF got the event", self.kamailio.wait_said(f"event expired: set {set_id} "),
                   self.kamailio.said("event"))
        self.access.victim(self.states[1])
        self.drops_grow("its SAs are gone: its ESP", self.access.good_again, unknown_spi=1)
        self.drops_grow("its pinholes are gone: a plain packet from the core to its port_us",
                        lambda: self.core_packet(1, self.second_set["port_pc"], self.second_set["port_us"]), no_set=1)

    def step_captures(self):
        self.step("What the capture of the access link says (tshark)")
        for capture in self.captures:
            capture.stop()
        path, tables = self.captures[0].path, sa_tables(self.family, self.states)
        decode = write_decoder(self.folder, tables)
        self.say(f"  to see it yourself: {decode} {path} -Y sip")
        not_ours = f"eth.src != {MAC}"
        icv = tshark(path, f"esp && {not_ours}", ["esp.icv_good"], tables)
        self.check(f"{len(icv)} ESP packets, every ICV good", icv and all(good in ("1", "True") for good, in icv),
                   f"{sum(good not in ('1', 'True') for good, in icv)} are not")
        keys = tshark(path, 'frame contains "ik=" || frame contains "ck=" || frame contains "ik =" || '
                            'frame contains "ck ="', ["frame.number"])
        self.check("no ik= and no ck=", not keys, f"frames {keys}")
        clear = tshark(path, f"sip && !esp && {not_ours}", ["sip.CSeq.method", "udp.port", "tcp.port"])
        wrong = [row for row in clear if set(row[0].split(",")) != {"REGISTER"} or
                 str(PORT_CLEAR) not in (row[1] + "," + row[2]).split(",")]
        self.check(f"{len(clear)} SIP messages in the clear, all unprotected REGISTERs and their answers",
                   clear and not wrong, wrong)

    def run(self):
        self.bring_up()
        for step in (self.step_1, self.step_2, self.step_3, self.second_phone, self.step_4, self.step_5, self.step_6,
                     self.step_7, self.step_8, self.step_captures):
            step()

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
