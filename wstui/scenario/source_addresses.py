"""Source addresses in text: one, a range, a network, or all of an interface."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence

from wstui.scenario.errors import BadValue

MOST_ADDRESSES = 65_536
_INTERFACE = re.compile(r"([^\s:/*]{1,15}):\*")
_NAME = re.compile(r"[a-z][\w.-]{0,14}")
_EXAMPLES = (
    'write one of this machine, such as "127.0.0.2", a range "127.0.0.1-127.0.0.40", a network "10.0.0.0/28" '
    'or all of an interface "eth0:*"'
)


def check_source(text: str) -> str:
    """Return the text in its shortest form. Raises BadValue."""
    if _INTERFACE.fullmatch(text):
        return text
    if "," in text:
        raise BadValue("is more than one: repeat --local-address, or write a list in the file")
    first, dash, last = text.partition("-")
    try:
        if dash:
            low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
            if low.version != high.version:
                raise BadValue("is a range from one kind of IP address to the other")
            if int(low) > int(high):
                raise BadValue("is a range that ends before it begins", f"{high}-{low}")
            size, text = int(high) - int(low) + 1, f"{low}-{high}"
        elif "/" in text:
            address, _, prefix = text.partition("/")
            most = ipaddress.ip_address(address).max_prefixlen
            if prefix.isdecimal() and int(prefix[:9]) > most:
                raise BadValue(f"is a network of {prefix} bits: {most} at most", f"{address}/{most}")
            network = ipaddress.ip_network(text, strict=False)
            size, text = network.num_addresses, str(network)
        else:
            return str(ipaddress.ip_address(text))
    except BadValue:
        raise
    except ValueError:
        raise BadValue(f"is not an IP address: {_EXAMPLES}", _guess(text)) from None
    if size > MOST_ADDRESSES:
        raise BadValue(f"has {size} addresses: {MOST_ADDRESSES} at most")
    return text


def _guess(text: str) -> str:
    """Return what was probably meant, or ""."""
    if text == "localhost":
        return "127.0.0.1"
    start, dash, last = text.partition("-")
    if dash and last.strip().isdigit():  # 127.0.0.1-40
        guess = f"{start.strip()}-{start.strip().rpartition('.')[0]}.{last.strip()}"
    elif text.endswith(".*"):
        guess = f"{text.removesuffix('*')}0/24"
    elif _NAME.fullmatch(text):
        guess = f"{text}:*"
    else:
        return ""
    try:
        return check_source(guess)
    except BadValue:
        return ""


def source_addresses(texts: Sequence[str]) -> list[str]:
    """Return the single addresses, each once. An interface is looked up on this machine, and stays as it is written
    if it has none.
    """
    return list(dict.fromkeys(address for text in texts for address in _expanded(text)))


def _expanded(text: str) -> Iterator[str]:
    first, dash, last = text.partition("-")
    if match := _INTERFACE.fullmatch(text):
        yield from _of_interface(match[1]) or [text]
    elif dash:
        low = ipaddress.ip_address(first)
        yield from (str(low + step) for step in range(int(ipaddress.ip_address(last)) - int(low) + 1))
    elif "/" in text:
        yield from map(str, ipaddress.ip_network(text).hosts())
    else:
        yield text


def _of_interface(name: str) -> list[str]:
    """Return its IPv4 addresses, or those of IPv6 that are valid beyond the link if it has no others."""
    import psutil  # 20 ms

    found = psutil.net_if_addrs().get(name, [])
    v4 = [entry.address for entry in found if entry.family == socket.AF_INET]
    return v4 or [entry.address for entry in found if entry.family == socket.AF_INET6 and "%" not in entry.address]
