"""Servers that go wrong while they talk."""

from __future__ import annotations

import zlib

from tests.servers.server import BINARY, frame
from tests.truth.case import Case, Right, failed, no_load, passed
from tests.truth.server import (
    after,
    echo,
    later,
    nothing,
    pieces,
    sends,
    some,
    switched,
    then,
    to_every_other,
    to_others,
    told,
    writes,
)

UNANSWERED = failed("timeout unanswered", finding="no replies")
IMPATIENT = {"timeout": 0.3}
LISTEN = {"exchange": "listen"}
DEFLATE = switched(b"Sec-WebSocket-Extensions: permessage-deflate")


def asking(key: str, **step: object) -> dict[str, object]:
    """Clients that say a key and wait for it."""
    said = {"send": f'{{"type":"say","id":{key}}}', "expect": {"id": key}, **step}
    return {"roles": [{"name": "one", "loop": [said]}]}


def heard(name: str, right: Right, *acts: object, **more: object) -> Case:
    """Clients that only listen, to what is said once they are there."""
    return Case(name, right, opened=later(0.5, then(*acts)), messages=LISTEN, hold=2.0, **more)  # type: ignore[arg-type]


def breaks(name: str, raw: bytes, **more: object) -> Case:
    right = failed("protocol dropped", finding="protocol")
    return heard(name, right, writes(raw), lossy=True, **more)


CASES = [
    Case("no message is answered", UNANSWERED, message=nothing, messages=IMPATIENT, more=("reply_timeouts",)),
    Case("every other client is not answered", UNANSWERED, message=some(nothing), messages=IMPATIENT),
    Case("only the first message is answered", UNANSWERED, message=after(1, nothing), messages=IMPATIENT),
    Case("replies after the timeout", UNANSWERED, message=later(0.6), messages=IMPATIENT, hold=2.0, more=("late",)),
    Case(
        "every reply comes twice",
        Right("PASSED", frozenset(), "replies"),
        message=then(echo, echo),
        more=("duplicates",),
    ),
    Case(
        "echoes with another last byte",
        failed("timeout unanswered", finding="no replies"),
        message=told(lambda text: text[:-1] + b"?"),
        messages=IMPATIENT,
        more=("altered", "unmatched"),
        zero=("duplicates", "late"),
    ),
    Case(
        "echoes that are cut short",
        failed("timeout unanswered", finding="no replies"),
        message=told(lambda text: text[:-9]),
        messages=IMPATIENT,
        more=("altered",),
        zero=("duplicates",),
    ),
    Case("something else in place of the echo", UNANSWERED, message=sends(b'{"type":"error"}'), messages=IMPATIENT),
    Case("news between the replies", passed(), message=then(sends(b'{"type":"news"}'), echo)),
    Case("everybody hears everybody's echo", passed(), message=to_others(0.2), zero=("duplicates",)),
    Case(
        "a chat room, and keys that name the client",
        passed(),
        message=to_others(0.2),
        scenario=asking("{{id}}"),
        zero=("duplicates",),
    ),
    Case(
        "a chat room, and keys that many clients use",
        Right("PASSED", frozenset(), "replies"),
        message=to_others(0.2),
        scenario=asking("{{seq}}"),
    ),
    Case(
        "a chat room that loses broadcasts",
        Right("FAILED", frozenset(), "fan-out"),
        message=to_every_other(0.2),
        messages={"fanout": "on", "fanout_window": 0.5},
        scenario=asking("{{id}}") | {"thresholds": [{"metric": "fanout.completeness", "limit": ">= 99%"}]},
        says=("fanout.completeness",),
    ),
    Case(
        "replies with another key",
        UNANSWERED,
        message=sends(b'{"id":"nobody"}'),
        messages=IMPATIENT,
        scenario=asking("{{id}}"),
    ),
    Case(
        "replies that are not as expected",
        failed("refused unexpected", finding="expectations"),
        message=sends(b'{"ok":false}'),
        scenario=asking("1", expect={"ok": True}, refuse={"ok": "*"}),
        more=("broken_expectations",),
    ),
    Case(
        "pongs to another ping",
        UNANSWERED,
        message=sends(b'{"type":"pong","originalTimestamp":1}'),
        messages={"exchange": "odin", **IMPATIENT},
    ),
    heard("text that is not UTF-8", failed("invalid text unexpected", finding="protocol"), sends(b'{"n":"\xc3"}')),
    heard(
        "text that is not UTF-8, strictly",
        failed("invalid text dropped", "invalid text unexpected", finding="protocol"),
        sends(b'{"n":"\xc3"}'),
        target={"strict": True},
        lossy=True,
    ),
    heard(
        "a message above max_size",
        failed("too large dropped", finding="max size"),
        sends(b"x" * 5000),
        target={"max_size": 4096},
        says=("raise it", "target.max_size"),
        lossy=True,
    ),
    Case(
        "a message above max_size before clients are ready",
        no_load("too large failed"),
        opened=sends(b"x" * 5000),
        messages=LISTEN,
        target={"max_size": 4096, "settle": 3.0},
        says=("raise it", "Raise target.max_size"),
        lossy=True,
    ),
    heard(
        "fragments that are above max_size together",
        failed("too large dropped", finding="max size"),
        writes(pieces(b"x" * 5000, 3000)),
        target={"max_size": 4096},
        lossy=True,
    ),
    heard(
        "a small frame that inflates above max_size",
        failed("too large dropped", finding="max size"),
        writes(frame(0xC1, zlib.compress(b"x" * 50_000, wbits=-15) + b"\x00")),
        answer=DEFLATE,
        target={"max_size": 4096, "compression": True},
        lossy=True,
    ),
    breaks(
        "compressed bytes that do not inflate",
        frame(0xC1, b"\xff\xff\xff"),
        answer=DEFLATE,
        target={"compression": True},
    ),
    breaks("a reserved opcode", b"\x83\x00"),
    breaks("a reserved control opcode", b"\x8b\x00"),
    breaks("a reserved bit", frame(0xA1, b"x")),
    breaks("a compressed frame that nobody agreed on", frame(0xC1, b"x")),
    breaks("a masked frame", b"\x81\x81abcdX"),
    breaks("a fragmented ping", frame(0x09, b"x")),
    breaks("a ping of 126 bytes", frame(0x89, b"x" * 126)),
    breaks("a continuation of nothing", frame(0x80, b"x")),
    breaks("a new message within another's fragments", frame(0x01, b"x") + frame(0x81, b"y")),
    breaks("a close frame of one byte", frame(0x88, b"x")),
    breaks("a close frame with a code that may not be sent", frame(0x88, b"\x03\xed")),
    breaks("a close frame with code 999", frame(0x88, b"\x03\xe7")),
    heard(
        "a close frame whose reason is not UTF-8",
        failed("invalid text dropped", finding="protocol"),
        writes(frame(0x88, b"\x03\xe8\xc3\x28")),
        lossy=True,
    ),
    heard(
        "a length of 2^63",
        failed("too large dropped", finding="max size"),
        writes(b"\x81\x7f" + b"\x7f" * 8),
        lossy=True,
    ),
    heard("pings and pongs that nobody asked for", passed(), writes(frame(0x89, b"a") + frame(0x8A, b"b"), said=1)),
    heard("empty messages", passed(), sends(b""), sends(b"", first=BINARY)),
    heard(
        "fragments with a ping between",
        passed(),
        writes(frame(0x01, b"a") + frame(0x89, b"b") + frame(0x80, b"c"), said=1),
    ),
    heard("a type that would clear the screen", passed(), sends(b'{"type":"\x1b[2Jx"}'), hides=("\x1b[2J",)),
    heard("JSON that is nested 50 000 times", passed(), sends(b'{"a":' + b"[" * 50_000)),
    Case(
        "replies above a limit",
        Right("FAILED", frozenset(), ""),
        message=later(0.5),
        scenario={"thresholds": [{"metric": "response.p50", "limit": "< 100ms"}]},
        says=("response.p50 was",),
    ),
]
