"""What a step sends, as bytes and the places that differ from client to client and time to time."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from wstui.scenario.conversation.dialect import Frame, Json, Piece, Wrap
from wstui.scenario.conversation.pack import PIECEWISE, packer
from wstui.scenario.conversation.role import Message
from wstui.scenario.errors import BadValue, quote
from wstui.scenario.message_files import MOST_BYTES, content_of
from wstui.scenario.placeholder import Placeholder, parse

Form = Literal["raw", "quoted", "json", "url"]
NUMBERS = ("client", "seq", "seq16", "id", "stamp")
_TYPED = ("variable", "message")


class PlacedPlaceholder(NamedTuple):
    """A placeholder in a payload: written as it is, inside a JSON string, or as a JSON value of its own type."""

    placeholder: Placeholder
    form: Form


class Packed(NamedTuple):
    """Parts whose bytes are packed when they are sent; `how` as in a dialect's `Wrap`."""

    how: str
    parts: list[Part]
    what: str


T = TypeVar("T")
Part = bytes | PlacedPlaceholder | Packed


def payload_of(message: Message, scenario_file: str, variables: Collection[str]) -> list[Part]:
    """Return what a step sends; `BadValue` says what is wrong with it or with its file. Empty when it sends nothing."""
    match message.sources:
        case ["json"]:
            return json_parts(message.json, variables)
        case ["send"]:
            return _text_parts(message.send, variables)
        case ["hex" | "base64" as encoding]:
            return _encoded(getattr(message, encoding), encoding, variables)
        case ["file"]:
            content = content_of(message.file, scenario_file, MOST_BYTES)
            if message.binary:
                return [content] if content else []
            try:
                return _text_parts(content.decode("utf-8-sig"), variables)
            except UnicodeDecodeError:
                raise BadValue("is not UTF-8 text: set binary = true to send it as it is") from None
    return []


def frame_parts(frame: Frame, variables: Collection[str]) -> list[Part]:
    """The parts of a protocol's frame; `BadValue` says what is wrong with a placeholder in it."""
    return joined(_pieces(frame.pieces, variables))


def _pieces(pieces: Sequence[Piece], variables: Collection[str]) -> Iterator[Part]:
    for piece in pieces:
        match piece:
            case bytes():
                yield piece
            case str():
                yield from (
                    p.encode() if isinstance(p, str) else PlacedPlaceholder(p, "raw") for p in parse(piece, variables)
                )
            case Json(value):
                yield from _json_parts(value, variables)
            case Wrap(how, inner, what):
                parts = joined(_pieces(inner, variables))
                yield from packed(how, [[part] for part in parts] if how in PIECEWISE else [parts], what)


def packed(how: str, groups: Iterable[list[Part]], what: str) -> Iterator[Part]:
    """Pack what is constant now, and the rest when it is sent. Raises Unframed."""
    for parts in groups:
        constant = [part for part in parts if isinstance(part, bytes)]
        yield packer(how, what)(b"".join(constant)) if len(constant) == len(parts) else Packed(how, parts, what)


def places(parts: Sequence[Part]) -> Iterator[PlacedPlaceholder]:
    """All placeholders of a payload, those that are packed too."""
    for part in parts:
        if isinstance(part, PlacedPlaceholder):
            yield part
        elif isinstance(part, Packed):
            yield from places(part.parts)


def weight(parts: Sequence[Part]) -> int:
    """The bytes of a payload that are always the same."""
    return sum(len(p) if isinstance(p, bytes) else weight(p.parts) if isinstance(p, Packed) else 0 for p in parts)


def is_binary(message: Message) -> bool:
    """Return whether it goes out as a binary frame."""
    return message.binary or bool(message.hex or message.base64)


def is_number(placeholder: Placeholder) -> bool:
    """Return whether its value is always a number."""
    name, arguments = placeholder.name, placeholder.arguments
    if name == "timestamp":
        return arguments != ("iso",)
    return name in NUMBERS or (name == "random" and arguments[0] in ("int", "float"))


def text_places(text: str, variables: Collection[str]) -> list[str | Placeholder]:
    """The placeholders of a text that is compared, not sent."""
    return parse(text, variables)


def _text_parts(text: str, variables: Collection[str]) -> list[Part]:
    parts = [part.encode() if isinstance(part, str) else part for part in parse(text, variables)]
    bare: Form = "json" if _is_json(parts) else "raw"
    return [
        part if isinstance(part, bytes) else PlacedPlaceholder(part, "quoted" if inside else bare)
        for part, inside in zip(parts, _inside_quotes(parts), strict=True)
    ]


def json_parts(value: Any, variables: Collection[str]) -> list[Part]:
    """A value as JSON, with the places in its texts."""
    return joined(_json_parts(value, variables))


def _is_json(parts: Sequence[bytes | Placeholder]) -> bool:
    """Return whether a message is JSON by its first character; the braces of a placeholder are none of it."""
    first = parts[0] if parts else b""
    return isinstance(first, bytes) and first.lstrip()[:1] in (b"{", b"[")


def _inside_quotes(parts: Sequence[bytes | Placeholder]) -> Iterator[bool]:
    """Yield for each part whether it begins inside a JSON string; all False unless the message is JSON."""
    is_json = _is_json(parts)
    inside = escaped = False
    for part in parts:
        yield inside
        if not is_json or not isinstance(part, bytes):
            continue
        for byte in part:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = inside
            elif byte == 0x22:
                inside = not inside


def _json_parts(value: Any, variables: Collection[str]) -> Iterator[bytes | PlacedPlaceholder]:
    if isinstance(value, dict):
        yield b"{"
        for index, (key, inner) in enumerate(value.items()):
            yield b"," * (index > 0)
            yield from _string_parts(parse(str(key), variables))
            yield b":"
            yield from _json_parts(inner, variables)
        yield b"}"
    elif isinstance(value, list):
        yield b"["
        for index, inner in enumerate(value):
            yield b"," * (index > 0)
            yield from _json_parts(inner, variables)
        yield b"]"
    elif isinstance(value, str):
        parts = parse(value, variables)
        alone = parts[0] if len(parts) == 1 and isinstance(parts[0], Placeholder) else None
        if alone is not None and not alone.as_text and (is_number(alone) or alone.name in _TYPED):
            yield PlacedPlaceholder(alone, "json")
        else:
            yield from _string_parts(parts)
    else:
        yield json.dumps(value).encode()


def _string_parts(parts: Sequence[str | Placeholder]) -> Iterator[bytes | PlacedPlaceholder]:
    yield b'"'
    for part in parts:
        yield (
            PlacedPlaceholder(part, "quoted")
            if isinstance(part, Placeholder)
            else json.dumps(part, ensure_ascii=False)[1:-1].encode()
        )
    yield b'"'


def joined(parts: Iterable[T]) -> list[T]:
    """Return the parts with neighbouring bytes as one."""
    whole: list[Any] = []
    for part in parts:
        if isinstance(part, bytes) and whole and isinstance(whole[-1], bytes):
            whole[-1] += part
        else:
            whole.append(part)
    return whole


def _encoded(text: str, encoding: str, variables: Collection[str]) -> list[Part]:
    return [
        PlacedPlaceholder(part, "raw") if isinstance(part, Placeholder) else _bytes(part, encoding)
        for part in parse(text, variables)
    ]


def _bytes(text: str, encoding: str) -> bytes:
    compact = "".join(text.split())
    try:
        return bytes.fromhex(compact) if encoding == "hex" else base64.b64decode(compact, validate=True)
    except (ValueError, binascii.Error):
        example = '"00ff7f"' if encoding == "hex" else '"AP9/"'
        raise BadValue(f"is not {encoding} ({quote(compact, 40)}): write such as {example}") from None
