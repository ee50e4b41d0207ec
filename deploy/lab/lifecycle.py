# SPDX-License-Identifier: BSD-3-Clause
"""The life of a phone's SA sets, told step by step: re-authentication and failures under running traffic, kill -9 of
everything in turn, and all the ways in which a set ends. deploy/demo --story lifecycle runs it."""
import collections
import contextlib
import json
import subprocess
import threading
import time

from .attack import MAC
from .capture import tshark
from .gateway import program
from .netns import PORTS_PC, LabError, end_process
from .stage import DRAIN_S, LINK_S, Stage

# Of a kind: from 8 in a minute on the gateway tells of it. A set's minute begins with the first look at it in a new one,
# which may come between two of them: one half is enough then.
ATTACKS = 16
MINUTE_S, ATTACKS_S, LOOK_S = 60, 10, 3
EXPIRES_S = 1       # the second phone's registration: its set lives 30 s longer (rule 18)
SUPERSEDE_S = 10    # of the old set after a re-authentication; a gateway in service gives it 128
INTERVAL_S = 0.04   # between two numbered messages in one direction
REPEAT_S = 0.5      # T1: after how long one without an answer is sent again, in steps where that may happen
PCSCF_WAIT_MS, PCSCF_FR_MS = 8000, 30000
REBOOT_WAIT_S = 60


class Events:
    """`bgfctl events` beside the story: what an operator sees, told as it comes in."""

    def __init__(self, lab, gateway, say):
        self.seen, self._say = [], say
        self._process = subprocess.Popen(
            [program("bgfctl"), "--socket", gateway.zb, "--json", "events"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lab.on_close(lambda: end_process(self._process))
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        for line in self._process.stdout:
            event = json.loads(line)
            whose = (f"set {event['set_id']} of {event['subscriber'].partition('@')[0]}: " if "set_id" in event
                     else f"{event['ue']}: " if "ue" in event else "")
            count = f" ({event['count']})" if "count" in event else ""
            self._say(f"  event   {event['event']}  {whose}{event['text']}{count}")
            self.seen.append(event)

    def of(self, set_id=None):
        """The kinds of events that there were about a set, or about none, in order."""
        return [event["event"] for event in self.seen if event.get("set_id") == set_id]


class Flow:
    """Numbered messages in both directions at once, while a step does what it does."""

    def __init__(self, stage, label, repeat_s):
        self.stage, self.label, self.repeat_s = stage, label, repeat_s
        self.since = time.monotonic()
        self._network = stage.scscf.start_traffic(stage.impis[0], label, INTERVAL_S, repeat_s)
        stage.ues[0].start_traffic(label=label, interval_s=INTERVAL_S, repeat_s=repeat_s)

    def end(self):
        self.from_phone, self.from_network = self.stage.ues[0].end_traffic(), self._network.end()
        self.at_phone = self.stage.ues[0].heard(label=self.label)
        self.at_network = self.stage.scscf.heard_numbers(self.label)

    def longest_ms(self):
        return max(self.from_phone["longest_ms"], self.from_network["longest_ms"])

    def repeated(self):
        return self.from_phone["repeated"] + self.from_network["repeated"]

    def check(self):
        """None was lost or refused. Without repetition each number that came is the one that was sent; and because
        the P-CSCF repeats by itself, each copy that it sent to the phone is counted on both sides of the gateway."""
        stage = self.stage
        for sent, heard, whence in ((self.from_phone, self.at_network, "from the phone"),
                                    (self.from_network, [number for number, _port in self.at_phone],
                                     "from the network")):
            lost = set(range(1, sent["sent"] + 1)) - set(heard)
            stage.check(f"{sent['sent']} messages {whence}: none lost, none refused, all answered" + (
                f", {sent['repeated']} sent again by SIP" if self.repeat_s else ""),
                not lost and sent["statuses"] == {"200": sent["sent"]}, f"lost {sorted(lost)}, {sent}")
        if not self.repeat_s and stage.transport == "udp":
            copies = sum(packet.sport in PORTS_PC and packet.payload.endswith(b"%s %d" % (self.label.encode(), number))
                         for packet, number in self._numbered())
            stage.check(f"{copies} packets with them went into the gateway, and {len(self.at_phone)} came to the phone",
                        copies == len(self.at_phone))

    def _numbered(self):
        """Packets on the core link that end with a number of ours."""
        for packet in self.stage.core.packets(self.since):
            words = packet.payload.rsplit(b"\r\n\r\n", 1)[-1].split()
            if len(words) == 2 and words[0] == self.label.encode():
                yield packet, int(words[1])


class Lifecycle(Stage):
    """The steps of it."""

    settings = {"control.supersede_s": str(SUPERSEDE_S)}
    pcscf = {"BGF_WAIT_MS": str(PCSCF_WAIT_MS), "BGF_FR_MS": PCSCF_FR_MS}
    ue = {"older_s": SUPERSEDE_S - 1}

    @contextlib.contextmanager
    def traffic(self, label, repeat_s=0):
        """Messages both ways around what is done within; checked afterwards."""
        flow = Flow(self, label, repeat_s)
        time.sleep(0.5)
        yield flow
        time.sleep(0.3)
        flow.end()
        flow.check()

    def known_sets(self):
        """{set id: what the gateway knows of it} of the first phone; LabError's time of a restart is waited out."""
        with contextlib.suppress(LabError):
            return {found["set_id"]: found for found in self.gateway.sets(subscriber=self.impis[0])}
        return {}

    def state_of(self, set_id):
        return self.known_sets().get(set_id, {}).get("state")

    def both_ways(self, what=""):
        answer = self.ues[0].request()
        self.check(f"MESSAGE from the phone is answered 200{what}", answer["status"] == 200, answer)
        answer = self.scscf.originate(self.impis[0])
        self.check("MESSAGE from the network is answered 200 by the phone", answer.status == 200, answer.start)

    def no_worse(self, before):
        """After a restart: the same sets, no longer lives, no lower sequence numbers or windows."""
        self.within("the gateway knows the same sets as before, with their SPIs and ports", lambda: [
            identity(found) for found in self.known_sets().values()] == [identity(found) for found in before.values()],
            LINK_S, lambda: (before, self.known_sets()))
        after = self.known_sets()
        self.check("no life has become longer", all(
            after[set_id]["remaining_ms"] <= found["remaining_ms"] for set_id, found in before.items()))
        self.check("and no window or sequence number has fallen back: " + "; ".join(
            f"{sa} {before[set_id]['sa'][sa]['sequence']} → {found['sa'][sa]['sequence']}"
            for set_id, found in after.items() for sa in found["sa"]), all(
                found["sa"][sa]["sequence"] >= before[set_id]["sa"][sa]["sequence"]
                for set_id, found in after.items() for sa in found["sa"]))

    # The steps

    def step_1(self):
        self.step("1. A phone registers")
        self.events = Events(self.lab, self.gateway, self.say)
        answer = self.ues[0].register(expires=3600)
        if not self.check("it gets 200 OK, for an hour", answer["status"] == 200, answer):
            raise LabError("without a registered phone nothing else can be shown")
        self.both_ways()
        self.within("the first use of its set is told to operators", lambda: "FIRST_USED" in self.events.of(
            self.set_of(0)["set_id"]), LINK_S, lambda: self.events.seen)

    def step_2(self):
        self.step("2. Re-authentication while messages go both ways")
        old = self.set_of(0)
        with self.traffic("re-authentication") as flow:
            self.scscf.challenge_again = True
            answer = self.ues[0].reregister()
            self.scscf.challenge_again = False
            self.check("the phone's re-REGISTER is challenged on the old set, its answer gets 200 OK on the new one",
                       answer["status"] == 200 and answer.get("challenged"), answer)
            new = next((found for found in self.known_sets().values() if found["set_id"] != old["set_id"]), None)
            if not self.check("the gateway has a new set", new is not None, self.known_sets()):
                raise LabError("without the new set nothing else can be shown")
            self.check(f"port_us {old['port_us']} and port_ps {old['port_ps']} stayed; port_uc {old['port_uc']} became "
                       f"{new['port_uc']}, port_pc {old['port_pc']} {new['port_pc']} (rule 7)",
                       (old["port_us"], old["port_ps"]) == (new["port_us"], new["port_ps"]) and
                       old["port_uc"] != new["port_uc"] and old["port_pc"] != new["port_pc"])
            self.within("the phone's first message on it supersedes the old one", lambda: "FIRST_USED" in
                        self.events.of(new["set_id"]) and "SUPERSEDED" in self.events.of(old["set_id"]), LINK_S,
                        lambda: self.events.seen)
            self.within(f"which serves for {SUPERSEDE_S} s more, and is gone", lambda: self.state_of(
                old["set_id"]) is None, SUPERSEDE_S + LINK_S, lambda: self.known_sets())
        ports = collections.Counter(port for _number, port in flow.at_phone)
        self.check(f"the P-CSCF moved: {ports[old['port_pc']]} messages came from port_pc {old['port_pc']}, then "
                   f"{ports[new['port_pc']]} from {new['port_pc']}", set(ports) == {old["port_pc"], new["port_pc"]} and
                   flow.at_phone[-1][1] == new["port_pc"], ports)
        self.check("its log has the events", self.kamailio.wait_said(f"event first_used: set {new['set_id']} ") and
                   self.kamailio.wait_said(f"event expired: set {old['set_id']} "), self.kamailio.said("event"))

    def step_3(self):
        self.step("3. Failed authentications, which harm nothing")
        before = self.set_of(0)
        with self.traffic("failures"):
            self.scscf.challenge_again = True
            answer = self.ues[0].reregister(wrong=True)
            self.scscf.challenge_again = False
            self.check("the phone answers a challenge wrongly, and gets 403", answer["status"] == 403 and
                       answer.get("challenged"), answer)
            failed = next((found for found in self.known_sets().values() if found["set_id"] != before["set_id"]), {})
            self.check("under the new set, which drains", failed.get("state") == "draining", failed)
            stranger = self.phones[1].ue(3, self.family, self.transport, port_uc=5162, port_us=5164)
            answer = stranger.initial(authorization=f'Digest username="{self.impis[0]}", realm="x", nonce="", '
                                                    'uri="sip:x", response=""')
            self.check("a stranger's REGISTER in the phone's name is challenged", answer["status"] == 401, answer)
            theirs = next((found for found in self.known_sets().values() if found["state"] == "temporary"), {})
            self.check(f"into a temporary set for {theirs.get('ue')}, which nobody can use",
                       theirs.get("ue") == self.phones[1].addresses[self.family], self.known_sets())
            if theirs:
                self.gateway.bgfctl("set", "release", str(theirs["set_id"]))
            self.within("an operator ends that one (bgfctl set release), the other is gone by itself", lambda: list(
                self.known_sets()) == [before["set_id"]], DRAIN_S + LINK_S, lambda: self.known_sets())
        after = self.set_of(0)
        self.check("the phone's set is as it was", identity(after) == identity(before), after)

    def step_4(self):
        self.step("4. Attacks, and what an operator hears of them")
        found, attacker = self.set_of(0), self.access.victim(self.ues[0].state())
        if (into := (time.monotonic() + ATTACKS_S) % MINUTE_S) < ATTACKS_S + LOOK_S:
            time.sleep(ATTACKS_S + LOOK_S - into)  # all within one minute, or it may be told of twice
        for what, attack, reason, event in (("replayed packets", attacker.replayed, "replay", "REPLAYS"),
                                            ("packets with a flipped bit", attacker.bit_flipped, "icv", "ICV_FAILURES")):
            self.drops_grow(f"{ATTACKS} {what}", lambda attack=attack: [attack() for _ in range(ATTACKS)],
                            **{reason: ATTACKS})
            self.within(f"make one event {event}", lambda event=event: self.events.of(found["set_id"]).count(event) == 1,
                        LINK_S, lambda: self.events.seen)
        self.drops_grow("a packet from the phone's address with an SPI of no SA", attacker.unknown_spi, unknown_spi=1)
        self.within("makes one of UNKNOWN_SPI", lambda: self.events.of().count("UNKNOWN_SPI") == 1, LINK_S,
                    lambda: self.events.seen)
        self.check("the set lives on as it was", identity(self.set_of(0)) == identity(found))
        self.both_ways()

    def step_5(self):
        self.step("5. kill -9 of bgf-control")
        before, came = self.known_sets(), len(self.scscf.requests)
        with self.traffic("control"):
            self.gateway.control.kill()
            self.say("  killed; the messages go on without it")
            time.sleep(1)
            answers = []
            asks = threading.Thread(target=lambda: answers.append(self.ues[0].reregister(expires=3600)))
            asks.start()
            time.sleep(0.3)
            self.gateway.control.start()
            asks.join()
        self.check("a re-REGISTER that came meanwhile: its CONFIRM was repeated, and the phone got 200 OK",
                   answers and answers[0]["status"] == 200 and len(self.scscf.seen("REGISTER", came)) == 1, answers)
        now = time.monotonic()
        self.within("the gateway knows the same set, and its new life", lambda: [
            identity(found) for found in self.known_sets().values()] == [identity(found) for found in before.values()] and
            3600_000 < self.set_of(0)["remaining_ms"] <= 3630_000, LINK_S, lambda: (now, before, self.known_sets()))
        self.both_ways()

    def step_6(self):
        self.step("6. kill -9 of bgf-dataplane")
        replays = self.phones[0].xfrm_errors().get("XfrmInStateSeqError", 0)
        with self.traffic("dataplane", REPEAT_S) as flow:
            before = self.known_sets()
            self.gateway.dataplane.kill()
            self.say("  killed; nothing passes until it is back")
            begin = time.monotonic()
            self.gateway.dataplane.start()
            self.say(f"  ready again after {time.monotonic() - begin:.2f} s")
            time.sleep(1)
        self.say(f"  the longest time without an answer was {flow.longest_ms() / 1000:.2f} s")
        self.no_worse(before)
        self.check("the phone's kernel saw no sequence number twice",
                   replays == self.phones[0].xfrm_errors().get("XfrmInStateSeqError", 0), self.phones[0].xfrm_errors())
        self.both_ways()

    def step_7(self):
        self.step("7. kill -9 of the P-CSCF")
        before = self.known_sets()
        instance = self.pcscf_instance()
        self.kamailio.kill()
        self.say("  killed, with all of its processes; it is started again and knows nothing")
        self.kamailio.start()
        self.within("it is another instance at the gateway, which keeps its sets (HELLO)", lambda: self.pcscf_instance()
                    not in (None, instance), LINK_S, lambda: (instance, self.gateway.bgfctl("show", "peers")))
        self.check("the sets are the same", [identity(f) for f in self.known_sets().values()] == [
            identity(f) for f in before.values()], self.known_sets())
        self.both_ways(": its set was found by address and ports (QUERY)")
        came = len(self.scscf.requests)
        answer = self.ues[0].reregister(expires=3600)
        requests = self.scscf.seen("REGISTER", came)
        self.check('a re-REGISTER is integrity-protected="yes", and not challenged', answer["status"] == 200 and
                   len(requests) == 1 and 'integrity-protected="yes"' in requests[0].get("Authorization"), answer)

    def step_8(self):
        self.step("8. Deregistration")
        answer = self.ues[1].register(expires=EXPIRES_S)
        self.second_since = time.monotonic()
        self.check(f"a second phone gets 200 OK, for {EXPIRES_S} s; step 9 waits for the end of it",
                   answer["status"] == 200, answer)
        self.second_set = self.set_of(1)
        found = self.set_of(0)
        attacker = self.access.victim(self.ues[0].state())
        answer = self.ues[0].deregister()
        self.check("the phone gets 200 OK", answer["status"] == 200, answer)
        self.check(f"its set drains, for {DRAIN_S} s", self.state_of(found["set_id"]) == "draining", self.known_sets())
        if self.transport == "udp":
            answer = self.ues[0].repeat()
            self.check("as if the 200 OK was lost the phone repeats its REGISTER, and is answered",
                       answer["status"] == 200, answer)
        self.within("and is gone", lambda: not self.known_sets(), DRAIN_S + LINK_S, lambda: self.known_sets())
        self.ues[0].forget()
        self.within("operators and the P-CSCF are told", lambda: "REMOVED" in self.events.of(found["set_id"]) and
                    self.kamailio.said(f"event removed: set {found['set_id']} "), LINK_S, lambda: self.events.seen)
        self.drops_grow("ESP after that", attacker.good_again, unknown_spi=1)

    def step_9(self):
        left = EXPIRES_S + 30 - (time.monotonic() - self.second_since)
        self.step(f"9. The second phone's registration expires, in {max(left, 0):.0f} s")
        set_id = self.second_set["set_id"]
        self.within("its set is gone", lambda: self.set_of(1) is None, max(left, 0) + LINK_S, lambda: self.set_of(1))
        self.within("operators and the P-CSCF are told", lambda: "EXPIRED" in self.events.of(set_id) and
                    self.kamailio.said(f"event expired: set {set_id} "), LINK_S, lambda: self.events.seen)
        self.drops_grow("its SAs are gone: its ESP", self.access.victim(self.ues[1].state()).good_again, unknown_spi=1)

    def step_10(self):
        self.step("10. A reboot of the gateway: its store is lost")
        answer = self.ues[0].register(expires=3600)
        self.check("the first phone registers again", answer["status"] == 200, answer)
        lost = self.set_of(0)
        self.gateway.remove_store()
        self.gateway.start()
        self.say("  the gateway is there again, with an empty store")
        self.within("operators and the P-CSCF are told that all sets are gone", lambda: "EPOCH_LOST" in
                    self.events.of() and self.kamailio.said("event epoch_lost"), REBOOT_WAIT_S, lambda: self.events.seen)
        self.within("the gateway has none", lambda: self.gateway.bgfctl("show", "sets")["sets"] == [], LINK_S)
        self.within("a message from the network is refused with 480: the P-CSCF knows too", lambda: self.scscf.originate(
            self.impis[0]).status == 480, LINK_S)
        self.ues[0].forget()
        self.lose_store()
        answer = self.ues[0].register(expires=3600)
        self.check("the phone, which noticed too, registers afresh", answer["status"] == 200 and
                   self.set_of(0)["fingerprint"] != lost["fingerprint"], answer)
        self.both_ways()

    def step_numbers(self):
        """ESP's sequence numbers in the capture: what the kernel of one phone cannot tell for both directions."""
        self.step("ESP sequence numbers in the capture of the access link")
        rows = [(spi, store, int(sequence)) for store, (when, _) in enumerate(self.stores()) for spi, sequence in tshark(
            self.captures[0].path, f"esp && eth.src != {MAC} && {when}", ["esp.spi", "esp.sequence"])]
        numbers = collections.defaultdict(list)
        for spi, store, sequence in rows:
            numbers[spi, store].append(sequence)
        twice = {spi: [n for n, count in collections.Counter(seen).items() if count > 1]
                 for spi, seen in numbers.items() if len(set(seen)) != len(seen)}
        self.check(f"{len(rows)} packets on {len(numbers)} SAs: no number was used twice, through all restarts",
                   rows and not twice, twice)

    def pcscf_instance(self):
        """The instance id of the P-CSCF that is connected, or None."""
        with contextlib.suppress(LabError):
            for peer in self.gateway.bgfctl("show", "peers")["peers"]:
                if peer["name"] == "pcscf1" and peer["connections"]:
                    return peer["instance_id"]
        return None

    def run(self):
        self.bring_up()
        for step in (self.step_1, self.step_2, self.step_3, self.step_4, self.step_5, self.step_6, self.step_7,
                     self.step_8, self.step_9, self.step_10, self.step_captures, self.step_numbers):
            step()


def identity(found):
    """What stays the same of a set as long as it lives."""
    return {name: found[name] for name in ("set_id", "state", "subscriber", "ue", "port_uc", "port_us", "port_pc",
                                           "port_ps", "spi_uc", "spi_us", "spi_pc", "spi_ps", "fingerprint")}
