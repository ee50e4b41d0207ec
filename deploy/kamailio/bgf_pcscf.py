# SPDX-License-Identifier: BSD-3-Clause
"""The P-CSCF's side of the gateway, for Kamailio's app_python3: what bgf_pcscf.cfg calls, and in what order.

A REGISTER and its response are handled in different processes, so nothing is remembered in Python: what belongs
to a transaction is in AVPs, what belongs to a set in the htable `bgf` (sets.py). Every step returns 1 for 'go on'
and -1 for 'refused', with $avp(code) and $avp(reason) saying what the UE is to hear, and $avp(retry_after) after how
many seconds it may come again. A response's keys are taken out by the configuration before anything here is called.
"""
import functools
import json
import os
import traceback
import uuid

import KSR

import secagree
import zb
from sets import SetCache, SetRecord, plain

GATEWAY_SILENT = 504, "Gateway Time-out"
REFUSALS = {  # causes of the gateway that are the UE's business; all others are 504
    "PORT_IN_USE": (400, "Protected Ports In Use"), "SPI_IN_USE": (400, "SPI In Use"), "BAD_PORT": (400, "Bad Ports"),
    "BAD_SPI": (400, "Bad SPI"), "BAD_ADDRESS": (400, "Bad Address"), "TOO_MANY_SETS": (500, "Too Many Registrations"),
    "TABLE_FULL": (503, "Service Unavailable"), "OVERLOAD": (503, "Service Unavailable"),
}
OK, REFUSED = 1, -1
PID_BITS = 22


def pv(name):
    return KSR.pv.get(name)


def define(name):
    """A #!define of kamailio.cfg, without its quotes."""
    return KSR.pv.get(f"$def({name})").strip('"')


def headers(name):
    """All values of a header, in order."""
    found, index = [], 0
    while (value := KSR.pv.get(f"$(hdr({name})[{index}])")) is not None:
        found.append(value)
        index += 1
    return found


def log(text):
    KSR.info(f"bgf: {text}\n")


def refuse(code, reason):
    KSR.pv.seti("$avp(code)", code)
    KSR.pv.sets("$avp(reason)", reason)
    return REFUSED


def replace_header(name, values):
    KSR.hdr.remove(name)
    for value in values:
        KSR.hdr.append(f"{name}: {value}\r\n")


def credentials():
    """The parameters of a UE's Authorization, none without one; None when it is not one header that we read as
    everybody else does, for what passes here unread the S-CSCF might read (rule 28)."""
    values = headers("Authorization")
    if not values:
        return {}
    try:
        scheme, parameters = secagree.digest(values[0])
    except ValueError:
        return None
    return parameters if len(values) == 1 and scheme.lower() == "digest" and parameters else None


def step(method):
    """A method that bgf_pcscf.cfg calls: whatever goes wrong in it is a refusal, and is logged. (The arguments that
    app_python3 hands over, the message among them, are not needed: KSR has all of it.)"""
    @functools.wraps(method)
    def called(self, *_arguments):
        try:
            return method(self)
        except zb.ZbError as error:
            log(f"{method.__name__}: {error.cause} {error}")
            return refuse(*GATEWAY_SILENT)
        except Exception:  # a fault of this file must not decide what the UE gets to see
            KSR.err(f"bgf: {method.__name__}: {traceback.format_exc()}\n")
            return refuse(*GATEWAY_SILENT)
    return called


class Pcscf:
    """One a Kamailio process; the association with the gateway is opened by the first call that needs it."""

    def __init__(self):
        self._zb = None
        self._subscribed = False
        self._silent = None  # why the gateway could not be reached last
        self._cache = None

    def child_init(self, _rank):
        return 0

    # Requests from UEs

    @step
    def register_in_clear(self):
        """REGISTER on the unprotected port: an initial registration, also of a UE that has a set (rule 26)."""
        offers = headers("Security-Client")
        auth = credentials()
        if auth is None:
            return refuse(400, "Bad Authorization")
        if headers("Security-Verify") or (auth.get("response", ("", ""))[1] and "auts" not in auth):
            return refuse(0, "an authentication response in the clear")  # rule 29: no answer
        if not offers:
            KSR.hdr.append_to_reply("Require: sec-agree\r\n")
            return refuse(421, "Extension Required")
        chosen = secagree.choose(offers)
        if chosen is None:
            return self._no_agreement()
        self._remember(chosen, via_set=0, replace=True)
        return self._to_scscf(auth, "no", auth.get("username", ("", ""))[1] or pv("$tu").partition(":")[2])

    @step
    def register_protected(self):
        """REGISTER that came out of an SA: by its addresses and ports the P-CSCF knows of which set (rule 28)."""
        auth = credentials()
        if auth is None:
            return refuse(400, "Bad Authorization")
        answers = bool(auth.get("response", ("", ""))[1]) and "auts" not in auth

        def is_challenge_of(found):
            return answers and found.reference == self._reference(
                auth["nonce"][1] if "nonce" in auth else "", found.subscriber, found)
        record = self._carrier(is_challenge_of if answers else SetRecord.is_confirmed)
        if record is None:
            return REFUSED
        if auth.get("username", ("", record.subscriber))[1] != record.subscriber:
            return refuse(403, "Another Subscriber's Security Association")
        challenged = is_challenge_of(record)
        offers = headers("Security-Client")
        first = record.state == zb.TEMPORARY
        if not secagree.verified(headers("Security-Verify"), record.server()) or (
                first and not secagree.offered_again(offers, record.client())):
            log(f"set {record.set_id} of {record.subscriber}: Security-Verify or -Client is not what was agreed")
            if first:
                self._release(record)
            return self._no_agreement(record)
        chosen = secagree.choose(offers)
        if chosen is not None:  # challenged again, the first answer has no other ports to offer (rule 15)
            self._remember(chosen, via_set=record.set_id, replace=first)
        KSR.pv.sets("$avp(set)", record.text())
        latest = self._cached().latest_of(record)
        trusted = challenged or (not answers and latest is not None and latest.set_id == record.set_id)
        return self._to_scscf(auth, "yes" if trusted else "no", record.subscriber)

    @step
    def request_protected(self):
        """Any other request of a UE: only on an established set (rule 16), and in its subscriber's name. A set that drains
        may be one whose authentication failed."""
        record = self._carrier(SetRecord.is_confirmed)
        if record is None:
            return REFUSED
        if not record.is_confirmed():
            return refuse(403, "Register First")
        self._strip_agreement()
        for name in ("P-Asserted-Identity", "P-Preferred-Identity"):
            KSR.hdr.remove(name)
        KSR.hdr.append(f"P-Asserted-Identity: <sip:{record.subscriber}>\r\n")
        return OK

    # Requests to UEs

    @step
    def request_to_ue(self):
        """A request from the core to a registered contact: it leaves from port_pc, so that the gateway finds its
        SA (rule 3). Over TCP too: Kamailio binds the connection to that port."""
        record = self._cached().of_contact(pv("$rd").strip("[]"), int(pv("$rp")))
        if record is None:
            return refuse(480, "Temporarily Unavailable")
        transport = "tcp" if "transport=tcp" in (pv("$ru") or "").lower() else "udp"
        KSR.corex.set_send_socket(f"{transport}:{self._bracket(record.served)}:{record.port_pc}")
        return OK

    # Responses to REGISTER

    @step
    def challenged(self):
        """401: INSTALL, wait, then a challenge without keys and with Security-Server. bgf_pcscf.cfg has taken the
        header with the keys out before."""
        clean, ik, ck = secagree.challenge(headers("WWW-Authenticate"))
        if ik is None:
            log("a 401 without IK: its S-CSCF does not challenge with AKA")
            return refuse(*GATEWAY_SILENT)
        generation = self._cached().generation()
        try:
            record = self._install(ik, ck)
        except zb.ZbError as error:
            log(f"INSTALL for {pv('$avp(subscriber)')}: {error.cause} {error.attribute} {error}")
            if error.retry_after_ms:  # whole seconds (RFC 3261 20.33), and not too early
                KSR.pv.seti("$avp(retry_after)", -(-error.retry_after_ms // 1000))
            return refuse(*REFUSALS.get(error.cause, GATEWAY_SILENT))
        self._cached().put(record, generation)
        log(f"set {record.set_id} of {record.subscriber} installed, spi-c {record.spi_pc} spi-s {record.spi_ps}")
        for value in clean:
            KSR.hdr.append(f"WWW-Authenticate: {value}\r\n")
        KSR.hdr.append(f"Security-Server: {secagree.server(record.server())}\r\n")
        KSR.pv.seti("$avp(installed)", 1)
        return OK

    @step
    def accepted(self):
        """200 OK: CONFIRM and wait, or after a deregistration RELEASE, which drains (rules 18, 19, 23)."""
        if not pv("$avp(set)"):
            return OK
        record = SetRecord.of_text(pv("$avp(set)"))
        expires = self._expires(record)
        if not expires:
            self._deregistered(record)
            return OK
        reference = secagree.reference("confirm", record.set_id, pv("$ci"), pv("$cs"))
        generation = self._cached().generation()
        try:
            confirmed = self._gateway().confirm(record.set_id, reference, expires)
        except zb.ZbError:
            self._cached().perhaps_confirmed(record, expires)
            raise
        self._cached().confirmed(SetRecord.of_set(confirmed), generation)
        log(f"set {record.set_id} of {record.subscriber} confirmed for {expires} s")
        return OK

    @step
    def rejected(self):
        """A final refusal of an authentication: the new set goes, after the response (rule 22)."""
        if pv("$avp(set)"):
            record = SetRecord.of_text(pv("$avp(set)"))
            if record.state == zb.TEMPORARY:
                log(f"set {record.set_id} of {record.subscriber} failed: {pv('$rs')}")
                self._release(record)
        return OK

    # A process of its own, a few times a second

    @step
    def events(self):
        """What the gateway reports, and releases that it could not be told."""
        try:
            gateway = self._gateway()
            if not self._subscribed:
                gateway.subscribe()
                self._subscribed = True
                log("events are subscribed")
            for event in gateway.process():
                self._on_event(event)
        except zb.ZbError as error:
            if str(error) != self._silent:
                log(f"the gateway cannot be reached: {error}")
            self._silent = str(error)
            return REFUSED
        self._silent = None
        for record, drain_s in self._cached().pending_releases():
            if not self._release(record, drain_s):
                break  # the others would wait for nothing too, and events behind them
        return OK

    def _on_event(self, event):
        name = self._zb.event_name(event.kind).lower()
        whose = f"set {event.set_id} of {event.subscriber.decode()}" if event.set_id else str(event.selectors.ue)
        log(f"event {name}: {whose}" + (f", {event.count} packets" if event.count else ""))
        if event.kind in (zb.EVENT_EXPIRED, zb.EVENT_REMOVED):
            self._cached().remove(event.set_id, any(event.packets[:zb.INBOUND_SAS]))
        elif event.kind == zb.EVENT_FIRST_USED:
            self._cached().first_used(event.set_id)
        elif event.kind == zb.EVENT_SUPERSEDED:
            self._cached().superseded(event.set_id)
        elif event.kind == zb.EVENT_GAP:
            self._cached().doubt()
        elif event.kind == zb.EVENT_EPOCH_LOST:
            self._cached().forget()
            self._cached().drop_releases()

    # How it is done

    def _gateway(self):
        if self._zb is None:
            instance = int(pv("$Tb")) << PID_BITS | os.getppid()  # the same in all children of one start
            self._zb = zb.Zb(define("BGF_LIBZB"), define("BGF_ZB"), define("BGF_NAME"), instance,
                             int(define("BGF_WAIT_MS")))
        return self._zb

    def _cached(self):
        if self._cache is None:
            self._cache = SetCache(self._query)
        return self._cache

    def _query(self, ue, port_ue, port_local, hasty):
        return [SetRecord.of_set(found) for found in self._gateway().query(ue, port_ue, port_local, hasty)]

    def _carrier(self, is_wanted):
        """The set on which this request came; None, with the refusal, when there is none. is_wanted tells whether the
        request fits to a set: two may have these ports. Responses over UDP go from its port_pc (rule 3)."""
        record = self._cached().of_flow(pv("$si"), int(pv("$sp")), pv("$Ri"), int(pv("$Rp")), is_wanted)
        if record is None:
            refuse(403, "No Security Association")
            return None
        if pv("$proto") == "udp":
            KSR.corex.set_recv_socket(f"udp:{self._bracket(record.served)}:{record.port_pc}")
        return record

    def _remember(self, chosen, via_set, replace):
        KSR.pv.sets("$avp(client)", json.dumps(chosen | {
            "ue": plain(pv("$si")), "served": plain(pv("$Ri")), "via_set": via_set, "unprotected": not via_set,
            "replace": replace, "registration": secagree.registration_id(headers("Contact"))}))

    def _to_scscf(self, auth, integrity_protected, subscriber):
        KSR.pv.sets("$avp(subscriber)", subscriber)
        if auth:
            replace_header("Authorization", [secagree.authorization(pv("$hdr(Authorization)"), integrity_protected)])
        self._strip_agreement()
        KSR.hdr.append(f"Path: {define('MW_PATH')}\r\n")
        KSR.hdr.append("Require: path\r\n")
        KSR.hdr.append(f'P-Charging-Vector: icid-value="{uuid.uuid4()}";icid-generated-at={define("MW_IP")}\r\n')
        return OK

    @staticmethod
    def _strip_agreement():
        """What is between the UE and the P-CSCF only (RFC 3329 2.3.1)."""
        for name in ("Security-Client", "Security-Verify", "Security-Server"):
            KSR.hdr.remove(name)
        for name in ("Require", "Proxy-Require"):
            if values := headers(name):
                replace_header(name, [left for left in map(secagree.without_sec_agree, values) if left])

    @staticmethod
    def _no_agreement(record=None):
        """494, with what the P-CSCF supports, or had agreed."""
        KSR.hdr.append_to_reply(
            f"Security-Server: {secagree.server(record.server()) if record else secagree.OFFERED}\r\n")
        return refuse(494, "Security Agreement Required")

    def _install(self, ik, ck):
        client, subscriber = json.loads(pv("$avp(client)")), pv("$avp(subscriber)")
        nonce = secagree.digest(pv("$hdr(WWW-Authenticate)"))[1]["nonce"][1]
        last = None
        for port_pc in self._client_ports(client):
            record = SetRecord(
                set_id=0, reference=0, subscriber=subscriber, state=zb.TEMPORARY, ue=client["ue"],
                served=client["served"], port_uc=client["port-c"], port_us=client["port-s"], port_pc=port_pc,
                port_ps=int(define("BGF_PORT_PS")), spi_uc=client["spi-c"], spi_us=client["spi-s"], spi_pc=0, spi_ps=0)
            try:
                return SetRecord.of_set(self._gateway().install(self._request(record, nonce, client, ik, ck)))
            except zb.ZbError as error:
                if (error.cause, error.attribute) != ("PORT_IN_USE", "PORT_US"):
                    raise  # only for the pair (us, pc) would another port_pc do
                last = error
        raise last

    def _request(self, record, nonce, client, ik, ck):
        """INSTALL. A UE that starts again in the clear may have lost its old set and come with the same ports: the
        new one replaces it, once it is confirmed (rule 6)."""
        install = zb.Install(
            reference=self._reference(nonce, record.subscriber, record), subscriber=record.subscriber.encode(),
            registration_id=client["registration"].encode(),
            alg=zb.ALG_HMAC_SHA_1_96, ealg=zb.EALG_NULL, mod=zb.MOD_TRANS,
            flags=(zb.BEGAN_UNPROTECTED if client["unprotected"] else 0) | (zb.REPLACE if client["replace"] else 0) |
            (zb.EMERGENCY if client["registration"] == secagree.EMERGENCY else 0), via_set=client["via_set"])
        selectors = install.selectors
        selectors.ue, selectors.served = zb.Address.of(record.ue), zb.Address.of(record.served)
        for name in ("port_uc", "port_us", "port_pc", "port_ps", "spi_uc", "spi_us"):
            setattr(selectors, name, getattr(record, name))
        install.ik[:] = ik
        if ck:
            install.ck[:] = ck
            install.has_ck = 1
        return install

    def _client_ports(self, client):
        """port_pc's to try: it changes across re-authentication (rule 7)."""
        ports = [int(port) for port in define("BGF_PORTS_PC").split(",")]
        last = self._cached().of_contact(client["ue"], client["port-s"])
        if last is not None and last.port_pc in ports:
            at = ports.index(last.port_pc) + 1
            ports = ports[at:] + ports[:at]
        return ports

    @staticmethod
    def _reference(nonce, subscriber, record):
        """INSTALL's reference: from the challenge and the ports, so that any process can tell, also after a
        restart, whether a nonce is the one that made a set."""
        return secagree.reference("install", nonce, subscriber, record.ue, record.served, record.port_uc,
                                  record.port_us, record.port_pc, record.port_ps, record.spi_uc, record.spi_us)

    def _release(self, record, drain_s=None):
        """RELEASE with drain; when the gateway cannot be told now, `events` goes on trying. Whether it could."""
        drain_s = int(define("BGF_DRAIN_S")) if drain_s is None else drain_s
        try:
            self._gateway().release(record.set_id, secagree.reference("release", record.set_id), drain_s)
        except zb.ZbError as error:
            if error.uncertain:
                self._cached().release_later(record, drain_s)
                return False
            log(f"RELEASE of set {record.set_id}: {error.cause} {error}")
            self._cached().remove(record.set_id)  # it is gone, or not ours
            return True
        log(f"set {record.set_id} of {record.subscriber} released, drains")
        self._cached().released(record, drain_s)
        return True

    def _deregistered(self, record):
        """All sets of the registration drain (rule 23): also the ones before it, when the phone was challenged."""
        self._cached().unbind(record)
        try:
            records = self._cached().of_registration(record)
        except zb.ZbError as error:
            log(f"QUERY for {record.subscriber}: {error.cause} {error}")
            records = [record]
        for found in records:
            if found.state != zb.DRAINING:
                self._release(found)

    @staticmethod
    def _expires(record):
        """Seconds for which the S-CSCF registered this UE's contact; 0 after a deregistration."""
        for contact in (c for value in headers("Contact") for c in secagree.contacts(value)):
            if contact["port"] == record.port_us and contact["host"] == record.ue:
                return contact["expires"] if contact["expires"] is not None else int(pv("$hdr(Expires)") or 0)
        return 0

    @staticmethod
    def _bracket(address):
        return f"[{address}]" if ":" in address else address


def mod_init():
    return Pcscf()
