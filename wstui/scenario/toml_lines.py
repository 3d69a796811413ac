"""The line of each key and item of a TOML text that is known to be valid: parsers do not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wstui.scenario.env_refs import value_at
from wstui.scenario.errors import Key, printable

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{},=\n]"
    r"|[^\s\[\]{},=\#\"']+",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Key, int]:
    """Return the line of each key, table and item, the first being 1."""
    return _LineReader(text).lines


def place_of(key: Key, lines: Mapping[Key, int], data: Any) -> str:
    """Return the line of a value or of what should hold it, and its role and step: an index tells a reader little."""
    items = [length for length in range(2, len(key) + 1) if isinstance(key[length - 1], int)]
    least = items[0] if items else 1
    known = next((lines[key[:length]] for length in range(len(key), least - 1, -1) if key[:length] in lines), 0)
    item, *steps = [value_at(data, (*key[:length], "name")) for length in items] or [None]
    kind = {"roles": "role", "login": "login", "stages": "stage"}.get(str(key[0]), "")
    told = [f"line {known}" if known else "", f"{kind} {item}" if kind and isinstance(item, str) else ""]
    told += [f"step {name}" for name in steps[-1:] if isinstance(name, str)]
    return printable(", ".join(filter(None, told)))


class _LineReader:
    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._tokens = list(_tokens(text))
        self._at = 0
        self._last: dict[Key, int] = {}  # index of the last table of each array of tables
        table: Key = ()
        while self._at < len(self._tokens):
            token, line = self._next()
            if token == "[":
                table = self._header(line)
            elif token != "\n":
                self._at -= 1
                self._pair(table)

    def _next(self) -> tuple[str, int]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else "\n"

    def _header(self, line: int) -> Key:
        many = self._peek() == "["
        self._at += many
        *parents, name = self._key("]")
        self._at += many
        table: Key = ()
        for part in parents:
            table = self._inside((*table, part))
        table = (*table, name)
        if many:
            self._last[table] = self._last.get(table, -1) + 1
            self.lines.setdefault(table, line)
        table = self._inside(table)
        self.lines[table] = line
        return table

    def _inside(self, key: Key) -> Key:
        return (*key, self._last[key]) if key in self._last else key

    def _key(self, end: str) -> list[str]:
        parts: list[str] = []
        while (token := self._next()[0]) != end:
            parts += [token[1:-1]] if token[0] in "\"'" else filter(None, token.split("."))
        return parts

    def _pair(self, table: Key) -> None:
        line = self._tokens[self._at][1]
        key = (*table, *self._key("="))
        for length in range(len(table) + 1, len(key) + 1):
            self.lines.setdefault(key[:length], line)
        self._value(key)

    def _value(self, key: Key) -> None:
        token, line = self._next()
        self.lines.setdefault(key, line)
        if token not in ("[", "{"):
            while self._peek() not in (",", "]", "}", "\n"):  # a date may have a space
                self._at += 1
            return
        count = 0
        while self._peek() not in ("]", "}"):
            if self._peek() in (",", "\n"):
                self._at += 1
            elif token == "{":
                self._pair(key)
            else:
                self._value((*key, count))
                count += 1
        self._at += 1


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if not match[0].startswith("#"):
            yield match[0], line
