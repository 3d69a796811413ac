"""Conversations message by message: what was sent, what came, what it matched and captured. Never for a load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wstui.load.client import Client
from wstui.load.context import MessageClient
from wstui.load.conversation.program import Operation
from wstui.load.conversation.roles import Roles
from wstui.load.protocol import Spec

_LONGEST = 4096


@dataclass(slots=True)
class TraceLine:
    """A message of a client: `step` is the one that sent it or that it ended, "" if none did.

    `expected` says what the step waits for, or waited for; `captured` are the variables that have a value since.
    """

    at_ms: float
    role: str
    client: int
    received: bool
    text: str
    step: str = ""
    expected: str = ""
    captured: dict[str, Any] = field(default_factory=dict)


class TracedRoles(Roles):
    """Follows the conversations of its clients, and hands over each line."""

    def __init__(self, spec: Spec, loop: asyncio.AbstractEventLoop, note: Callable[[TraceLine], None]) -> None:
        super().__init__(spec, loop)
        self._note = note
        self._began_ns = time.monotonic_ns()
        self._sending = ("", "")
        for role in self.roles:
            for operation in (*role.opening, *role.leaving):
                if operation.render is not None:
                    operation.render = self._labelled(operation.label, _words(operation), operation.render)
            for beat in role.beats:
                beat.render = self._labelled(beat.tally.name or "heartbeat", "", beat.render)

    def _labelled(self, label: str, words: str, render: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def rendered(talk: Any) -> bytes:
            self._sending = label, words
            return render(talk)

        return rendered

    def begin(self, client: Client) -> None:
        super().begin(client)
        talk: Any = client.conversation
        transmit = talk.transmit

        def traced(first: int, payload: bytes) -> None:
            step, expected = self._sending
            self._sending = "", ""
            self._note(self._line(client, False, payload, step or "answer", expected))
            transmit(first, payload)

        talk.transmit = traced

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        talk = client.conversation
        if talk is None:
            return
        line = self._line(client, True, payload)
        self._note(line)  # before what it brings about
        waits, values = talk.replies.operation, list(talk.values)
        super().receive(client, first, payload)
        if waits is not None and talk.replies.operation is not waits:
            line.step, line.expected = waits.label, _words(waits)
        names = talk.role.spec.variables
        now = zip(names, values, talk.values, strict=True)
        line.captured = {name: after for name, before, after in now if after != before}

    def _line(self, client: Any, received: bool, payload: bytes, step: str = "", expected: str = "") -> TraceLine:
        text = payload[:_LONGEST].decode("utf-8", "backslashreplace")
        at_ms = (time.monotonic_ns() - self._began_ns) / 1e6
        return TraceLine(at_ms, client.conversation.role.name, client.number, received, text, step, expected)


def _words(operation: Operation) -> str:
    return operation.expect.words if operation.expect is not None else ""
