"""Logs clients in by HTTP before they connect: their requests in order, so many clients at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Outcome
from wstui.load.context import ENDED
from wstui.load.http_client import HttpClient, HttpConnection
from wstui.load.http_request import CompiledRequest, HttpFailed
from wstui.load.identity import Identity
from wstui.load.protocol import Spec
from wstui.measure.steps import StepTally

LOGIN = "login"
"""The kind of the rows of logins: one of this name for all requests together, and one for each request with a name."""


class ClientLogin:
    """The logins of a worker's clients."""

    def __init__(self, spec: Spec, http: HttpClient, loop: asyncio.AbstractEventLoop) -> None:
        self._http = http
        self._loop = loop
        self._requests = [
            (CompiledRequest(request, spec.seed, f"login, {request.name or request.label}", LOGIN), request.name)
            for request in spec.login
        ]
        self._tally = StepTally("", LOGIN, LOGIN)
        self._tallies = [StepTally("", name, LOGIN) if name else None for _, name in self._requests]
        self.tallies = [self._tally, *(tally for tally in self._tallies if tally is not None)]
        self.requests = [request for request, _ in self._requests]
        self._limit = spec.http_limit
        self.in_flight = 0

    @property
    def capacity(self) -> int:
        """Return how many more clients may log in now."""
        return self._limit - self.in_flight

    def start(self, client: LoadClient, then: Callable[[LoadClient], None]) -> asyncio.Task[None]:
        """Log a client in, and go on with `then`."""
        self.in_flight += 1
        return self._loop.create_task(self._run(client, then))

    async def _run(self, client: LoadClient, then: Callable[[LoadClient], None]) -> None:
        identities = client.context.identities
        identity = identities.of(client.number)
        counts = self._tally.counts
        counts.begun += 1
        began = time.monotonic_ns()
        try:
            await self.log_in(identity, identities.credentials_of(client.number).certificate(identity))
        except HttpFailed as error:
            self._count(self._tally, began, error)
            identities.forget(client.number)
            client.attempt = None
            client.end_attempt(error.outcome, error.cause, error.detail)
        except asyncio.CancelledError:
            counts.abandoned += 1
            identities.forget(client.number)
        else:
            self._count(self._tally, began, None)
            client.attempt = None
            if client.step is not ENDED:
                then(client)
        finally:
            self.in_flight -= 1

    async def log_in(self, identity: Identity, certificate: tuple[str, str]) -> None:
        """Make all requests of a client. Raises HttpFailed."""
        kept: HttpConnection | None = None
        try:
            for (request, _), tally in zip(self._requests, self._tallies, strict=True):
                began = time.monotonic_ns()
                if tally is not None:
                    tally.counts.begun += 1
                try:
                    kept = await request.make(self._http, identity, certificate, kept)
                except HttpFailed as error:
                    kept = None
                    self._count(tally, began, error)
                    raise
                except asyncio.CancelledError:
                    if tally is not None:
                        tally.counts.abandoned += 1
                    raise
                self._count(tally, began, None)
        finally:
            if kept is not None:
                kept.close()
        identity.logged_in = True

    @staticmethod
    def _count(tally: StepTally | None, began_ns: int, error: HttpFailed | None) -> None:
        if tally is None:
            return
        took = time.monotonic_ns() - began_ns
        if error is not None and error.outcome is not Outcome.REFUSED and error.cause.kind != "capture":
            tally.counts.lost += 1
        else:
            tally.counts.done += 1
            tally.counts.failed += error is not None
        tally.on_time.record(took)
