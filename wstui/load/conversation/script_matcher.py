"""What a script expects, compared with what arrives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from wstui.load.compiled_matcher import ANY, Known, Match, check_of
from wstui.load.reply_matcher import ReplyMatcher
from wstui.load.role_spec import ConditionSpec
from wstui.scenario.conversation.conditions import conditions_of

_READER = ReplyMatcher([["0"]])  # of whole documents
_Checks = tuple[tuple[Match, str], ...]


class ScriptMatcher:
    """Paths and values of one `expect`. It is what `Matcher` is for a step, with its values bound already."""

    __slots__ = ("_alternatives", "is_keyed", "words")
    is_earlier = None
    names_client = False
    is_lasting = False

    def __init__(self, alternatives: list[tuple[_Checks, list[Any]]], words: str) -> None:
        self._alternatives = alternatives
        self.words = words
        # A number tells replies apart: only then a second one is surely a duplicate.
        self.is_keyed = any(type(value) in (int, float) for _, values in alternatives for value in values)

    def bind(self, _speaker: Any) -> None:
        """Its values are bound."""

    def rest(self, _known: Known, _is_read: bool = True) -> Match:
        """Return what is left to compare, whatever is known: all of it."""
        return self.matches

    def matches(self, document: Any, payload: bytes, _bound: Any) -> bool:
        """Return whether a message is meant."""
        for checks, values in self._alternatives:
            for (check, _), value in zip(checks, values, strict=True):
                if not check(document, payload, value):
                    break
            else:
                return True
        return False


def matcher_of(tables: Any) -> ScriptMatcher:
    """Return the matcher of some tables, any of which may match; an empty one matches any message."""
    alternatives, words = [], []
    for table in [tables] if isinstance(tables, str | bytes) or not isinstance(tables, Iterable) else tables:
        if not isinstance(table, Mapping):
            raise TypeError(f'a matcher is a table, such as {{"type": "ok"}}, not {table!r}')
        conditions = conditions_of(dict(table)) if table else []
        checks = _checks(tuple((c.kind, c.path, c.value == ANY and c.kind == "path") for c in conditions))
        alternatives.append((checks, [_value(kind, c.value) for (_, kind), c in zip(checks, conditions, strict=True)]))
        words.append(", ".join(map(str, conditions)) or "any message")
    return ScriptMatcher(alternatives, " or ".join(words))


@lru_cache(maxsize=1000)
def _checks(shape: tuple[tuple[str, tuple[str, ...], bool], ...]) -> _Checks:
    return tuple(
        (check_of(ConditionSpec(kind, [*path], ANY if is_any else ""), _READER), kind) for kind, path, is_any in shape
    )


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "path":
            return value
        case "regex":
            return re.compile(str(value).encode())
        case "hex":
            return bytes.fromhex(str(value))
    return str(value).encode()
