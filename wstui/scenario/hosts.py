"""The machines that make the load: how they are written, and what cannot be one."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wstui.scenario.errors import BadValue, quote

MOST_WORKERS = 1024
_HOST = re.compile(r"(?:(?P<user>[\w.][\w.\\+$@-]*)@)?(?P<name>\[[\da-fA-F:.]+(?:%\w+)?\]|[A-Za-z\d_](?:[\w.-]*\w)?)")
_EXAMPLE = 'write "host1", "host2:4" for four workers, or "user@host3"'


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A machine reached by ssh: `destination` as ssh takes it, `workers` workers (0: one per spare core)."""

    destination: str
    workers: int = 0

    @property
    def name(self) -> str:
        """What it is called on screens and in reports: the machine without its user."""
        return self.destination.rpartition("@")[2]


def parse_host(text: str) -> HostSpec:
    """A host as an operator writes it: `host1`, `host2:4`, `user@host3`, `[fe80::1]:2`. Raises BadValue."""
    text = text.strip()
    if not text:
        raise BadValue(f"is empty: {_EXAMPLE}")
    match = _HOST.match(text)
    rest = text[match.end() :] if match else text
    if match is None or (rest and not rest.startswith(":")) or rest.startswith("://") or rest.count(":") > 1:
        raise BadValue(f"is not a host: {_EXAMPLE}", _guess(text))
    destination = match.group().replace("[", "").replace("]", "")
    if not rest:
        return HostSpec(destination)
    number = rest[1:]
    if not number.isascii() or not number.isdigit():
        raise BadValue("ends in no number of workers: after the colon, write one such as 4", match.group())
    if not 1 <= int(number[:9]) <= MOST_WORKERS:
        raise BadValue(f"asks for {number} workers: 1 to {MOST_WORKERS}. Ports belong in the ssh configuration")
    return HostSpec(destination, int(number))


def _guess(text: str) -> str:
    """What was probably meant: an address in brackets, or the last word without what stands before it."""
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        word = re.split(r"\s+|://", text)[-1].rstrip("/")
        return word if word != text and _HOST.fullmatch(word) else ""


def check_host(text: str) -> str:
    """The text of one host, when it is one."""
    parse_host(text)
    return text.strip()


def split_hosts(value: Any) -> Any:
    """Hosts in one text, parted by commas, as a list; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def twice(hosts: list[str]) -> str:
    """The first machine that is named more than once, "" when none is."""
    seen: set[str] = set()
    for host in hosts:
        name = parse_host(host).name.lower()
        if name in seen:
            return parse_host(host).name
        seen.add(name)
    return ""


def check_scheduler(address: str) -> str:
    """The address of a Dask scheduler that may be joined; "" for none.

    Off loopback it must be encrypted: everyone who reaches a plain scheduler can run any code on its workers.
    """
    if not address:
        return address
    scheme, separator, _ = address.partition("://")
    if not separator:
        guess = f"tls://{address}" if re.fullmatch(r"[\w.\[\]:-]+:\d+", address) else ""
        raise BadValue("is not an address of a Dask scheduler: it does not begin with tls://", guess)
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not port or parts.path not in ("", "/"):
        raise BadValue('is not an address of a Dask scheduler: write "tls://HOST:PORT"')
    if scheme == "tls":
        return address
    if scheme != "tcp":
        raise BadValue("is not an address of a Dask scheduler: it does not begin with tls://", f"tls://{host}:{port}")
    if not is_loopback(host):
        raise BadValue(
            f"is not encrypted: everyone who reaches {quote(host)} could run any code there, so plain tcp:// is only "
            "taken on loopback. Give the cluster certificates",
            f"tls://{host}:{port}",
        )
    return address


def is_loopback(host: str) -> bool:
    """Whether a name or an address means the machine itself."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
