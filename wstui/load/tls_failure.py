"""TLS failures and their remedies: one table for failures, the first client and findings."""

from __future__ import annotations

import re
import ssl
from typing import NamedTuple


class _Failure(NamedTuple):
    """A failure by codes of its verification, or words of OpenSSL's reason. `{}` in its message is OpenSSL's text."""

    message: str
    fix: str
    codes: frozenset[int] = frozenset()
    words: tuple[str, ...] = ()


ANY = ", or accept any with --insecure"
_OF_CLIENT = "set target.cert_file to one that it trusts, with its key"
_CLIENT_ALERTS = ("bad certificate", "unsupported certificate", "certificate revoked", "certificate expired",
                  "certificate unknown", "unknown ca", "access denied", "decrypt error")  # fmt: skip
WANTS_CERTIFICATE = "the server wants a client certificate: target.cert_file"
REJECTS_CERTIFICATE = "the server hung up after it got the client certificate: target.cert_file"
HUNG_UP = "the server hung up in the TLS handshake"

# The codes are those of X509_verify_cert_error_string(3).
_CERTIFICATES = (
    _Failure("the server's certificate has expired", f"renew it, or the one that signed it{ANY}", frozenset((10,))),
    _Failure("the server's certificate is not valid yet, by this machine's clock", f"set this machine's clock{ANY}",
             frozenset((9,))),
    _Failure("the server's certificate is for another name: {}", f"write a name that it is for into target.url{ANY}",
             frozenset((62, 63, 64))),
    _Failure("the server's certificate is not for servers ({})", f"give the server one for server authentication{ANY}",
             frozenset((26,))),
    _Failure("the server's certificate is too weak for this machine ({})",
             f"give the server one with a longer key and SHA-256{ANY}", frozenset((66, 67, 68))),
    _Failure("a certificate in the server's chain may not sign others ({})",
             f"give the server a chain of authorities{ANY}", frozenset((24, 25, 32, 79))),
    _Failure("the server's certificate is revoked", "give the server a new one", frozenset((23,))),
    _Failure("certificate not trusted: self-signed certificate", f"name it with --ca-file{ANY}", frozenset((18,))),
    _Failure("certificate not trusted: {}",
             f"name its authority with --ca-file (the server has to send intermediate ones){ANY}"),
)  # fmt: skip
_HANDSHAKES = (
    _Failure(WANTS_CERTIFICATE, _OF_CLIENT, words=("certificate required",)),
    _Failure(REJECTS_CERTIFICATE, _OF_CLIENT),
    _Failure("the server does not accept the client certificate ({}): target.cert_file", _OF_CLIENT,
             words=_CLIENT_ALERTS),
    _Failure("the server speaks none of our TLS versions ({})", "let the server speak TLS 1.2 or 1.3",
             words=("protocol version", "unsupported protocol", "wrong ssl version", "no protocols available")),
    _Failure("the server and this machine have no cipher or key type in common ({})",
             "compare their ciphers; some servers say this if they want a client certificate (target.cert_file)",
             words=("handshake failure", "insufficient security", "no shared cipher", "no ciphers available",
                    "wrong cipher returned", "unknown cipher returned")),
    _Failure("the server's keys are too weak for this machine ({})", "give the server stronger ones",
             words=("key too small", "too weak")),
    _Failure("the server does not know the name that it is asked for ({})",
             "check the host in target.url: it is also the name asked for at target.connect_to",
             words=("unrecognized name",)),
    _Failure("the server does not want to speak HTTP/1.1 ({})", "let the server allow http/1.1 in ALPN",
             words=("application protocol",)),
    _Failure("the server answered TLS with something else ({})", "is it ws:// rather than wss://?",
             words=("wrong version number", "http request", "https proxy request", "unknown protocol",
                    "packet length too long", "record layer failure")),
    _Failure(HUNG_UP,
             "does it speak TLS 1.2 or 1.3, know the name in target.url, and want no client certificate? Its log says"),
    _Failure("the server ended TLS ({})", "look in the server's log"),
    _Failure("TLS failed ({})", "is it ws:// rather than wss://?"),
)  # fmt: skip
_ENDED = _HANDSHAKES[-2]
_ALERT = re.compile(r"\A(?:sslv3|tlsv1|tlsv13) (?:alert )?")


def text_of(error: ssl.SSLError) -> str:
    """Say what failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = next(each for each in _CERTIFICATES if error.verify_code in each.codes or not each.codes)
        return known.message.format(error.verify_message.rstrip("."))
    said = error.reason or re.sub(r"\A\[.*?\] | \(_ssl.*", "", str(error.args[-1]) if error.args else "")
    said = said.replace("_", " ").lower()
    reason = _ALERT.sub("", said)
    for each in _HANDSHAKES:
        if any(words in reason for words in each.words):
            return each.message.format(reason)
    return (_ENDED if reason != said else _HANDSHAKES[-1]).message.format(reason or "no reason given")


def fix_of(message: str) -> str:
    """Return the remedy for a message of this module."""
    for each in (*_CERTIFICATES, *_HANDSHAKES):
        before, variable, _ = each.message.partition("{}")
        if message.startswith(before) if variable else message == before:
            return each.fix
    return _HANDSHAKES[-1].fix
