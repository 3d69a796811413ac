"""One run: the state machine and the operator's commands. Does not know who is watching."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import datetime

from wstui.execution.run import commands
from wstui.execution.run.command_queue import CommandQueue, set_answer
from wstui.execution.run.commands import Answer, RunCommand, Sender, carried_out, refusal
from wstui.execution.run.compile import specs_of
from wstui.execution.run.failover import Failover
from wstui.execution.run.load_controller import LoadController
from wstui.execution.run.result import Result
from wstui.execution.run.result_builder import Ending
from wstui.execution.run.run_monitor import RunMonitor
from wstui.execution.run.sampler import Sampler
from wstui.execution.run.status import State, Status
from wstui.execution.run.status_builder import StatusBuilder
from wstui.execution.run.target.endpoint_poller import EndpointPoller
from wstui.execution.run.target.monitor import PERSONAL, ClientView, TargetWatch
from wstui.execution.run.timeline_recorder import Recorder
from wstui.fleet.fleet import Fleet
from wstui.fleet.hosts.host_probe import hosts_of
from wstui.fleet.transport import Transport
from wstui.fleet.transport_factory import transport_of
from wstui.load.protocol import Abort, Command, Drain, Go
from wstui.measure.snapshot import Totals
from wstui.scenario.handshake_checks import goes_without_token
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of
from wstui.scenario.units import grouped

NS = 1_000_000_000
TICK_S = 0.1
DRAIN_GRACE_S = 5.0
ALL_LOST = "every worker was lost, so that the run did not come to its end"


class Run:
    """A scenario on a fleet. `execute` runs it to its end; `send` steers it from any thread."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        transport: Transport | None = None,
        host_warnings: Callable[[Fleet, Scenario], Iterable[str]] = lambda fleet, scenario: (),
    ) -> None:
        """`host_warnings` says what the started hosts may lack, for the timeline."""
        self.scenario = scenario
        self._host_warnings = host_warnings
        self._fleet = Fleet(transport or transport_of(scenario), self._worker_lost, mask_of(scenario))
        self._recorder = Recorder(self._fleet.totals.fanout)
        self._seconds = Sampler(self._recorder, self._fleet)
        self._course = LoadController(
            scenario, self._fleet, self._mark, lambda stage: self._seconds.enter(stage, self._course.active_s)
        )
        self._state = State.STARTING
        self._queue = CommandQueue()
        self._started: datetime | None = None
        self._end: Command | None = None
        self._ended_by = ""
        self._aborted = False  # by the operator
        self._watch = RunMonitor(scenario, self._recorder, self._fleet, self._mark)
        self._paused_s: float | None = None  # when the load has ended
        self._target: TargetWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._losses = Failover(
            self._fleet,
            self._mark,
            lambda: [Go(self._seconds.at_ns), *self._course.catch_up()],
            by_itself=scenario.fleet.on_loss == "redistribute",
        )
        self._picture = StatusBuilder(scenario, self._fleet, self._recorder, self._course, self._watch)
        self._status = self._picture.first()

    # -- the operator (any thread) -----------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The latest picture."""
        return self._status

    def send(self, command: RunCommand, *, by: Sender = "operator") -> Future[Answer]:
        """Hand over a command, from any thread; the future holds what became of it.

        The search sends from the run's own loop, and its commands take effect at once.
        """
        future = self._queue.put(command, by)
        if by == "search":
            self._act()
        return future

    def close(self) -> None:
        """Answer that the run has ended, now and to whatever is sent from now on."""
        self._queue.close()

    # -- who steers it from the run's own loop, in the place of stages -------------------------------------------

    @property
    def active_s(self) -> float:
        """Seconds on the plan's clock, which stands still in a pause."""
        return self._course.active_s

    @property
    def fleet(self) -> Fleet:
        """What makes the load."""
        return self._fleet

    def note(self, kind: str, text: str) -> None:
        """Mark the timeline. From any thread."""
        self._queue.note(kind, text)

    async def counted(self) -> tuple[Totals, float]:
        """What every worker has counted up to now, and the plan's clock in seconds at that count."""
        counted, since_s = await self._seconds.counted()
        return counted, max(0.0, self._course.active_s - (0.0 if self._course.paused else since_s))

    # -- the run -----------------------------------------------------------------------------------------------

    async def execute(self) -> Result:
        """Run to the end of the plan, or until drained or aborted. Raises FleetError when no load can be made."""
        try:
            return await self._execute()
        finally:
            self.close()

    async def _execute(self) -> Result:
        self._queue.open()
        self._started = datetime.now().astimezone()
        try:
            self._publish()
            if not await self._start():
                return self._conclude()
            self._begin()
            self._watch_target()
            while self._end is None:
                await self._sleep()
                self._act()
                self._advance()
                self._seconds.cut_stages()
                self._fleet.settle_broadcasts()
                self._write_row()
                self._publish()
            await self._seconds.whole()
            self._write_row()
            await self._finish(self._end)
        finally:
            if self._watching is not None:
                self._watching.cancel()
            await self._losses.close()
            await self._fleet.close()
        self._recorder.amend(self._fleet.totals.sum())
        if self._all_lost:
            self._ended_by = self._ended_by or ALL_LOST
        return self._conclude()

    async def _start(self) -> bool:
        """Start the fleet; whether it was, rather than ended by the operator while other machines kept one waiting."""
        starting = asyncio.create_task(self._start_fleet())
        try:
            while not starting.done() and self._end is None:
                await asyncio.wait({starting}, timeout=TICK_S if self.scenario.fleet.is_remote else None)
                if self.scenario.fleet.is_remote:
                    self._act()
        finally:
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
        if starting.cancelled():
            return False
        starting.result()
        return True

    async def _start_fleet(self) -> None:
        await self._fleet.start(specs_of(self.scenario, await self._fleet.capacity(self.scenario.fleet.workers)))

    def _begin(self) -> None:
        now_ns = time.monotonic_ns()
        self._seconds.start(now_ns)
        self._state = State.RUNNING
        self._fleet.send(Go())
        self._mark("start", "run started")
        for text in self._host_warnings(self._fleet, self.scenario):
            self._mark("warning", text)
        if goes_without_token(self.scenario):
            self._mark("warning", "auth.token is empty: clients bring none")
        self._course.start(now_ns)

    def _watch_target(self) -> None:
        endpoints = EndpointPoller.of(self.scenario)
        if endpoints is None:
            return
        told = self.scenario.target
        self._target = TargetWatch(
            endpoints,
            self._seen,
            lambda text: self._mark("health", text),
            gate=told.health_gate,
            every_s=told.health_every,
        )
        self._watching = asyncio.create_task(self._target.watch())

    def _seen(self) -> ClientView:
        counters, types = self._fleet.totals.counters(), self._fleet.totals.types()
        personal = sum(types.get(name, 0) for name in {*PERSONAL, self.scenario.target.welcome})
        return ClientView(self._seconds.at_s, counters.wanted, counters.open, counters.received, personal)

    async def _sleep(self) -> None:
        await self._queue.wait(TICK_S if self._course.paused else min(TICK_S, self._course.left_s))

    def _advance(self) -> None:
        if self._all_lost:
            self._stop(Abort(), ALL_LOST)
        elif self._end is None:
            self._losses.advance()
        if self._target is not None:
            self._recorder.memory_growth = self._target.growth.per_hour if self._target.growth else None
            if why := self._target.stop_reason():
                self._stop(Drain(round(DRAIN_GRACE_S * NS)), why)
        if self._end is None and not self._course.advance():
            self._end = self._last_drain()

    @property
    def _all_lost(self) -> bool:
        return bool(self._fleet.totals.lost) and len(self._fleet.totals.lost) == self._fleet.size

    def _last_drain(self) -> Drain:
        """Wait for replies and connects under way as long as each of them may take."""
        longest = max(DRAIN_GRACE_S, self.scenario.messages.timeout, self.scenario.target.connect_timeout)
        return Drain(round(longest * NS))

    # -- commands, on the run's loop ---------------------------------------------------------------------------

    def _act(self) -> None:
        for kind, note in self._queue.notes():
            self._mark(kind, note)
        for command, by, future in self._queue.commands():
            if by == "search":
                self._carry_out(command, by)
                set_answer(future, Answer(True, ""))
                continue
            self._publish()  # the answer tells the figures of this moment
            why = refusal(command, self._status)
            text = why or carried_out(command, self._status)
            if not why:
                self._carry_out(command, by)
            set_answer(future, Answer(not why, text))

    def _carry_out(self, command: RunCommand, by: Sender) -> None:
        course = self._course
        match command:
            case commands.RampTo(clients, over_s):
                if by == "operator":
                    change = f"{grouped(course.target_clients)} → {grouped(clients)}"
                    self._mark("operator", f"operator: {change} clients over {over_s:g} s")
                course.ramp_to(clients, over_s)
            case commands.SetInterval(every_s):
                if by == "operator":
                    self._mark("operator", f"operator: a message every {course.every_s:g} s → {every_s:g} s")
                course.set_interval(every_s)
            case commands.PauseRun():
                self._state = State.PAUSED
                course.pause()
                self._mark("pause", "paused: connections stay open, nothing is sent")
            case commands.ResumeRun():
                self._state = State.RUNNING
                course.resume()
                self._mark("resume", "resumed")
            case commands.SkipStage():
                self._mark("operator", f"operator: {course.plan.stage.name} skipped")
                course.leave_stage(skipped=True)
            case commands.Redistribute():
                self._losses.redistribute()
            case commands.CompletePlan():
                self._end = self._end or self._last_drain()
            case commands.DrainRun():
                self._stop(Drain(round(DRAIN_GRACE_S * NS)), "ended early by the operator", asked=True)
            case commands.AbortRun():
                self._stop(Abort(), "aborted by the operator", asked=True)

    def _stop(self, command: Drain | Abort, why: str, *, asked: bool = False) -> None:
        if self._end is None:
            self._ended_by, self._aborted = why, asked
            self._end = command
            self._mark("operator" if asked else "broken", why)
        elif isinstance(command, Abort) and not self._state.ended:
            self._ended_by, self._aborted = self._ended_by or why, self._aborted or asked
            if self._state is State.DRAINING:
                self._fleet.send(command)
            else:
                self._end = command  # the drain that was asked for a moment ago has not begun

    def _worker_lost(self, worker: int, reason: str, at_ns: int) -> None:
        if self._state not in (State.FINISHED, State.ABORTED) and (text := self._losses.tell(worker, reason)):
            self._recorder.mark(self._seconds.since_s(at_ns), "worker", text)
            self._queue.wake()

    # -- the end -----------------------------------------------------------------------------------------------

    async def _finish(self, command: Command) -> None:
        """Bring the fleet to its end, and go on showing what happens."""
        ended_s, active_s = self._seconds.at_s, self._course.active_s
        self._paused_s = self._course.paused_s
        self._state = State.DRAINING
        self._seconds.name("drain")
        self._course.stop()
        await self._losses.close()
        self._mark("end", "draining" if isinstance(command, Drain) else "every connection dropped")
        self._fleet.send(command)
        grace = command.grace_ns / 1e9 if isinstance(command, Drain) else 0.0
        ending = asyncio.create_task(self._fleet.ended(grace + self.scenario.target.close_timeout + 5.0))
        while not ending.done():
            self._act()
            self._write_row()
            self._publish()
            await asyncio.wait({ending}, timeout=TICK_S)
        if self._watching is not None and self._target is not None:
            self._watching.cancel()
            if not isinstance(command, Abort):  # what was on its way to dropped clients is nobody's false claim
                await self._target.poll_last()
        # What was counted while the run was brought to its end belongs to its last stage.
        self._seconds.cut_stages(at_once=True)
        self._fleet.settle_broadcasts(at_once=True)
        # What was sent before the end was obeyed is rated over the time that it took.
        self._course.overrun_s = overrun_s = self._seconds.overrun_s(ended_s)
        self._recorder.end_stage(ended_s + overrun_s, self._fleet.totals.sum(), active_s + overrun_s)

    def _conclude(self) -> Result:
        self._state = State.ABORTED if self._aborted else State.FINISHED
        self._watch.conclude(self._course.active_s)
        self._publish(Ending(self._ended_by, self._aborted, self._all_lost))
        return self._status.result

    # -- timeline and picture ----------------------------------------------------------------------------------

    def _mark(self, kind: str, text: str) -> None:
        self._recorder.mark(self._seconds.at_s, kind, text)

    def _write_row(self) -> None:
        written = self._seconds.write_row(paused=self._state is State.PAUSED)
        if written and (why := self._watch.look(self._course.active_s, self._course.every_s)):
            self._stop(Drain(round(DRAIN_GRACE_S * NS)), why)

    def _publish(self, ending: Ending | None = None) -> None:
        self._status = self._picture.of(
            state=self._state,
            started=self._started,
            elapsed_s=self._seconds.at_s,
            paused_s=self._course.paused_s if self._paused_s is None else self._paused_s,
            target=self._target,
            note=self._ended_by or (self._startup_note() if self._state is State.STARTING else ""),
            ending=ending,
        )

    def _startup_note(self) -> str:
        """Return what the run waits for before it begins, or "" if startup is quick."""
        if self.scenario.fleet.scheduler:
            return "joining the Dask cluster"
        names = ", ".join(host.name for host in hosts_of(self.scenario))
        return f"connecting to {names}" if names else ""
