"""Rules about the server: what it has to send again and again, and what it reports as an error or its goodbye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from websockets.frames import CloseCode

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause
from wstui.load.context import WorkerContext
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.program import WorkerRole, nanoseconds
from wstui.load.reply_matcher import MISSING
from wstui.load.text import text_of
from wstui.measure.sanitize import sanitize
from wstui.scenario.units import format_duration


class Watching(Protocol):
    """A conversation as its rules see it."""

    role: WorkerRole
    client: LoadClient
    context: WorkerContext
    number: int
    values: list[Any]
    watched: list[int] | None


def look_for_silence(conversation: Watching, now_ns: int) -> None:
    """End a connection whose server has not sent what it has to, as the clients of the protocol do."""
    assert conversation.watched is not None
    for watchdog, seen_ns in zip(conversation.role.watchdogs, conversation.watched, strict=True):
        within = watchdog.within_ns or nanoseconds(conversation.values[watchdog.variable], 1_000_000)
        if 0 < within <= now_ns - seen_ns:
            what = "nothing" if watchdog.on is None else f"no {watchdog.on.words}"
            words = f"{conversation.role.name}: {what} from the server within {format_duration(within / 1e9)}"
            conversation.client.fail(CloseCode.GOING_AWAY, Cause("heartbeat", words))
            return


def reported(conversation: Watching, kind: MessageKind, document: Any, payload: bytes) -> bool:
    """Count an error that the server reports; its goodbye ends the connection. Return whether it is one."""
    role = conversation.role
    for matcher, paths, closes in kind.errors:
        if kind.is_meant(matcher, document, payload, conversation):
            words = f"{role.name}: {reason_of(role, document, paths) or matcher.words}"
            if closes:
                conversation.client.fail(CloseCode.NORMAL_CLOSURE, Cause("goodbye", words))
            else:
                conversation.context.events.step_failed(
                    conversation.number, Cause("server error", words), sanitize(payload, 120)
                )
            return True
    return False


def reason_of(role: WorkerRole, document: Any, paths: Sequence[Sequence[str]]) -> str:
    """Return the server's own word at the first path of a message that has one, or ""; an error's with its code."""
    for path in paths:
        if (found := role.reader.value(document, path)) not in (MISSING, None, ""):
            return sanitize(text_of(_with_code(found)), 120)
    return ""


def _with_code(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    words, code = found.get("message") or found.get("reason"), found.get("code")
    if code in (None, ""):
        return words or found
    return f"{text_of(words)} ({text_of(code)})" if words else code
