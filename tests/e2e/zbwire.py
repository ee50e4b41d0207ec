# SPDX-License-Identifier: BSD-3-Clause
"""Zb by hand: frames as zb/PROTOCOL.md has them, without libzb, so that a test can also say what libzb never
would. The numbers come from zb/zb_table.h."""
import ipaddress
import os
import re
import socket
import struct
import threading
import time

from deploy.lab.gateway import REPOSITORY

HEADER = struct.Struct("!BBHII")  # version, type, flags, length, transaction id
ATTR = struct.Struct("!HH")  # code (top bit: mandatory), length
VERSION, ANSWER, EVENT, MANDATORY = 1, 1, 2, 0x8000
WAIT_S = 60  # for an answer: it costs time only where something is wrong
WIDTH = {"U8": 1, "U16": 2, "U32": 4, "U64": 8}


def _table():
    with open(os.path.join(REPOSITORY, "zb", "zb_table.h"), encoding="utf-8") as header:
        text = header.read()
    lists = {name: body for name, body in re.findall(r"#define (ZB_\w+_LIST)\(X\)(.*?)\n\n", text, re.S)}
    messages = {name: int(number) for name, number in re.findall(r"X\((\w+), (\d+),", lists["ZB_MESSAGE_LIST"])}
    causes = {int(number): name for name, number in re.findall(r"X\((\w+), (\d+),", lists["ZB_CAUSE_LIST"])}
    attributes = {name: (int(number), kind) for name, number, kind in
                  re.findall(r"X\((\w+), (\d+), (\w+),", lists["ZB_ATTR_LIST"])}
    return messages, causes, attributes


MESSAGE, CAUSE, ATTRIBUTE = _table()
ATTRIBUTE_NAME = {number: (name, kind) for name, (number, kind) in ATTRIBUTE.items()}
MESSAGE_NAME = {number: name for name, number in MESSAGE.items()}


class ZbRefused(Exception):
    """The gateway's answer was a cause: .cause is its name, .attribute the offending one's, .answer all of it."""

    def __init__(self, answer):
        self.answer = answer
        self.cause = CAUSE.get(answer["CAUSE"], answer["CAUSE"])
        self.attribute = ATTRIBUTE_NAME.get(answer.get("BAD_ATTRIBUTE"), (None, None))[0]
        super().__init__(f"{self.cause} {self.attribute or ''}: {answer.get('TEXT', '')}")


def attribute(name, value, mandatory=MANDATORY):
    """One attribute; value as the table's type wants it, or octets as they are."""
    number, kind = ATTRIBUTE[name]
    if isinstance(value, bytes):
        octets = value
    elif kind in WIDTH:
        octets = value.to_bytes(WIDTH[kind], "big")
    elif kind == "ADDR":
        octets = ipaddress.ip_address(value).packed
    else:
        octets = value.encode()
    return ATTR.pack(number | mandatory, len(octets)) + octets


def frame(message, txn, attributes, version=VERSION, flags=0):
    """A request: message by name or number, attributes a dictionary, or octets as they are."""
    body = attributes if isinstance(attributes, bytes) else b"".join(
        attribute(name, value) for name, value in attributes.items() if value is not None)
    return HEADER.pack(version, MESSAGE.get(message, message), flags, HEADER.size + len(body), txn) + body


def parse(body):
    """Attributes as a dictionary; groups are dictionaries in lists, by their name."""
    found, at = {}, 0
    while at < len(body):
        code, length = ATTR.unpack_from(body, at)
        name, kind = ATTRIBUTE_NAME[code & ~MANDATORY]
        octets = body[at + ATTR.size:at + ATTR.size + length]
        assert len(octets) == length, f"{name} reaches beyond its frame"
        at += ATTR.size + length
        if kind == "GROUP":
            found.setdefault(name, []).append(parse(octets))
        elif kind in WIDTH:
            assert length == WIDTH[kind], f"{name} has {length} octets"
            found[name] = int.from_bytes(octets, "big")
        elif kind == "ADDR":
            found[name] = str(ipaddress.ip_address(octets))
        else:
            found[name] = octets.decode() if kind == "STR" else octets
    return found


class Zb:
    """One association: `call` sends a request and returns the answer's attributes. Answers heartbeats while it
    waits, and associates again when the gateway has closed in between."""

    def __init__(self, path, name="pcscf1", instance_id=None, role=0):
        self.path, self.name, self.role = path, name, role
        self.instance_id = instance_id or int.from_bytes(os.urandom(7), "big") + 1
        self.restart = None  # HELLO's RESTART
        self.socket, self.hello, self.txn, self.events = None, None, 0, []
        self._reference = int.from_bytes(os.urandom(6), "big") << 12

    def reference(self):
        """A new one for each request that changes something."""
        self._reference += 1
        return self._reference

    def call(self, message, wait=WAIT_S, **attributes):
        """The answer's attributes; ZbRefused for a cause other than 0."""
        for last in (False, True):
            try:
                self._associate(wait)
                return self._exchange(message, attributes, wait)
            except (ConnectionError, FileNotFoundError):
                self.close()
                if last:
                    raise

    def once(self, message, wait=WAIT_S, **attributes):
        """The same, but the request is sent no second time; what interrupts it closes the connection."""
        try:
            self._associate(wait)
            return self._exchange(message, attributes, wait)
        except OSError:
            self.close()
            raise

    def groups(self, message, group, **attributes):
        """All groups of a request whose answer comes in parts."""
        found, cursor = [], None
        while True:
            answer = self.call(message, **attributes, **({"CURSOR": cursor} if cursor else {}))
            found += answer.get(group, [])
            cursor = answer.get("CURSOR")
            if not cursor:
                return found

    def gateway(self):
        """What the gateway said in its answer to HELLO; associates if need be."""
        self._associate(WAIT_S)
        return self.hello

    def install(self, selectors, ik, **more):
        """INSTALL of a set: its SET group. selectors: UE_ADDRESS, SERVED_ADDRESS, PORT_.., SPI_UC, SPI_US."""
        request = {"REFERENCE": self.reference(), "SUBSCRIBER": "hostile@example.org"} | selectors | {
            "ALG": 1, "EALG": 0, "MOD": 0, "IK": ik} | more
        return self.call("INSTALL", **request)["SET"][0]

    def confirm(self, set_id, expires=600):
        return self.call("CONFIRM", SET_ID=set_id, REFERENCE=self.reference(), EXPIRES=expires)["SET"][0]

    def release(self, set_id, drain=0):
        self.call("RELEASE", SET_ID=set_id, REFERENCE=self.reference(), DRAIN=drain)

    def query(self, **attributes):
        return self.groups("QUERY", "SET", **attributes)

    def counters(self):
        """All STAT rows of the data plane: a name and a value, by port and worker."""
        return self.groups("COUNTERS", "STAT")

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def _associate(self, wait):
        if self.socket:
            return
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(wait)
        self.socket.connect(self.path)
        self.hello = self._exchange(
            "HELLO", {"NAME": self.name, "INSTANCE_ID": self.instance_id, "ROLE": self.role,
                      "RESTART": self.restart}, wait)

    def _exchange(self, message, attributes, wait):
        self.txn += 1
        self.socket.sendall(frame(message, self.txn, attributes))
        deadline = time.monotonic() + wait
        while True:
            kind, flags, txn, body = self._read(deadline)
            if flags & EVENT:
                self.events.append((MESSAGE_NAME[kind], parse(body)))
            elif not flags & ANSWER:
                self.socket.sendall(frame(kind, txn, attribute("CAUSE", 0), flags=ANSWER))
            elif txn == self.txn:
                answer = parse(body)
                if answer["CAUSE"]:
                    raise ZbRefused(answer)
                return answer

    def _read(self, deadline):
        header = self._octets(HEADER.size, deadline)
        version, kind, flags, length, txn = HEADER.unpack(header)
        assert version == VERSION and length >= HEADER.size, f"a frame that is none: {header.hex()}"
        return kind, flags, txn, self._octets(length - HEADER.size, deadline)

    def _octets(self, count, deadline):
        found = b""
        while len(found) < count:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            more = self.socket.recv(count - len(found))
            if not more:
                raise ConnectionResetError("the gateway closed the association")
            found += more
        return found


class RefusingGateway:
    """A gateway's end of Zb that greets everybody and refuses each INSTALL for `cause`; a context."""

    HELLO = {"NAME": "refusing", "BOOT_ID": bytes(16), "STORE_EPOCH": 1, "CAPACITY": 1, "SET_COUNT": 0,
             "DATAPLANE_UP": 1}

    def __init__(self, path, cause, retry_after_ms=None):
        self.path = path
        number = next(number for number, name in CAUSE.items() if name == cause)
        self.refusal = {"CAUSE": number, "RETRY_AFTER": retry_after_ms}
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client.makefile("rwb"),), daemon=True).start()

    def _serve(self, stream):
        while header := stream.read(HEADER.size):
            _, message, flags, length, txn = HEADER.unpack(header)
            asked = parse(stream.read(length - HEADER.size))
            if flags & ANSWER:
                continue
            said = {"CAUSE": 0} | {"HELLO": self.HELLO, "SUBSCRIBE": asked, "INSTALL": self.refusal}.get(
                MESSAGE_NAME[message], {})
            stream.write(frame(message, txn, b"".join(
                attribute(name, value, 0) for name, value in said.items() if value is not None), flags=ANSWER))
            stream.flush()
