"""What stands for a value that was sent: a placeholder, a captured variable, a column of the feed, a reference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from wstui.recording.inference.inferred_scenario import Guess, InferredScenario, Sure
from wstui.recording.inference.inferred_value import UUID, Capture, InferredValue, numbered, time_of, varying
from wstui.recording.inference.message import ObservedMessage, Path, Scalar
from wstui.scenario.conversation.conditions import Kind
from wstui.scenario.placeholder import RESERVED
from wstui.scenario.secrets import is_secret_header

_TOKEN_LIKE = re.compile(r"eyJ[\w-]{4,}\.[\w-]+\..*|(?:Bearer|Basic)\s+\S{4,}")
_IDENTITY = re.compile(
    r"(user_?(name|id)?|e-?mail|login|nick(_?name)?|player(_?(name|id))?|device(_?id)?|account(_?id)?|phone|charge_?point(_?id)?)",
    re.IGNORECASE,
)
_NAMED_ID = re.compile(r"\w*[a-z]_?[iI][dD]")
HTTP = "http "
"""How the kinds of requests and of their answers begin."""


def dotted_path(path: Path) -> str:
    """Return a path as matchers write it, "" if they can't."""
    if path and path[0].startswith(("header:", "cookie:", "regex:")):
        return path[0]
    if not path or not all(path) or any("." in key for key in path):
        return ""
    return f"{'$.' if path[0] in get_args(Kind) else ''}{'.'.join(path)}"


@dataclass(slots=True)
class Values:
    """Guesses what stands for each value that the clients of a role have sent."""

    draft: InferredScenario
    clients: Sequence[Sequence[ObservedMessage]]
    shared: dict[tuple[str, Path], Capture] = field(default_factory=dict)
    """Captures from HTTP answers, which all roles have."""
    captures: dict[tuple[str, Path], Capture] = field(default_factory=dict)
    _seen: dict[int, dict[str, tuple[ObservedMessage, Path]]] = field(default_factory=dict)
    _all: dict[int, dict[str, list[tuple[ObservedMessage, Path]]]] = field(default_factory=dict)

    def of(
        self, messages: Sequence[ObservedMessage], path: Path, *, keyed: bool = False, setup: bool = False
    ) -> InferredValue | None:
        """Return what stands for the value at a path of these messages, None if it stays as it is.

        `keyed`: it comes back in the reply. `setup`: the message is one of the opening.
        """
        found = [(message, message.fields[path]) for message in messages if path in message.fields]
        if not found or any(value is None or isinstance(value, bool) for _, value in found):
            return None
        if (captured := self._captured(found, path)) is not None:
            return captured
        key = next((part for part in reversed(path) if not part.isdigit()), "")
        by_client: dict[int, list[Scalar]] = {}
        for message, value in found:
            by_client.setdefault(message.client, []).append(value)
        if self._is_secret(key, found):
            return self.secret(key, by_client)
        if all(len(set(map(str, values))) == 1 for values in by_client.values()):
            times = time_of(found) if len(found) == len(by_client) else None
            return times or self._constant(key, found, by_client, setup=setup)
        return varying(found, list(by_client.values()), keyed=keyed)

    # -- captured ------------------------------------------------------------------------------------------------

    def _captured(self, found: Sequence[tuple[ObservedMessage, Scalar]], path: Path) -> InferredValue | None:
        """A value that a client received before it sent it, always at the same place."""
        sources: Counter[tuple[str, Path]] = Counter()
        examples: dict[tuple[str, Path], ObservedMessage] = {}
        for message, value in found:
            first = self._first(message.client).get(_token(path, value))
            if first is None or first[0].sent or first[0].at > message.at:
                return None
            came: set[tuple[str, Path]] = set()
            for source, place in self._all[message.client].get(_token(path, value), ()):
                if source.at <= message.at and dotted_path(place):
                    examples.setdefault((source.kind, place), source)
                    came.add((source.kind, place))
            sources.update(came)
        if not sources:
            return None
        origin = max(examples, key=lambda place: (sources[place], -examples[place].at))
        if sources[origin] < 0.9 * len(found):
            return None
        distinct = {(message.client, str(value)) for message, value in found}
        captures = self.shared if origin[0].startswith(HTTP) else self.captures
        capture = captures.get(origin)
        if capture is None:
            capture = captures[origin] = Capture(self._variable(origin[1]), *origin, examples[origin])
        why = f"was received before, in {examples[origin].label} at {'.'.join(origin[1])}"
        sure: Sure = "sure" if len(distinct) > 1 else "likely"
        return InferredValue(f"{{{{{capture.name}}}}}", Guess(why, sure), stable=True, capture=capture)

    def _first(self, client: int) -> dict[str, tuple[ObservedMessage, Path]]:
        """Return where each value was first seen by a client, in either direction."""
        if client not in self._seen:
            seen: dict[str, tuple[ObservedMessage, Path]] = {}
            received: dict[str, list[tuple[ObservedMessage, Path]]] = {}
            for message in self.clients[client]:
                for path, value in message.fields.items():
                    named = isinstance(value, int | str) and path and _NAMED_ID.fullmatch(path[-1])
                    if is_specific(value) or named or (message.kind.startswith(HTTP) and _is_own(path, value)):
                        token = _token(path, value)
                        seen.setdefault(token, (message, path))
                        if not message.sent and message.form == "json" and len(received.get(token, ())) < 20:
                            received.setdefault(token, []).append((message, path))
            self._seen[client], self._all[client] = seen, received
        return self._seen[client]

    def _variable(self, path: Path) -> str:
        names = [part.rpartition(":")[2] for part in path if not part.isdigit() and not part.startswith("regex:")][-2:]
        name = "_".join(names[-1:] if len(names) > 1 and len(names[-1]) > 3 else names)
        name = re.sub(r"\W", "_", name).strip("_").lower() or "value"
        name = f"v_{name}" if name[0].isdigit() or name in RESERVED or not name.isidentifier() else name
        taken = {capture.name for capture in (*self.captures.values(), *self.shared.values())}
        return name if name not in taken else next(f"{name}_{n}" for n in range(2, 99) if f"{name}_{n}" not in taken)

    # -- secrets, columns ----------------------------------------------------------------------------------------

    def _is_secret(self, key: str, found: Sequence[tuple[ObservedMessage, Scalar]]) -> bool:
        values = [value for _, value in found if isinstance(value, str)]
        return bool(values) and (is_secret_header(key) or bool(_TOKEN_LIKE.fullmatch(values[0])))

    def secret(self, key: str, by_client: dict[int, list[Scalar]]) -> InferredValue:
        firsts = {client: str(values[0]) for client, values in by_client.items()}
        if len(set(firsts.values())) > 1:
            return self.column(key or "token", firsts, "is a secret, and each recorded client has its own", "sure")
        name = reference(self.draft, key, next(iter(firsts.values())))
        return InferredValue(f"${{{name}}}", Guess(f"is a secret: set {name} before a run", "sure"))

    def column(self, key: str, values: dict[int, str], why: str, sure: Sure) -> InferredValue:
        """Return a column of the feed with these values by client."""
        columns = self.draft.columns
        name = re.sub(r"\W", "_", key).strip("_").lower() or "value"
        while any(columns[name].get(client, value) != value for client, value in values.items() if name in columns):
            name += "_2"
        columns.setdefault(name, {}).update(values)
        return InferredValue(f"{{{{feed.{name}}}}}", Guess(why, sure), stable=True)

    def _constant(
        self,
        key: str,
        found: Sequence[tuple[ObservedMessage, Scalar]],
        by_client: dict[int, list[Scalar]],
        *,
        setup: bool,
    ) -> InferredValue | None:
        """A value that one client repeats: its own if clients differ."""
        firsts = [values[0] for values in by_client.values()]
        texts = {client: str(values[0]) for client, values in by_client.items()}
        distinct = set(texts.values())
        if len(distinct) > 1:
            if len(distinct) == len(firsts) and (text := numbered(list(texts.values()))):
                if text == "{{client}}" and not isinstance(firsts[0], int):
                    text = "{{client text}}"
                return InferredValue(text, Guess("counts the recorded clients", "likely"), stable=True)
            if all(UUID.fullmatch(str(value)) for value in firsts) and len(found) == len(by_client):
                return InferredValue("{{random uuid}}", Guess("is a new UUID for each client", "likely"), stable=True)
            return self.column(key, texts, f"differs between {len(firsts)} recorded clients", "sure")
        value = firsts[0]
        if isinstance(value, str) and len(found) == 1 and UUID.fullmatch(value):
            return InferredValue("{{random uuid}}", Guess("is a UUID that the client made up", "likely"), stable=True)
        if isinstance(value, str) and value and setup and _IDENTITY.fullmatch(key):
            why = "names the client: add a row to the feed for each further one"
            return self.column(key, texts, why, "likely")
        return None


def reference(draft: InferredScenario, key: str, value: str) -> str:
    """Return the name of the variable that stands for a secret."""
    name = re.sub(r"\W", "_", key).strip("_").upper() or "TOKEN"
    name = {"TOKEN": "AUTH_TOKEN", "ACCESS_TOKEN": "AUTH_TOKEN", "AUTHORIZATION": "AUTH_TOKEN"}.get(name, name)
    name = f"WS_{name}" if name[0].isdigit() or name in ("PATH", "HOME", "USER", "SHELL") else name
    names = [name, *(f"{name}_{n}" for n in range(2, 1000))]
    chosen = next(n for n in names if draft.secrets.get(n, value) == value)
    draft.secrets[chosen] = value
    return chosen


def _is_own(path: Path, value: Scalar) -> bool:
    """Return whether a value in an HTTP answer has the name of a secret, however short it is."""
    return isinstance(value, str) and len(value) > 3 and is_secret_header(path[-1])


def _token(path: Path, value: Scalar) -> str:
    """What two places have in common that hold the same value, and not by chance: a small number only with its name."""
    named = not is_specific(value) and path and _NAMED_ID.fullmatch(path[-1])
    return f"{path[-1]}={value}" if named else str(value)


def is_specific(value: Scalar) -> bool:
    """Return whether two equal values can't be so by chance: an id or a token, not a word or a small number."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return False
    if isinstance(value, int):
        return abs(value) >= 100
    return len(value) >= 4 and (any(c.isdigit() for c in value) or len(value) >= 20) and len(value) <= 8192
