"""Failures grouped by kind and message, with count, first and last time, and a few samples.

The words of a server are grouped without what is random in them.
"""

from __future__ import annotations

import re

import msgspec

SAMPLES_KEPT = 8
GROUPS_KEPT = 100
WORDINGS_KEPT = 3
BETWEEN = " · "
MORE = "…"
_TOKEN = re.compile(r"""[^\s"'(),;<>\[\]{}=:·…]+""")
_PLAIN = re.compile(r"(HTTP(?: \d{3}|/1\.\d)\b|\b64 KiB\b|\b1xx\b|\bwss?://[^\s/]+/?|\basked for \([^)]*\))")
"""Numbers that are not random: a status, a version, a limit of ours, the host of a redirect, a subprotocol."""
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_RUN = re.compile(r"…(?:[\s=/+:.…-]*…)*=*")


class Occurrence(msgspec.Struct, frozen=True):
    """One occurrence: when (ns since the start of the run), which client, and what was seen, already escaped."""

    at_ns: int
    client: int
    detail: str


class FailureGroup(msgspec.Struct):
    """All failures of one kind and message.

    `kind` is a short class of failure ("timeout", "close 1008", "http 401", "refused", "reset", "tls", "dns",
    "local files", …); `message` says it in words. Times are nanoseconds since the start of the run.
    `local` marks failures of this generator, never the server's. `outcome` names the counter they are in: "refused",
    "timed_out" or "failed" (attempts), "dropped" (ready clients), "unanswered" or "unexpected" (messages),
    "step" (of roles, beside the messages), or "".
    The same close code may refuse one client and drop another: those are two groups. `addresses` counts by address of
    the target, if clients are spread over several.
    """

    kind: str
    message: str
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0
    local: bool = False
    samples: list[Occurrence] = []
    outcome: str = ""
    addresses: dict[str, int] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        return group_key(self.kind, self.message, self.outcome)


def group_key(kind: str, message: str, outcome: str) -> tuple[str, str, str]:
    """Return the key of a group. A close code is one group; the server's words are samples."""
    return (kind, "" if kind.startswith("close ") else message, outcome)


class FailureLog:
    """Groups failures as they happen. Bounded: further groups are counted under the kind "other"."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], FailureGroup] = {}

    def record(
        self,
        kind: str,
        message: str,
        at_ns: int,
        client: int,
        detail: str = "",
        *,
        local: bool = False,
        outcome: str = "",
        address: str = "",
    ) -> None:
        """Count a failure, and keep its detail among the first and the latest samples."""
        if is_servers_word(kind):
            detail = detail or message
            message = fold(message)
        key = group_key(kind, message, outcome)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= GROUPS_KEPT:
                key = ("other", f"further kinds of failure{' of this generator' if local else ''}", outcome)
                group = self._groups.get(key)
            if group is None:
                group = FailureGroup(
                    key[0], key[1] or message, first_ns=at_ns, local=local, samples=[], outcome=outcome
                )
                self._groups[key] = group
        if not key[1] and message != group.message:
            group.message = joined(group.message, message)
        group.count += 1
        group.last_ns = at_ns
        if address:
            group.addresses[address] = group.addresses.get(address, 0) + 1
        if len(group.samples) >= SAMPLES_KEPT:
            del group.samples[SAMPLES_KEPT // 2]
        group.samples.append(Occurrence(at_ns, client, detail))

    def groups(self) -> list[FailureGroup]:
        """Return the groups in order of their first occurrence."""
        return list(self._groups.values())


def merge_failures(logs: list[list[FailureGroup]]) -> list[FailureGroup]:
    """Merge the groups of several workers, most frequent first."""
    merged: dict[tuple[str, str, str], FailureGroup] = {}
    for groups in logs:
        for group in groups:
            key = group.key
            known = merged.get(key)
            if known is None:
                merged[key] = FailureGroup(
                    group.kind,
                    group.message,
                    group.count,
                    group.first_ns,
                    group.last_ns,
                    group.local,
                    list(group.samples),
                    group.outcome,
                    dict(group.addresses),
                )
                continue
            known.message = joined(known.message, group.message) if not key[1] else known.message
            known.count += group.count
            known.first_ns = min(known.first_ns, group.first_ns)
            known.last_ns = max(known.last_ns, group.last_ns)
            for address, count in group.addresses.items():
                known.addresses[address] = known.addresses.get(address, 0) + count
            known.samples = sorted([*known.samples, *group.samples], key=lambda s: s.at_ns)[-SAMPLES_KEPT:]
    return sorted(merged.values(), key=lambda g: (-g.count, g.first_ns))


def is_servers_word(kind: str) -> bool:
    """Return whether the message of such a failure quotes the server."""
    return kind.startswith(("close ", "http ")) or kind == "handshake"


def fold(text: str) -> str:
    """Replace numbers, ids, tokens and keys by "…", so that the same reason always reads the same."""
    parts = _PLAIN.split(text)
    parts[::2] = [_RUN.sub(MORE, _TOKEN.sub(lambda match: _folded(match[0]), part)) for part in parts[::2]]
    return "".join(parts)


def joined(one: str, other: str) -> str:
    """Join the wordings of two groups: each once, at most `WORDINGS_KEPT`."""
    known = dict.fromkeys([*one.split(BETWEEN), *other.split(BETWEEN)])
    words = [word for word in known if word != MORE]
    more = [MORE] if MORE in known or len(words) > WORDINGS_KEPT else []
    return BETWEEN.join([*words[:WORDINGS_KEPT], *more])


def _folded(token: str) -> str:
    word = token.rstrip(".!?")
    return MORE + token[len(word) :] if _is_random(word) else token


def _is_random(word: str) -> bool:
    word = _ESCAPE.sub("", word)
    if any(character.isdigit() for character in word) or _HEX.fullmatch(word):
        return True
    turns = len(re.findall(r"[a-z][A-Z]", word))
    return turns > 1 or (len(word) >= 8 and turns > 0 and ("+" in word or "/" in word))
