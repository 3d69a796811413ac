"""One run: the state machine, the plan's clock, the operator's commands. Does not know who is watching."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from wstui.execution.health import Endpoints
from wstui.execution.plan import Plan, PlanClock
from wstui.execution.record import Recorder
from wstui.execution.result import Result
from wstui.execution.spec import specs_of
from wstui.execution.status import State, Status
from wstui.execution.summary import Picture, summarize
from wstui.execution.target import PERSONAL, Seen, TargetWatch
from wstui.execution.watch import Watch
from wstui.fleet.fleet import Fleet, Sum
from wstui.fleet.local import LocalTransport
from wstui.fleet.transport import Transport
from wstui.load.command import Abort, Arrive, Command, Drain, Go, Pace, Pause, Ramp, Resume
from wstui.load.ramp import RampLine
from wstui.scenario.model import Scenario, Stage
from wstui.scenario.population import arrivals

NS = 1_000_000_000
TICK_S = 0.1
COUNT_TICK_S = 0.02
ROW_PATIENCE_NS = 600_000_000
"""A row waits this long for a slow shard's snapshot before it is written without it."""
DRAIN_GRACE_S = 5.0


class Run:
    """A scenario on a fleet. `execute` runs it to its end; all else may be called from any thread (see Steerable)."""

    def __init__(self, scenario: Scenario, *, transport: Transport | None = None) -> None:
        self.scenario = scenario
        self._fleet = Fleet(transport or LocalTransport(), specs_of(scenario), self._shard_lost)
        self._plan = Plan(scenario.stages)
        self._clock = PlanClock()
        self._recorder = Recorder(self._fleet.fanout)
        self._state = State.STARTING
        self._target_clients = 0
        self._line = RampLine(0, 0, 0, 0)  # the ramp that the shards are on, by the plan's clock
        self._visitors = 0  # numbers given to visitors so far
        self._every_s = scenario.messages.every
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._actions: deque[Callable[[], None]] = deque()
        self._begun_ns = 0
        self._started: datetime | None = None
        self._row_sum = Sum.nothing()
        self._began: list[tuple[float, str]] = []  # when each stage began, by name; the drain too
        self._boundaries: deque[tuple[Stage, float, float]] = deque()
        self._rows_due = 1
        self._end: Command | None = None
        self._ended_by = ""
        self._aborted = False  # by the operator
        self._watch = Watch(scenario, self._recorder, self._fleet, self._mark)
        self._paused_s = 0.0
        self._target: TargetWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._result: Result | None = None
        self._picture = Picture(scenario, socket.gethostname())
        self._status = self._picture.first()

    # -- the operator (any thread) -----------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The latest picture."""
        return self._status

    def ramp(self, to: int, over_s: float) -> None:
        """See Steerable."""
        self._post(lambda: self._ramp(to, over_s))

    def pace(self, every_s: float) -> None:
        """See Steerable."""
        self._post(lambda: self._pace(every_s))

    def pause(self) -> None:
        """See Steerable."""
        self._post(self._pause)

    def resume(self) -> None:
        """See Steerable."""
        self._post(self._resume)

    def skip(self) -> None:
        """See Steerable."""
        self._post(self._skip)

    def drain(self) -> None:
        """See Steerable."""
        self._post(lambda: self._stop(Drain(round(DRAIN_GRACE_S * NS)), "ended early by the operator", asked=True))

    def abort(self) -> None:
        """See Steerable."""
        self._post(lambda: self._stop(Abort(), "aborted by the operator", asked=True))

    def _post(self, action: Callable[[], None]) -> None:
        self._actions.append(action)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: so has the run
                self._loop.call_soon_threadsafe(self._wake.set)

    # -- who steers it from the run's own loop, in the place of stages -------------------------------------------

    @property
    def active_s(self) -> float:
        """Seconds on the plan's clock, which stands still in a pause."""
        return self._active_s()

    @property
    def fleet(self) -> Fleet:
        """What makes the load."""
        return self._fleet

    def lead(self, to: int, over_s: float) -> None:
        """Lead the number of clients to `to` within `over_s` seconds."""
        self._lead(to, over_s)

    def keep_pace(self, every_s: float) -> None:
        """Let each client send every `every_s` seconds; 0 is a closed loop."""
        self._every_s = every_s
        self._fleet.send(Pace(round(every_s * NS)))

    def note(self, kind: str, text: str) -> None:
        """Mark the timeline. From any thread."""
        self._post(lambda: self._mark(kind, text))

    async def counted(self) -> tuple[Sum, float]:
        """What every shard has counted up to now, and the plan's clock in seconds at that count."""
        until_ns = time.monotonic_ns() - self._begun_ns
        while not self._fleet.reached(until_ns):
            await asyncio.sleep(COUNT_TICK_S)
            if time.monotonic_ns() - self._begun_ns - until_ns > ROW_PATIENCE_NS:
                break
        counted = self._fleet.sum()
        since_s = (time.monotonic_ns() - self._begun_ns - counted.at_ns) / NS
        return counted, max(0.0, self._active_s() - (0.0 if self._clock.paused else since_s))

    def complete(self) -> None:
        """End the plan now, as if its last stage were over."""
        self._post(self._complete)

    def _complete(self) -> None:
        if self._end is None:
            self._end = self._last_drain()

    # -- the run -----------------------------------------------------------------------------------------------

    async def execute(self) -> Result:
        """Run to the end of the plan, or until drained or aborted. Raises FleetError when no load can be made."""
        self._loop = asyncio.get_running_loop()
        self._started = datetime.now().astimezone()
        try:
            self._publish()
            await self._fleet.start()
            self._begin()
            self._watch_target()
            while self._end is None:
                await self._sleep()
                self._act()
                self._advance()
                self._cut_stages()
                self._fleet.settle_broadcasts()
                self._write_rows()
                self._publish()
            await self._complete_row()
            await self._finish(self._end)
        finally:
            if self._watching is not None:
                self._watching.cancel()
            await self._fleet.close()
        return self._conclude()

    def _begin(self) -> None:
        self._begun_ns = time.monotonic_ns()
        self._clock.start(self._begun_ns)
        self._state = State.RUNNING
        self._fleet.send(Go())
        self._mark("start", "run started")
        self._enter_stage()

    def _watch_target(self) -> None:
        endpoints = Endpoints.of(self.scenario)
        if endpoints is None:
            return
        gate = self.scenario.target.health_gate
        self._target = TargetWatch(endpoints, self._seen, lambda text: self._mark("health", text), gate=gate)
        self._watching = asyncio.create_task(self._target.watch())

    def _seen(self) -> Seen:
        counters, types = self._fleet.counters(), self._fleet.types()
        personal = sum(types.get(name, 0) for name in {*PERSONAL, self.scenario.target.welcome})
        return Seen(self._at_s(), counters.wanted, counters.open, counters.received, personal)

    async def _sleep(self) -> None:
        self._wake.clear()
        if self._actions:
            return
        timeout = TICK_S
        if not self._clock.paused:
            now = self._plan_ns()
            left = self._plan.stage.over - self._plan.elapsed_s(self._plan.index, now)
            timeout = min(timeout, max(left, 0.0))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout)

    def _act(self) -> None:
        while self._actions:
            self._actions.popleft()()

    def _advance(self) -> None:
        if self._fleet.lost and len(self._fleet.lost) == self._fleet.size:
            self._stop(Abort(), "every load process was lost")
        if self._target is not None:
            self._recorder.memory_growth = self._target.growth
            if why := self._target.stop_reason():
                self._stop(Drain(round(DRAIN_GRACE_S * NS)), why)
        while self._end is None and not self._clock.paused and self._plan.due(self._plan_ns()):
            self._leave_stage(skipped=False)

    def _leave_stage(self, *, skipped: bool) -> None:
        self._plan.advance(self._plan_ns(), skipped=skipped)
        if self._plan.over:
            self._end = self._last_drain()
        else:
            self._enter_stage(skipped=skipped)

    def _last_drain(self) -> Drain:
        return Drain(round(max(DRAIN_GRACE_S, self.scenario.messages.timeout) * NS))

    def _enter_stage(self, *, skipped: bool = False) -> None:
        stage = self._plan.stage
        self._boundaries.append((stage, self._at_s(), self._active_s()))
        self._began.append((self._at_s(), stage.name))
        if stage.clients is not None:
            self._lead(stage.clients, stage.over)
        elif skipped:
            # The stage that was skipped may have been on its way somewhere: stay where it got to.
            self._lead(self._line.wanted(self._plan_ns()), 0)
        self._admit(stage, cut=skipped)
        arriving = f", {stage.arrive:g}/s arrive" if stage.arrive else ""
        if self.scenario.breakpoint is None:  # a search marks its own steps
            self._mark("stage", f"{stage.name}: {self._target_clients} clients{arriving}, {stage.over:g} s")

    def _admit(self, stage: Stage, *, cut: bool) -> None:
        """Let the visitors of a stage come; `cut`: and no more of the stage before it."""
        if not stage.arrive and not cut:
            return
        self._fleet.send(
            Arrive(
                self._visitors,
                round((stage.arrive or 0.0) * NS),
                round(stage.over * NS),
                round((stage.stay or 0.0) * NS),
                cut,
            )
        )
        self._visitors += arrivals(stage) + 1

    # -- commands, on the run's loop ---------------------------------------------------------------------------

    def _ramp(self, to: int, over_s: float) -> None:
        if self._state in (State.RUNNING, State.PAUSED):
            self._mark("operator", f"operator: {self._target_clients} → {to} clients over {over_s:g} s")
            self._lead(to, over_s)

    def _lead(self, to: int, over_s: float) -> None:
        now_ns = self._plan_ns()
        self._line = RampLine(now_ns, self._line.wanted(now_ns), to, round(over_s * NS))
        self._target_clients = to
        self._fleet.send(Ramp(to, round(over_s * NS)))

    def _pace(self, every_s: float) -> None:
        if self._state in (State.RUNNING, State.PAUSED):
            self._mark("operator", f"operator: a message every {self._every_s:g} s → {every_s:g} s")
            self._every_s = every_s
            self._fleet.send(Pace(round(every_s * NS)))

    def _pause(self) -> None:
        if self._state is State.RUNNING:
            self._state = State.PAUSED
            self._clock.pause(time.monotonic_ns())
            self._fleet.send(Pause())
            self._mark("pause", "paused: connections stay open, nothing is sent")

    def _resume(self) -> None:
        if self._state is State.PAUSED:
            self._state = State.RUNNING
            self._clock.resume(time.monotonic_ns())
            self._fleet.send(Resume())
            self._mark("resume", "resumed")

    def _skip(self) -> None:
        if self._state in (State.RUNNING, State.PAUSED):
            self._mark("operator", f"operator: {self._plan.stage.name} skipped")
            self._leave_stage(skipped=True)

    def _stop(self, command: Drain | Abort, why: str, *, asked: bool = False) -> None:
        if self._end is None:
            self._ended_by, self._aborted = why, asked
            self._end = command
            self._mark("operator" if asked else "broken", why)
        elif isinstance(command, Abort) and self._state is State.DRAINING:
            self._ended_by, self._aborted = self._ended_by or why, self._aborted or asked
            self._fleet.send(command)

    def _shard_lost(self, shard: int, reason: str) -> None:
        if self._state not in (State.FINISHED, State.ABORTED):
            self._mark("shard", f"shard {shard} lost: {reason}")
            self._wake.set()

    # -- the end -----------------------------------------------------------------------------------------------

    async def _complete_row(self) -> None:
        """Let the second that has just ended be reported, before clients begin to leave."""
        due_ns = self._rows_due * NS
        while (elapsed := time.monotonic_ns() - self._begun_ns) >= due_ns:
            if self._fleet.reached(due_ns) or elapsed > due_ns + ROW_PATIENCE_NS:
                self._write_rows()
                return
            await asyncio.sleep(TICK_S / 5)

    async def _finish(self, command: Command) -> None:
        """Bring the fleet to its end, and go on showing what happens."""
        ended_s, active_s = self._at_s(), self._active_s()
        self._paused_s = self._clock.held_ns(time.monotonic_ns()) / NS
        self._state = State.DRAINING
        self._began.append((ended_s, "drain"))
        self._clock.pause(time.monotonic_ns())
        self._mark("end", "draining" if isinstance(command, Drain) else "every connection dropped")
        self._fleet.send(command)
        grace = command.grace_ns / 1e9 if isinstance(command, Drain) else 0.0
        ending = asyncio.create_task(self._fleet.ended(grace + self.scenario.target.close_timeout + 5.0))
        while not ending.done():
            self._act()
            self._write_rows()
            self._publish()
            await asyncio.wait({ending}, timeout=TICK_S)
        if self._watching is not None and self._target is not None:
            self._watching.cancel()
            if not isinstance(command, Abort):  # what was on its way to dropped clients is nobody's false claim
                await self._target.poll_last()
        # What was counted while the run was brought to its end belongs to its last stage.
        self._cut_stages(at_once=True)
        self._fleet.settle_broadcasts(at_once=True)
        if len(self._fleet.lost) == self._fleet.size:
            self._ended_by = self._ended_by or "every load process was lost"
        self._recorder.end_stage(ended_s, self._fleet.sum(), active_s)

    def _conclude(self) -> Result:
        self._state = State.ABORTED if self._aborted else State.FINISHED
        self._watch.conclude(self._active_s())
        self._result = summarize(
            self.scenario,
            self._recorder,
            self._fleet,
            self._watch,
            self._target.summary() if self._target is not None else None,
            started=self._started,
            duration_s=self._at_s(),
            active_s=self._active_s(),
            paused_s=self._paused_s,
            ended_by=self._ended_by,
            aborted=self._aborted,
        )
        self._publish()
        return self._result

    # -- timeline and picture ----------------------------------------------------------------------------------

    def _at_s(self) -> float:
        return (time.monotonic_ns() - self._begun_ns) / NS if self._begun_ns else 0.0

    def _plan_ns(self) -> int:
        return self._clock.elapsed_ns(time.monotonic_ns())

    def _active_s(self) -> float:
        return self._plan_ns() / NS if self._begun_ns else 0.0

    def _mark(self, kind: str, text: str) -> None:
        self._recorder.mark(self._at_s(), kind, text)

    def _cut_stages(self, *, at_once: bool = False) -> None:
        """Cut the counts where a stage began, as soon as every shard has reported up to that moment."""
        while self._boundaries:
            stage, at_s, active_s = self._boundaries[0]
            waited_ns = time.monotonic_ns() - self._begun_ns - round(at_s * NS)
            if not (at_once or self._fleet.reached(round(at_s * NS)) or waited_ns > ROW_PATIENCE_NS):
                return
            self._boundaries.popleft()
            # The first stage begins with the run: nothing was counted before it.
            now = self._fleet.sum() if self._recorder.stages else Sum.nothing()
            self._recorder.begin_stage(stage.name, stage.is_cooldown, at_s, now, active_s)

    def _write_rows(self) -> None:
        due_ns = self._rows_due * NS
        elapsed = time.monotonic_ns() - self._begun_ns
        if elapsed < due_ns or not (self._fleet.reached(due_ns) or elapsed > due_ns + ROW_PATIENCE_NS):
            return
        now = self._fleet.sum()
        paused = self._state is State.PAUSED
        at_s = float(self._rows_due)
        # The row belongs to the stage in which its interval lay, not to the one that has begun since.
        stage = next((name for began_s, name in reversed(self._began) if began_s < at_s - TICK_S), "")
        self._recorder.row(at_s, self._row_sum, now, stage, paused, self._fleet.take_health())
        self._recorder.latest = now
        self._row_sum = now
        self._rows_due = max(self._rows_due + 1, elapsed // NS)
        if why := self._watch.look(self._active_s()):
            self._stop(Drain(round(DRAIN_GRACE_S * NS)), why)

    def _publish(self) -> None:
        self._status = self._picture.of(
            state=self._state,
            fleet=self._fleet,
            recorder=self._recorder,
            plan=self._plan,
            plan_ns=self._plan_ns() if self._begun_ns else 0,
            elapsed_s=self._at_s(),
            started=self._started,
            target_clients=self._target_clients,
            every_s=self._every_s,
            watch=self._watch,
            target=self._target.latest if self._target is not None else None,
            note=self._ended_by,
            result=self._result,
        )
