"""What went wrong, grouped: one entry per kind and message, with a count, first and last time, and a few samples."""

from __future__ import annotations

import msgspec

from wstui.measure.wording import fold, is_servers_word, joined

SAMPLES_KEPT = 8
GROUPS_KEPT = 100


class Sample(msgspec.Struct, frozen=True):
    """One occurrence: when (ns since the start of the run), which client, and what was seen, already escaped."""

    at_ns: int
    client: int
    detail: str


class FailureGroup(msgspec.Struct):
    """All failures of one kind and message.

    `kind` is a short class of failure ("timeout", "close 1008", "http 401", "refused", "reset", "tls", "dns",
    "local files", …); `message` says it in words. Times are nanoseconds since the start of the run.
    `local` marks failures of this generator, which are never the server's. `outcome` is the count that they are in:
    "refused", "timed_out" or "failed" (attempts), "dropped" (ready clients), "unanswered" or "unexpected" (messages);
    "" where none is known. The same close code may refuse one client and drop another: those are two groups.
    """

    kind: str
    message: str
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0
    local: bool = False
    samples: list[Sample] = []
    outcome: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it a group of its own."""
        return _key(self.kind, self.message, self.outcome)


def _key(kind: str, message: str, outcome: str) -> tuple[str, str, str]:
    """A close code is a group, whatever the server says beside it: its words are samples."""
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
    ) -> None:
        """Count one failure; its detail is kept as a sample among the first and the latest ones."""
        if is_servers_word(kind):
            detail = detail or message
            message = fold(message)
        key = _key(kind, message, outcome)
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
        if len(group.samples) >= SAMPLES_KEPT:
            del group.samples[SAMPLES_KEPT // 2]
        group.samples.append(Sample(at_ns, client, detail))

    def groups(self) -> list[FailureGroup]:
        """The groups, in the order of their first occurrence."""
        return list(self._groups.values())


def merge_failures(logs: list[list[FailureGroup]]) -> list[FailureGroup]:
    """The groups of several workers as one list, most frequent first."""
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
                )
                continue
            known.message = joined(known.message, group.message) if not key[1] else known.message
            known.count += group.count
            known.first_ns = min(known.first_ns, group.first_ns)
            known.last_ns = max(known.last_ns, group.last_ns)
            known.samples = sorted([*known.samples, *group.samples], key=lambda s: s.at_ns)[-SAMPLES_KEPT:]
    return sorted(merged.values(), key=lambda g: (-g.count, g.first_ns))
