"""Read payloads and feeds of templates as bytes."""

from __future__ import annotations

import base64
import binascii
import csv
import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wstui.scenario.errors import BadValue, nearest, quote
from wstui.scenario.file_refs import located
from wstui.scenario.messages import MOST_BYTES, Template
from wstui.scenario.placeholder import BadPlaceholder, Placeholder, parse, variables
from wstui.scenario.secrets import is_secret_header

MOST_FEED_BYTES = 16 << 20
csv.field_size_limit(MOST_FEED_BYTES)  # 128 KiB otherwise, which one message may well have

Part = bytes | Placeholder


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


def payload_of(template: Template, scenario_file: str) -> list[Part]:
    """Return the payload as bytes and placeholders. Raises BadValue."""
    if not template.file:
        return _encoded(template.payload, template.encoding)
    content = content_of(template.file, scenario_file, MOST_BYTES)
    if template.binary and template.encoding == "plain":
        return [content] if content else []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadValue("is not UTF-8 text: set binary = true to send it as it is") from None
    return _encoded(text, template.encoding)


def key_of(template: Template, payload: Sequence[Part]) -> list[Part]:
    """Return the key as bytes and placeholders; by default it identifies client and message."""
    if template.key:
        return _encoded(template.key, "plain")
    # A payload that counts its messages itself is taken at its word.
    counts = Placeholder("seq") in payload and Placeholder("key") not in payload and Placeholder("id") not in payload
    return [Placeholder("seq" if counts else "id")]


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


def variables_in_templates(templates: Iterable[Template], scenario_file: str) -> list[str]:
    """Return the variables of {{env …}} placeholders."""
    names: set[str] = set()
    for template in templates:
        names.update(variables(template.payload), variables(template.key))
        if template.file:
            names.update(variables_in(located(template.file, scenario_file)))
    return sorted(names)


def secrets_in_templates(templates: Iterable[Template], feed: str, scenario_file: str) -> list[str]:
    """Return the values of {{env …}} placeholders and columns of the feed that sound like secrets."""
    names = variables_in_templates(templates, scenario_file)
    found = [os.environ[name] for name in names if is_secret_header(name) and os.environ.get(name)]
    return found + _secrets_in_feed(feed, scenario_file) if feed else found


def _secrets_in_feed(name: str, scenario_file: str) -> list[str]:
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


def inside_quotes(parts: Sequence[Part]) -> list[bool]:
    """Return for each part whether it begins inside a JSON string; all False unless the payload is JSON."""
    found: list[bool] = []
    first = parts[0] if parts else b""
    is_json = isinstance(first, bytes) and first.lstrip()[:1] in (b"{", b"[")
    inside = escaped = False
    for part in parts:
        found.append(inside)
        if not is_json or not isinstance(part, bytes):
            continue
        for byte in part:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = inside
            elif byte == 0x22:
                inside = not inside
    return found


def _encoded(text: str, encoding: str) -> list[Part]:
    return [part if isinstance(part, Placeholder) else _bytes(part, encoding) for part in parse(text)]


def _bytes(text: str, encoding: str) -> bytes:
    if encoding == "plain":
        return text.encode()
    compact = "".join(text.split())
    try:
        return bytes.fromhex(compact) if encoding == "hex" else base64.b64decode(compact, validate=True)
    except (ValueError, binascii.Error):
        example = '"00ff7f"' if encoding == "hex" else '"AP9/"'
        shown = quote(compact, 40)
        raise BadValue(f"is not {encoding} between its placeholders ({shown}): write such as {example}") from None


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
