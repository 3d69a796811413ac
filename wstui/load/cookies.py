"""The cookies of one client (RFC 6265), as far as a session of a load test needs them: without a clock."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import mktime_tz, parsedate_tz
from typing import NamedTuple


class _Cookie(NamedTuple):
    value: str
    host_only: bool
    secure: bool


class Cookies:
    """Cookies that servers have set, by domain, path and name."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], _Cookie] = {}

    def take(self, host: str, path: str, lines: Iterable[str]) -> None:
        """Keep what the Set-Cookie lines of an answer say, or forget what they delete."""
        for line in lines:
            pair, *parts = line.split(";")
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not name:
                continue
            attributes = {key.strip().lower(): rest.strip() for key, _, rest in (part.partition("=") for part in parts)}
            domain = attributes.get("domain", "").lower().lstrip(".")
            if domain and not _belongs(host, domain):
                continue
            where = attributes.get("path", "")
            if not where.startswith("/"):
                where = path.rpartition("/")[0] or "/"
            key = (domain or host, where, name)
            if _is_over(attributes):
                self._kept.pop(key, None)
            else:
                self._kept[key] = _Cookie(value, not domain, "secure" in attributes)

    def value(self, name: str) -> str | None:
        """Return the value of a cookie of any host."""
        return next((cookie.value for (_, _, known), cookie in self._kept.items() if known == name), None)

    def pairs(self, host: str, path: str, secure: bool) -> list[tuple[str, str]]:
        """Return the cookies to send to a server, those of the longest path first."""
        found = [
            (name, cookie.value)
            for (domain, where, name), cookie in sorted(self._kept.items(), key=lambda item: -len(item[0][1]))
            if (host == domain if cookie.host_only else _belongs(host, domain))
            and (path == where or path.startswith(where.rstrip("/") + "/"))
            and (secure or not cookie.secure)
        ]
        return list(dict(reversed(found)).items())[::-1]


def _belongs(host: str, domain: str) -> bool:
    return host == domain or (host.endswith(f".{domain}") and not host.replace(".", "").isdigit() and ":" not in host)


def _is_over(attributes: dict[str, str]) -> bool:
    age = attributes.get("max-age", "")
    if age.lstrip("-").isdigit():
        return int(age) <= 0
    expires = parsedate_tz(attributes.get("expires", ""))
    return expires is not None and mktime_tz(expires) <= time.time()
