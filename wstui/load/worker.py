"""One loop full of clients: commands in, snapshots out."""

from __future__ import annotations

import asyncio
import gc
import select
import time
import traceback
from collections import deque
from collections.abc import Callable

from wstui.load.auth_outcomes import AuthOutcomes
from wstui.load.broadcasts import Broadcasts
from wstui.load.client import BufferedClient, Client
from wstui.load.client_pool import ClientPool
from wstui.load.client_state import READY
from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.connector import Connector
from wstui.load.credentials import Credentials
from wstui.load.drain import DrainController
from wstui.load.exchange import EXCHANGES, Exchange
from wstui.load.handshake import Upgrade
from wstui.load.keepalive import Keepalive
from wstui.load.messaging import Messaging
from wstui.load.pacer import Pacer
from wstui.load.protocol import Abort, Arrive, BroadcastReport, Command, Drain, Go, Pace, Pause, Ramp, Resume, Spec
from wstui.load.selfcheck import SelfCheck
from wstui.load.slow_readers import SlowReaders
from wstui.load.subscription import Subscribing
from wstui.load.templates import TemplateExchange
from wstui.measure.counters import Tally
from wstui.measure.fanout import ClockOffset
from wstui.measure.sanitize import visible
from wstui.measure.snapshot import Snapshot

TICK_S = 0.01
SNAPSHOT_NS = 200_000_000
LATE_NS = 10_000_000
"""A send this much behind its intended time counts as late."""
SWEEP_TICKS = 25
"""Every client's outstanding replies are looked at once in this many ticks."""


class Worker:
    """The clients of one process. Runs on the current loop; says a snapshot to `say` every 200 ms, and what
    it heard of broadcasts when their windows close."""

    late_ns = LATE_NS

    def __init__(self, spec: Spec, say: Callable[[Snapshot | BroadcastReport], None]) -> None:
        loop = asyncio.get_running_loop()
        self.spec = spec
        self.tally = Tally()
        self.counters = self.tally.counters
        self.timeout_ns = spec.timeout_ns
        self._subscriptions: Subscribing | None = None
        self.exchange: Exchange = TemplateExchange(spec) if spec.script.phrases else EXCHANGES[spec.exchange](spec)
        if spec.subscribe:
            self.exchange = self._subscriptions = Subscribing(self.exchange, spec)
        self._slow = SlowReaders(spec.slow_readers, self.tally) if spec.slow_readers else None
        self.broadcasts = Broadcasts(spec.fanout_window_ns, self.tally.types) if spec.fanout else None
        self.keepalive = Keepalive(spec, self.counters) if spec.ping_every_ns else None
        self.clock = ClockOffset()
        self.closed_loop = self.exchange.sends and spec.every_ns == 0
        self.held = False  # paused, or past the end: closed loops send no more
        self.now = time.monotonic_ns()
        self.epoch_ns = time.time_ns() - time.monotonic_ns()
        self.ended_event = asyncio.Event()
        self.failure = ""  # the traceback of a mistake of our own
        self._identity = Credentials(spec)
        self._admission = AuthOutcomes(spec.mix, self.tally) if spec.mix else None
        self._connector = Connector(spec, loop, self._identity.address)
        self._pacer = Pacer(loop, spec.every_ns, spec.arrivals, spec.jitter, spec.seed)
        self._check = SelfCheck(spec)
        # Our own sockets and uvloop have lean ways to hand over bytes.
        lean = hasattr(select, "epoll") or type(loop).__module__.startswith("uvloop")
        self._client = Client if lean else BufferedClient
        self._loop = loop
        self._say = say
        self._departure: DrainController | None = None  # begun when the load ends
        self._zero_ns = 0
        self._sequence = 0
        self._live: dict[int, Client] = {}  # ready or closing, by number
        self._population = ClientPool(spec, self.tally, self._connector, self._attempt, self._find)
        self._settling: deque[Client] = deque()
        self._closing: dict[Client, None] = {}
        self._sweep: list[Client] = []
        self._frozen = False
        self._next_tick = 0.0

    async def prepare(self) -> None:
        """Do what may take time before the run's clock starts: name resolution."""
        await self._connector.resolve()

    # -- commands ----------------------------------------------------------------------------------------------

    def handle(self, command: Command) -> None:
        """Carry out one command."""
        match command:
            case Go(at_ns):
                self._zero_ns = time.monotonic_ns() - at_ns
                self._next_tick = self._loop.time()
                self._tick()
            case Ramp(to, over_ns):
                self._population.ramp(to, over_ns, self._pacer.clock())
                self._thaw()
                self._reconcile()
            case Arrive():
                self._population.arrive(command, self._pacer.clock())
                self._thaw()
                self._reconcile()
            case Pace(every_ns):
                self.closed_loop = self.exchange.sends and every_ns == 0
                self._pacer.pace(every_ns, self._senders())
                self._restart_loops()
            case Pause():
                self.held = True
                self._pacer.pause()
            case Resume():
                self.held = False
                self._pacer.resume()
                self._restart_loops()
            case Drain(grace_ns):
                self._leave(grace_ns)
            case Abort():
                self._leave(None)
            case _:
                pass

    def _restart_loops(self) -> None:
        """Closed loops that have nothing in flight begin anew."""
        if self.closed_loop and not self.held:
            for client in self._senders():
                if not client.pending:
                    client.send()

    def _senders(self) -> list[Client]:
        """The ready clients, without those that do nothing but not read."""
        slow = self._slow
        return [c for c in self._live.values() if c.step is READY and (slow is None or c not in slow)]

    def _leave(self, grace_ns: int | None) -> None:
        """Let everybody go: within `grace_ns`, or at once."""
        if grace_ns is not None and self._departure is not None:
            return
        # From now on who misses a broadcast misses it because we are leaving.
        self._tell_broadcasts(time.monotonic_ns(), last=True)
        self.broadcasts = None
        self.held = True
        self._pacer.stop()
        if self._departure is None:
            self.counters.unreached = self._population.behind(self._pacer.clock())
        self._population.stop_reconnecting()
        if self._slow is not None:
            self._slow.resume_all()
        opening = self._connector.opening
        self._departure = DrainController(self._live, opening, self._slow, self.spec.close_timeout_ns, grace_ns)

    # -- the loop's own tick -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.ended_event.is_set():
            return
        try:
            self._do_tick(time.monotonic_ns())
        except Exception:
            # A worker without its tick would go on sending and say nothing: better it ends, and says why.
            self.failure = traceback.format_exc()
            self.ended_event.set()
            return
        if not self.ended_event.is_set():
            self._next_tick = max(self._next_tick + TICK_S, self._loop.time())
            self._loop.call_at(self._next_tick, self._tick)

    def _do_tick(self, now: int) -> None:
        self._check.lag(self._loop.time() - self._next_tick)
        self._reconcile()
        self._connector.expire(now)
        self._settle(now)
        self._expire_replies(now)
        if self.keepalive is not None:
            self.keepalive.tick(now)
        if self._departure is not None and self._departure.advance(now):
            self._end(now)
            return
        self._freeze_when_quiet()
        if now - self._zero_ns >= (self._sequence + 1) * SNAPSHOT_NS:
            self._publish_snapshot(now)
            self._tell_broadcasts(now)

    def _reconcile(self) -> None:
        if self._departure is None and self._zero_ns:
            self._population.approach(self._pacer.clock(), held=self.held)

    def _attempt(self, number: int, place: int, stay_ns: int) -> Client:
        counters = self.counters
        counters.attempted += 1
        counters.opening += 1
        client = self._client(self, number, place, self._identity.address)
        client.stay_ns = stay_ns
        self._connector.start(client)
        return client

    def _find(self, number: int) -> Client | None:
        """The client that has this number now, on its way or ready."""
        return self._live.get(number) or self._connector.opening.get(number)

    def _settle(self, now: int) -> None:
        """Clients without a welcome are ready when they have stayed open long enough."""
        settling = self._settling
        while settling and now - settling[0].opened_ns >= self.spec.settle_ns:
            settling.popleft().become_ready(now)

    def _expire_replies(self, now: int) -> None:
        if not self._sweep:
            self._sweep = list(self._live.values())
        count = len(self._sweep) // SWEEP_TICKS + 1
        for client in self._sweep[-count:]:
            if client.pending:
                client.expire(now)
        del self._sweep[-count:]
        closing = self._closing
        while closing:
            client = next(iter(closing))
            if now - client.closing_ns < self.spec.close_timeout_ns:
                break
            del closing[client]
            client.abort()

    def _end(self, now: int) -> None:
        self._pacer.close()
        self._connector.close()
        self.ended_event.set()
        self._publish_snapshot(now)

    def _tell_broadcasts(self, now: int, *, last: bool = False) -> None:
        if self.broadcasts is None:
            return
        self.counters.late_broadcasts = self.broadcasts.late
        receipts = self.broadcasts.expired(now, self.epoch_ns, last=last)
        if receipts:
            low, high = self.clock.low, self.clock.high
            clock = None if low is None or high is None else (int(low), int(high))
            self._say(BroadcastReport(self.spec.worker, now, receipts, clock))

    def _publish_snapshot(self, now: int) -> None:
        at = now - self._zero_ns
        self._sequence = at // SNAPSHOT_NS
        counters = self.counters
        health = self._check.take(counters.open + counters.opening + counters.closing)
        snapshot = self.tally.snapshot(self.spec.worker, self._sequence, at, health)
        snapshot.addresses = self._connector.dialer.opened
        self._say(snapshot)

    def _freeze_when_quiet(self) -> None:
        """Once the ramp is done, clients are long-lived: the collector need not look at them again."""
        if not self._frozen and self._population.is_settled(self._pacer.clock()):
            self._frozen = True
            gc.collect()
            gc.freeze()

    def _thaw(self) -> None:
        # What is frozen stays so; the clients of a further ramp are frozen when it is done.
        self._frozen = False

    # -- what clients say --------------------------------------------------------------------------------------

    def upgrade(self, client: Client) -> Upgrade:
        """The upgrade that a client asks for."""
        return self._identity.upgrade(client.number, client.redirected)

    def redirected(self, client: Client) -> None:
        """A client goes on at another address of the same server."""
        self._connector.connect(client)

    @property
    def wants_certificate(self) -> bool:
        """Whether the server asks clients for a certificate, and they have none."""
        return self._connector.wants_certificate and not self.spec.cert_file

    def opened(self, client: Client) -> None:
        """The upgrade succeeded."""
        self._connector.upgrade_done()
        if not client.waiting:
            self._settling.append(client)
        self._reconcile()

    def became_ready(self, client: Client, at_ns: int) -> None:
        """The ready condition is met. Time to connect is until the welcome, or until the upgrade where none comes."""
        self._connector.over(client)
        tally = self.tally
        counters = tally.counters
        counters.opening -= 1
        counters.ready += 1
        counters.open += 1
        tally.connect.record((at_ns if self.exchange.waits else client.opened_ns) - client.born_ns)
        self._live[client.number] = client
        self._population.ready(client, self._pacer.clock())
        if self._admission is not None:
            self._admission.ended(client.number, Outcome.READY)
        if self._departure is not None:
            return
        if self._slow is not None and self._slow.take(client):
            return
        if self.keepalive is not None:
            self.keepalive.add(client, at_ns)
        if self._subscriptions is not None:
            self._subscriptions.begin(client)
        if self.broadcasts is not None:
            self.broadcasts.opened(client.slot, at_ns)
        if not self.exchange.sends:
            return
        if not self.closed_loop:
            self._pacer.add(client)
        elif not self.held:
            client.send()

    def attempt_ended(self, client: Client, outcome: Outcome, cause: Cause | None, detail: str) -> None:
        """An attempt ended without becoming ready."""
        self._connector.over(client)
        if client.opened_ns == 0:
            self._connector.upgrade_done()
        counters = self.counters
        counters.opening -= 1
        setattr(counters, outcome.value, getattr(counters, outcome.value) + 1)
        counters.unreached += outcome is Outcome.DRAINED and not client.leaving
        self._population.gone(client, self._pacer.clock(), returns=outcome is not Outcome.DRAINED)
        if self._admission is not None:
            self._admission.ended(client.number, outcome, cause)
        if cause is not None:
            counters.rate_limited += cause.kind == "http 429"
            self._failure(client, cause, detail, outcome.value)

    def reply_timed_out(self, client: Messaging, waited_ns: int, cause: Cause) -> None:
        """A message will not be answered: it enters the response times with what was waited for it."""
        self.counters.reply_timeouts += 1
        self.tally.response.record(waited_ns)
        self._failure(client, cause, "", "unanswered")

    def expectation_failed(self, client: Messaging, cause: Cause, detail: str) -> None:
        """A reply came, and it is not as it should be."""
        self.counters.broken_expectations += 1
        self._failure(client, cause, detail, "unexpected")

    def invalid_text(self, client: Messaging, payload: bytes) -> None:
        """A text message is not UTF-8."""
        self.counters.invalid_texts += 1
        self._failure(client, Cause("invalid text", "a text message is not UTF-8"), visible(payload, 120), "unexpected")

    def began_closing(self, client: Client) -> None:
        """We close a ready connection."""
        counters = self.counters
        counters.open -= 1
        counters.closing += 1
        counters.closed += 1
        self._closing[client] = None
        if self._slow is not None:
            self._slow.leaves(client)
        if self.broadcasts is not None:
            self.broadcasts.closed(client.slot)

    def closed_unready(self, client: Client) -> None:
        """We close an open connection that is not ready yet."""
        self._connector.over(client)
        counters = self.counters
        counters.opening -= 1
        counters.drained += 1
        counters.unreached += self._departure is not None and not client.leaving
        counters.closing += 1
        self._live[client.number] = client
        self._closing[client] = None
        if self._admission is not None:
            self._admission.ended(client.number, Outcome.DRAINED)

    def dropped(self, client: Client, cause: Cause) -> None:
        """The other side ended a ready connection."""
        counters = self.counters
        counters.open -= 1
        counters.closing += 1
        self._closing[client] = None
        if self._slow is not None and self._slow.ended(client, cause):
            counters.closed += 1  # as it should be
            return
        counters.dropped += 1
        if self.broadcasts is not None:
            self.broadcasts.closed(client.slot)
        if self._departure is None:
            self._population.dropped(client, self._pacer.clock())
        self._failure(client, cause, "", "dropped")

    def ended(self, client: Client) -> None:
        """A connection that we had closed, or that was ready, is gone."""
        if self.keepalive is not None:
            self.keepalive.gone(client)
        self._closing.pop(client, None)
        if self._live.get(client.number) is client:
            del self._live[client.number]
            self.counters.closing -= 1
            self._population.gone(client, self._pacer.clock(), returns=True)

    def _failure(self, client: Messaging, cause: Cause, detail: str, outcome: str) -> None:
        at = time.monotonic_ns() - self._zero_ns
        self.tally.failures.record(
            cause.kind, cause.message, at, client.number, detail, local=cause.local, outcome=outcome
        )
