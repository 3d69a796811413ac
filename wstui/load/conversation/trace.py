"""Conversations of a few clients, message by message: what was sent, what came, what it matched and captured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause
from wstui.load.context import MessageClient
from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.heartbeats import Heartbeats
from wstui.load.conversation.program import Beat, Operation
from wstui.load.conversation.replies import Replies
from wstui.load.conversation.roles import Roles
from wstui.load.protocol import Spec, TraceLine
from wstui.scenario.secrets import MASK, is_secret_header, masker

if TYPE_CHECKING:
    from wstui.load.http_client import HttpClient
    from wstui.load.http_request import Requester
    from wstui.load.login import ClientLogin

_LONGEST = 4096


class _TracedReplies(Replies):
    """Notes why steps fail. The same layout as `Replies`: an object changes from one to the other."""

    __slots__ = ()

    def _count_lost(self, operation: Operation, why: str) -> Cause:
        cause = super()._count_lost(operation, why)
        self._told(cause)
        return cause

    def _failed(self, operation: Operation, cause: Cause, payload: bytes) -> bool:
        self._told(cause)
        return super()._failed(operation, cause, payload)

    def _told(self, cause: Cause) -> None:
        conversation = cast(Conversation, self.conversation)
        cast(TracedRoles, conversation.host).note_end(conversation, cause.message)


class _TracedHeartbeats(Heartbeats):
    """Notes replies that stay away."""

    __slots__ = ()

    def _miss(self, beat: Beat, how: str) -> Cause:
        cause = super()._miss(beat, how)
        conversation = cast(Conversation, self._conversation)
        cast(TracedRoles, conversation.host).note_end(conversation, cause.message)
        return cause


class TracedRoles(Roles):
    """Follows the first `spec.trace` clients of each role, or all if that is 0, and hands over each line.

    Values of variables whose names sound like secrets are masked. A line is complete once the message has been read.
    """

    def __init__(
        self,
        spec: Spec,
        loop: asyncio.AbstractEventLoop,
        note: Callable[[TraceLine], None],
        zero_ns: Callable[[], int] | None = None,
    ) -> None:
        """`zero_ns` returns when the clock of the run was 0; without it times count from now."""
        super().__init__(spec, loop)
        self._note = note
        began_ns = time.monotonic_ns()
        self._zero_ns = zero_ns or (lambda: began_ns)
        self._most = spec.trace
        self._followed: dict[str, set[int]] = {role.name: set() for role in self.roles}
        self._sending = ("", "")
        for role in self.roles:
            for operation in (*role.opening, *role.leaving):
                if operation.render is not None:
                    operation.render = self._labelled(operation.label, _words(operation), operation.render)
            for beat in role.beats:
                beat.render = self._labelled(beat.tally.name or "heartbeat", "", beat.render)

    def use_http(self, client: HttpClient, loop: asyncio.AbstractEventLoop, login: ClientLogin | None) -> None:
        super().use_http(client, loop, login)
        steps = (operation.request for role in self.roles for operation in (*role.opening, *role.leaving))
        for request in (*steps, *(login.requests if login is not None else ())):
            if request is not None:
                request.note = self._note_http

    def _note_http(self, requester: Requester, received: bool, text: str, captured: dict[int, Any]) -> None:
        role = self.role_of(requester.number)
        if self._begins_to_follow(role.name, requester.number):
            named = {role.spec.variables[index]: value for index, value in captured.items()}
            shown = {name: MASK if is_secret_header(name) else value for name, value in named.items()}
            text = _without(text, role.spec.variables, requester.values)
            at_ms = (time.monotonic_ns() - self._zero_ns()) / 1e6
            line = TraceLine(at_ms, role.name, requester.number, received, text, captured=shown, kind="http")
            self._note(line)

    def note_end(self, conversation: Conversation, why: str) -> None:
        """Note that a step of a client failed, and why."""
        self._note(self._line(conversation, True, f"✗ {why}".encode()))

    def _follows(self, conversation: Conversation) -> bool:
        return conversation.number in self._followed[conversation.role.name]

    def _begins_to_follow(self, role: str, number: int) -> bool:
        followed = self._followed[role]
        if number not in followed and self._most and len(followed) >= self._most:
            return False
        followed.add(number)
        return True

    def _labelled(self, label: str, words: str, render: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def rendered(conversation: Any) -> bytes:
            if self._follows(conversation):
                self._sending = label, words
            return render(conversation)

        return rendered

    def begin(self, client: LoadClient) -> None:
        super().begin(client)
        conversation: Any = client.conversation
        if not self._begins_to_follow(conversation.role.name, conversation.number):
            return
        conversation.replies.__class__ = _TracedReplies
        transmit = conversation.transmit

        def traced(first: int, payload: bytes, more: Sequence[tuple[int, bytes]] = ()) -> None:
            step, expected = self._sending
            self._sending = "", ""
            by_itself = "script" if conversation.role.spec.script and conversation.message is None else "answer"
            for _, each in ((first, payload), *more):
                self._note(self._line(conversation, False, each, step or by_itself, expected))
            transmit(first, payload, more)

        conversation.transmit = traced

    def heartbeats_of(self, conversation: Conversation) -> Heartbeats:
        return _TracedHeartbeats(conversation) if self._follows(conversation) else Heartbeats(conversation)

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        conversation = client.conversation
        if conversation is None or not self._follows(conversation):
            super().receive(client, first, payload)
            return
        line = self._line(conversation, True, payload)
        self._note(line)  # before what it brings about
        follow(conversation, line, lambda: super(TracedRoles, self).receive(client, first, payload))

    def _line(
        self, conversation: Conversation, received: bool, payload: bytes, step: str = "", expected: str = ""
    ) -> TraceLine:
        text = _masked(payload[:_LONGEST].decode("utf-8", "backslashreplace"), conversation)
        at_ms = (time.monotonic_ns() - self._zero_ns()) / 1e6
        return TraceLine(at_ms, conversation.role.name, conversation.number, received, text, step, expected)


def follow(conversation: Conversation, line: TraceLine, receive: Callable[[], None]) -> None:
    """Let a conversation receive a message, and write to its line what it matched and captured."""
    waits, values = conversation.replies.operation, list(conversation.values)
    label, expected = (waits.label, _words(waits)) if waits is not None else ("", "")
    receive()
    if conversation.replies.operation is not waits:
        line.step, line.expected = label, expected
    named = zip(conversation.role.spec.variables, values, conversation.values, strict=False)  # a script has one more
    line.captured = {
        name: MASK if is_secret_header(name) else after for name, before, after in named if after != before
    }
    line.text = _masked(line.text, conversation)


def said(conversation: Conversation, line: TraceLine) -> None:
    """Write to the line of a message that is being sent which step sends it."""
    sent = conversation.replies.last_sent
    if sent is not None and conversation.running:
        line.step, line.expected = sent.label, _words(sent)
    elif conversation.running:
        line.step = "script"
    else:
        line.step = "answer" if conversation.message is not None else "heartbeat"
    line.text = _masked(line.text, conversation)


def _masked(text: str, conversation: Conversation) -> str:
    """Return the text without the values of variables that sound like secrets, such as a token of the login."""
    return _without(text, conversation.role.spec.variables, conversation.values)


def _without(text: str, names: Sequence[str], values: Sequence[Any]) -> str:
    named = zip(names, values, strict=False)
    secrets = tuple(value for name, value in named if isinstance(value, str) and is_secret_header(name))
    return masker(secrets)(text) if secrets else text


def _words(operation: Operation) -> str:
    return operation.expect.words if operation.expect is not None else ""
