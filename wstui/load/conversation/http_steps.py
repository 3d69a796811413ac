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
from wstui.load.http_request import HttpFailed, HttpRequest


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
                    operation.request = HttpRequest(operation.request_spec, seed, words, "step")

    def start(self, talk: Conversation, operation: Operation) -> None:
        """Make the request of a step."""
        talk.replies.hold(operation)
        talk.replies.came = []
        talk.request = self._loop.create_task(self._run(talk, operation.request))

    async def _run(self, talk: Conversation, request: HttpRequest) -> None:
        failed: HttpFailed | None = None
        identities = talk.context.identities
        try:
            certificate = identities.credentials_of(talk.number).certificate(identities.of(talk.number))
            kept = self._connections.pop(talk, None)
            connection = await request.make(self._http, talk, certificate, kept)
            if connection is not None:
                self._connections[talk] = connection
        except HttpFailed as error:
            failed = error
        talk.request = None
        _end_wait(talk, failed)

    def ended(self, talk: Conversation) -> None:
        """The client is gone."""
        if (connection := self._connections.pop(talk, None)) is not None:
            connection.close()


def _end_wait(talk: Conversation, failed: HttpFailed | None) -> None:
    """Count the step, whose answer has come or will not, and go on."""
    replies = talk.replies
    operation, replies.operation = replies.operation, None
    if operation is None or operation.tally is None:
        return
    now, tally = time.monotonic_ns(), operation.tally
    replies.since_ns = talk.sent_ns
    answered = failed is None or failed.outcome is Outcome.REFUSED or failed.cause.kind == "capture"
    if answered:
        tally.counts.done += 1
        tally.round_trip.record(now - talk.sent_ns)
    else:
        tally.counts.lost += 1
    tally.response.record(now - talk.intended_ns)
    if failed is None:
        talk.intended_ns = 0
        talk.resume(True)
        return
    tally.counts.failed += answered
    if talk.phase is OPEN:
        talk.client.end_attempt(failed.outcome, failed.cause, failed.detail)
        return
    report = talk.context.events.expectation_failed if answered else talk.context.events.step_failed
    report(talk.number, failed.cause, failed.detail)
    talk.resume(False)
