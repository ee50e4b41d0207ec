# SPDX-License-Identifier: BSD-3-Clause
"""The SIP side of the agreement: Security-Client, -Server, -Verify (RFC 3329, TS 33.203 Annex H) and the Digest
headers of AKA (RFC 3310). Pure functions over header values.
"""
import hashlib
import ipaddress
import re

SUPPORTED = {"alg": "hmac-sha-1-96", "ealg": "null", "prot": "esp", "mod": "trans"}
DEFAULTS = {"ealg": "null", "prot": "esp", "mod": "trans"}  # rule 13
SPIS, PORTS = ("spi-c", "spi-s"), ("port-c", "port-s")
SECRETS = ("ik", "ck")
MECHANISM = "ipsec-3gpp"
EMERGENCY = "sos"
OFFERED = "ipsec-3gpp;" + ";".join(f"{name}={value}" for name, value in SUPPORTED.items())

_DIGEST_PARAMETER = re.compile(r'\s*([\w.!%*+`\'~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s",]+)\s*(?:,|$)')
_PARAMETER = re.compile(r'([\w.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,]+))')


def _split(value, separator):
    """Splits at a separator that is not within quotes."""
    return [part.strip() for part in re.findall(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*")+', value) if part.strip()]


def mechanisms(values):
    """The mechanisms of all headers of one name: [{"mechanism": ..., parameter: value, ...}]."""
    found = []
    for value in values:
        for mechanism in _split(value, ","):
            parts = _split(mechanism, ";") or [""]
            pairs = (_PARAMETER.fullmatch(parameter) for parameter in parts[1:])
            found.append({"mechanism": parts[0].lower()} | {
                pair[1].lower(): (pair[2] if pair[2] is not None else pair[3]).lower() for pair in pairs if pair})
    return found


def _number(text, least, most):
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text or "") and least <= int(text) <= most else None


def choose(values):
    """The first mechanism of a UE's Security-Client that the gateway supports, as {"spi-c", "spi-s", "port-c",
    "port-s"} numbers; None when there is none. SPIs below 256 are reserved (rule 5)."""
    for offer in mechanisms(values):
        if offer["mechanism"] != MECHANISM or any((DEFAULTS | offer).get(k) != v for k, v in SUPPORTED.items()):
            continue
        numbers = {name: _number(offer.get(name), 256, 2**32 - 1) for name in SPIS}
        numbers |= {name: _number(offer.get(name), 1, 65535) for name in PORTS}
        if None not in numbers.values() and numbers["spi-c"] != numbers["spi-s"]:
            return numbers
    return None


def server(agreed):
    """The Security-Server that tells the gateway's side: agreed has its spi-c, spi-s, port-c, port-s."""
    return OFFERED + "".join(f";{name}={agreed[name]}" for name in SPIS + PORTS)


def _agrees(mechanism, agreed):
    wanted = SUPPORTED | {"mechanism": MECHANISM} | {name: str(agreed[name]) for name in SPIS + PORTS}
    return all((DEFAULTS | mechanism).get(name) == value for name, value in wanted.items())


def verified(values, agreed):
    """Whether a Security-Verify repeats our Security-Server, and nothing besides (RFC 3329 2.3.1)."""
    found = mechanisms(values)
    return len(found) == 1 and _agrees(found[0], agreed)


def offered_again(values, agreed):
    """Whether a Security-Client still holds what was chosen from the first one."""
    return any(_agrees(mechanism, agreed) for mechanism in mechanisms(values))


def digest(value):
    """(scheme, {parameter: (text as it stood, value)}) of an Authorization or WWW-Authenticate, in order. ValueError
    when anything in it is not `name=value`: what we pass over somebody behind us might read."""
    scheme, _, rest = re.sub(r"\s+", " ", value.strip()).partition(" ")
    parameters, at = {}, 0
    while at < len(rest):
        pair = _DIGEST_PARAMETER.match(rest, at)
        if pair is None:
            raise ValueError("not a list of digest parameters")
        at = pair.end()
        parameters[pair[1].lower()] = pair[2], pair[2][1:-1] if pair[2].startswith('"') else pair[2]
    return scheme, parameters


def compose(scheme, parameters):
    """The header value of what digest() took apart."""
    return f"{scheme} " + ", ".join(f"{name}={text}" for name, (text, _value) in parameters.items())


def authorization(value, integrity_protected):
    """The UE's Authorization as the S-CSCF gets it: with our word on integrity, not the UE's (rule 28)."""
    scheme, parameters = digest(value)
    parameters["integrity-protected"] = (f'"{integrity_protected}"', integrity_protected)
    return compose(scheme, parameters)


def challenge(values):
    """(header values without keys, ik, ck) of a 401's WWW-Authenticate headers. ik is None when none has one,
    or one that is no key."""
    clean, keys = [], {}
    for value in values:
        try:
            scheme, parameters = digest(value)
        except ValueError:
            continue  # no phone could read it either, and keys may be anywhere in it
        for name in SECRETS:
            if name in parameters:
                text = parameters.pop(name)[1]
                if name not in keys and re.fullmatch(r"[0-9A-Fa-f]{32}", text):
                    keys[name] = bytes.fromhex(text)
        clean.append(compose(scheme, parameters))
    return clean, keys.get("ik"), keys.get("ck")


def without_sec_agree(value):
    """A Require or Proxy-Require without the option tag that ends at the P-CSCF; '' when nothing is left."""
    return ", ".join(tag for tag in _split(value, ",") if tag.lower() != "sec-agree")


def reference(*parts):
    """A Zb reference, not 0, that the same parts always give: also to another process or after a restart."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8], "big") or 1


def _host(literal):
    """One text for one IPv6 address. What is none stands for itself: it may be the subscriber's other phone that has it."""
    try:
        return str(ipaddress.ip_address(literal))
    except ValueError:
        return literal


def contacts(value):
    """[{"host", "port", "expires"}] of a Contact header; expires is None where the contact does not say."""
    found = []
    for contact in _split(value, ","):
        uri = re.search(r"sips?:(?:[^@>;]*@)?(?:\[([^\]]+)\]|([^:;>?\s]+))(?::(\d+))?", contact)
        expires = re.search(r";\s*expires\s*=\s*\"?(\d+)", contact.rpartition(">")[2], re.I)
        if uri:
            found.append({"host": _host(uri[1]) if uri[1] else uri[2], "port": int(uri[3] or 5060),
                          "expires": int(expires[1]) if expires else None})
    return found


def registration_id(values):
    """Tells the registrations of one subscriber apart (RULES-33203, 'registration id'): an emergency one, whose Contact
    has the URI parameter sos (TS 24.229 5.1.6.2), lives beside the normal one and must not end its sets. Nothing
    else that a UE writes makes another: each has room for sets of its own."""
    uris = (contact.partition("<")[2].partition(">")[0].lower() for value in values for contact in _split(value, ","))
    return EMERGENCY if any(EMERGENCY in uri.split(";")[1:] for uri in uris) else ""
