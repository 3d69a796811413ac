"""Servers that go wrong while they talk."""

from __future__ import annotations

import asyncio
import zlib

from tests.servers.server import BINARY, Connection, frame
from tests.truth.case import Case, Right, failed, no_load, passed
from tests.truth.case_server import (
    Act,
    Target,
    after,
    echo,
    later,
    nothing,
    once,
    pieces,
    sends,
    some,
    switched,
    then,
    to_every_other,
    to_others,
    told,
    wait,
    writes,
)

UNANSWERED = failed("timeout unanswered", finding="no replies")
IMPATIENT = {"timeout": 0.3}
INVALID = Right("INVALID", frozenset(), "replies")
NEWS = {"type": "news"}
ALIKE = {"roles": [{"name": "one", "loop": [{"send": "hello", "expect": {"contains": "hello"}}]}]}
"""Nothing in a message tells it from another."""
NUMBERED = {"roles": [{"name": "one", "loop": [{"send": "go"}], "sequence": {"of": NEWS, "number": "n"}}]}
BEAT = {"send": "beat", "every": "100ms"}
LISTEN = {"exchange": "listen"}
DEFLATE = switched(b"Sec-WebSocket-Extensions: permessage-deflate")


def asking(key: str, **more: object) -> dict[str, object]:
    """Clients that say a key and wait for it; `more` of the step, or of the role."""
    role = {name: more.pop(name) for name in ("heartbeats", "errors") if name in more}
    said = {"send": f'{{"type":"say","id":{key}}}', "expect": {"id": key}, **more}
    return {"roles": [{"name": "one", "loop": [said], **role}]}


def counting(step: int) -> Act:
    """Numbers that grow by so many."""
    return sends(*(b'{"type":"news","n":%d}' % (1 + number * step) for number in range(5)))


def _pong(ping: bytes) -> bytes:
    return ping.replace(b'"ping"', b'"pong"').replace(b'"timestamp"', b'"originalTimestamp"')


async def _not_beats(server: Target, client: Connection, first: int, payload: bytes) -> None:
    if payload != b"beat":
        await echo(server, client, first, payload)


async def ticking(server: Target, client: Connection, first: int, payload: bytes) -> None:
    """News again and again."""
    while True:
        server.send(client, b'{"type":"news"}')
        await asyncio.sleep(0.05)


def waiting() -> dict[str, object]:
    """Clients that send nothing, and wait for news in each round."""
    return {"roles": [{"name": "one", "loop": [{"expect": NEWS}]}]}


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
        failed(finding="replies"),
        message=then(echo, echo),
        says=("messages.duplicates was",),
        more=("duplicates",),
    ),
    Case(
        "every reply comes twice, and names its message",
        failed(finding="replies"),
        message=then(echo, echo),
        scenario=asking("{{id}}"),
        more=("duplicates",),
    ),
    Case(
        "every reply comes twice, and names no message",
        failed(finding="replies"),
        message=then(echo, echo),
        messages={"every": 0.3},
        scenario=ALIKE,
        more=("duplicates",),
    ),
    Case(
        "an altered echo beside the true one",
        failed(finding="replies"),
        message=then(told(lambda text: text[:-1] + b"?"), echo),
        says=("messages.unmatched was",),
        more=("altered",),
        zero=("duplicates",),
    ),
    Case(
        "a pong of another client beside one's own",
        failed(finding="replies"),
        message=then(told(_pong), sends(b'{"type":"pong","originalTimestamp":7}')),
        messages={"exchange": "odin"},
        says=("messages.unmatched was",),
        zero=("duplicates",),
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
        INVALID,
        message=to_others(0.2),
        scenario=asking("{{seq}}"),
        says=("several clients send the same key {{seq}}",),
    ),
    Case(
        "a chat room, keys that many clients use, and a limit that is kept",
        INVALID,
        message=to_others(0.2),
        scenario=asking("{{seq}}") | {"thresholds": [{"metric": "response.p99", "limit": "< 60s"}]},
    ),
    Case(
        "a chat room whose members are told apart by nothing",
        failed(finding="replies"),
        message=to_others(0.2),
        scenario=ALIKE,
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
        "a chat room that loses broadcasts, and no limits",
        failed(finding="fan-out"),
        message=to_every_other(0.2),
        messages={"fanout": "on", "fanout_window": 0.5},
        scenario=asking("{{id}}"),
        says=("fanout.completeness was",),
    ),
    Case(
        "broadcasts are followed, and none comes",
        failed(finding="fan-out"),
        messages={"fanout": "on", "fanout_window": 0.5},
        scenario=asking("{{id}}"),
        says=("fanout.completeness was never measured",),
    ),
    Case(
        "numbers of which every other is missing",
        failed(finding="sequence"),
        message=once(counting(2)),
        scenario=NUMBERED,
        says=("sequence.gaps was",),
    ),
    Case(
        "numbers that come twice",
        failed(finding="sequence"),
        message=once(counting(0)),
        scenario=NUMBERED,
        says=("sequence.repeats was",),
    ),
    Case(
        "a push that is waited for and never comes",
        failed("timeout step", finding="steps"),
        scenario={"roles": [{"name": "one", "loop": [{"expect": NEWS, "within": 0.3}]}]},
        says=("messages.failed_steps was", "waited 300ms"),
    ),
    Case(
        "heartbeats that are not answered",
        failed("heartbeat step", finding="steps"),
        message=_not_beats,
        scenario=asking("{{id}}", heartbeats=[{"send": "beat", "every": "300ms", "expect": {"contains": "beat"}}]),
        says=("messages.failed_steps was",),
        lossy=True,
        unbalanced=True,  # heartbeats are no messages of the load
    ),
    Case(
        "errors that the server reports beside the replies",
        failed("server error step", finding="steps"),
        message=then(echo, sends(b'{"type":"error","why":"disk full"}')),
        scenario=asking("{{id}}", errors=[{"on": {"type": "error"}, "reason": ["why"]}]),
        says=("disk full",),
    ),
    Case(
        "an HTTP request of a step, and nobody listens",
        failed("connect step", finding="steps"),
        scenario={"roles": [{"name": "one", "loop": [{"http": {"get": "http://127.0.0.1:9/x"}}]}]},
    ),
    Case(
        "keepalive pings that are not answered",
        failed(finding="pings"),
        opened=wait,
        messages=LISTEN,
        target={"ping_every": 0.1, "close_timeout": 0.3},
        says=("connections.unanswered_pings was",),
    ),
    Case("heartbeats that want no answer", passed(), scenario=asking("{{id}}", heartbeats=[BEAT]), unbalanced=True),
    Case("a push that is waited for", passed(), opened=later(0.1, ticking), scenario=waiting()),
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
