"""Read feeds and the files of messages."""

from __future__ import annotations

import csv
import functools
import os
from dataclasses import dataclass
from pathlib import Path

from wstui.scenario.errors import BadValue, nearest, quote
from wstui.scenario.file_refs import located
from wstui.scenario.placeholder import BadPlaceholder, Placeholder, variables
from wstui.scenario.secrets import is_secret_header

MOST_BYTES = 1 << 20
"""Of one message."""
MOST_FEED_BYTES = 16 << 20
csv.field_size_limit(MOST_FEED_BYTES)  # 128 KiB otherwise, which one message may well have


@dataclass(frozen=True, slots=True)
class Feed:
    """A CSV file: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def index(self, placeholder: Placeholder) -> int:
        """Return the column of a {{feed.…}} placeholder. Raises BadPlaceholder."""
        (name,) = placeholder.arguments
        if name in self.columns:
            return self.columns.index(name)
        near = nearest(name, self.columns)
        message = "is not a column" if near else f"is not a column: there are {', '.join(map(quote, self.columns))}"
        raise BadPlaceholder(f"{{{{feed.{name}}}}}", message, f"{{{{feed.{near}}}}}" if near else "")


def feed_of(name: str, scenario_file: str) -> Feed:
    """Return the CSV file of that name. Raises BadValue."""
    try:
        text = content_of(name, scenario_file, MOST_FEED_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadValue("is not UTF-8 text") from None
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    rows: list[tuple[str, ...]] = []
    try:
        columns = tuple(name.strip() for name in next(reader, []))
        if not any(columns):
            raise BadValue("is empty: its first line names the columns")
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise BadValue(f"names the column {quote(twice)} twice")
        for row in reader:
            if row and len(row) != len(columns):
                raise BadValue(f"has {len(row)} fields in line {reader.line_num}, and {len(columns)} columns")
            if row:
                rows.append(tuple(row))
    except csv.Error as error:
        raise BadValue(f"is not a CSV file: {error} in line {reader.line_num}") from None
    if not rows:
        raise BadValue("has no rows below its header")
    return Feed(columns, tuple(rows))


def secrets_in_feed(name: str, scenario_file: str) -> list[str]:
    """Return the values in columns of the feed whose names sound like secrets."""
    if not name:
        return []
    path = Path(located(name, scenario_file))
    try:
        status = path.stat()
        return list(_columns_of(str(path), status.st_mtime_ns, status.st_size))
    except (OSError, ValueError):
        return []


@functools.lru_cache(maxsize=8)
def _columns_of(path: str, _changed_ns: int, _size: int) -> tuple[str, ...]:
    """Return the values of the columns that sound like secrets."""
    try:
        feed = feed_of(path, "")
    except BadValue:
        return ()
    secret = [index for index, name in enumerate(feed.columns) if is_secret_header(name)]
    return tuple(dict.fromkeys(row[index] for row in feed.rows for index in secret))


@functools.lru_cache(maxsize=64)
def variables_in(path: str) -> tuple[str, ...]:
    """The variables of {{env …}} placeholders in a file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as below
            return tuple(variables(file.read(MOST_BYTES)))
    except (OSError, ValueError):
        return ()


def content_of(name: str, scenario_file: str, most: int) -> bytes:
    """The bytes of a file; `BadValue` says why it cannot be read."""
    path = located(name, scenario_file)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a name with a NUL is a ValueError here
            content = file.read(most + 1)
    except FileNotFoundError:
        place = "" if os.path.isabs(name) else f", seen from {os.getcwd()}"  # noqa: PTH109, PTH117
        raise BadValue(f"is not a file{place}") from None
    except (OSError, ValueError) as error:
        raise BadValue(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > most:
        raise BadValue(f"is larger than {most >> 20} MiB")
    return content
