"""Records the timeline of a run: a row per second, marks, and the totals at the borders of stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wstui.execution.run.limits import is_busy, is_stalled
from wstui.execution.run.metrics import failures_of
from wstui.execution.run.result_sections import NS_PER_MS
from wstui.execution.run.window import Window
from wstui.measure.append_log import AppendLog
from wstui.measure.fanout import FanOut
from wstui.measure.histogram import Distribution, Histogram
from wstui.measure.snapshot import Health, Totals
from wstui.measure.steps import Steps
from wstui.measure.timeline import (
    MARKS_KEPT,
    ROWS_KEPT,
    STEPS_FOLLOWED,
    Mark,
    TimelineRow,
    fold_marks,
    fold_rows,
    step_columns,
)


@dataclass(slots=True)
class StageRecord:
    """A stage: times in seconds of the run including pauses; active seconds exclude pauses.

    Active seconds are those of its counts, which begin and end with a snapshot.
    """

    name: str
    is_cooldown: bool
    began_s: float
    began: Totals
    began_active_s: float
    ended_s: float = 0.0
    ended: Totals | None = None
    ended_active_s: float = 0.0
    ready_before: int | None = None  # clients of the stages before it, once they have settled

    def window(self, now: Totals, active_s: float) -> Window:
        """Return the counts of the stage, up to now if it has not ended."""
        if self.ended is not None:
            now, active_s = self.ended, self.ended_active_s
        return Window(now - self.began, max(0.0, active_s - self.began_active_s))


class TimelineRecorder:
    """The growing timeline. Readers follow `rows` and `marks` by position (see AppendLog)."""

    def __init__(self, fanout: FanOut, settle_s: float = 0.0) -> None:
        """`settle_s` is how long a connection has to stay open before its client counts as ready."""
        self.fanout = fanout
        self._settle_s = settle_s
        self.clients_max = 0
        """The most clients that were wanted at once; counted here because old rows are folded."""
        self.memory_growth: float | None = None  # of the target, MiB an hour
        self.rows = AppendLog[TimelineRow](keep=ROWS_KEPT, fold=fold_rows)
        self.marks = AppendLog[Mark](keep=MARKS_KEPT, fold=fold_marks)
        self.stages: list[StageRecord] = []
        self.latest = Totals()
        self.cpu_max = 0.0
        self.busy_s = self.stalled_s = 0  # counted here because old rows are folded
        self.lag = Histogram()
        self._cpu_total = 0.0
        self._written = 0
        self._delivery, self._spread = Distribution(), Distribution()  # of the broadcasts before the current second

    def mark(self, at_s: float, kind: str, text: str) -> None:
        """Add a mark, which may lie a moment back."""
        # Readers remember a position, so a late mark is moved forward rather than inserted.
        self.marks.append(Mark(max(at_s, self.marks[-1].at_s) if self.marks else at_s, kind, text))

    def begin_stage(self, name: str, is_cooldown: bool, at_s: float, now: Totals, active_s: float) -> None:
        """Begin a stage, and end the one before it."""
        self.end_stage(at_s, now, active_s)
        # Nobody came before the first one.
        ready_before = None if self.stages else 0
        self.stages.append(StageRecord(name, is_cooldown, at_s, now, active_s, ready_before=ready_before))

    def end_stage(self, at_s: float, now: Totals, active_s: float) -> None:
        """End the current stage, if any."""
        self.latest = now
        if self.stages and self.stages[-1].ended is None:
            last = self.stages[-1]
            last.ended_s, last.ended, last.ended_active_s = at_s, now, active_s

    def amend(self, now: Totals) -> None:
        """Replace the final totals, such as after a hung worker was lost at the very end."""
        self.latest = now
        if self.stages:
            self.stages[-1].ended = now

    @property
    def cpu_mean(self) -> float | None:
        """Return the mean over all rows of the busiest worker's CPU share."""
        return self._cpu_total / self._written if self._written else None

    def row(
        self, at_s: float, previous: Totals, now: Totals, stage: str, paused: bool, health: list[Health]
    ) -> TimelineRow:
        """Add the row for the interval from `previous` to `now`."""
        seconds = (now.at_ns - previous.at_ns) / 1e9
        per = 1 / seconds if seconds > 0 else 0.0
        change = now.counters - previous.counters
        response = now.response - previous.response
        p50, p95, p99 = response.quantiles((0.5, 0.95, 0.99))
        trip50, trip99 = (now.round_trip - previous.round_trip).quantiles((0.5, 0.99))
        connect95 = (now.connect - previous.connect).quantile(0.95)
        delivery50, delivery99, spread99 = self._broadcasts()
        self.clients_max = max(self.clients_max, now.counters.wanted)
        cpu = max((h.cpu for h in health), default=0.0)
        lag_ns = max((h.loop_lag_ns for h in health), default=0)
        self.cpu_max = max(self.cpu_max, cpu)
        self._cpu_total += cpu
        self._written += 1
        self.lag.record(lag_ns)
        self.busy_s += is_busy(cpu, lag_ns / NS_PER_MS)
        self.stalled_s += is_stalled(lag_ns / NS_PER_MS)
        row = TimelineRow(
            at_s=at_s,
            stage=stage,
            paused=paused,
            wanted=now.counters.wanted,
            open=now.counters.open,
            opening=now.counters.opening,
            attempted_per_s=change.attempted * per,
            ready_per_s=change.ready * per,
            failures_per_s=failures_of(change) * per,
            sent_per_s=change.sent * per,
            received_per_s=change.received * per,
            bytes_sent_per_s=change.bytes_sent * per,
            bytes_received_per_s=change.bytes_received * per,
            replies=response.count,
            response_p50_ms=_ms(p50),
            response_p95_ms=_ms(p95),
            response_p99_ms=_ms(p99),
            response_max_ms=_ms(response.high) if response.count else None,
            response_mean_ms=_ms(response.mean()),
            round_trip_p50_ms=_ms(trip50),
            round_trip_p99_ms=_ms(trip99),
            connect_p95_ms=_ms(connect95),
            cpu=cpu,
            loop_lag_ms=lag_ns / NS_PER_MS,
            late_sends=change.late_sends,
            away=now.counters.reconnecting,
            reconnects_per_s=change.reconnects * per,
            reconnect_p95_ms=_ms((now.reconnect - previous.reconnect).quantile(0.95)),
            delivery_p50_ms=_ms(delivery50),
            delivery_p99_ms=_ms(delivery99),
            spread_p99_ms=_ms(spread99),
            steps=dict(_steps(now.steps - previous.steps, per)),
        )
        self.rows.append(row)
        return row

    def _broadcasts(self) -> tuple[float | None, float | None, float | None]:
        """Return the delivery p50 and p99 and the spread p99 of what was concluded since the last call."""
        delivery, spread = self.fanout.delivery, self.fanout.spread
        if spread.count == self._spread.count:
            return None, None, None
        p50, p99 = (delivery - self._delivery).quantiles((0.5, 0.99))
        spread99 = (spread - self._spread).quantile(0.99)
        self._delivery, self._spread = delivery, spread
        return p50, p99, spread99

    @property
    def settles_s(self) -> float | None:
        """Return when the clients of the stage before the current one will have settled, None if that is past."""
        waiting = next((stage for stage in self.stages if stage.ready_before is None), None)
        return None if waiting is None else waiting.began_s + self._settle_s

    def settled(self, ready: int) -> None:
        """Take the clients that were ready by then, at `settles_s`."""
        next(stage for stage in self.stages if stage.ready_before is None).ready_before = ready

    def came(self, index: int, active_s: float) -> tuple[int, float]:
        """Return how many clients that connected in a stage became ready, and in how many active seconds it was.

        They are counted from and to a moment `settle_s` later than the stage, because they become ready so much later.
        """
        stage, following = self.stages[index], self.stages[index + 1 : index + 2]
        window = stage.window(self.latest, active_s)
        if not self._settle_s:
            return window.totals.counters.ready, window.active_s
        ready = self.latest.counters.ready
        before = ready if stage.ready_before is None else stage.ready_before
        if following and following[0].ready_before is not None:
            return following[0].ready_before - before, window.active_s
        unsettled_s = 0.0 if self.stages[-1].ended is not None else self._settle_s  # at the end a drain waits for them
        passed_s = max(0.0, active_s - stage.began_active_s - unsettled_s)
        return ready - before, min(window.active_s, passed_s) if following else passed_s

    def whole(self, active_s: float) -> Window:
        """Return the window of thresholds without a stage: the run without cooldowns."""
        if not any(stage.is_cooldown for stage in self.stages):
            return Window(self.latest, active_s, self.fanout, self.memory_growth)
        parts = [s.window(self.latest, active_s) for s in self.stages if not s.is_cooldown]
        total = Totals.add_all([part.totals for part in parts])
        return Window(total, sum(part.active_s for part in parts), self.fanout, self.memory_growth)

    def named(self, name: str, active_s: float) -> Window | None:
        """Return the window of a stage, or None before it begins."""
        for stage in self.stages:
            if stage.name == name:
                window = stage.window(self.latest, active_s)
                return replace(window, fanout=self.fanout, memory_growth=self.memory_growth)
        return None


def _steps(change: Steps, per: float) -> Iterator[tuple[str, float | None]]:
    """Yield what a second had of each step: its rate, those lost, and its latency."""
    for row in change.rows[:STEPS_FOLLOWED]:
        names = step_columns(row.role, row.name)
        p50, p99 = row.response.quantiles((0.5, 0.99))
        yield from zip(names, (row.counts.done * per, row.counts.lost, _ms(p50), _ms(p99)), strict=True)


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS
