# SPDX-License-Identifier: BSD-3-Clause
"""As much of SIP as the lab's phone and S-CSCF need: messages in and out, and header parameters."""
import re


class Message:
    """A SIP request or response. Header names compare without case; values are as they came."""

    def __init__(self, start, headers=(), body=""):
        self.start, self.headers, self.body = start, list(headers), body

    @classmethod
    def parse(cls, data):
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        start, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return cls(start, headers, body)

    def encode(self):
        headers = [(n, v) for n, v in self.headers if n.lower() != "content-length"]
        headers.append(("Content-Length", str(len(self.body.encode()))))
        return "\r\n".join([self.start] + [f"{n}: {v}" for n, v in headers] + ["", self.body]).encode()

    def all(self, name):
        return [value for found, value in self.headers if found.lower() == name.lower()]

    def get(self, name, default=""):
        return next(iter(self.all(name)), default)

    @property
    def status(self):
        """A response's status; None of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def method(self):
        return self.get("CSeq").split()[-1] if self.status else self.start.split()[0]

    @property
    def uri(self):
        return self.start.split()[1]

    @property
    def branch(self):
        return parameters(self.get("Via")).get("branch", "")

    def reply(self, status, reason, headers=(), body=""):
        """The response to this request, with what RFC 3261 8.2.6 copies."""
        to = self.get("To") if "tag=" in self.get("To") else self.get("To") + ";tag=lab"
        copied = [("Via", via) for via in self.all("Via")]
        copied += [("From", self.get("From")), ("To", to), ("Call-ID", self.get("Call-ID")),
                   ("CSeq", self.get("CSeq"))]
        copied += [("Record-Route", route) for route in self.all("Record-Route")]
        return Message(f"SIP/2.0 {status} {reason}", copied + list(headers), body)


def parameters(value):
    """name=value pairs of a header value, quotes taken off."""
    found = re.findall(r'([\w.-]+)\s*=\s*(?:"([^"]*)"|([^\s;,>]+))', value)
    return {name.lower(): quoted or plain for name, quoted, plain in found}


def uri_address(uri):
    """(host, port) of the first SIP URI in a header value, IPv6 without its brackets."""
    found = re.search(r"sips?:(?:[^@>;]*@)?(?:\[([^\]]+)\]|([^:;>?\s]+))(?::(\d+))?", uri)
    return found[1] or found[2], int(found[3] or 5060)


def via_address(via):
    """(host, port) to which RFC 3261 18.2.2 sends a response over UDP."""
    found = re.search(r"SIP/2\.0/\w+\s+(?:\[([^\]]+)\]|([^:;\s]+))(?::(\d+))?", via)
    more = parameters(via)
    host = more.get("received") or found[1] or found[2]
    return host.strip("[]"), int(more.get("rport") or found[3] or 5060)


def bracket(address):
    """An address as it stands in a URI."""
    return f"[{address}]" if ":" in address else address


def split_stream(data):
    """(messages, rest): the whole messages at the begin of a TCP stream; keep-alives are skipped."""
    messages = []
    while True:
        data = data.lstrip(b"\r\n")
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return messages, data
        length = re.search(rb"^(?:Content-Length|l)\s*:\s*(\d+)", head, re.I | re.M)
        length = int(length[1]) if length else 0
        if len(rest) < length:
            return messages, data
        messages.append(Message.parse(head + blank + rest[:length]))
        data = rest[length:]
