# SPDX-License-Identifier: BSD-3-Clause
"""libzb for Python: include/zb.h by ctypes. That header says what each call does; here are its shapes.

A Zb belongs to one process and one thread. A call raises ZbError; `answered` tells whether the gateway itself
said no (cause, attribute) or could not be asked.
"""
import ctypes
import errno
import ipaddress
import os
import select
import time
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64

SUBSCRIBER_MAX, REGISTRATION_ID_MAX, PEER_NAME_MAX = 127, 63, 31
ALG_HMAC_SHA_1_96, EALG_NULL, MOD_TRANS = 1, 0, 0
TEMPORARY, ESTABLISHED, SUPERSEDED, DRAINING = 1, 2, 3, 4
BEGAN_UNPROTECTED, EMERGENCY, REPLACE = 1, 2, 4
EVENT_EXPIRED, EVENT_FIRST_USED, EVENT_REMOVED, EVENT_EPOCH_LOST, EVENT_GAP, EVENT_SUPERSEDED = 1, 2, 3, 4, 5, 6
EVENT_SEQUENCE_LOW, EVENT_ICV_FAILURES, EVENT_REPLAYS, EVENT_UNKNOWN_SPI = 7, 8, 9, 10
EVENT_OVERLOAD = 11
EVENTS_ALL = 0xffffffff
ROLE_PEER, KEEP_FORMER = 0, 0
QUERY_ROOM = 64
INBOUND_SAS = 2  # of a set's four, the first ones
UNCERTAIN = "DATAPLANE_DOWN", "INTERNAL"  # causes after which a request may have taken effect, or will when repeated
REPEAT_S = 0.05
HASTY_S = 0.2  # for an answer that is not needed


class Address(Structure):
    _fields_ = [("octet", c_uint8 * 16), ("family", c_uint8), ("zero", c_uint8 * 3)]

    @classmethod
    def of(cls, text):
        packed = ipaddress.ip_address(text).packed
        return cls((c_uint8 * 16)(*packed), 4 if len(packed) == 4 else 6)

    def __str__(self):
        return str(ipaddress.ip_address(bytes(self.octet)[:4 if self.family == 4 else 16])) if self.family else "-"


class Selectors(Structure):
    _fields_ = [("ue", Address), ("served", Address), ("port_uc", c_uint16), ("port_us", c_uint16),
                ("port_pc", c_uint16), ("port_ps", c_uint16), ("spi_uc", c_uint32), ("spi_us", c_uint32),
                ("spi_pc", c_uint32), ("spi_ps", c_uint32)]


class Options(Structure):
    _fields_ = [("path", c_char_p), ("name", c_char_p), ("instance_id", c_uint64), ("role", c_int),
                ("wait_ms", c_int), ("release_former", c_int), ("pending_max", ctypes.c_uint)]


class Error(Structure):
    _fields_ = [("cause", c_uint16), ("attribute", c_uint16), ("retry_after_ms", c_uint32),
                ("text", c_char * 256)]


class Install(Structure):
    _fields_ = [("reference", c_uint64), ("subscriber", c_char_p), ("registration_id", c_char_p),
                ("selectors", Selectors), ("alg", c_uint8), ("ealg", c_uint8), ("mod", c_uint8), ("flags", c_uint8),
                ("ik", c_uint8 * 16), ("ck", c_uint8 * 16), ("has_ck", c_uint8), ("await_auth_s", c_uint16),
                ("via_set", c_uint64)]


class Drop(Structure):
    _fields_ = [("reason", c_uint16), ("count", c_uint64)]


class Set(Structure):
    _fields_ = [("set_id", c_uint64), ("reference", c_uint64), ("peer", c_char * (PEER_NAME_MAX + 1)),
                ("subscriber", c_char * (SUBSCRIBER_MAX + 1)),
                ("registration_id", c_char * (REGISTRATION_ID_MAX + 1)), ("selectors", Selectors), ("alg", c_uint8),
                ("ealg", c_uint8), ("mod", c_uint8), ("flags", c_uint8), ("state", c_uint8), ("first_used", c_uint8),
                ("fingerprint", c_uint8 * 8), ("remaining_ms", c_uint64), ("packets", c_uint64 * 4),
                ("octets", c_uint64 * 4), ("sequence", c_uint64 * 4), ("drops", Drop * 16), ("drop_count", c_uint8)]


class Event(Structure):
    _fields_ = [("kind", c_uint16), ("why", c_uint8), ("set_id", c_uint64), ("reference", c_uint64),
                ("peer", c_char * (PEER_NAME_MAX + 1)), ("subscriber", c_char * (SUBSCRIBER_MAX + 1)),
                ("registration_id", c_char * (REGISTRATION_ID_MAX + 1)), ("selectors", Selectors), ("spi", c_uint32),
                ("sequence", c_uint64), ("count", c_uint64), ("overloaded", c_uint8), ("packets", c_uint64 * 4),
                ("octets", c_uint64 * 4)]


class Query(Structure):
    _fields_ = [("set_id", c_uint64), ("subscriber", c_char_p), ("registration_id", c_char_p), ("ue", Address),
                ("port_ue", c_uint16), ("port_local", c_uint16), ("cursor", c_uint64)]


class Answer(Structure):
    _fields_ = [("status", c_int), ("reference", c_uint64), ("sets", POINTER(Set)), ("set_count", c_size_t),
                ("cursor", c_uint64), ("released", c_uint32), ("error", Error)]


STRUCTURES = {"bgf_addr": Address, "bgf_set_selectors": Selectors, "zb_options": Options, "zb_error": Error,
              "zb_install": Install, "zb_set": Set, "zb_event": Event, "zb_query": Query,
              "zb_answer": Answer}

ON_EVENT = ctypes.CFUNCTYPE(None, POINTER(Event), ctypes.c_void_p)
ON_ANSWER = ctypes.CFUNCTYPE(None, POINTER(Answer), ctypes.c_void_p)
_HANDLE = ctypes.c_void_p
_CALLS = {
    "zb_open": (c_int, POINTER(Options), POINTER(_HANDLE), POINTER(Error)),
    "zb_close": (None, _HANDLE),
    "zb_install": (c_int, _HANDLE, POINTER(Install), POINTER(Set), POINTER(Error)),
    "zb_confirm": (c_int, _HANDLE, c_uint64, c_uint64, c_uint32, POINTER(Set), POINTER(Error)),
    "zb_release": (c_int, _HANDLE, c_uint64, c_uint64, c_uint32, POINTER(Error)),
    "zb_query": (c_int, _HANDLE, POINTER(Query), POINTER(Set), c_size_t, POINTER(c_size_t), POINTER(Error)),
    "zb_subscribe": (c_int, _HANDLE, c_uint32, POINTER(Error)),
    "zb_process": (c_int, _HANDLE, ON_EVENT, ctypes.c_void_p),
    "zb_start_install": (c_int, _HANDLE, POINTER(Install), ON_ANSWER, ctypes.c_void_p, POINTER(Error)),
    "zb_start_confirm": (c_int, _HANDLE, c_uint64, c_uint64, c_uint32, ON_ANSWER, ctypes.c_void_p, POINTER(Error)),
    "zb_start_release": (c_int, _HANDLE, c_uint64, c_uint64, c_uint32, ON_ANSWER, ctypes.c_void_p, POINTER(Error)),
    "zb_start_query": (c_int, _HANDLE, POINTER(Query), ON_ANSWER, ctypes.c_void_p, POINTER(Error)),
    "zb_fd": (c_int, _HANDLE),
    "zb_poll_events": (c_int, _HANDLE),
    "zb_cause_name": (c_char_p, ctypes.c_uint),
    "zb_attribute_name": (c_char_p, ctypes.c_uint),
    "zb_event_name": (c_char_p, ctypes.c_uint),
}


class ZbError(Exception):
    """A call failed. `cause` and `attribute` are names of zb/PROTOCOL.md when the gateway answered, else ''. With OVERLOAD
    the request should not come again before `retry_after_ms`."""

    def __init__(self, number, cause, attribute, text, retry_after_ms=0):
        self.number, self.cause, self.attribute, self.retry_after_ms = number, cause, attribute, retry_after_ms
        self.answered = number == errno.EREMOTEIO
        self.uncertain = cause in UNCERTAIN or number in (errno.ENOTCONN, errno.ETIMEDOUT)
        super().__init__(text or os.strerror(number))


class Zb:
    """One association. Connecting happens in the first call and again whenever it is needed.

    While it is not known whether a request took effect it is repeated with its reference, until wait_ms after the
    outage began: so a restart of the gateway's daemons is waited out. In an outage that lasts longer calls fail at once,
    or after HASTY_S where the gateway is there but silent, or all processes of a P-CSCF would end up waiting; one that
    comes when none has failed for wait_ms waits again."""

    def __init__(self, library, path, name, instance_id, wait_ms=0):
        self._lib = ctypes.CDLL(library)
        for call, (result, *arguments) in _CALLS.items():
            function = getattr(self._lib, call)
            function.restype, function.argtypes = result, arguments
        self._zb = _HANDLE()
        self._wait_s, self._outage, self._failed, self._is_silent = wait_ms / 1000, None, 0.0, False
        self._events, self._on_event = [], ON_EVENT(self._take_event)
        self._started, self._answer, self._on_answer = 0, None, ON_ANSWER(self._take_answer)
        options = Options(path.encode(), name.encode(), instance_id, ROLE_PEER, wait_ms, KEEP_FORMER)
        self._call("zb_open", byref(options), byref(self._zb), own=False)

    def close(self):
        self._lib.zb_close(self._zb)
        self._zb = _HANDLE()

    def install(self, install):
        """INSTALL; the keys in `install` are overwritten afterwards, whatever happened."""
        try:
            return self._ask_for_set("install", byref(install))
        finally:
            for key in (install.ik, install.ck):
                ctypes.memset(key, 0, ctypes.sizeof(key))

    def confirm(self, set_id, reference, expires_s):
        return self._ask_for_set("confirm", set_id, reference, expires_s)

    def release(self, set_id, reference, drain_s):
        self._ask(lambda: self._call("zb_release", set_id, reference, drain_s),
                  lambda: self._hastily("zb_start_release", set_id, reference, drain_s))

    def query(self, ue=None, port_ue=0, port_local=0, hasty=False):
        """The sets of this peer with these ports, or all of them. hasty: the answer is not needed, and not waited for
        longer than HASTY_S."""
        query = Query(ue=Address.of(ue) if ue else Address(), port_ue=port_ue, port_local=port_local)
        found = []

        def patiently():
            rows, count = (Set * QUERY_ROOM)(), c_size_t()
            self._call("zb_query", byref(query), rows, QUERY_ROOM, byref(count))
            return rows[:count.value]

        def hastily():
            sets, query.cursor = self._hastily("zb_start_query", byref(query))
            return sets
        while True:
            found += hastily() if hasty else self._ask(patiently, hastily)
            if not query.cursor:
                return found

    def subscribe(self, events=EVENTS_ALL):
        self._call("zb_subscribe", events)

    def process(self):
        """Reads what is there without blocking: the events, oldest first."""
        done = self._lib.zb_process(self._zb, self._on_event, None)
        events, self._events = self._events, []
        if done < 0 and not events:
            raise ZbError(-done, "", "", "")
        return events

    def event_name(self, kind):
        return self._lib.zb_event_name(kind).decode()

    def _ask_for_set(self, name, *arguments):
        def patiently():
            found = Set()
            self._call(f"zb_{name}", *arguments, byref(found))
            return found
        return self._ask(patiently, lambda: self._hastily(f"zb_start_{name}", *arguments)[0][0])

    def _ask(self, patiently, hastily):
        """A call that may be repeated, in two ways to make it."""
        while True:
            begin = time.monotonic()
            is_new = self._outage is None or begin > self._failed + self._wait_s
            is_lasting = not is_new and begin > self._outage + self._wait_s
            try:
                answer = hastily() if is_lasting and self._is_silent else patiently()
                self._outage = None
                return answer
            except ZbError as error:
                if not error.uncertain:
                    self._outage = None
                    raise
                self._outage = begin if is_new else self._outage
                self._failed, self._is_silent = time.monotonic(), error.number == errno.ETIMEDOUT
                if self._failed > self._outage + self._wait_s:
                    raise
            time.sleep(REPEAT_S)

    def _hastily(self, start, *arguments):
        """A request that is given up after HASTY_S; its answer may come later, and is nobody's then. (sets, cursor)"""
        deadline = time.monotonic() + HASTY_S
        for _ in range(2):  # a connection that was lost is noticed, and then there is another one
            self._lib.zb_process(self._zb, self._on_event, None)
        self._started, self._answer = self._started + 1, None
        self._call(start, *arguments, self._on_answer, self._started)
        while True:
            self._lib.zb_process(self._zb, self._on_event, None)
            if self._answer is not None:
                break
            left_s, fd = deadline - time.monotonic(), self._lib.zb_fd(self._zb)
            if fd < 0:
                raise ZbError(errno.ENOTCONN, "", "", "not connected")
            if left_s <= 0:
                raise ZbError(errno.ETIMEDOUT, "", "", f"no answer within {HASTY_S} s")
            poll = select.poll()
            poll.register(fd, self._lib.zb_poll_events(self._zb))
            poll.poll(left_s * 1000)
        status, sets, cursor, error = self._answer
        if status < 0:
            raise self._failure(status, error)
        return sets, cursor

    def _take_event(self, event, _arg):
        self._events.append(Event.from_buffer_copy(event.contents))

    def _take_answer(self, answer, started):
        if started == self._started:
            told = answer.contents
            sets = [Set.from_buffer_copy(row) for row in told.sets[:told.set_count]]
            self._answer = told.status, sets, told.cursor, Error.from_buffer_copy(told.error)

    def _call(self, name, *arguments, own=True):
        error = Error()
        done = getattr(self._lib, name)(*([self._zb] if own else []), *arguments, byref(error))
        if done < 0:
            raise self._failure(done, error)

    def _failure(self, status, error):
        return ZbError(-status, self._lib.zb_cause_name(error.cause).decode() if error.cause else "",
                       self._lib.zb_attribute_name(error.attribute).decode() if error.attribute else "",
                       error.text.decode("utf-8", "replace"), error.retry_after_ms)
