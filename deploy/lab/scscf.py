# SPDX-License-Identifier: BSD-3-Clause
"""A small S-CSCF (with its HSS): challenges with AKAv1-MD5, checks the answer, keeps registrations, answers the
UE's requests and sends requests of its own to it. UDP, a thread of the program that uses it.
"""
import json
import os
import queue
import socket
import threading
import time

from .milenage import REALM, SQN_STEP, digest_response, subscriber
from .netns import CORE4, LabError, inside
from .sip import Message, bracket, parameters, uri_address, via_address
from .traffic import Traffic

PORT = 5070
TRANSPORT_T1_S = 0.5
ANSWER_WAIT_S = 40


class Registration:
    """What the S-CSCF knows of one subscriber."""

    def __init__(self, number):
        self.subscriber = subscriber(number)
        self.sqn = SQN_STEP
        self.challenge = None  # (nonce, vector) that waits for its answer
        self.contact = None
        self.path = []
        self.until = 0.0

    def registered(self):
        return self.contact is not None and time.time() < self.until


class Scscf:
    """Serves subscribers 1 to `subscribers`. The knobs may be turned while it runs:

    challenge_again   also a REGISTER that came protected is challenged
    mute              no answer to anything
    expires_max       the longest registration, s
    dress             dress(parameters of a challenge) gives its response another (status, headers)
    refuse_others     (status, headers) for requests that are no REGISTER
    """

    def __init__(self, lab, folder, subscribers=4, address=CORE4):
        self.challenge_again, self.mute, self.expires_max, self.dress = False, False, 600000, None
        self.refuse_others = None
        self.address = address
        self.registrations = {reg.subscriber.impi: reg for reg in map(Registration, range(1, subscribers + 1))}
        self.heard = []     # what came, repetitions too
        self.requests = []  # what came and was answered, oldest first
        self._answers = {}  # of retransmitted requests, by branch and method
        self._waiting = {}  # queues of responses to requests of our own, by branch
        self._log = open(os.path.join(folder, "scscf.log"), "a", encoding="utf-8", buffering=1)
        with inside(lab.core):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, PORT))
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="scscf", daemon=True)
        self._thread.start()
        lab.on_close(self.close)

    def close(self):
        if not self._ended:
            self._ended = True
            self._socket.sendto(b"", (self.address, PORT))
            self._thread.join(2)
            self._socket.close()
            self._log.close()

    def seen(self, method=None, since=0):
        """Requests that came, from the since-th on, of a method."""
        return [request for request in self.requests[since:] if method in (None, request.method)]

    def originate(self, impi, method="MESSAGE", body="hello from the network", timeout=ANSWER_WAIT_S, headers=()):
        """Sends a request to the registered contact along its Path and returns the final response."""
        request, peer = self._compose(impi, method, body, headers)
        return self._transact(request, request.branch, peer, timeout)

    def start_traffic(self, impi, label, interval_s, repeat_s=0):
        """Numbered MESSAGEs to the registered contact (traffic.py); end() of what is returned tells how it was."""
        def send(number):
            request, peer = self._compose(impi, "MESSAGE", f"{label} {number}", ())
            return request, lambda: self._send(request, peer)
        return Traffic(send, self._waiting, lambda answer: answer.status, interval_s, repeat_s)

    def heard_numbers(self, label):
        """Of each numbered MESSAGE that came from a UE, repetitions too."""
        return [int(request.body.split()[-1]) for request in self.heard if request.body.startswith(label + " ")]

    def in_dialog(self, impi, answer, method, timeout=ANSWER_WAIT_S):
        """A request within the dialog that a 2xx to an INVITE made: along its Record-Route. ACK has no response."""
        branch = "z9hG4bK" + os.urandom(8).hex()
        routes = [hop.strip() for value in answer.all("Record-Route") for hop in value.split(",")][::-1]
        request = Message(f"{method} {self.registrations[impi].contact} SIP/2.0", [
            ("Via", f"SIP/2.0/UDP {bracket(self.address)}:{PORT};branch={branch}"), ("Max-Forwards", "69"),
            *(("Route", hop) for hop in routes), ("From", answer.get("From")), ("To", answer.get("To")),
            ("Call-ID", answer.get("Call-ID")), ("CSeq", f"{1 if method == 'ACK' else 2} {method}")])
        if method == "ACK":
            self._send(request, uri_address(routes[0]))
            return None
        return self._transact(request, branch, uri_address(routes[0]), timeout)

    # How it works

    def _compose(self, impi, method, body, headers):
        """A request to the registered contact, and where its first hop is."""
        registration = self.registrations[impi]
        if not registration.registered():
            raise LabError(f"{impi} is not registered at the S-CSCF")
        request = Message(f"{method} {registration.contact} SIP/2.0", [
            ("Via", f"SIP/2.0/UDP {bracket(self.address)}:{PORT};branch=z9hG4bK{os.urandom(8).hex()}"),
            ("Max-Forwards", "69"), *(("Route", hop) for hop in registration.path),
            ("From", f"<sip:network@{REALM}>;tag={os.urandom(4).hex()}"),
            ("To", f"<{registration.subscriber.impu}>"), ("Call-ID", os.urandom(8).hex()),
            ("CSeq", f"1 {method}"), *headers, *([("Content-Type", "text/plain")] if body else [])], body)
        return request, uri_address(registration.path[0] if registration.path else registration.contact)

    def _transact(self, request, branch, peer, timeout):
        answers = self._waiting[branch] = queue.Queue()
        deadline, wait = time.monotonic() + timeout, TRANSPORT_T1_S
        try:
            while time.monotonic() < deadline:
                self._send(request, peer)
                try:
                    while (answer := answers.get(timeout=wait)).status < 200:
                        wait = timeout
                    return answer
                except queue.Empty:
                    wait *= 2
            raise LabError(f"no answer to {request.start} within {timeout} s")
        finally:
            del self._waiting[branch]

    def _serve(self):
        while not self._ended:
            data, peer = self._socket.recvfrom(65535)
            if not data.strip():
                continue
            message = Message.parse(data)
            self._note("<", message)
            if message.status:
                if message.branch in self._waiting:
                    self._waiting[message.branch].put(message)
            elif message.method != "ACK":
                self.heard.append(message)
                if not self.mute:
                    self.send_answer(message)

    def send_answer(self, request):
        """Answers a request; while mute, one of those that were only heard."""
        key = (request.branch, request.method)
        if key not in self._answers:
            self.requests.append(request)
            handler = self._register if request.method == "REGISTER" else self._other
            self._answers[key] = handler(request)
        self._send(self._answers[key], via_address(request.get("Via")))

    def _send(self, message, peer):
        self._note(">", message)
        self._socket.sendto(message.encode(), peer)

    def _note(self, direction, message):
        self._log.write(json.dumps({
            "time": round(time.time(), 3), "direction": direction, "start": message.start, "cseq": message.get("CSeq"),
            "integrity-protected": parameters(message.get("Authorization")).get("integrity-protected")}) + "\n")

    def _other(self, request):
        if self.refuse_others:
            return request.reply(self.refuse_others[0], "Refused", self.refuse_others[1])
        return request.reply(200, "OK")

    def _register(self, request):
        auth = parameters(request.get("Authorization"))
        registration = self.registrations.get(auth.get("username"))
        if registration is None:
            return request.reply(403, "Forbidden")
        if auth.get("auts") and registration.challenge:
            return self._resynchronise(request, registration, auth)
        protected = auth.get("integrity-protected") == "yes"
        if protected and auth.get("response") and registration.challenge:
            return self._check(request, registration, auth)
        if protected and registration.registered() and not self.challenge_again:
            return self._accept(request, registration)
        return self._challenge(request, registration)

    def _challenge(self, request, registration):
        registration.sqn += SQN_STEP
        registration.challenge = nonce, vector = registration.subscriber.challenge(registration.sqn)
        directives = [f'realm="{REALM}"', f'nonce="{nonce}"', "algorithm=AKAv1-MD5", 'qop="auth"',
                         f'ik="{vector.ik.hex()}"', f'ck="{vector.ck.hex()}"']
        if self.dress:
            status, headers = self.dress(directives)
            return request.reply(status, "Unauthorized", headers)
        return request.reply(401, "Unauthorized", [("WWW-Authenticate", "Digest " + ", ".join(directives))])

    def _resynchronise(self, request, registration, auth):
        sqn = registration.subscriber.resynchronise(registration.challenge[0], auth["auts"])
        if sqn is None:
            return request.reply(403, "Forbidden")
        registration.sqn = sqn
        return self._challenge(request, registration)

    def _check(self, request, registration, auth):
        nonce, vector = registration.challenge
        if auth.get("nonce") != nonce:
            if registration.registered() and not self.challenge_again:
                return self._accept(request, registration)
            return self._challenge(request, registration)
        registration.challenge = None
        wanted = digest_response(auth["username"], vector.res, "REGISTER", auth.get("uri", ""), nonce,
                                 auth.get("nc"), auth.get("cnonce"), auth.get("qop"))
        if auth["response"] != wanted:
            return request.reply(403, "Forbidden")
        return self._accept(request, registration)

    def _accept(self, request, registration):
        contact = request.get("Contact")
        asked = parameters(contact.partition(">")[2]).get("expires") or request.get("Expires") or "3600"
        expires = min(int(asked), self.expires_max)
        uri = contact.partition("<")[2].partition(">")[0]
        registration.contact = uri if expires else None
        registration.path = request.all("Path")
        registration.until = time.time() + expires
        kept = [("Contact", f"<{uri}>;expires={expires}")] if expires else []
        return request.reply(200, "OK", kept + [("Path", path) for path in registration.path] + [
            ("Service-Route", f"<sip:{bracket(self.address)}:{PORT};lr>"),
            ("P-Associated-URI", f"<{registration.subscriber.impu}>")])
