# SPDX-License-Identifier: BSD-3-Clause
"""An IMS UE: AKAv1-MD5, sec-agree (RFC 3329) and TS 33.203's four SAs in the kernel it runs on.

It runs inside the phone's guest, whose kernel does the ESP; what it returns crosses the control link as JSON.
"""
import contextlib
import dataclasses
import itertools
import os
import queue
import random
import selectors
import socket
import subprocess
import threading
import time

from .milenage import REALM, digest_response, subscriber
from .sip import Message, bracket, parameters, split_stream, via_address
from .traffic import Traffic

ANSWER_WAIT_S = 60
RESEND_S = 1.0
UC_STEP = 10   # to the next protected client port (rule 7)
OLDER_S = 128  # 64*T1
SPIS = itertools.count(random.randrange(256, 2**31))  # of all UEs in this guest: it has one address (rule 4)


class Sas:
    """One set of four SAs in this kernel: rule 1 as the UE sees it. The reqid ties a policy's ports to its SA."""

    def __init__(self, ue, pcscf, client, server, ik):
        self.client, self.server, self.ik = client, server, ik
        self.ue, self.pcscf = ue, pcscf
        port_uc, port_us, port_pc, port_ps = (int(p) for p in (
            client["port-c"], client["port-s"], server["port-c"], server["port-s"]))
        self.port_uc, self.port_pc, self.port_ps = port_uc, port_pc, port_ps
        self.flows = (  # source, destination, their ports, SPI, direction
            (ue, pcscf, port_uc, port_ps, server["spi-s"], "out"), (pcscf, ue, port_ps, port_uc, client["spi-c"], "in"),
            (pcscf, ue, port_pc, port_us, client["spi-s"], "in"), (ue, pcscf, port_us, port_pc, server["spi-c"], "out"))

    def install(self):
        key, width = "0x" + self.ik.hex() + "00000000", 128 if ":" in self.ue else 32
        lines = []
        for source, destination, sport, dport, spi, direction in self.flows:
            lines.append(f"xfrm state add src {source} dst {destination} proto esp spi {spi} reqid {spi} "
                         f"mode transport replay-window 32 auth-trunc hmac(sha1) {key} 96 enc cipher_null \"\"")
            lines += [f"xfrm policy add dir {direction} src {source}/{width} dst {destination}/{width} proto {proto} "
                      f"sport {sport} dport {dport} tmpl src {source} dst {destination} proto esp mode transport "
                      f"reqid {spi} level required" for proto in ("udp", "tcp")]
        self._batch(lines)

    def remove(self):
        width, lines = 128 if ":" in self.ue else 32, []
        for source, destination, sport, dport, spi, direction in self.flows:
            lines.append(f"xfrm state delete src {source} dst {destination} proto esp spi {spi}")
            lines += [f"xfrm policy delete dir {direction} src {source}/{width} dst {destination}/{width} "
                      f"proto {proto} sport {sport} dport {dport}" for proto in ("udp", "tcp")]
        self._batch(lines, force=True)

    @staticmethod
    def _batch(lines, force=False):
        subprocess.run(["ip", *(["-force"] if force else []), "-batch", "-"], input="\n".join(lines), text=True,
                       check=not force, capture_output=True)


class Ue:
    """One subscriber on one address. Every call that sends waits for the final response and returns
    {"status": ..., "text": the whole response}; status 0 is 'no answer'. via: more parameters for its Via; older_s:
    how long the set before a re-authentication still works (rule 20)."""

    def __init__(self, number, address, pcscf, transport="udp", port_uc=5062, port_us=5064, wait=ANSWER_WAIT_S,
                 via="", older_s=OLDER_S):
        self.subscriber = subscriber(number)
        self.address, self.pcscf, self.transport, self.wait = address, pcscf, transport, wait
        self.port_uc, self.port_us, self.via, self.older_s = port_uc, port_us, via, older_s
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.highest_sqn = 0
        self.call_id, self.cseq = os.urandom(8).hex(), 0
        self.sas = None         # the set in use
        self.newer = None       # that of a re-authentication, until its 200 OK
        self.older = []         # those that end soon: what came on them is answered on them
        self.agreed = []        # what state() told of every set that was ever installed
        self.challenge = None   # (nonce, vector, Security-Server) of the last 401
        self.auth = None        # (nonce, response, ...) as last answered: repeated in a re-REGISTER
        self.route = None       # Service-Route of the last 200 OK
        self.requests = []      # what came from the network
        self._proposal = None   # parameters of our Security-Client
        self._last = None       # the last message on the protected pair
        self._answers = {}
        self._selector = selectors.DefaultSelector()
        self._streams = {}      # bytes that came, by TCP connection
        self._connections = {}  # ours, from port_uc to port_ps, by port_uc
        self._connecting = threading.Lock()
        self._traffic = None
        self._next_uc = port_uc + UC_STEP
        self._udp_clients = {port_uc: self._listen(socket.SOCK_DGRAM, port_uc)}
        self._udp_server = self._listen(socket.SOCK_DGRAM, port_us)
        self._tcp_server = self._listen(socket.SOCK_STREAM, port_us)
        self._closed = False
        threading.Thread(target=self._receive, daemon=True).start()

    # What the lab calls

    def initial(self, expires=3600, client=None, headers=(), authorization=None):
        """REGISTER in the clear. A challenge is kept for install() and answer(); one with an SQN that is not fresh
        is answered by a resynchronisation, and the challenge after that one is kept. client: another text for
        Security-Client, or none at all with ''."""
        self._proposal = self._propose(new_ports=False) if client is None else parameters(client)
        auth = authorization or self._digest_empty()
        answer = self._send_clear(self._register(expires, 5060, auth, client, headers))
        nonce = None if authorization else self._take_challenge(answer)
        if nonce and self.challenge[1] <= self.highest_sqn:
            auts = self.subscriber.auts(nonce, self.highest_sqn)
            auth = self._digest(nonce, b"", f', auts="{auts}"')
            answer = self._send_clear(self._register(expires, 5060, auth, client, headers))
            self._take_challenge(answer)
            return answer | {"resynchronised": True}
        return answer

    def install(self):
        """The challenge's four SAs go into the kernel. Those of a re-authentication stand beside the set in use until
        answer() has got its 200 OK."""
        _nonce, sqn, vector, server = self.challenge
        self.highest_sqn = max(self.highest_sqn, sqn)
        sas = Sas(self.address, self.pcscf, self._proposal, parameters(server), vector.ik)
        self._end(self.newer)  # an earlier attempt's
        if self.sas and self.sas.port_uc != sas.port_uc:
            self.newer = sas
            self._next_uc = sas.port_uc + UC_STEP
            self._udp_clients[sas.port_uc] = self._listen(socket.SOCK_DGRAM, sas.port_uc)
        else:
            if self.sas:
                self.sas.remove()  # the kernel has one policy a pair of ports
            self.sas = sas
        sas.install()
        self.agreed.append(self.state())

    def answer(self, expires=3600, wrong=False, verify=None, client=None):
        """REGISTER with the answer to the challenge, protected. wrong: a RES that is not right; verify, client:
        other texts than those agreed for Security-Verify and Security-Client. After a 200 OK the new set is the one in
        use; after anything else the one before it still is. Another challenge is kept for install() and answer()."""
        nonce, _sqn, vector, server = self.challenge
        auth = self._digest(nonce, bytes(8) if wrong else vector.res)
        answer = self._register_protected(self.newer or self.sas, expires, auth, verify or server,
                                          client or self._text(self._proposal))
        if answer["status"] != 200:
            self._take_challenge(answer)
            self._end(self.newer)
            return answer
        self.auth = auth
        if self.newer:
            self._take_over()
        return answer

    def register(self, expires=3600):
        """The whole registration; the response to its last REGISTER."""
        answer = self.initial(expires)
        if answer["status"] != 401:
            return answer
        self.install()
        return self.answer(expires)

    def reregister(self, expires=3600, wrong=False):
        """REGISTER on the set in use. A challenge is answered on a new set (rule 7: other port_uc); wrong: not as it
        should be."""
        self._proposal = self._propose(new_ports=True)
        answer = self._register_protected(self.sas, expires, self.auth, self._text(self.sas.server),
                                          self._text(self._proposal))
        if self._take_challenge(answer):
            self.install()
            return self.answer(expires, wrong) | {"challenged": True}
        return answer

    def deregister(self):
        return self.reregister(expires=0)

    def request(self, method="MESSAGE", uri=None, body="hello from the phone", headers=()):
        """A protected request along the Service-Route, to the subscriber's own identity unless told otherwise."""
        return self._transact(self._request(self.sas, method, uri, body, headers), self.sas)

    def repeat(self):
        """Sends the last protected message once more, as when its answer was lost."""
        return self._transact(*self._last)

    def start_traffic(self, label, interval_s, repeat_s=0):
        """Numbered MESSAGEs from now on, each on the set that is in use then (traffic.py)."""
        def send(number):
            sas = self.sas
            message = self._request(sas, "MESSAGE", None, f"{label} {number}", ())
            return message, lambda: self._send_protected(message, sas)
        self._traffic = Traffic(send, self._answers, lambda answer: int(answer[0].split()[1]), interval_s, repeat_s)

    def end_traffic(self):
        """What Traffic.end() tells."""
        return self._traffic.end()

    def heard(self, label):
        """[number, source port] of each numbered request that came, repetitions too."""
        found = []
        for request in self.requests:
            body = request["text"].rpartition("\r\n\r\n")[2]
            if body.startswith(label + " "):
                found.append([int(body.split()[-1]), request["source_port"]])
        return found

    def received(self):
        """The requests that came from the network so far: method, text, transport and the source port."""
        return self.requests

    def state(self):
        """Addresses, ports, SPIs and the key of the newest set, for who attacks this UE or checks a capture."""
        sas = self.newer or self.sas
        return {"address": self.address, "pcscf": self.pcscf, "impi": self.subscriber.impi, "ik": sas and sas.ik.hex(),
                "client": sas and sas.client, "server": sas and sas.server}

    def states(self):
        """The same of every set that there ever was."""
        return self.agreed

    def forget(self):
        """The phone loses its SAs, as one that rebooted."""
        self.hang_up()
        for sas in (self.newer, *self.older):
            self._end(sas)
        if self.sas:
            self.sas.remove()
        self.sas, self.route = None, None

    def hang_up(self):
        """Resets the UE's own TCP connections, if there are any."""
        while self._connections:
            _port, connection = self._connections.popitem()
            self._reset(connection)

    def close(self):
        """The UE is switched off: its SAs go, its sockets too."""
        if self._closed:
            return
        self._closed = True
        self.forget()
        for listening in (*self._udp_clients.values(), self._udp_server, self._tcp_server):
            self._selector.unregister(listening)
            listening.close()

    def set_sqn(self, sqn):
        """As if this SQN had been seen: lower challenges are answered with `auts`."""
        self.highest_sqn = sqn

    def take_identity(self, impi):
        """Goes on in another subscriber's name, with its own SAs and keys."""
        self.subscriber = dataclasses.replace(self.subscriber, impi=impi)
        self.auth = self._digest_empty()

    # Messages

    def _text(self, proposal):
        return "ipsec-3gpp; " + "; ".join(f"{name}={value}" for name, value in proposal.items())

    def _propose(self, new_ports):
        port_uc = self._next_uc if new_ports else self.port_uc
        return {"alg": "hmac-sha-1-96", "ealg": "null", "prot": "esp", "mod": "trans",
                "spi-c": str(next(SPIS)), "spi-s": str(next(SPIS)),
                "port-c": str(port_uc), "port-s": str(self.port_us)}

    def _digest_empty(self):
        return (f'Digest username="{self.subscriber.impi}", realm="{REALM}", nonce="", uri="sip:{REALM}", '
                'response=""')

    def _digest(self, nonce, password, more=""):
        response = digest_response(self.subscriber.impi, password, "REGISTER", f"sip:{REALM}", nonce, "00000001",
                                   "6f6e6365", "auth")
        return (f'Digest username="{self.subscriber.impi}", realm="{REALM}", nonce="{nonce}", uri="sip:{REALM}", '
                f'response="{response}", algorithm=AKAv1-MD5, qop=auth, nc=00000001, cnonce="6f6e6365"{more}')

    def _uri_transport(self):
        return ";transport=tcp" if self.transport == "tcp" else ""

    def _via(self, port):
        return ("Via", f"SIP/2.0/{self.transport.upper()} {bracket(self.address)}:{port};"
                       f"branch=z9hG4bK{os.urandom(8).hex()}{self.via}")

    def _register(self, expires, via_port, authorization, client, headers):
        self.cseq += 1
        impu = self.subscriber.impu
        client = self._text(self._proposal) if client is None else client
        agreement = [("Security-Client", client)] if client else []
        user = impu.partition(":")[2].partition("@")[0]
        return Message(f"REGISTER sip:{REALM} SIP/2.0", [
            self._via(via_port), ("Max-Forwards", "70"), ("From", f"<{impu}>;tag={self.call_id}"), ("To", f"<{impu}>"),
            ("Call-ID", self.call_id), ("CSeq", f"{self.cseq} REGISTER"),
            ("Contact", f"<sip:{user}@{bracket(self.address)}:{self.port_us}{self._uri_transport()}>;"
                        f"expires={expires}"),
            ("Authorization", authorization), ("Require", "sec-agree"), ("Proxy-Require", "sec-agree"),
            ("Supported", "path"), *agreement, *headers])

    def _register_protected(self, sas, expires, auth, verify, client):
        message = self._register(expires, self.port_us, auth, client, [("Security-Verify", verify)])
        answer = self._transact(message, sas)
        if answer["status"] == 200:
            self.route = Message.parse(answer["text"].encode()).get("Service-Route") or self.route
        return answer

    def _request(self, sas, method, uri, body, headers):
        self.cseq += 1
        uri = uri or self.subscriber.impu
        routes = [f"<sip:{bracket(self.pcscf)}:{sas.port_ps};lr{self._uri_transport()}>"]
        routes += [self.route] if self.route else []
        return Message(f"{method} {uri} SIP/2.0", [
            self._via(self.port_us), ("Max-Forwards", "70"), *(("Route", route) for route in routes),
            ("From", f"<{self.subscriber.impu}>;tag={self.call_id}"), ("To", f"<{uri}>"), ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"), ("Require", "sec-agree"), ("Proxy-Require", "sec-agree"),
            ("Security-Verify", self._text(sas.server)), *headers, ("Content-Type", "text/plain")], body)

    def _take_challenge(self, answer):
        """Keeps a 401's challenge. The nonce; None for any other response."""
        if answer["status"] != 401:
            return None
        response = Message.parse(answer["text"].encode())
        nonce = parameters(response.get("WWW-Authenticate"))["nonce"]
        sqn, vector = self.subscriber.answer(nonce)
        self.challenge = nonce, sqn, vector, response.get("Security-Server")
        return nonce

    # Sockets

    def _listen(self, kind, port):
        listening = self._bound(kind, port)
        if kind == socket.SOCK_STREAM:
            listening.listen()
        self._selector.register(listening, selectors.EVENT_READ)
        return listening

    def _bound(self, kind, port):
        bound = socket.socket(self.family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((self.address, port))
        return bound

    def _take_over(self):
        """New requests leave from the new port_uc; the set before it serves on for a while (rule 20)."""
        old, self.sas, self.newer = self.sas, self.newer, None
        self.port_uc = self.sas.port_uc
        self.older.append(old)
        timer = threading.Timer(self.older_s, self._end, [old])
        timer.daemon = True
        timer.start()

    def _end(self, sas):
        """A set that is not in use goes, with its connection and its client port."""
        if sas is not None and (sas is self.newer or sas in self.older):
            self.newer = None if sas is self.newer else self.newer
            self.older = [older for older in self.older if older is not sas]
            self._connections.pop(sas.port_uc, None)
            for connection in [kept for kept in list(self._streams) if self._is_on(kept, sas)]:
                self._reset(connection)
            client = self._udp_clients.pop(sas.port_uc)
            self._selector.unregister(client)
            client.close()
            sas.remove()

    @staticmethod
    def _is_on(connection, sas):
        with contextlib.suppress(OSError):
            ports = connection.getsockname()[1], connection.getpeername()[1]
            return ports in ((sas.port_uc, sas.port_ps), (int(sas.client["port-s"]), sas.port_pc))
        return False

    def _reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._drop_connection(connection)

    def _send_clear(self, message):
        """Sends to the unprotected port and waits for the response on the same socket."""
        self._answers[message.branch] = answers = queue.Queue()
        connection = self._bound(*((socket.SOCK_DGRAM, 5060) if self.transport == "udp" else (socket.SOCK_STREAM, 0)))
        try:
            connection.settimeout(self.wait)
            connection.connect((self.pcscf, 5060))
            self._register_connection(connection)
            return self._await(message, connection.sendall, answers)
        except OSError as error:
            return {"status": 0, "text": f"{error}"}
        finally:
            self._drop_connection(connection)

    def _transact(self, message, sas):
        """Sends on a set's protected pair (port_uc, port_ps) and waits for the response."""
        self._last = message, sas
        self._answers[message.branch] = answers = queue.Queue()
        try:
            return self._await(message, lambda _data: self._send_protected(message, sas), answers)
        except OSError as error:
            self.hang_up()
            return {"status": 0, "text": f"{error}"}

    def _send_protected(self, message, sas):
        peer = self.pcscf, sas.port_ps
        if self.transport == "udp":
            self._udp_clients[sas.port_uc].sendto(message.encode(), peer)
            return
        with self._connecting:
            connection = self._connections.get(sas.port_uc)
            if connection is None:
                connection = self._bound(socket.SOCK_STREAM, sas.port_uc)
                connection.settimeout(self.wait)
                connection.connect(peer)
                self._register_connection(connection)
                self._connections[sas.port_uc] = connection
            connection.sendall(message.encode())

    def _await(self, message, send, answers):
        """Sends, over UDP again and again, until the final response; status 0 when none comes."""
        begin, wait = time.monotonic(), RESEND_S
        while (left := begin + self.wait - time.monotonic()) > 0:
            if wait == RESEND_S or self.transport == "udp":
                send(message.encode())
            try:
                while True:
                    text, source_port = answers.get(timeout=min(wait, left))
                    status = int(text.split()[1])
                    if status >= 200:
                        return {"status": status, "text": text, "source_port": source_port,
                                "ms": round((time.monotonic() - begin) * 1000)}
            except queue.Empty:
                wait *= 2
        return {"status": 0, "text": "no answer"}

    def _register_connection(self, connection):
        self._streams[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _drop_connection(self, connection):
        if self._streams.pop(connection, None) is not None:
            self._selector.unregister(connection)
        connection.close()

    def _receive(self):
        while not self._closed:
            for key, _events in self._selector.select(0.2):
                try:
                    self._ready(key.fileobj)
                except (OSError, ValueError):  # closed meanwhile
                    if key.fileobj in self._streams:
                        self._lost(key.fileobj)

    def _ready(self, ready):
        if ready is self._tcp_server:
            self._register_connection(ready.accept()[0])
        elif ready in self._streams and ready.type == socket.SOCK_STREAM:
            if not (data := ready.recv(65536)):
                return self._lost(ready)
            messages, self._streams[ready] = split_stream(self._streams[ready] + data)
            for message in messages:
                self._take(message, ready.getpeername()[1], ready.sendall)
        else:
            data, source = ready.recvfrom(65535)
            if data.strip():
                self._take(Message.parse(data), source[1], None)
        return None

    def _lost(self, connection):
        self._connections = {port: kept for port, kept in self._connections.items() if kept is not connection}
        self._drop_connection(connection)

    def _take(self, message, source_port, back):
        if message.status:
            if message.branch in self._answers:
                self._answers[message.branch].put((message.encode().decode(), source_port))
            return
        self.requests.append({"method": message.method, "text": message.encode().decode(), "source_port": source_port,
                              "transport": "tcp" if back else "udp"})
        if message.method == "ACK":
            return
        answer = message.reply(200, "OK").encode()
        if back:
            back(answer)
        else:  # rule 1: over UDP everything the UE sends goes from port_uc, to where the Via points
            carrier = next((sas for sas in (self.sas, *self.older) if sas and sas.port_pc == source_port), self.sas)
            self._udp_clients[carrier.port_uc if carrier else self.port_uc].sendto(
                answer, via_address(message.get("Via")))
