# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's main job, step by step, each step checked from the wire, the counters or a peer's log. deploy/demo
runs it, and so do the end-to-end tests."""
import time

from .attack import ATTACKS, TCP, UDP
from .capture import leaks_key
from .netns import PORT_CLEAR, PORT_PS, PORTS_PC, LabError
from .stage import DRAIN_S, LINK_S, Stage

EXPIRES_S = 2   # the second phone's registration: its set lives 30 s longer (rule 18)


class Demo(Stage):
    """The steps of the main job."""

    def step_1(self):
        self.step("1. The Zb association, and what is open")
        self.within("Kamailio is associated as peer pcscf1", lambda: any(
            peer["name"] == "pcscf1" and peer["connections"] for peer in self.gateway.bgfctl("show", "peers")["peers"]),
            LINK_S, lambda: self.gateway.bgfctl("show", "peers"))
        self.check("no set exists", not self.gateway.sets())
        connect = ("python3 -c 'import socket; socket.create_connection((\"%s\", %d), 30)'" % (self.served, PORT_CLEAR))
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
        self.second_before = time.monotonic()
        answer = ue.register(expires=EXPIRES_S)
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
                    lambda: len({one["text"] for one in received}) == 1 and
                    received[0]["source_port"] == found["port_pc"] and
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
        attacker = self.access.victim(self.ues[0].state())
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
        self.within("and is gone", lambda: self.set_of(0) is None, DRAIN_S + LINK_S, lambda: self.set_of(0))
        self.drops_grow("ESP after that", self.access.good_again, unknown_spi=1)

    def step_8(self):
        begin = time.monotonic()
        left = EXPIRES_S + 30 - (begin - self.second_since)
        self.step(f"8. The second phone's lifetime ends, in {max(left, 0):.0f} s")
        set_id = self.second_set["set_id"]
        self.within("its set is gone", lambda: self.set_of(1) is None, max(left, 0) + LINK_S, lambda: self.set_of(1))
        lived, late = time.monotonic() - self.second_before, time.monotonic() - begin - max(left, 0)
        self.check(f"after {EXPIRES_S} s of registration and 30 s more", lived > EXPIRES_S + 29.9 and late < LINK_S and
                   25_000 < self.second_set["remaining_ms"] <= 32_000, f"{lived:.1f} s, {late:.1f} s late")
        self.check("the P-CSCF got the event", self.kamailio.wait_said(f"event expired: set {set_id} "),
                   self.kamailio.said("event"))
        self.access.victim(self.ues[1].state())
        self.drops_grow("its SAs are gone: its ESP", self.access.good_again, unknown_spi=1)
        self.drops_grow("its pinholes are gone: a plain packet from the core to its port_us",
                        lambda: self.core_packet(1, self.second_set["port_pc"], self.second_set["port_us"]), no_set=1)

    def run(self):
        self.bring_up()
        for step in (self.step_1, self.step_2, self.step_3, self.second_phone, self.step_4, self.step_5, self.step_6,
                     self.step_7, self.step_8, self.step_captures):
            step()
