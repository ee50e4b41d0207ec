# SPDX-License-Identifier: BSD-3-Clause
"""What the P-CSCF knows of the gateway's sets, shared by all of Kamailio's processes in the htable `bgf`.

It is a cache: the gateway has the truth, and what is not here is asked for (QUERY). So a P-CSCF that restarts
goes on with the sets that exist. What was known when events may have been lost is asked for again too, but counts while the
gateway does not answer: its control may be away again a moment after it came back, and registered phones must not notice.
A row goes when its set must have ended, whether that was heard or not.

    s|SET_ID                       the record, as JSON
    f|UE|PORT_UE|PORT_LOCAL        SET_ID; two a set: (uc, ps) and (us, pc)
    c|UE|PORT_US                   SET_ID of the set that carries requests to this contact
    l|UE|PORT_US                   SET_ID of its latest successful authentication
    g                              the generation: another one when events may have been lost
"""
import ipaddress
import json
import time
from dataclasses import asdict, dataclass

import KSR

import zb

TABLE = "bgf"
GENERATION = "g"
SPARE_S = 60  # a row outlives its set, so that it is the event that removes it
YEAR_S = 365 * 24 * 3600
PENDING = "bgf_pending"  # SET_ID: drain time and record of a release that the gateway has not heard of yet


def plain(address):
    """One text for one IPv6 address."""
    return str(ipaddress.ip_address(address.strip("[]")))


@dataclass
class SetRecord:
    """A set as the gateway reports it. No keys."""
    set_id: int
    reference: int
    subscriber: str
    state: int
    ue: str
    served: str
    port_uc: int
    port_us: int
    port_pc: int
    port_ps: int
    spi_uc: int
    spi_us: int
    spi_pc: int
    spi_ps: int
    first_used: bool = False
    registration: str = ""
    until: float = 0.0  # CLOCK_MONOTONIC, which all processes share
    generation: str = ""

    @classmethod
    def of_set(cls, found):
        selectors = found.selectors
        numbers = {name: getattr(selectors, name) for name in (
            "port_uc", "port_us", "port_pc", "port_ps", "spi_uc", "spi_us", "spi_pc", "spi_ps")}
        return cls(set_id=found.set_id, reference=found.reference, subscriber=found.subscriber.decode(),
                   state=found.state, ue=str(selectors.ue), served=str(selectors.served),
                   first_used=bool(found.first_used), registration=found.registration_id.decode(),
                   until=time.monotonic() + found.remaining_ms / 1000, **numbers)

    @classmethod
    def of_text(cls, text):
        return cls(**json.loads(text))

    def text(self):
        return json.dumps(asdict(self))

    def server(self):
        """The gateway's side, in the names of Security-Server."""
        return {"spi-c": self.spi_pc, "spi-s": self.spi_ps, "port-c": self.port_pc, "port-s": self.port_ps}

    def client(self):
        """The UE's side, in the names of Security-Client."""
        return {"spi-c": self.spi_uc, "spi-s": self.spi_us, "port-c": self.port_uc, "port-s": self.port_us}

    def flows(self):
        return (f"f|{self.ue}|{self.port_uc}|{self.port_ps}", f"f|{self.ue}|{self.port_us}|{self.port_pc}")

    def contact(self):
        return f"c|{self.ue}|{self.port_us}"

    def latest(self):
        return f"l|{self.ue}|{self.port_us}"


class SetCache:
    """query(ue, port_ue, port_local) asks the gateway and returns records."""

    def __init__(self, query):
        self._query = query

    # Looking up

    def of_flow(self, ue, port_ue, port_local):
        """The set whose protected pair this is, or None."""
        ue = plain(ue)
        key = f"f|{ue}|{port_ue}|{port_local}"

        def ask():
            found = self._ask(ue, port_ue, port_local)
            known = self._by_key(key)
            if known is not None and known.set_id not in (record.set_id for record in found):
                self._remove_if(key, known.set_id)
            for record in found:
                self._put(record)
            return self._by_key(key)
        return self._known_or(key, ask)

    def one_of_flow(self, ue, port_ue, port_local, is_wanted):
        """Of the sets with this protected pair, which are two while one is to replace the other (rule 6), the one
        that is wanted, else the confirmed one, or None; also None when the gateway does not answer."""
        try:
            found = self._query(plain(ue), port_ue, port_local)
        except zb.ZbError as error:
            if not error.uncertain:
                raise
            return None
        confirmed = [r for r in found if r.state in (zb.ESTABLISHED, zb.SUPERSEDED)]
        return next((r for r in [*filter(is_wanted, found), *confirmed]), None)

    def of_contact(self, ue, port_us):
        """The set that carries requests to this contact, or None. Of several confirmed ones the newest that the UE
        has used (rule 20)."""
        try:
            ue = plain(ue)
        except ValueError:
            return None  # a name: no UE of ours

        def ask():
            found = [r for r in self._ask(ue, port_us) if r.port_us == port_us and r.state in (
                zb.ESTABLISHED, zb.SUPERSEDED)]
            found.sort(key=lambda r: (r.state == zb.ESTABLISHED, r.first_used))
            for record in found:
                self._put(record)
                self._set(record.contact(), record)
            return found[-1] if found else None
        return self._known_or(f"c|{ue}|{port_us}", ask)

    def latest_of_contact(self, ue, port_us):
        """The set of this contact's latest successful authentication, which it may not have used yet, or None."""
        def ask():
            found = [r for r in self._ask(ue, port_us) if r.port_us == port_us and r.state == zb.ESTABLISHED]
            record = min(found, key=lambda r: r.first_used, default=None)
            if record is not None:
                self._put(record)
                self._set(record.latest(), record)
            return record
        return self._known_or(f"l|{ue}|{port_us}", ask)

    def of_registration(self, record):
        """All sets of the registration that has this one."""
        return [r for r in self._query(record.ue, record.port_us) if (r.subscriber, r.registration, r.port_us) == (
            record.subscriber, record.registration, record.port_us)]

    def _known_or(self, key, ask):
        """What the cache has, when no events were lost since; else what `ask` learns; else, when the gateway does not
        answer, what the cache has after all."""
        record = self._by_key(key)
        if record is not None and record.generation == self._generation():
            return record
        try:
            found = ask()
        except zb.ZbError as error:
            if record is None or not error.uncertain:
                raise
            return record
        if record is not None and (found is None or found.set_id != record.set_id):
            self._remove_if(key, record.set_id)
        return found

    def _ask(self, *flow):
        """QUERY. The generation is read before: what is lost from now on may not be in the answer."""
        generation = self._generation()
        found = self._query(*flow)
        for record in found:
            record.generation = generation
        return found

    @staticmethod
    def _generation():
        return KSR.htable.sht_get(TABLE, GENERATION) or ""

    def _by_key(self, key):
        """The gateway gives a set id again one day, and after the loss of its store at once."""
        set_id = KSR.htable.sht_get(TABLE, key)
        record = self._by_id(set_id) if set_id else None
        return record if record and key in (*record.flows(), record.contact(), record.latest()) else None

    def _by_id(self, set_id):
        text = KSR.htable.sht_get(TABLE, f"s|{set_id}")
        return SetRecord.of_text(text) if text else None

    # Changing

    def put(self, record):
        """What the gateway answered just now."""
        record.generation = self._generation()
        self._put(record)

    def _put(self, record):
        self._set(f"s|{record.set_id}", record, record.text())
        for key in record.flows():
            if record.state != zb.TEMPORARY or not self._is_confirmed(key):
                self._set(key, record)

    def _is_confirmed(self, key):
        """Somebody's REGISTER in the clear with the ports of a set that works must not come between it and its phone: the
        new set is found by asking, and takes the flow when it is confirmed (rule 6)."""
        record = self._by_key(key)
        return record is not None and record.state in (zb.ESTABLISHED, zb.SUPERSEDED)

    def confirmed(self, record):
        """After CONFIRM. Requests to the UE stay on an older set until the UE has used this one (rule 20)."""
        self.put(record)
        self._set(record.latest(), record)
        older = self._by_key(record.contact())
        if older is None or older.set_id == record.set_id or older.port_pc == record.port_pc:
            self._set(record.contact(), record)

    def first_used(self, set_id):
        record = self._by_id(set_id)
        if record is not None:
            record.first_used = True
            self._put(record)
            self._set(record.contact(), record)

    def superseded(self, set_id):
        """A newer set is in use: requests to the UE go on that one; this one carries answers until it ends."""
        record = self._by_id(set_id)
        if record is not None:
            record.state = zb.SUPERSEDED
            self._put(record)
            self._remove_if(record.contact(), set_id)

    def released(self, record):
        """It drains: answers still pass, requests to the UE do not use it."""
        record.state = zb.DRAINING
        self._put(record)
        self.unbind(record)
        KSR.htable.sht_rm(PENDING, str(record.set_id))

    def unbind(self, record):
        for key in (record.contact(), record.latest()):
            self._remove_if(key, record.set_id)

    def remove(self, set_id):
        record = self._by_id(set_id)
        if record is not None:
            for key in (*record.flows(), record.contact(), record.latest()):
                self._remove_if(key, set_id)
        self._remove(f"s|{set_id}")
        KSR.htable.sht_rm(PENDING, str(set_id))

    @staticmethod
    def forget():
        """The gateway's sets are gone."""
        KSR.htable.sht_reset(TABLE)

    @staticmethod
    def doubt():
        """What the gateway did meanwhile is not known: all is asked for again, when it is needed."""
        KSR.htable.sht_setxs(TABLE, GENERATION, str(time.monotonic_ns()), YEAR_S)

    # Releases that wait

    def release_later(self, record, drain_s):
        self._put(record)
        KSR.htable.sht_sets(PENDING, str(record.set_id), f"{drain_s} {record.text()}")

    def pending_releases(self):
        """[(record, drain_s)] of those that release_later() has kept."""
        rows = (value.partition(" ") for _set_id, value in self._rows(PENDING))
        return [(SetRecord.of_text(text), int(drain_s)) for drain_s, _blank, text in rows]

    @staticmethod
    def drop_releases():
        """The sets are gone, and others will have their ids."""
        KSR.htable.sht_reset(PENDING)

    @staticmethod
    def _rows(table):
        """[(key, value)] of a table. The iterator holds a lock of it, so they are collected first."""
        found = []
        if KSR.htable.sht_iterator_start("rows", table) < 0:
            return found
        while KSR.htable.sht_iterator_next("rows") > 0:
            found.append((KSR.pv.get("$shtitkey(rows)"), KSR.pv.get("$shtitval(rows)")))
        KSR.htable.sht_iterator_end("rows")
        return found

    @staticmethod
    def _set(key, record, text=None):
        left_s = max(record.until - time.monotonic(), 0)
        KSR.htable.sht_setxs(TABLE, key, text or str(record.set_id), int(left_s) + SPARE_S)

    @staticmethod
    def _remove(key):
        KSR.htable.sht_rm(TABLE, key)

    def _remove_if(self, key, set_id):
        if KSR.htable.sht_get(TABLE, key) == str(set_id):
            self._remove(key)
