"""One loop full of clients: commands in, snapshots out."""

from __future__ import annotations

import asyncio
import gc
import time
import traceback
from collections.abc import Callable

from wstui.load.buffered_client import client_class
from wstui.load.client import LoadClient
from wstui.load.client_pool import ClientPool
from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.connector import Connector
from wstui.load.context import READY, WorkerContext
from wstui.load.conversation.roles import Roles
from wstui.load.conversation.trace import TracedRoles
from wstui.load.credentials import AuthOutcomes
from wstui.load.deadlines import Deadlines, Keepalive
from wstui.load.drain import DrainController
from wstui.load.exchange import EXCHANGES, Exchange
from wstui.load.pacer import Pacer
from wstui.load.protocol import (
    Abort,
    Arrive,
    Command,
    Drain,
    Go,
    Message,
    OperatorBeat,
    Pace,
    Pause,
    Ramp,
    ReleaseMeetings,
    Resume,
    Spec,
    WatchClients,
)
from wstui.load.reports import FailureReports, Reports
from wstui.load.slow_readers import SlowReaders
from wstui.load.subscription import Subscribing
from wstui.measure.steps import Steps

TICK_S = 0.01


class Worker:
    """The clients of one process, on the current loop. Implements `ClientEvents`; `emit` takes what it reports."""

    def __init__(
        self,
        spec: Spec,
        emit: Callable[[Message], None],
        roles: Callable[[Spec, asyncio.AbstractEventLoop], Roles] = Roles,
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._spec = spec
        self.reports = Reports(spec, emit)
        conversation = spec.conversation
        exchange: Exchange
        self._roles: Roles | None = None
        if conversation.roles.roles:
            zero_ns = lambda: self.reports.zero_ns  # noqa: E731
            traced = spec.trace and TracedRoles(spec, loop, self.reports.traced.append, zero_ns)
            exchange = self._roles = traced or roles(spec, loop)
        else:
            exchange = EXCHANGES[conversation.exchange](conversation)
        self._subscriptions = Subscribing(exchange, conversation) if conversation.subscribe else None
        role_of = self._roles.role_name if self._roles is not None else None
        self.context = context = WorkerContext(spec, self._subscriptions or exchange, role_of)
        if self._roles is not None:
            self._roles.context = context
        self.tally = context.tally
        self.counters = context.counters
        self.ended_event = asyncio.Event()
        self.failure = ""  # the traceback of a mistake of our own
        self._connector = Connector(context, loop, spec)
        self._failures = context.events = FailureReports(self.tally, self.reports, self._connector)
        if self._roles is not None and self._connector.http is not None:
            self._roles.use_http(self._connector.http, loop, self._connector.login)
        self._pacer = Pacer(loop, spec.send, spec.seed)
        self._pool = ClientPool(spec, context, self._connector, self._pacer, self._attempt, self._find)
        self._auth_outcomes = AuthOutcomes(spec.auth.mix, self.tally) if spec.auth.mix else None
        self._slow_readers = SlowReaders(conversation.slow_readers, self.tally) if conversation.slow_readers else None
        self._keepalive = Keepalive(spec.send, context) if spec.send.ping_every_ns else None
        self._client_class = client_class(loop)
        self._drain: DrainController | None = None  # once the load has ended
        self.watch = self.reports.watch
        self._live: dict[int, LoadClient] = {}  # ready or closing, by number
        self._deadlines = Deadlines(self._live, spec.connect)
        self._frozen = False
        self._next_tick = 0.0

    async def prepare(self) -> None:
        """Resolve names, which may take time, before the clock of the run starts."""
        await self._connector.resolve()

    # -- commands ----------------------------------------------------------------------------------------------

    def handle(self, command: Command) -> None:
        """Carry out one command."""
        match command:
            case Go(at_ns):
                self.reports.begin(at_ns)
                self._next_tick = self._loop.time()
                self._pool.start()
                self._tick()
            case Ramp() | Arrive():
                self._pool.change(command)
                self._frozen = False
            case Pace(every_ns):
                self.context.closed_loop = self.context.exchange.sends and every_ns == 0
                if self._roles is not None:
                    self._roles.pace(every_ns)
                else:
                    self._pacer.pace(every_ns, self._senders())
                    self._restart_loops()
            case Pause():
                self.context.paused = True
                self._pacer.pause()
                if self._roles is not None:
                    self._roles.rounds.pause()
            case Resume():
                self.context.paused = False
                self._pacer.resume()
                if self._roles is not None:
                    self._roles.rounds.resume()
                else:
                    self._restart_loops()
            case ReleaseMeetings():
                if self._roles is not None:
                    self._roles.meetings.release(command)
            case OperatorBeat(ahead_ns):
                self.context.ahead_ns = self.context.identities.ahead_ns = ahead_ns
            case WatchClients(numbers):
                self.watch.change(frozenset(numbers), self._find)
            case Drain(grace_ns):
                self._begin_drain(grace_ns)
            case Abort():
                self._begin_drain(None)

    def _restart_loops(self) -> None:
        """Send in every closed loop that has nothing in flight."""
        if self.context.closed_loop and not self.context.paused:
            for client in self._senders():
                if not client.pending:
                    client.send()

    def _senders(self) -> list[LoadClient]:
        slow = self._slow_readers
        return [c for c in self._live.values() if c.step is READY and (slow is None or c not in slow)]

    def _begin_drain(self, grace_ns: int | None) -> None:
        """Drain all clients within `grace_ns`, or drop them at once."""
        if grace_ns is not None and self._drain is not None:
            return
        if grace_ns is not None:
            self._pool.reconcile(last=True)  # clients due since the last tick are not behind
        # From now on a client that misses a broadcast misses it because we are closing.
        self.reports.broadcasts(time.monotonic_ns(), self.context, last=True)
        self.context.broadcasts = None
        self.context.paused = True
        self._pacer.stop()
        if self._roles is not None:
            self._roles.rounds.stop()
        if self._drain is None:
            self.counters.unreached = self._pool.behind()
        self._pool.stop()
        if self._slow_readers is not None:
            self._slow_readers.resume_all()
        opening, close_timeout_ns = self._connector.opening, self._spec.connect.close_timeout_ns
        self._drain = DrainController(self._live, opening, self._slow_readers, close_timeout_ns, grace_ns)

    def steps(self) -> Steps:
        """Return what has been counted of logins, steps and roles."""
        login = self._connector.login
        logins = [tally.data() for tally in login.tallies] if login is not None else []
        steps = self._roles.steps() if self._roles is not None else Steps()
        return Steps([*logins, *steps.rows], steps.roles)

    # -- the tick ----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.ended_event.is_set():
            return
        try:
            self._do_tick(time.monotonic_ns())
        except Exception:
            # Without its tick a worker would go on sending and report nothing: end it, and report why.
            self.failure = traceback.format_exc()
            self.ended_event.set()
            return
        if not self.ended_event.is_set():
            self._next_tick = max(self._next_tick + TICK_S, self._loop.time())
            self._loop.call_at(self._next_tick, self._tick)

    def _do_tick(self, now: int) -> None:
        self.reports.health.lag(self._loop.time() - self._next_tick)
        self._pool.reconcile()
        self._connector.expire(now)
        self._deadlines.tick(now)
        if self._roles is not None:
            self._roles.tick(now)
            self.reports.roles(self._roles, self._pool.planned)
        if self._keepalive is not None:
            self._keepalive.tick(now)
        if self._drain is not None and self._drain.advance(now):
            self._pacer.close()
            if self._roles is not None:
                self._roles.close()
            self._connector.close()
            self.ended_event.set()
            self.reports.snapshot(now, self.context, self._connector, self.steps())
            return
        if not self._frozen and self._pool.is_settled():
            # After the ramp clients are long-lived: the collector need not look at them again.
            self._frozen = True
            gc.collect()
            gc.freeze()
        if self.reports.is_due(now):
            self.reports.snapshot(now, self.context, self._connector, self.steps())
            self.reports.broadcasts(now, self.context)

    # -- what clients report -----------------------------------------------------------------------------------

    def _attempt(self, number: int, slot: int, stay_ns: int) -> LoadClient:
        self.counters.attempted += 1
        self.counters.opening += 1
        client = self._client_class(self.context, self, number, slot, stay_ns)
        if number in self.watch.numbers:
            self.watch.begin(client)
        self._connector.start(client)
        return client

    def _find(self, number: int) -> LoadClient | None:
        return self._live.get(number) or self._connector.opening.get(number)

    def redirected(self, client: LoadClient) -> None:
        self._connector.connect(client)

    def opened(self, client: LoadClient) -> None:
        self._connector.upgrade_done()
        if self._roles is not None:
            self._roles.begin(client)
            if client.waiting:
                self._connector.has_own_limits(client)
        if not client.waiting:
            if client.transport is None:
                client.become_ready(client.opened_ns)
            else:
                self._deadlines.settling.append(client)
        self._pool.reconcile()

    def became_ready(self, client: LoadClient, at_ns: int) -> None:
        """Time to connect is until the welcome, or until the upgrade if none is expected."""
        self._connector.discard(client)
        context, counters = self.context, self.counters
        counters.opening -= 1
        counters.ready += 1
        counters.open += 1
        waited = context.exchange.waits or (self._roles is not None and self._roles.has_opening(client))
        self.tally.connect.record((at_ns if waited else client.opened_ns) - client.born_ns)
        self._live[client.number] = client
        self._pool.ready(client)
        if self._auth_outcomes is not None:
            self._auth_outcomes.ended(client.number, Outcome.READY)
        if client.transport is None:  # it only makes HTTP requests
            if self._drain is None and self._roles is not None:
                self._roles.became_ready(client)
            return
        if self._drain is not None or (self._slow_readers is not None and self._slow_readers.take(client)):
            return
        if self._keepalive is not None:
            self._keepalive.add(client, at_ns)
        if self._subscriptions is not None:
            self._subscriptions.begin(client)
        if context.broadcasts is not None:
            context.broadcasts.opened(client.slot, at_ns)
        if self._roles is not None:
            self._roles.became_ready(client)
        elif context.exchange.sends and not context.closed_loop:
            self._pacer.add(client)
        elif context.closed_loop and not context.paused:
            client.send()

    def attempt_ended(self, client: LoadClient, outcome: Outcome, cause: Cause | None, detail: str) -> None:
        self._connector.discard(client)
        if client.opened_ns == 0:
            self._connector.upgrade_done()
        counters = self.counters
        counters.opening -= 1
        setattr(counters, outcome.value, getattr(counters, outcome.value) + 1)
        counters.unreached += outcome is Outcome.DRAINED and not client.leaving
        comes_back = self._pool.gone(client, reconnects=outcome is not Outcome.DRAINED)
        if not comes_back or (cause is not None and cause.kind in ("http 401", "http 403")):
            self.context.identities.forget(client.number)
        if self._auth_outcomes is not None:
            self._auth_outcomes.ended(client.number, outcome, cause)
        if cause is not None:
            counters.rate_limited += cause.kind == "http 429"
            self._failures.record(client.number, cause, detail, outcome.value)

    def began_closing(self, client: LoadClient) -> None:
        self._leave_open(client)
        self.counters.closed += 1
        if self._slow_readers is not None:
            self._slow_readers.begin_closing(client)
        if self.context.broadcasts is not None:
            self.context.broadcasts.closed(client.slot)

    def _leave_open(self, client: LoadClient) -> None:
        self.counters.open -= 1
        self.counters.closing += 1
        self._deadlines.closing[client] = None

    def closed_unready(self, client: LoadClient) -> None:
        self._connector.discard(client)
        counters = self.counters
        counters.opening -= 1
        counters.drained += 1
        counters.unreached += self._drain is not None and not client.leaving
        counters.closing += 1
        self._live[client.number] = client
        self._deadlines.closing[client] = None

    def dropped(self, client: LoadClient, cause: Cause) -> None:
        self._leave_open(client)
        if self._slow_readers is not None and self._slow_readers.ended(client, cause):
            self.counters.closed += 1  # expected
            return
        self.counters.dropped += 1
        if self.context.broadcasts is not None:
            self.context.broadcasts.closed(client.slot)
        self._pool.dropped(client)
        self._failures.record(client.number, cause, "", "dropped")

    def ended(self, client: LoadClient) -> None:
        if self._keepalive is not None:
            self._keepalive.discard(client)
        self._deadlines.closing.pop(client, None)
        if self._live.get(client.number) is client:
            del self._live[client.number]
            self.counters.closing -= 1
            if not self._pool.gone(client, reconnects=True):
                self.context.identities.forget(client.number)
