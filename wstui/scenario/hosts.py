"""Parse and check the machines that make the load."""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wstui.scenario.errors import BadValue, quote

MOST_WORKERS = 1024
_HOST = re.compile(r"(?:(?P<user>[\w.][\w.\\+$@-]*)@)?(?P<name>\[[\da-fA-F:.]+(?:%\w+)?\]|[A-Za-z\d_](?:[\w.-]*\w)?)")
_CONTAINER = re.compile(r"(?P<name>[A-Za-z\d][\w.-]*)(?::(?P<workers>\d+))?")
_PODS = re.compile(r"(?P<name>[a-z\d][a-z\d-]*/[A-Za-z\d!(][^\s:][^:]*?)(?::(?P<workers>\d+))?")
_EXAMPLE = 'write "host1", "host2:4" for four workers, or "user@host3"'
_OTHER_TOOLS = {
    "exec": (re.compile(r"(?P<name>.+)"), "exec:ip netns exec host1"),
    "docker": (_CONTAINER, "docker:load1 or docker:load1:4"),
    "k8s": (_PODS, "k8s:NAMESPACE/app=load or k8s:NAMESPACE/app=load:4"),
}


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A machine that makes load, reached `via` ssh, exec (a command of the user's), docker or k8s.

    `destination` is what that tool takes: `user@host`, the command, a container, `NAMESPACE/SELECTOR`; a pod of
    it is `NAMESPACE/POD` via "pod". `workers` is their number (0: one per spare core). A pod may return under
    its name: `life` tells which one it is, `turn` is 2 for the second.
    """

    destination: str
    workers: int = 0
    via: str = "ssh"
    life: str = ""
    turn: int = 1

    @property
    def name(self) -> str:
        """The machine as screens and reports show it: without user and namespace."""
        match self.via:
            case "ssh":
                return self.destination.rpartition("@")[2]
            case "pod":
                pod = self.destination.rpartition("/")[2]
                return pod if self.turn == 1 else f"{pod} ({self.turn})"
        return self.destination


def parse_host(text: str) -> HostSpec:
    """Return a host as written: `host1`, `host2:4`, `user@host3`, `exec:COMMAND`, `docker:NAME`, … Raises BadValue."""
    text = text.strip()
    if not text:
        raise BadValue(f"is empty: {_EXAMPLE}")
    via, colon, rest = text.partition(":")
    if colon and via in _OTHER_TOOLS and not rest.isdigit():  # host1:4 is an ssh host also if it is named docker
        return _reached_via(via, rest.strip())
    match = _HOST.match(text)
    rest = text[match.end() :] if match else text
    if match is None or (rest and not rest.startswith(":")) or rest.startswith("://") or rest.count(":") > 1:
        raise BadValue(f"is not a host: {_EXAMPLE}", _guess(text))
    destination = match.group().replace("[", "").replace("]", "")
    if not rest:
        return HostSpec(destination)
    number = rest[1:]
    if not number.isascii() or not number.isdigit():
        raise BadValue("needs a number of workers after the colon, such as 4", match.group())
    return HostSpec(destination, _workers(number, ". Ports belong in the ssh configuration"))


def _workers(number: str, hint: str = "") -> int:
    if not 1 <= int(number[:9]) <= MOST_WORKERS:
        raise BadValue(f"asks for {number} workers: 1 to {MOST_WORKERS}{hint}")
    return int(number)


def _reached_via(via: str, rest: str) -> HostSpec:
    pattern, example = _OTHER_TOOLS[via]
    match = pattern.fullmatch(rest)
    if match is None or not rest.isprintable():
        raise BadValue(f"does not name a host after {via}: (write {example})")
    if via == "exec":
        try:
            if not shlex.split(rest):
                raise BadValue(f"names no command after exec: (write {example})")
        except ValueError as error:
            raise BadValue(f"is not a command: {str(error).lower()}") from None
        return HostSpec(rest, 0, via)
    return HostSpec(match["name"], _workers(match["workers"]) if match["workers"] else 0, via)


def _guess(text: str) -> str:
    """Return the probable host: an address in brackets, or the last word alone."""
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        word = re.split(r"\s+|://", text)[-1].rstrip("/")
        return word if word != text and _HOST.fullmatch(word) else ""


def check_host(text: str) -> str:
    """Return the text if it is a valid host. Raises BadValue."""
    parse_host(text)
    return text.strip()


def split_hosts(value: Any) -> Any:
    """Split comma-separated hosts into a list; return anything else unchanged."""
    if isinstance(value, str):
        # The parts of a selector, such as app=load,tier!=x, stay together.
        return [part.strip() for part in re.split(r",(?!\s*[\w./-]+!?=)", value) if part.strip()]
    return value


def duplicate_host(hosts: list[str]) -> str:
    """Return the first machine named more than once, or ""."""
    seen: set[str] = set()
    for host in hosts:
        name = parse_host(host).name.lower()
        if name in seen:
            return parse_host(host).name
        seen.add(name)
    return ""


def check_scheduler(address: str) -> str:
    """Return the address of a Dask scheduler that may be joined; "" for none.

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
    """Return whether a name or an address means the machine itself."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
