"""One run: the state machine, and the operator's commands. Does not know its observers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import datetime

from msgspec.structs import replace

from wstui.execution.run import commands
from wstui.execution.run.client_watches import UNTRACED, ClientWatches, Tracing
from wstui.execution.run.command_queue import CommandQueue, set_answer
from wstui.execution.run.commands import OPERATOR, SEARCH, CommandAnswer, RunCommand, carried_out, refusal
from wstui.execution.run.compile import specs_of
from wstui.execution.run.failover import Failover
from wstui.execution.run.load_controller import LoadController
from wstui.execution.run.operator_marks import mark_of
from wstui.execution.run.result import Result
from wstui.execution.run.result_builder import Ending, settle_of
from wstui.execution.run.run_end import SHORT_DRAIN, RunEnd, last_drain
from wstui.execution.run.run_monitor import RunMonitor
from wstui.execution.run.sampler import Sampler
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.execution.run.status_builder import StatusBuilder
from wstui.execution.run.target.monitor import TargetPolling
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.transport import Transport
from wstui.fleet.transport_factory import transport_of
from wstui.load.protocol import Abort, Command, Drain, Go
from wstui.measure.snapshot import Totals
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of
from wstui.scenario.target_checks import goes_without_token

TICK_S = 0.1
SCRIPT = "the script is wrong"
ALL_LOST = "all workers were lost; the run was cut short"


class Run:
    """A scenario on a fleet. `execute` runs it to its end; `send` steers it from any thread."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        transport: Transport | None = None,
        host_warnings: Callable[[WorkerFleet, Scenario], Iterable[str]] = lambda fleet, scenario: (),
        tracing: Tracing = UNTRACED,
    ) -> None:
        """`host_warnings` says what the started hosts may lack, for the timeline."""
        self._tracing = tracing
        self.scenario = scenario
        self._mask = mask_of(scenario)
        self._host_warnings = host_warnings
        self._watches = ClientWatches(lambda command: self._fleet.send(command))
        self._fleet = WorkerFleet(
            transport or transport_of(scenario), self._worker_lost, self._mask, tracing.note, self._watches.take
        )
        self._recorder = TimelineRecorder(self._fleet.totals.fanout, settle_of(scenario))
        self._sampler = Sampler(self._recorder, self._fleet)
        self._controller = LoadController(
            scenario, self._fleet, self._mark, lambda stage: self._sampler.enter(stage, self._controller.active_s)
        )
        self._state = State.STARTING
        self._queue = CommandQueue()
        self._started: datetime | None = None
        self._end = RunEnd()
        self._monitor = RunMonitor(scenario, self._recorder, self._fleet, self._mark)
        self._paused_s: float | None = None  # set when the load has ended
        self._target = TargetPolling(scenario, self._fleet, self._sampler, lambda text: self._mark("health", text))
        self._failover = Failover(
            self._fleet,
            self._mark,
            lambda: [Go(self._sampler.at_ns), *self._controller.catch_up(), self._watches.command],
            automatic=scenario.fleet.on_loss == "redistribute",
        )
        self._status_builder = StatusBuilder(
            scenario, self._fleet, self._recorder, self._controller, self._monitor, self._watches.lines
        )
        self._status = self._status_builder.first()

    # -- the operator (any thread) -----------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        return self._status

    def send(self, command: RunCommand, *, by: str = OPERATOR) -> Future[CommandAnswer]:
        """Send a command from any thread; the future holds the answer.

        The search sends from the run's own loop, and its commands take effect at once.
        """
        future = self._queue.put(command, by)
        if by == SEARCH:
            self._handle_commands()
        return future

    def close(self) -> None:
        """Answer every command, from now on too, that the run has ended."""
        self._queue.close()

    # -- the search, on the run's own loop ---------------------------------------------------------------------

    @property
    def active_s(self) -> float:
        """Return seconds on the plan's clock, which stops in a pause."""
        return self._controller.active_s

    @property
    def fleet(self) -> WorkerFleet:
        return self._fleet

    def note(self, kind: str, text: str) -> None:
        """Mark the timeline, from any thread."""
        self._queue.note(kind, text)

    async def counted(self) -> tuple[Totals, float]:
        """Return the totals up to now, and the plan's clock in seconds at that count."""
        counted, since_s = await self._sampler.counted()
        return counted, max(0.0, self._controller.active_s - (0.0 if self._controller.paused else since_s))

    # -- the run -----------------------------------------------------------------------------------------------

    async def execute(self) -> Result:
        """Run to the end of the plan, or until drained or aborted. Raises FleetError if no load can be made."""
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
            self._target.start()
            while self._end.command is None:
                await self._sleep()
                if stalled_s := await self._sampler.catch_up():
                    text = f"the operator's process stood still for {stalled_s:.1f} s; the load went on"
                    self._mark("warning", text)
                self._handle_commands()
                self._advance()
                self._sampler.cut_stages()
                self._fleet.settle_broadcasts()
                self._write_row()
                self._publish()
            await self._sampler.wait_for_row()
            self._write_row()
            await self._finish(self._end.command)
        finally:
            self._target.stop()
            await self._failover.close()
            await self._fleet.close()
        self._recorder.amend(self._fleet.totals.sum())
        self._script_is_wrong()
        if self._all_lost:
            self._end.explain(ALL_LOST)
        return self._conclude()

    async def _start(self) -> bool:
        """Start the fleet; False if the operator ended the run while remote hosts were starting."""
        starting = asyncio.create_task(self._start_fleet())
        try:
            while not starting.done() and self._end.command is None:
                await asyncio.wait({starting}, timeout=TICK_S if self.scenario.fleet.is_remote else None)
                if self.scenario.fleet.is_remote:
                    self._handle_commands()
        finally:
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
        if starting.cancelled():
            return False
        starting.result()
        return True

    async def _start_fleet(self) -> None:
        specs = specs_of(self.scenario, await self._fleet.capacity(self.scenario.fleet.workers))
        await self._fleet.start([replace(spec, trace=self._tracing.clients) for spec in specs])

    def _begin(self) -> None:
        now_ns = time.monotonic_ns()
        self._sampler.start(now_ns)
        self._state = State.RUNNING
        self._fleet.send(Go())
        self._mark("start", "run started")
        for text in self._host_warnings(self._fleet, self.scenario):
            self._mark("warning", text)
        if goes_without_token(self.scenario):
            self._mark("warning", "auth.token is empty: clients bring none")
        self._controller.start(now_ns)

    async def _sleep(self) -> None:
        await self._queue.wait(TICK_S if self._controller.paused else min(TICK_S, self._controller.left_s))

    def _advance(self) -> None:
        self._watches.expire()
        if self._script_is_wrong():
            return
        if self._all_lost:
            self._stop(Abort(), ALL_LOST)
        elif self._end.command is None:
            self._failover.advance()
        self._recorder.memory_growth = self._target.memory_growth
        if why := self._target.stop_reason():
            self._stop(SHORT_DRAIN, why)
        if self._end.command is None and not self._controller.advance():
            self._end.complete(last_drain(self.scenario))

    def _script_is_wrong(self) -> bool:
        """Abort when a worker says that a script is wrong. Return whether one is."""
        if self._fleet.mistake and SCRIPT not in self._end.why:
            self._end.why = ""
            self._stop(Abort(), f"{SCRIPT}: {self._fleet.mistake}")
        return bool(self._fleet.mistake)

    @property
    def _all_lost(self) -> bool:
        return bool(self._fleet.totals.lost) and len(self._fleet.totals.lost) == self._fleet.size

    # -- commands, on the run's loop ---------------------------------------------------------------------------

    def _handle_commands(self) -> None:
        for kind, note in self._queue.notes():
            self._mark(kind, note)
        for command, by, future in self._queue.commands():
            if by == SEARCH:
                self._carry_out(command, by)
                set_answer(future, CommandAnswer(True, ""))
                continue
            self._publish()  # the answer contains current figures
            why = refusal(command, self._status)
            text = why or carried_out(command, self._status)
            if not why:
                self._carry_out(command, by)
            set_answer(future, CommandAnswer(not why, self._mask(text)))

    def _carry_out(self, command: RunCommand, by: str) -> None:
        controller = self._controller
        too = "" if by == OPERATOR else f" by {by}"
        if mark := mark_of(command, by, controller, self._status):
            self._mark(*mark)
        match command:
            case commands.RampTo(clients, over_s):
                controller.ramp_to(clients, over_s)
            case commands.SetInterval(every_s):
                controller.set_interval(every_s)
            case commands.PauseRun():
                self._state = State.PAUSED
                controller.pause()
            case commands.ResumeRun():
                self._state = State.RUNNING
                controller.resume()
            case commands.SkipStage():
                controller.leave_stage(skipped=True)
            case commands.Redistribute():
                self._failover.redistribute()
            case commands.WatchClient(client):
                self._watches.watch(client)
            case commands.CompletePlan():
                self._end.complete(last_drain(self.scenario))
            case commands.DrainRun():
                self._stop(SHORT_DRAIN, f"ended early{too or ' by the operator'}", asked=True)
            case commands.AbortRun():
                self._stop(Abort(), f"aborted{too or ' by the operator'}", asked=True)

    def _stop(self, command: Drain | Abort, why: str, *, asked: bool = False) -> None:
        if self._state.ended:
            return
        if self._end.command is None or (asked and isinstance(command, Abort)):
            self._mark("operator" if asked else "broken", why)
        if self._end.stop(command, why, asked=asked) and self._state is State.DRAINING:
            self._fleet.send(command)

    def _worker_lost(self, worker: int, reason: str, at_ns: int) -> None:
        if not self._state.ended and (text := self._failover.tell(worker, reason)):
            self._recorder.mark(self._sampler.since_s(at_ns), "worker", text)
            self._queue.wake()

    # -- the end -----------------------------------------------------------------------------------------------

    async def _finish(self, command: Command) -> None:
        """End the fleet, and go on publishing meanwhile."""
        ended_s, active_s = self._sampler.at_s, self._controller.active_s
        self._paused_s = self._controller.paused_s
        self._state = State.DRAINING
        self._sampler.name("drain")
        self._controller.stop()
        await self._failover.close()
        self._mark("end", "draining" if isinstance(command, Drain) else "every connection dropped")
        self._fleet.send(command)
        grace = command.grace_ns / 1e9 if isinstance(command, Drain) else 0.0
        ending = asyncio.create_task(self._fleet.ended(grace + self.scenario.target.close_timeout + 5.0))
        while not ending.done():
            self._handle_commands()
            self._script_is_wrong()
            self._write_row()
            self._publish()
            await asyncio.wait({ending}, timeout=TICK_S)
        self._target.stop()
        if not isinstance(command, Abort):  # after an abort, deliveries under way would look like false claims
            await self._target.poll_last()
        # Counts of the drain belong to the last stage.
        self._sampler.cut_stages(at_once=True)
        self._fleet.settle_broadcasts(at_once=True)
        # Messages sent before the workers obeyed the end are rated over that time too.
        self._controller.overrun_s = overrun_s = self._sampler.overrun_s(ended_s)
        self._recorder.end_stage(ended_s + overrun_s, self._fleet.totals.sum(), active_s + overrun_s)

    def _conclude(self) -> Result:
        self._state = State.ABORTED if self._end.aborted and not self._end.drained else State.FINISHED
        self._monitor.conclude(self._controller.active_s)
        self._publish(self._end.ending(all_lost=self._all_lost, script_failed=bool(self._fleet.mistake)))
        return self._status.result

    # -- timeline and status -----------------------------------------------------------------------------------

    def _mark(self, kind: str, text: str) -> None:
        self._recorder.mark(self._sampler.at_s, kind, self._mask(text))

    def _write_row(self) -> None:
        written = self._sampler.write_row(paused=self._state is State.PAUSED)
        if written and (why := self._monitor.look(self._controller.active_s, self._controller.every_s)):
            self._stop(SHORT_DRAIN, why)

    def _publish(self, ending: Ending | None = None) -> None:
        self._status = self._status_builder.of(
            state=self._state,
            started=self._started,
            elapsed_s=self._sampler.at_s,
            paused_s=self._controller.paused_s if self._paused_s is None else self._paused_s,
            target=self._target.watch,
            note=self._end.why,
            ending=ending,
        )
