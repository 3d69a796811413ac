"""A made-up run, the same every time: what the screens show in tests and in pictures."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from wstui.execution.run.commands import (
    AbortRun,
    AddNote,
    BeginSpan,
    CommandAnswer,
    DrainRun,
    EndSpan,
    PauseRun,
    RampTo,
    Redistribute,
    ResumeRun,
    RunCommand,
    SetInterval,
    SkipStage,
    WatchClient,
    answered,
    carried_out,
    refusal,
)
from wstui.execution.run.machine_sections import GeneratorSummary
from wstui.execution.run.result import NOT_STARTED, Delivery, FanOutSummary, Result, SuiteResult
from wstui.execution.run.result_sections import (
    Connections,
    FailureSample,
    FailureSummary,
    Latency,
    LatencySet,
    StageSummary,
    ThresholdOutcome,
    Traffic,
    Verdict,
)
from wstui.execution.run.state import State
from wstui.execution.run.status import GeneratorStatus, ReportedMetric, StageStatus, Status, TargetHealth, WorkerStatus
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import Mark, TimelineRow
from wstui.scenario.model import Messages as Saying
from wstui.scenario.model import Scenario, Stage, Target, Threshold
from wstui.scenario.secret_fields import masked

NOW = datetime(2025, 11, 23, 14, 32, 7, tzinfo=UTC)
CLIENTS = 12_000
RAMP_S = 120
ELAPSED_S = 252

SCENARIO = Scenario(
    name="checkout-soak",
    description="The checkout of the stage, for ten minutes",
    target=Target(url="wss://edge-1.stage.example:8443/ws"),
    stages=[
        Stage(name="ramp", over=120.0, clients=CLIENTS),
        Stage(name="hold", over=600.0),
        Stage(name="cooldown", over=60.0, clients=0),
    ],
    messages=Saying(exchange="odin", every=0.5),
    thresholds=[
        Threshold(metric="response.p99", limit="< 250ms"),
        Threshold(metric="failures.rate", limit="< 1%"),
        Threshold(metric="connect.p95", limit="< 500ms"),
        Threshold(metric="generator.late_sends", limit="<= 100"),
    ],
)

LISTENING = SCENARIO.model_copy(update={"name": "ticker-fanout", "messages": Saying(exchange="listen")})

OUTCOMES = (
    ThresholdOutcome("response.p99", "< 250ms", 118.0, True, unit="ms", used=0.47),
    ThresholdOutcome("failures.rate", "< 1%", 0.03, True, unit="%", used=0.03),
    ThresholdOutcome("connect.p95", "< 500ms", 84.0, True, unit="ms", used=0.17),
    ThresholdOutcome("generator.late_sends", "<= 100", 20.0, True, used=0.2),
)


def _group(kind: str, message: str, count: int, first: int, last: int, client: int, detail: str) -> FailureSummary:
    samples = [FailureSample(float(first), client - 11, detail), FailureSample(float(last), client, detail)]
    return FailureSummary(kind, message, count, float(first), float(last), samples=samples)


FAILURES = (
    _group("timeout", "no pong within 10 s", 214, 161, 251, 8812, "sent 1 204 · idle 10.0 s"),
    _group("close 1013", "try again later", 87, 198, 249, 11730, "edge-1b · reason “worker draining”"),
    _group("connect", "connection reset by peer", 31, 72, 206, 4471, "10.4.2.17:41822 → 10.9.0.11:8443"),
    _group("handshake", "HTTP 503 Service Unavailable", 12, 199, 204, 902, "x-request-id 7f3c…e1, retry-after 2"),
    _group("auth", "HTTP 401 token expired", 3, 58, 91, 5120, "kid stage-2024, exp 12 s ago"),
)

MARKS = (
    Mark(0.0, "start", "run started"),
    Mark(120.0, "stage", "ramp done: 11 971 of 12 000 open"),
    Mark(198.0, "warning", "p99 over 250 ms for 9 s"),
    Mark(211.0, "kept", "p99 back under 250 ms"),
    Mark(232.0, "operator", "target 11 000 → 12 000"),
)

SPREAD = (
    (5.0, 0.021),
    (10.0, 0.314),
    (20.0, 0.44),
    (50.0, 0.176),
    (100.0, 0.037),
    (200.0, 0.009),
    (500.0, 0.0028),
    (None, 0.0002),
)

FANOUT = FanOutSummary(
    messages=1_204,
    completeness=0.9998,
    duplicates=0,
    spread_ms=Latency(14_400_000, 3.1, 0.01, 2.2, 6.0, 8.1, 19.4, 31.0, 44.0),
    delivery_ms=Delivery(14_400_000, 4.4, 0.4, 3.6, 8.0, 10.2, 22.8, 35.0, 49.0, 0.8, 0.3),
)

HEALTH = TargetHealth(
    "healthy",
    (
        ReportedMetric("cpu", "72 %", 0.72, "ok"),
        ReportedMetric("memory", "3.1 of 8 GiB", 0.39, "ok"),
        ReportedMetric("sockets", "12 004", 0.6, "ok"),
        ReportedMetric("ping rtt", "1.8 ms", None, "ok"),
    ),
)


def rows(seconds: int = ELAPSED_S, *, seed: int = 7) -> list[TimelineRow]:
    """A ramp of two minutes, a hold, and a bump at 3:24."""
    return list(_rows(seconds, seed))


@cache
def _rows(seconds: int, seed: int) -> tuple[TimelineRow, ...]:
    chance = random.Random(seed)
    out: list[TimelineRow] = []
    for second in range(1, seconds + 1):
        share = min(1.0, second / RAMP_S)
        clients = int(CLIENTS * share) - (13 if second > RAMP_S else 0)
        bump = 1.6 * math.exp(-(((second - 204) / 5.5) ** 2))
        knee = 0.5 * math.exp(-(((second - 120) / 9) ** 2))
        level = (0.45 + 0.55 * share) * (1 + bump + knee)
        noise = [1 + chance.uniform(-0.07, 0.07) * (1.6 - share) for _ in range(3)]
        rate = 24_100 * share
        out.append(
            TimelineRow(
                at_s=float(second),
                stage="ramp" if second <= RAMP_S else "hold",
                wanted=int(CLIENTS * share),
                open=clients,
                opening=14 if second > RAMP_S else 110,
                attempted_per_s=100.0 if second <= RAMP_S else 1.5,
                ready_per_s=99.8 if second <= RAMP_S else 1.4,
                failures_per_s=max(0.0, chance.uniform(-0.5, 1.4) + 14 * bump + (2.2 if second > 238 else 0)),
                sent_per_s=rate * (1 + chance.uniform(-0.004, 0.004)),
                received_per_s=rate * (1 - 0.13 * bump) * (1 + chance.uniform(-0.004, 0.004)),
                bytes_sent_per_s=rate * 110,
                bytes_received_per_s=rate * 147,
                replies=int(rate),
                response_p50_ms=12.0 * level * noise[0],
                response_p95_ms=41.0 * level * noise[1],
                response_p99_ms=118.0 * level * noise[2],
                response_max_ms=260.0 * level,
                response_mean_ms=16.0 * level,
                round_trip_p50_ms=11.8 * level,
                round_trip_p99_ms=112.0 * level,
                connect_p95_ms=84.0 * level,
                cpu=0.61 * (0.4 + 0.6 * share) * (1 + chance.uniform(-0.03, 0.03)),
                loop_lag_ms=2.1,
            )
        )
    if out:
        out[-1] = replace(
            out[-1],
            response_p50_ms=12.0,
            response_p95_ms=41.0,
            response_p99_ms=118.0,
            sent_per_s=24_100.0,
            received_per_s=24_100.0,
        )
    return tuple(out)


def broadcast_rows() -> tuple[TimelineRow, ...]:
    """The same seconds of clients that only listen."""
    row: dict[str, Any] = {"response_p50_ms": None, "response_p95_ms": None, "response_p99_ms": None, "sent_per_s": 0.0}
    heard: dict[str, Any] = {"delivery_p50_ms": 3.6, "delivery_p99_ms": 22.8, "spread_p99_ms": 19.4}
    return tuple(replace(second, **row, **heard) for second in rows())


def status(**changes: Any) -> Status:
    """The picture 4:12 into the run, with changes, those of its result included."""
    parts: dict[str, Any] = {
        "thresholds": OUTCOMES,
        "latency": Latency(4_811_776, 16.2, 1.1, 12.0, 27.5, 41.0, 118.0, 240.0, 611.0),
        "failures_total": 347,
        "failure_rate": 0.0003,
        "fanout": None,
        "failures": FAILURES,
    }
    parts |= {name: changes.pop(name) for name in parts if name in changes}
    changes.setdefault("result", _partial(**parts))
    plain = Status(
        state=State.RUNNING,
        scenario=SCENARIO,
        url="wss://edge-1.stage.example:8443/ws",
        host="load-07",
        started=datetime(2025, 11, 23, 14, 27, 55, tzinfo=UTC),
        elapsed_s=float(ELAPSED_S),
        plan_s=float(ELAPSED_S),
        plan_total_s=780.0,
        stages=(
            StageStatus("ramp", 120.0, 120.0, CLIENTS, done=True),
            StageStatus("hold", 600.0, 132.0, CLIENTS, current=True),
            StageStatus("cooldown", 60.0, 0.0, 0),
        ),
        target_clients=CLIENTS,
        every_s=0.5,
        counters=Counters(
            wanted=CLIENTS, opening=14, open=11_987, attempted=12_126, ready=12_105, refused=3, failed=4,
            dropped=118, reconnects=118, sent=4_812_204, received=4_811_990, bytes_sent=529_342_440,
            bytes_received=707_362_530, matched=4_811_776, reply_timeouts=214, late_sends=20,
        ),
        spread=SPREAD,
        rows=tuple(rows()),
        marks=MARKS,
        generator=GeneratorStatus(
            (WorkerStatus(0, True, 5994, 0.61, 2.1, 0.1), WorkerStatus(1, True, 5993, 0.6, 2.0, 0.1)),
            0.61, 2.1, 12_041, 65_536, 11_986, 28_232, 20, 0.000004,
        ),
        target=HEALTH,
    )  # fmt: skip
    return replace(plain, **changes)


def _partial(
    thresholds: Sequence[ThresholdOutcome],
    latency: Latency,
    failures_total: int,
    failure_rate: float | None,
    fanout: FanOutSummary | None,
    failures: Sequence[FailureSummary],
) -> Result:
    sent = round(failures_total / failure_rate) if failure_rate else 0
    return msgspec.structs.replace(
        NOT_STARTED,
        verdict=msgspec.structs.replace(NOT_STARTED.verdict, thresholds=list(thresholds)),
        messages=Traffic(sent, timed_out=failures_total),
        latency_ms=LatencySet(latency),
        fanout=fanout,
        failures=list(failures),
    )


def first_second() -> Status:
    """The run has only just begun: nothing was measured yet."""
    return status(
        state=State.STARTING, elapsed_s=0.0, plan_s=0.0, rows=(), marks=(), failures=(), failures_total=0,
        failure_rate=None, counters=Counters(), latency=Latency(), spread=(), generator=GeneratorStatus(), target=None,
        thresholds=tuple(ThresholdOutcome(o.metric, o.limit, None, None, unit=o.unit) for o in OUTCOMES),
        stages=tuple(StageStatus(s.name, s.over) for s in SCENARIO.stages), note="starting 2 workers",
    )  # fmt: skip


def result(*, passed: bool = True, aborted: bool = False, limited: bool = False, name: str = "") -> Result:
    """What such a run leaves behind."""
    outcomes = list(OUTCOMES)
    if not passed:
        outcomes[0] = ThresholdOutcome("response.p99", "< 250ms", 312.0, False, unit="ms", used=1.25)
    reason = "every threshold was kept" if passed else "response.p99 was 312 ms, the limit is < 250 ms"
    if aborted:
        reason = "aborted by the operator after 4:12; every threshold was kept until then"
    response = Latency(4_811_776, 16.2, 1.1, 12.0, 27.5, 41.0, 118.0 if passed else 312.0, 240.0, 611.0)
    return Result(
        scenario={**masked(SCENARIO), "name": name or SCENARIO.name},
        started="2025-11-23T14:27:55+00:00",
        finished="2025-11-23T14:40:55+00:00",
        duration_s=780.0,
        paused_s=0.0,
        verdict=Verdict(passed and not aborted, reason, limited, aborted, False, outcomes),
        connections=Connections(12_126, 12_105, 3, 0, 4, 14, 118, 0.9994, 100.0),
        messages=Traffic(14_437_000, 14_436_212, 24_050.0, 24_049.0, 788, 0, 12, 0, 1_588_070_000, 2_122_123_164),
        latency_ms=LatencySet(
            response,
            Latency(4_811_776, 15.8, 1.0, 11.8, 27.0, 40.2, 112.0, 236.0, 604.0),
            Latency(12_105, 31.0, 4.2, 22.0, 61.0, 84.0, 190.0, 402.0, 512.0),
        ),
        stages=[
            StageSummary("ramp", 0.0, 120.0, Connections(12_012, 12_012), Traffic(sent_per_second=12_050.0,
                         received_per_second=12_049.0), LatencySet(response)),
            StageSummary("hold", 120.0, 720.0, Connections(ready=93), Traffic(timed_out=788, sent_per_second=24_098.0,
                         received_per_second=24_090.0), LatencySet(response)),
            StageSummary("cooldown", 720.0, 780.0, Connections(), Traffic(sent_per_second=11_980.0,
                         received_per_second=11_979.0), LatencySet(response)),
        ],
        failures=list(FAILURES),
        generator=GeneratorSummary(2, 0, 0.58, 0.71, late_sends=20, open_files=12_041,
                                   limited_by=["cpu"] if limited else []),
    )  # fmt: skip


class FakeSession:
    """A session whose picture is set by hand; it notes every command and ends when it is drained or aborted."""

    def __init__(self, picture: Status | None = None, outcome: Result | SuiteResult | Exception | None = None) -> None:
        self.picture = picture or status()
        self.outcome = outcome if outcome is not None else result()
        self.scenarios: Sequence[Scenario] = [self.picture.scenario]
        self.name = self.picture.scenario.name
        self.cooldown_s = 0.0
        self.is_remote = self.read_only = False
        self.commands: list[tuple[Any, ...]] = []
        self.ended = threading.Event()
        self.on_end: Callable[[], None] = lambda: None

    def _mark(self, kind: str, text: str) -> None:
        mark = Mark(self.picture.elapsed_s, kind, text)
        self.picture = replace(self.picture, marks=(*self.picture.marks, mark))

    @property
    def status(self) -> Status:
        return self.picture

    def execute(self) -> Result | SuiteResult:
        self.ended.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        final = self.outcome if isinstance(self.outcome, Result) else self.outcome.runs[-1]
        state = State.ABORTED if final.verdict.aborted else State.FINISHED
        self.picture = replace(self.picture, state=state, result=final)
        return self.outcome

    def send(self, command: RunCommand, *, by: str = "operator") -> Future[CommandAnswer]:
        if why := refusal(command, self.picture):
            return answered(CommandAnswer(False, why))
        text = carried_out(command, self.picture)
        match command:
            case RampTo(clients, over_s):
                self.commands.append(("ramp", clients, over_s))
                self.picture = replace(self.picture, target_clients=clients)
            case SetInterval(every_s):
                self.commands.append(("pace", every_s))
                self.picture = replace(self.picture, every_s=every_s)
            case PauseRun():
                self.commands.append(("pause",))
                self.picture = replace(self.picture, state=State.PAUSED)
            case ResumeRun():
                self.commands.append(("resume",))
                self.picture = replace(self.picture, state=State.RUNNING)
            case SkipStage():
                self.commands.append(("skip",))
            case Redistribute():
                self.commands.append(("redistribute",))
            case AddNote(text) | BeginSpan(text):
                kind = "note" if isinstance(command, AddNote) else "span"
                self.commands.append((kind, text))
                self._mark(kind, text)
            case WatchClient(client):
                self.commands.append(("watch_client", client))
            case EndSpan():
                self.commands.append(("span_end",))
                self._mark("span_end", "end")
            case DrainRun():
                self.commands.append(("drain",))
                self.ended.set()
            case AbortRun():
                self.commands.append(("abort",))
                self.outcome = result(aborted=True)
                self.ended.set()
        return answered(CommandAnswer(True, text))
