"""What the examples are made of: a distribution, a scenario, a timeline. The same every time."""

from __future__ import annotations

import random

from wstui.measure.histogram import Distribution, Histogram
from wstui.measure.timeline import TimelineRow
from wstui.scenario.model import Messages as Exchange
from wstui.scenario.model import Scenario, Stage, Target, Threshold

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\nforged: ✓ PASSED\u202egnp.exe\u2066 \x00 ]]> </script>"
    "<img src=x onerror=alert(1)> & \"quoted\" 'single' |pipe| `tick` {{brace}} \u2028 \x85 \x9b31m"
)


def histogram(seed: int, count: int, median_ms: float, spread: float = 0.4) -> Distribution:
    """A log-normal distribution with the given median."""
    source = random.Random(seed)
    made = Histogram()
    for _ in range(count):
        made.record(int(median_ms * 1e6 * source.lognormvariate(0, spread)))
    return made.data()


def scenario(name: str = "quick", clients: int = 100, ramp_s: float = 10, hold_s: float = 30) -> Scenario:
    """The shape of the shipped preset `quick`."""
    return Scenario(
        name=name,
        target=Target(url="ws://127.0.0.1:3001/ws?token=***"),
        stages=[Stage(name="ramp", over=ramp_s, clients=clients), Stage(name="hold", over=hold_s)],
        messages=Exchange(exchange="odin", every=5),
        thresholds=[
            Threshold(metric="connect.success", limit=">= 100%"),
            Threshold(metric="response.p99", limit="< 20ms", stage="hold"),
        ],
    )


def timeline(
    clients: int, ramp_s: int, hold_s: int, p50_ms: float, *, slow_from_s: int = 0, cpu: float = 0.2, seed: int = 1
) -> list[dict[str, object]]:
    """One row a second; from `slow_from_s` on (0 = never) latency grows steadily."""
    source = random.Random(seed)
    rows = []
    for second in range(1, ramp_s + hold_s + 1):
        ramping = second <= ramp_s
        slower = 1 + (second - slow_from_s) * 0.5 if slow_from_s and second > slow_from_s else 1
        p50 = p50_ms * source.uniform(0.9, 1.1) * slower
        is_open = clients * second // ramp_s if ramping else clients
        rows.append(
            TimelineRow(
                at_s=float(second),
                stage="ramp" if ramping else "hold",
                wanted=is_open,
                open=is_open,
                attempted_per_s=clients / ramp_s if ramping else 0.0,
                ready_per_s=clients / ramp_s if ramping else 0.0,
                sent_per_s=is_open / 5,
                received_per_s=is_open / 5,
                bytes_sent_per_s=is_open * 14.0,
                bytes_received_per_s=is_open * 20.0,
                replies=is_open // 5,
                response_p50_ms=p50,
                response_p95_ms=p50 * 2,
                response_p99_ms=p50 * 3,
                response_max_ms=p50 * 4,
                response_mean_ms=p50 * 1.1,
                round_trip_p50_ms=p50 * 0.98,
                round_trip_p99_ms=p50 * 2.9,
                connect_p95_ms=4.0 if ramping else None,
                cpu=cpu,
                loop_lag_ms=0.4,
            ).values()
        )
    return rows
