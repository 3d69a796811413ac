"""Deterministic results that every test of this room uses: good, broken, limited, empty, aborted, hostile."""

from __future__ import annotations

import msgspec

from tests.report.made_up import HOSTILE, histogram, scenario, timeline
from wstui.execution.run.machine_sections import GeneratorSummary, HostSummary, TargetSummary
from wstui.execution.run.result import (
    BreakpointStep,
    BreakpointSummary,
    Delivery,
    FanOutSummary,
    FanOutType,
    Result,
    SuiteResult,
)
from wstui.execution.run.result_sections import (
    AuthOutcome,
    Connections,
    Event,
    FailureSample,
    FailureSummary,
    Latency,
    LatencySet,
    SlowReadersResult,
    StageSummary,
    Subscriptions,
    ThresholdOutcome,
    Traffic,
    Verdict,
)
from wstui.measure.histogram import encode_hdr


def good(name: str = "quick", *, median_ms: float = 1.2, seed: int = 1) -> Result:
    """100 clients, every threshold kept."""
    measured = {
        "response": histogram(seed, 700, median_ms),
        "round_trip": histogram(seed + 1, 700, median_ms * 0.98),
        "connect": histogram(seed + 2, 100, 3.0),
        "response@hold": histogram(seed + 4, 600, median_ms),
    }
    response = Latency.of(measured["response"])
    latency = LatencySet(response, Latency.of(measured["round_trip"]), Latency.of(measured["connect"]))
    connections = Connections(attempted=100, ready=100, success_rate=1.0, per_second=10.0)
    messages = Traffic(
        sent=700,
        received=800,
        sent_per_second=17.5,
        received_per_second=20.0,
        bytes_sent=49_000,
        bytes_received=98_000,
        by_type={"pong": 700, "connection:established": 100},
    )
    return Result(
        scenario=scenario(name).model_dump(mode="json"),
        started="2025-03-01T12:00:00+00:00",
        finished="2025-03-01T12:00:40+00:00",
        duration_s=40.0,
        verdict=Verdict(
            passed=True,
            reason="all 2 thresholds kept",
            thresholds=[
                ThresholdOutcome("connect.success", ">= 100%", 100.0, True, unit="%", used=1.0),
                ThresholdOutcome("response.p99", "< 20ms", response.p99, True, "hold", "ms", (response.p99 or 0) / 20),
            ],
        ),
        connections=connections,
        messages=messages,
        latency_ms=latency,
        generator=GeneratorSummary(
            workers=1,
            cpu=0.18,
            cpu_max=0.31,
            loop_lag_ms=Latency.of(histogram(9, 200, 0.2)),
            send_delay_ms=Latency.of(histogram(10, 700, 0.05)),
            open_files=112,
        ),
        stages=[
            StageSummary(
                "ramp",
                0.0,
                10.0,
                connections,
                Traffic(100, 150, 10.0, 15.0),
                LatencySet(Latency.of(histogram(seed + 3, 100, median_ms)), latency.round_trip, latency.connect),
            ),
            StageSummary("hold", 10.0, 40.0, Connections(), Traffic(600, 650, 20.0, 21.7), LatencySet(response)),
        ],
        events=[
            Event(0.0, "start", "started"),
            Event(0.0, "stage", "ramp: 100 clients in 10 s"),
            Event(10.0, "stage", "hold for 30 s"),
            Event(40.0, "end", "finished"),
        ],
        timeline=timeline(100, 10, 30, median_ms, seed=seed),
        histograms={name: encode_hdr(distribution) for name, distribution in measured.items()},
    )


def broken(name: str = "stress") -> Result:
    """5000 clients asked for; the server refuses some, slows down after 30 s, and both thresholds break."""
    base = good(name, median_ms=45.0, seed=20)
    connections = Connections(
        attempted=5000,
        ready=4700,
        refused=180,
        timed_out=90,
        failed=30,
        dropped=12,
        success_rate=0.94,
        per_second=78.3,
    )
    failures = [
        FailureSummary(
            "http 429",
            "Too Many Requests",
            180,
            4.2,
            59.0,
            False,
            [FailureSample(4.2, 17, "retry-after: 1"), FailureSample(59.0, 4811, "retry-after: 1")],
        ),
        FailureSummary(
            "connect timeout", "no welcome within 10 s", 90, 21.0, 69.5, False, [FailureSample(21.0, 901, "")]
        ),
        FailureSummary("reset", "connection reset by peer", 30, 33.0, 58.1),
        FailureSummary("close 1011", "internal error", 12, 70.3, 118.9, False, [FailureSample(70.3, 5, "slow")]),
    ]
    p99 = base.latency_ms.response.p99
    return msgspec.structs.replace(
        base,
        scenario=scenario(name, 5000, 60, 60).model_dump(mode="json"),
        finished="2025-03-01T12:02:00+00:00",
        duration_s=120.0,
        verdict=Verdict(
            passed=False,
            reason="2 of 2 thresholds broken",
            thresholds=[
                ThresholdOutcome("connect.success", ">= 100%", 94.0, False, unit="%", used=1.06),
                ThresholdOutcome("response.p99", "< 20ms", p99, False, "hold", "ms", (p99 or 0) / 20),
            ],
        ),
        connections=connections,
        messages=Traffic(
            sent=41_000,
            received=40_100,
            sent_per_second=341.7,
            received_per_second=334.2,
            timed_out=412,
            late=30,
            by_type={"pong": 35_400, "connection:established": 4700},
        ),
        failures=failures,
        stages=[
            StageSummary("ramp", 0.0, 60.0, connections, Traffic(12_000, 11_900, 200.0, 198.3, 100), base.latency_ms),
            StageSummary(
                "hold",
                60.0,
                120.0,
                Connections(),
                Traffic(29_000, 28_200, 483.3, 470.0, 312),
                base.latency_ms,
            ),
        ],
        events=[
            Event(0.0, "start", "started"),
            Event(60.0, "stage", "hold for 60 s"),
            Event(64.0, "broken", "response.p99 < 20ms"),
            Event(80.0, "operator", "ramp to 4500 over 5 s"),
            Event(90.0, "pause", "paused"),
            Event(92.0, "resume", "resumed"),
            Event(120.0, "end", "finished"),
        ],
        timeline=timeline(5000, 60, 60, 8.0, slow_from_s=40),
    )


def limited() -> Result:
    """Every threshold kept, but this generator was the limit."""
    base = good("flood")
    return msgspec.structs.replace(
        base,
        verdict=Verdict(
            passed=True,
            reason="thresholds kept, but the generator was the limit",
            generator_limited=True,
            thresholds=base.verdict.thresholds,
        ),
        generator=GeneratorSummary(
            workers=2,
            workers_lost=1,
            cpu=0.97,
            cpu_max=1.0,
            loop_lag_ms=Latency.of(histogram(11, 200, 60.0)),
            send_delay_ms=Latency.of(histogram(12, 700, 30.0)),
            late_sends=350,
            open_files=1010,
            limited_by=["CPU of worker 1 at 97 %", "50 % of sends were late"],
        ),
        events=[*base.events, Event(12.0, "generator", "CPU of worker 1 at 97 %")],
        timeline=timeline(100, 10, 30, 1.2, cpu=0.97),
    )


def fan_out() -> Result:
    """Clients that listen; some broadcasts did not reach all of them."""
    delivery = Latency.of(histogram(31, 5000, 4.0))
    return msgspec.structs.replace(
        good("fanout"),
        fanout=FanOutSummary(
            messages=400,
            completeness=0.9971,
            duplicates=3,
            spread_ms=Latency.of(histogram(30, 5000, 2.0)),
            delivery_ms=Delivery(**msgspec.structs.asdict(delivery), offset_ms=-1.5, uncertainty_ms=0.4),
        ),
    )


def empty() -> Result:
    """The target could not be reached: nothing was measured."""
    return Result(
        scenario=scenario().model_dump(mode="json"),
        started="2025-03-01T12:00:00+00:00",
        finished="2025-03-01T12:00:01+00:00",
        duration_s=0.4,
        verdict=Verdict(
            passed=False,
            reason="nobody listens at ws://127.0.0.1:3001/ws",
            unreachable=True,
            thresholds=[ThresholdOutcome("connect.success", ">= 100%", None, None, unit="%")],
        ),
        connections=Connections(),
        messages=Traffic(),
        latency_ms=LatencySet(),
        generator=GeneratorSummary(),
    )


def aborted() -> Result:
    """Ended by the operator after 7 s."""
    base = good()
    return msgspec.structs.replace(
        base,
        finished="2025-03-01T12:00:07+00:00",
        duration_s=7.0,
        verdict=Verdict(
            passed=False, reason="aborted by the operator", aborted=True, thresholds=base.verdict.thresholds
        ),
        connections=Connections(attempted=70, ready=64, drained=6, success_rate=64 / 70, per_second=9.1),
        stages=[base.stages[0]],
        events=[*base.events[:2], Event(7.0, "end", "aborted")],
        timeline=base.timeline[:7],
    )


def hostile() -> Result:
    """The server put terminal escapes, markup and bidi overrides into everything that it could name."""
    base = broken("=cmd|' /C calc'!A0")
    return msgspec.structs.replace(
        base,
        scenario={**base.scenario, "name": "=cmd|' /C calc'!A0" + HOSTILE},
        verdict=Verdict(passed=False, reason=HOSTILE, thresholds=base.verdict.thresholds),
        messages=Traffic(sent=1, received=2, by_type={HOSTILE: 1, "@SUM(1+1)": 1}),
        failures=[FailureSummary(HOSTILE, HOSTILE, 3, 1.0, 2.0, False, [FailureSample(1.0, 1, HOSTILE)])],
        stages=[
            StageSummary(HOSTILE, 0.0, 1.0, base.connections, base.messages, base.latency_ms),
        ],
        events=[Event(0.5, "warning", HOSTILE)],
        timeline=[{**row, "stage": "=1+1" + HOSTILE} for row in base.timeline],
        generator=GeneratorSummary(limited_by=[HOSTILE]),
    )


def searched(of: str = "clients") -> Result:
    """A search for the limit: five loads, one of them tried again, one at which the generator was the limit."""
    unit = "clients" if of == "clients" else f"{of}/s"
    steps = []
    for number, (load, held, median_ms) in enumerate(
        [
            (100, True, 0.8),
            (200, True, 1.1),
            (400, False, 90.0),
            (300, None, 30.0),
            (280, True, 2.0),
            (400, False, 95.0),
        ]
    ):
        measured = Latency.of(histogram(number + 20, 300, median_ms))
        steps.append(
            BreakpointStep(
                load=load,
                held=held,
                reached=load if held else load * 0.98,
                started_s=10.0 * number,
                ended_s=10.0 * number + 9,
                why="" if held else "31.0 % of the sends were late" if held is None else "response.p99 was 230 ms",
                broken_on="response.p99" if held is False else "",
                clients=load,
                connections=Connections(attempted=load, ready=load, success_rate=1.0),
                messages=Traffic(load * 5, load * 6, load / 2, load / 1.5),
                latency_ms=LatencySet(measured, measured, Latency.of(histogram(number, 50, 3.0))),
                cpu=0.04 * (number + 1),
            )
        )
    sentence = f"holds 280 {unit} (280–400), breaks at 400: response.p99 was 230 ms (limit < 20 ms)"
    base = good("breakpoint")
    return msgspec.structs.replace(
        base,
        verdict=Verdict(passed=True, reason=sentence, thresholds=base.verdict.thresholds),
        breakpoint=BreakpointSummary(
            of=of,
            unit=unit,
            low=280,
            high=400,
            confirmed_low=280,
            broken_on="response.p99",
            sentence=sentence,
            steps=steps,
        ),
    )


def everything() -> Result:
    """A run with all that a scenario can ask for: tokens, subscriptions, slow readers, comebacks, compression."""
    base = fan_out()
    assert base.fanout is not None
    spread, delivery = histogram(30, 900, 2.0), histogram(31, 900, 4.0)
    return msgspec.structs.replace(
        base,
        connections=Connections(
            attempted=130, ready=110, refused=20, dropped=10, success_rate=110 / 130,
            reconnects=9, reconnect_attempts=12, reconnects_given_up=1,
        ),
        messages=msgspec.structs.replace(base.messages, bytes_sent_inflated=90_000, bytes_received_inflated=400_000),
        latency_ms=msgspec.structs.replace(base.latency_ms, reconnect=Latency.of(histogram(40, 9, 300.0))),
        auth=[
            AuthOutcome("good", "in", 100, 100, 0, 0, 100),
            AuthOutcome("expired", "out", 15, 0, 15, 0, 15),
            AuthOutcome("wrong_algorithm", "out", 15, 10, 5, 0, 5),
        ],
        subscriptions=Subscriptions(20, 19, 2),
        slow_readers=SlowReadersResult(3, 2, {"close 1013: reads too slowly": 2}),
        target=TargetSummary(
            state="degraded",
            polls=20,
            troubled=4,
            connections_claimed=120.0,
            connections_open=100,
            delivered_claimed=900.0,
            delivered_received=880,
            memory_first_mib=40.0,
            memory_last_mib=44.0,
            memory_growth_mib_per_hour=8.5,
            differences=["claimed 120 connections, clients saw 100"],
        ),
        fanout=msgspec.structs.replace(
            base.fanout,
            late=4,
            spread_within="host",
            by_type={"price:update": FanOutType(400, 0.9971, 3, base.fanout.spread_ms)},
        ),
        generator=msgspec.structs.replace(
            base.generator,
            hosts=[
                HostSummary(name="host1", workers=2, ready=70, sent=600, received=590, clients_max=70, cpu_max=0.61,
                           loop_lag_max_ms=2.5, round_trip_ms=1.8, clock_offset_ms=12.5, clock_uncertainty_ms=0.9,
                           python="3.12.1"),
                HostSummary(name="host2", workers=1, workers_lost=1, ready=40, sent=300, received=280, clients_max=40,
                           cpu_max=0.4, loop_lag_max_ms=2.0, lost="ssh ended with status 255: connection reset"),
            ],
            snapshots_missed=1,
        ),
        histograms={**base.histograms, "fanout.spread": encode_hdr(spread), "delivery": encode_hdr(delivery)},
    )  # fmt: skip


def suite() -> SuiteResult:
    """Two runs in sequence, the second broken."""
    runs = [good(), broken()]
    return SuiteResult(
        name="progressive",
        started=runs[0].started,
        finished=runs[1].finished,
        verdict=Verdict(passed=False, reason="1 of 2 runs failed: stress"),
        runs=runs,
    )


EVERY: dict[str, Result | SuiteResult] = {
    "good": good(),
    "broken": broken(),
    "limited": limited(),
    "fan-out": fan_out(),
    "empty": empty(),
    "aborted": aborted(),
    "hostile": hostile(),
    "everything": everything(),
    "breakpoint": searched(),
    "connects": searched("connects"),
    "suite": suite(),
}
