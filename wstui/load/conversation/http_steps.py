"""The HTTP requests that clients make in mid-session: a task each, for the time of the request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from wstui.load.conversation.conversation import Conversation
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
        talk.replies.fetch(operation)
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
        talk.replies.fetched(failed)

    def ended(self, talk: Conversation) -> None:
        """The client is gone."""
        if (connection := self._connections.pop(talk, None)) is not None:
            connection.close()
