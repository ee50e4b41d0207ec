# SPDX-License-Identifier: BSD-3-Clause
"""libzb for Python: include/zb.h by ctypes. That header says what each call does; here are its shapes.

A Zb belongs to one process and one thread. A call raises ZbError; `answered` tells whether the gateway itself
said no (cause, attribute) or could not be asked.
"""
import ctypes
import errno
import ipaddress
import os
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
UNCERTAIN = "DATAPLANE_DOWN", "INTERNAL"  # causes after which a request may have taken effect, or will when repeated
REPEAT_S = 0.05


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


STRUCTURES = {"bgf_addr": Address, "bgf_set_selectors": Selectors, "zb_options": Options, "zb_error": Error,
              "zb_install": Install, "zb_set": Set, "zb_event": Event, "zb_query": Query}

ON_EVENT = ctypes.CFUNCTYPE(None, POINTER(Event), ctypes.c_void_p)
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
    or all processes of a P-CSCF would end up waiting; one that comes when none has failed for wait_ms waits again."""

    def __init__(self, library, path, name, instance_id, wait_ms=0):
        self._lib = ctypes.CDLL(library)
        for call, (result, *arguments) in _CALLS.items():
            function = getattr(self._lib, call)
            function.restype, function.argtypes = result, arguments
        self._zb = _HANDLE()
        self._wait_s, self._outage, self._failed = wait_ms / 1000, None, 0.0
        options = Options(path.encode(), name.encode(), instance_id, ROLE_PEER, wait_ms, KEEP_FORMER)
        self._call("zb_open", byref(options), byref(self._zb), own=False)

    def close(self):
        self._lib.zb_close(self._zb)
        self._zb = _HANDLE()

    def install(self, install):
        """INSTALL; the keys in `install` are overwritten afterwards, whatever happened."""
        found = Set()
        try:
            self._ask("zb_install", byref(install), byref(found))
        finally:
            for key in (install.ik, install.ck):
                ctypes.memset(key, 0, ctypes.sizeof(key))
        return found

    def confirm(self, set_id, reference, expires_s):
        found = Set()
        self._ask("zb_confirm", set_id, reference, expires_s, byref(found))
        return found

    def release(self, set_id, reference, drain_s):
        self._ask("zb_release", set_id, reference, drain_s)

    def query(self, ue=None, port_ue=0, port_local=0):
        """The sets of this peer with these ports, or all of them."""
        query = Query(ue=Address.of(ue) if ue else Address(), port_ue=port_ue, port_local=port_local)
        found = []
        while True:
            rows, count = (Set * QUERY_ROOM)(), c_size_t()
            self._ask("zb_query", byref(query), rows, QUERY_ROOM, byref(count))
            found += list(rows[:count.value])
            if not query.cursor:
                return found

    def subscribe(self, events=EVENTS_ALL):
        self._call("zb_subscribe", events)

    def process(self):
        """Reads what is there without blocking: the events, oldest first."""
        events = []
        done = self._lib.zb_process(
            self._zb, ON_EVENT(lambda event, _arg: events.append(Event.from_buffer_copy(event.contents))), None)
        if done < 0 and not events:
            raise ZbError(-done, "", "", "")
        return events

    def event_name(self, kind):
        return self._lib.zb_event_name(kind).decode()

    def _ask(self, name, *arguments):
        """A call that may be repeated."""
        while True:
            begin = time.monotonic()
            try:
                self._call(name, *arguments)
                self._outage = None
                return
            except ZbError as error:
                if not error.uncertain:
                    self._outage = None
                    raise
                if self._outage is None or begin > self._failed + self._wait_s:
                    self._outage = begin
                self._failed = time.monotonic()
                if self._failed > self._outage + self._wait_s:
                    raise
            time.sleep(REPEAT_S)

    def _call(self, name, *arguments, own=True):
        error = Error()
        done = getattr(self._lib, name)(*([self._zb] if own else []), *arguments, byref(error))
        if done < 0:
            raise ZbError(-done, self._lib.zb_cause_name(error.cause).decode() if error.cause else "",
                          self._lib.zb_attribute_name(error.attribute).decode() if error.attribute else "",
                          error.text.decode("utf-8", "replace"), error.retry_after_ms)
