# SPDX-License-Identifier: BSD-3-Clause
"""What the P-CSCF knows of the gateway's sets, shared by all of Kamailio's processes in the htable `bgf`.

It is a cache: the gateway has the truth, and what is not here is asked for (QUERY). So a P-CSCF that restarts
goes on with the sets that exist. What was known when events may have been lost is asked for again too, but counts while the
gateway does not answer: its control may be away again a moment after it came back, and registered phones must not notice.
A row goes when its set must have ended, whether that was heard or not.

Only one row at a time is changed or read as a whole. So nothing follows from one row alone: what a key leads to must have
that key, a set that ended leaves a mark that removes what another process writes of it later, and a set that wants the
ports of another subscriber's leaves one too.

    s|SET_ID                           the record, as JSON
    x|SET_ID                           it has ended
    f|UE|PORT_UE|SERVED|PORT_LOCAL     SET_ID; two a set: (uc, ps) and (us, pc)
    r|UE|PORT_UE|SERVED|PORT_LOCAL     SET_ID of another subscriber's set that came upon these ports: to replace that one
    c|UE|PORT_US                       SET_ID of the set that carries requests to this contact
    l|UE|PORT_US                       SET_ID of its latest successful authentication
    g                                  the generation: another one when events may have been lost
    w                                  the gateway did not answer a moment ago
"""
import errno
import ipaddress
import json
import time
from dataclasses import asdict, dataclass, replace

import KSR

import zb

TABLE = "bgf"
GENERATION, SILENT = "g", "w"
SPARE_S = 60  # a row outlives its set, so that it is the event that removes it
SILENT_S = 1
LAST_S = 128  # 64*T1: on a set that ends sooner nothing new begins if there is another (rule 20)
YEAR_S = 365 * 24 * 3600
PENDING = "bgf_pending"  # SET_ID: drain time and record of a release that the gateway has not heard of yet


def plain(address):
    """One text for one IPv6 address."""
    return str(ipaddress.ip_address(address.strip("[]")))


def flow_key(ue, port_ue, served, port_local):
    return f"f|{ue}|{port_ue}|{served}|{port_local}"


def rival_key(flow):
    return "r" + flow[1:]


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
    began_unprotected: bool = False
    received: bool = False  # something came on it before it was asked for
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
                   began_unprotected=bool(found.flags & zb.BEGAN_UNPROTECTED),
                   received=any(found.packets[:zb.INBOUND_SAS]),
                   until=time.monotonic() + found.remaining_ms / 1000, **numbers)

    @classmethod
    def of_text(cls, text):
        return cls(**json.loads(text))

    def text(self):
        return json.dumps(asdict(self))

    def is_confirmed(self):
        """Whether its subscriber is registered on it. One that drains may never have been."""
        return self.state in (zb.ESTABLISHED, zb.SUPERSEDED)

    def is_lasting(self):
        """Whether what begins on it now can also end on it."""
        return self.until > time.monotonic() + LAST_S

    def is_of_registration(self, other):
        return (self.subscriber, self.registration, self.port_us) == (other.subscriber, other.registration, other.port_us)

    def server(self):
        """The gateway's side, in the names of Security-Server."""
        return {"spi-c": self.spi_pc, "spi-s": self.spi_ps, "port-c": self.port_pc, "port-s": self.port_ps}

    def client(self):
        """The UE's side, in the names of Security-Client."""
        return {"spi-c": self.spi_uc, "spi-s": self.spi_us, "port-c": self.port_uc, "port-s": self.port_us}

    def flows(self):
        return (flow_key(self.ue, self.port_uc, self.served, self.port_ps),
                flow_key(self.ue, self.port_us, self.served, self.port_pc))

    def contact(self):
        return f"c|{self.ue}|{self.port_us}"

    def latest(self):
        return f"l|{self.ue}|{self.port_us}"

    def keys(self):
        """Of the rows that may lead to it."""
        return *self.flows(), self.contact(), self.latest()


def carrier(found, is_wanted):
    """Of the sets that have one protected pair, the one on which a request came, or None. They are two while one is to
    replace the other (rule 6), and a packet of the one looks like one of the other. On a set on which nothing came this
    did not come either. Once another subscriber's set is used there, its phone has the address, and whatever comes counts as
    coming on that one: nobody speaks in the name of who had the address before."""
    received = [record for record in found if record.received]
    confirmed = [record for record in found if record.is_confirmed()]
    newcomers = [record for record in received if not record.is_confirmed() and any(
        record.subscriber != former.subscriber for former in confirmed)]
    return next(iter([*filter(is_wanted, newcomers or received), *newcomers, *confirmed, *found]), None)


class SetCache:
    """query(ue, port_ue, port_local, hasty) asks the gateway and returns records; hasty: it is not waited for long."""

    def __init__(self, query):
        self._query = query

    # Looking up

    def of_flow(self, ue, port_ue, served, port_local, is_wanted=SetRecord.is_confirmed):
        """The set on which a request between these came, or None. is_wanted tells whether the request fits to a set; where
        it does not fit to what is known, the gateway is asked whether there is another."""
        ue, served = plain(ue), plain(served)
        key = flow_key(ue, port_ue, served, port_local)
        known = self._by_key(key)
        if known is not None and self._is_contested(key, known):
            known = None
        if known is not None and known.generation == self.generation() and is_wanted(known):
            return known
        is_usable = known is not None and known.is_confirmed()
        try:
            found = self._ask(ue, port_ue, port_local, hasty=is_usable and is_wanted(known))
        except zb.ZbError as error:
            if not is_usable or not error.uncertain:
                raise
            return known
        found = [record for record in found if key in record.flows()]
        known = self._by_key(key)
        if known is not None and known.set_id not in (record.set_id for record in found):
            self._remove_if(key, known.set_id)
        for record in found:
            self._put(record)
        chosen, rival = carrier(found, is_wanted), KSR.htable.sht_get(TABLE, rival_key(key))
        if rival and chosen and chosen.is_confirmed() and rival not in (str(record.set_id) for record in found):
            return None  # what came on the one that has just ended may be read only now
        return chosen

    def of_contact(self, ue, port_us):
        """The set that carries requests to this contact, or None. Of several confirmed ones the newest that the UE
        has used, or the newest where that one is about to end (rule 20)."""
        try:
            ue = plain(ue)
        except ValueError:
            return None  # a name: no UE of ours

        def choose(found):
            found = [r for r in found if r.port_us == port_us and r.is_confirmed()]
            return max(found, key=lambda r: (r.state == zb.ESTABLISHED, r.is_lasting(), r.first_used, r.until),
                       default=None)
        return self._known_or(f"c|{ue}|{port_us}", choose, ue, port_us, is_good=SetRecord.is_lasting)

    def latest_of(self, record):
        """The set of the latest successful authentication in this one's registration, which the UE may not have used yet,
        or None."""
        def choose(found):
            found = [r for r in found if r.is_of_registration(record) and r.state == zb.ESTABLISHED]
            return min(found, key=lambda r: (r.first_used, -r.until), default=None)
        return self._known_or(record.latest(), choose, record.ue, record.port_us)

    def of_registration(self, record):
        """All sets of the registration that has this one."""
        return [r for r in self._query(record.ue, record.port_us, 0, False) if r.is_of_registration(record)]

    def _known_or(self, key, choose, *flow, is_good=lambda _known: True):
        """What the cache has, when that is good and no events were lost; else what is chosen from the gateway's answer;
        else, when the gateway does not answer, what the cache has after all."""
        known = self._by_key(key)
        if known is not None and known.generation == self.generation() and is_good(known):
            return known
        try:
            found = self._ask(*flow, 0, hasty=known is not None)
        except zb.ZbError as error:
            if known is None or not error.uncertain:
                raise
            return known
        for record in found:
            self._put(record)
        chosen = choose(found)
        if chosen is not None:
            self._set(key, chosen)
        elif known is not None:
            self._remove_if(key, known.set_id)
        return chosen

    def _ask(self, *flow, hasty):
        """QUERY. The generation is read before: what is lost from now on may not be in the answer. Who has something to go
        by does not ask again what did not answer a moment ago, or in an outage every request would be late."""
        if hasty and KSR.htable.sht_get(TABLE, SILENT):
            raise zb.ZbError(errno.ETIMEDOUT, "", "", "the gateway did not answer a moment ago")
        generation = self.generation()
        try:
            found = self._query(*flow, hasty)
        except zb.ZbError as error:
            if error.uncertain:
                KSR.htable.sht_setxs(TABLE, SILENT, "1", SILENT_S)
            raise
        for record in found:
            record.generation = generation
        return found

    @staticmethod
    def generation():
        return KSR.htable.sht_get(TABLE, GENERATION) or ""

    def _by_key(self, key):
        """The gateway gives a set id again one day, and after the loss of its store at once."""
        set_id = KSR.htable.sht_get(TABLE, key)
        record = self._by_id(set_id) if set_id else None
        return record if record and key in record.keys() else None

    def _by_id(self, set_id):
        text = KSR.htable.sht_get(TABLE, f"s|{set_id}")
        return SetRecord.of_text(text) if text else None

    def _is_contested(self, key, record):
        rival = KSR.htable.sht_get(TABLE, rival_key(key))
        return rival is not None and rival != str(record.set_id)

    # Changing

    def put(self, record, generation):
        """What the gateway answered to INSTALL or CONFIRM; the generation from before it was asked."""
        record.generation = generation
        self._put(record)

    def _put(self, record):
        """What the gateway answered. Somebody's REGISTER in the clear with the ports of a set that works must not come
        between it and its phone: a new set takes the flow when it is confirmed (rule 6). Where it is another subscriber's,
        what is known of the flow counts no more until that is decided: from there on the gateway may have confirmed it."""
        self._keep(record)
        for key in record.flows():
            holder = self._by_key(key) or record
            if record.is_confirmed() or not holder.is_confirmed():
                self._set(key, record)
            if holder.subscriber != record.subscriber and record.is_confirmed() != holder.is_confirmed():
                self._set(rival_key(key), record if holder.is_confirmed() else holder)

    def confirmed(self, record, generation):
        """After CONFIRM. Requests to the UE stay on an older set until the UE has used this one (rule 20), if it can still
        have that one: it has not begun anew (rule 21), and is not somebody else who has the address now."""
        self.put(record, generation)
        for rival in map(rival_key, record.flows()):
            if KSR.htable.sht_get(TABLE, rival):
                self._set(rival, record)  # no other set has these ports any more
        self._set(record.latest(), record)
        older = self._by_key(record.contact())
        if older is None or older.set_id == record.set_id or older.port_pc == record.port_pc or (
                record.began_unprotected or not older.is_of_registration(record)):
            self._set(record.contact(), record)

    def perhaps_confirmed(self, record, expires_s):
        """CONFIRM got no answer. As long as the registration would last, what is known of another subscriber's set with
        these ports counts only if the gateway says it again."""
        for key in record.flows():
            holder = self._by_key(key)
            if holder is not None and holder.subscriber != record.subscriber:
                self._set(rival_key(key), replace(record, until=time.monotonic() + expires_s))

    def first_used(self, set_id):
        """It may be told before the process that confirmed the set has said so here."""
        record = self._by_id(set_id)
        if record is not None and record.state in (zb.TEMPORARY, zb.ESTABLISHED):
            record.first_used, record.state = True, zb.ESTABLISHED
            self._keep(record)
            self._set(record.contact(), record)

    def superseded(self, set_id):
        """A newer set is in use: requests to the UE go on that one; this one carries answers until it ends."""
        record = self._by_id(set_id)
        if record is not None and record.state != zb.DRAINING:
            record.state = zb.SUPERSEDED
            self._keep(record)
            self._remove_if(record.contact(), set_id)

    def released(self, record, drain_s):
        """It drains: answers still pass, requests to the UE do not use it."""
        record.state = zb.DRAINING
        record.until = min(record.until, time.monotonic() + drain_s)
        self._keep(record)
        self.unbind(record)
        KSR.htable.sht_rm(PENDING, str(record.set_id))

    def unbind(self, record):
        for key in (record.contact(), record.latest()):
            self._remove_if(key, record.set_id)

    def remove(self, set_id, was_used=True):
        """It has ended. Whether something ever came on it: that may wait to be read, and must not pass for what came on the
        set of another subscriber that it was to replace."""
        KSR.htable.sht_setxs(TABLE, f"x|{set_id}", "1", SPARE_S)
        record = self._by_id(set_id)
        if record is not None:
            for key in record.keys():
                self._remove_if(key, set_id)
            for rival in map(rival_key, record.flows()):
                if not was_used:
                    self._remove_if(rival, set_id)
                elif KSR.htable.sht_get(TABLE, rival) == str(set_id):
                    KSR.htable.sht_setxs(TABLE, rival, str(set_id), SPARE_S)
        self._remove(f"s|{set_id}")
        KSR.htable.sht_rm(PENDING, str(set_id))

    def forget(self):
        """The gateway's sets are gone. What other processes write of them now is of no known generation."""
        KSR.htable.sht_reset(TABLE)
        self.doubt()

    @staticmethod
    def doubt():
        """What the gateway did meanwhile is not known: all is asked for again, when it is needed."""
        KSR.htable.sht_setxs(TABLE, GENERATION, str(time.monotonic_ns()), YEAR_S)
        KSR.htable.sht_rm(TABLE, SILENT)

    # Releases that wait

    def release_later(self, record, drain_s):
        """Here it drains already: what the UE was told counts."""
        record.state = zb.DRAINING
        self._keep(record)
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

    def _keep(self, record):
        self._set(f"s|{record.set_id}", record, record.text())

    def _set(self, key, record, text=None):
        """Of what has ended nothing is written, and nothing stays if it ends meanwhile."""
        left_s, ended = max(record.until - time.monotonic(), 0), f"x|{record.set_id}"
        if KSR.htable.sht_get(TABLE, ended):
            return
        KSR.htable.sht_setxs(TABLE, key, text or str(record.set_id), int(left_s) + SPARE_S)
        if KSR.htable.sht_get(TABLE, ended):
            self._remove(key)

    @staticmethod
    def _remove(key):
        KSR.htable.sht_rm(TABLE, key)

    def _remove_if(self, key, set_id):
        if KSR.htable.sht_get(TABLE, key) == str(set_id):
            self._remove(key)
