"""How an attempt to connect can end, and the names of failures."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from enum import Enum
from typing import NamedTuple

from wstui.load import tls_failure
from wstui.measure.sanitize import sanitize


class Outcome(Enum):
    """Each attempt has exactly one; the value is the name of its counter."""

    READY = "ready"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    DRAINED = "drained"


class Cause(NamedTuple):
    """A class of failure and its text; `local` ones are this generator's and never the server's."""

    kind: str
    message: str
    local: bool = False


_LOCAL = {
    errno.EMFILE: Cause("local files", "this process has no file descriptor left: raise ulimit -n", True),
    errno.ENFILE: Cause("local files", "this machine has no file descriptor left: raise fs.file-max", True),
    errno.EADDRINUSE: Cause("local ports", "no local port left: add local_addresses", True),
    errno.EADDRNOTAVAIL: Cause("local ports", "no local port left: add local_addresses", True),
    errno.ENOBUFS: Cause("local memory", "the kernel has no socket buffers left", True),
    errno.ENOMEM: Cause("local memory", "out of memory", True),
}
_NETWORK = {
    errno.ECONNREFUSED: Cause("connect", "connection refused"),
    errno.ENOENT: Cause("connect", "the socket does not exist"),
    errno.ECONNRESET: Cause("reset", "connection reset by peer"),
    errno.EPIPE: Cause("reset", "connection reset by peer"),
    errno.ECONNABORTED: Cause("reset", "connection aborted"),
    errno.ETIMEDOUT: Cause("connect timeout", "no answer to TCP connect"),
    errno.EHOSTUNREACH: Cause("network", "host unreachable"),
    errno.ENETUNREACH: Cause("network", "network unreachable"),
}


class ProxyError(OSError):
    """A proxy did not open a tunnel to the target; the text names the proxy and the reason."""


class LocalAddressError(OSError):
    """A source address can't be used; the text names it and the reason."""


class CertificateError(OSError):
    """A client's certificate can't be used; the text names its file and the reason."""


class UnsendableError(ValueError):
    """The upgrade request can't be written; the text names the header, never its value."""


WANTS_CERTIFICATE = Cause("tls", tls_failure.WANTS_CERTIFICATE)
REJECTS_CERTIFICATE = Cause("tls", tls_failure.REJECTS_CERTIFICATE)


def end_of_tls(wanted: Cause | None, error: BaseException | None) -> Cause | None:
    """Return `wanted`, what is known of a client certificate that the server asked for, if it explains the end."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return None
    if error is None or isinstance(error, EOFError | ConnectionError | ssl.SSLEOFError):
        return wanted
    return wanted if isinstance(error, ssl.SSLError) and wanted is WANTS_CERTIFICATE else None


def cause_of(error: BaseException) -> Cause:
    """Classify an exception from the network, from TLS or from this machine's own limits."""
    if isinstance(error, ssl.SSLError):
        return Cause("tls", sanitize(tls_failure.text_of(error), 200))
    if isinstance(error, UnsendableError):
        return Cause("internal", str(error), True)
    if isinstance(error, CertificateError):
        return Cause("certificate", sanitize(str(error), 160), True)
    if isinstance(error, LocalAddressError):
        return Cause("local address", str(error), True)
    if isinstance(error, ProxyError):
        return Cause("proxy", str(error))
    if isinstance(error, socket.gaierror):
        return Cause("dns", f"name not resolved: {error.strerror}")
    if isinstance(error, ConnectionAbortedError) and error.errno is None:
        return Cause("tls", tls_failure.HUNG_UP)
    if isinstance(error, OSError) and error.errno is not None:
        known = _LOCAL.get(error.errno) or _NETWORK.get(error.errno)
        return known or Cause("network", (error.strerror or str(error)).lower())
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return Cause("connect timeout", "no answer in time")
    if isinstance(error, ConnectionError):
        return Cause("reset", "connection reset by peer")
    if isinstance(error, OSError):
        return Cause("network", sanitize(str(error), 160))
    # A mistake of this program, which must not be counted against the server.
    return Cause("internal", f"{type(error).__name__}: {sanitize(str(error), 160)}", True)
