"""The HTTP requests that clients make in mid-session: a task each, for the time of the request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wstui.load.connect_outcome import Outcome
from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import OPEN
from wstui.load.conversation.program import HTTP, Operation, WorkerRole
from wstui.load.http_client import HttpClient, HttpConnection
from wstui.load.http_request import CompiledRequest, HttpFailed


class HttpSteps:
    """Makes the requests of all steps; a client keeps its connection for its next one."""

    def __init__(
        self, http: HttpClient, loop: asyncio.AbstractEventLoop, seed: int, roles: Iterable[WorkerRole]
    ) -> None:
        self._http = http
        self._loop = loop
        self._connections: dict[Conversation, HttpConnection] = {}
        for role in roles:
            for operation in (*role.opening, *role.leaving):
                if operation.kind == HTTP and operation.request_spec is not None:
                    words = f"{role.name}, {operation.label}"
                    operation.request = CompiledRequest(operation.request_spec, seed, words, "step")

    def start(self, conversation: Conversation, operation: Operation) -> None:
        """Make the request of a step."""
        conversation.replies.wait(operation)
        conversation.replies.early = []
        conversation.request = self._loop.create_task(self._run(conversation, operation.request))

    async def _run(self, conversation: Conversation, request: CompiledRequest) -> None:
        failed: HttpFailed | None = None
        identities = conversation.context.identities
        try:
            certificate = identities.credentials_of(conversation.number).certificate(identities.of(conversation.number))
            kept = self._connections.pop(conversation, None)
            connection = await request.make(self._http, conversation, certificate, kept)
            if connection is not None:
                self._connections[conversation] = connection
        except HttpFailed as error:
            failed = error
        conversation.request = None
        _end_wait(conversation, failed)

    def ended(self, conversation: Conversation) -> None:
        """The client is gone."""
        if (connection := self._connections.pop(conversation, None)) is not None:
            connection.close()


def _end_wait(conversation: Conversation, failed: HttpFailed | None) -> None:
    """Count the step, whose answer has come or will not, and go on."""
    replies = conversation.replies
    operation, replies.operation = replies.operation, None
    if operation is None or operation.tally is None:
        return
    now, tally = time.monotonic_ns(), operation.tally
    replies.since_ns = conversation.sent_ns
    answered = failed is None or failed.outcome is Outcome.REFUSED or failed.cause.kind == "capture"
    if answered:
        tally.counts.done += 1
        tally.round_trip.record(now - conversation.sent_ns)
    else:
        tally.counts.lost += 1
    tally.response.record(now - conversation.intended_ns)
    if failed is None:
        conversation.intended_ns = 0
        conversation.resume(True)
        return
    tally.counts.failed += answered
    if conversation.phase is OPEN:
        conversation.client.end_attempt(failed.outcome, failed.cause, failed.detail)
        return
    report = conversation.context.events.expectation_failed if answered else conversation.context.events.step_failed
    report(conversation.number, failed.cause, failed.detail)
    conversation.resume(False)
