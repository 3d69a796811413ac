"""Parse and judge thresholds: metrics, their units, and limits such as "< 20ms".

Everything here is pure: a limit and a figure go in, a judgement comes out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from wstui.scenario.errors import BadValue, nearest
from wstui.scenario.units import plain_number, shortest_decimal, with_points

Unit = Literal["ms", "%", "/s", "MiB/h", ""]
Op = Literal["<", "<=", ">", ">=", "=="]

DISTRIBUTIONS = ("connect", "reconnect", "response", "roundtrip", "fanout.spread", "delivery")
"""Families of metrics in milliseconds, each with a statistic behind it: response.p99."""

FIGURES: dict[str, Unit] = {
    "connect.success": "%",
    "connect.answered": "%",
    "auth.correct": "%",
    "reconnect.success": "%",
    "connections.dropped": "",
    "connections.rate_limited": "",
    "connections.unanswered_pings": "",
    "slow_readers.closed": "%",
    "subscribe.acks": "%",
    "subscribe.leaks": "",
    "messages.timed_out": "",
    "messages.broken_expectations": "",
    "messages.invalid_texts": "",
    "messages.duplicates": "",
    "messages.unmatched": "",
    "messages.failed_steps": "",
    "messages.sent_per_second": "/s",
    "messages.received_per_second": "/s",
    "failures.rate": "%",
    "fanout.completeness": "%",
    "fanout.duplicates": "",
    "generator.late_sends": "",
    "sequence.gaps": "",
    "sequence.repeats": "",
    "sequence.disorder": "",
    "target.memory_growth": "MiB/h",
}
"""Metrics that are one figure, with its unit."""

MEANINGS = {
    "connect.success": "ready clients, of the attempts that ended by themselves",
    "connect.answered": "attempts that the server accepted or refused, of all but those cut short",
    "auth.correct": "valid tokens accepted and invalid ones refused, of all attempts",
    "reconnect.success": "dropped clients that came back, of those that tried",
    "connections.dropped": "ready clients that the other side disconnected",
    "connections.rate_limited": "connection attempts refused with HTTP 429",
    "connections.unanswered_pings": "keepalive pings without a pong, if most have none",
    "slow_readers.closed": "slow readers that the server disconnected, of all slow readers",
    "subscribe.acks": "subscriptions that the server acknowledged, of all",
    "subscribe.leaks": "messages received outside the client's subscription",
    "sequence.gaps": "numbers missing in numbered messages, by client",
    "sequence.repeats": "numbers that came twice",
    "sequence.disorder": "numbers that came after a later one",
    "messages.timed_out": "messages without a reply in time",
    "messages.broken_expectations": "replies that failed an expectation",
    "messages.invalid_texts": "text messages received that are not UTF-8",
    "messages.duplicates": "replies to messages that had been answered",
    "messages.unmatched": "replies that answer no message of the client that got them",
    "messages.failed_steps": "waits, requests and heartbeats of roles without their answer, and errors that the server "
    "reported",
    "messages.sent_per_second": "messages sent, per second of active time",
    "messages.received_per_second": "messages received, per second of active time",
    "failures.rate": "everything that failed, of connection attempts and messages sent",
    "fanout.completeness": "receivers of a broadcast, of the clients open throughout its window",
    "fanout.duplicates": "broadcasts received more than once by the same client",
    "generator.late_sends": "sends more than 10 ms behind schedule",
    "target.memory_growth": "growth of the target's memory, from its own metrics",
    "connect": "time from the start of an attempt until ready",
    "reconnect": "time from a drop until ready again",
    "response": "time from the intended send to the reply",
    "roundtrip": "time from the actual write to the reply",
    "fanout.spread": "time from the first receipt of a broadcast to each further one",
    "delivery": "time from the server's timestamp to our receipt",
}
"""What each figure, and each family of distributions, measures."""

STATISTICS = ("mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max")
METRICS = (*FIGURES, *(f"{family}.{stat}" for family in DISTRIBUTIONS for stat in STATISTICS))
"""The metrics worth offering; any other percentile is valid too."""

STEP_COUNTS: dict[str, Unit] = {
    "count": "", "lost": "", "late": "", "failed": "", "duplicates": "", "rate": "/s", "success": "%",
}  # fmt: skip
"""What a step, a delivery or a stream of a role counts beside the statistics of its times: step.NAME.lost."""
_STEP = re.compile(r"(step|delivery|stream|login)\.([^.]+)\.(\S+)")
LOGIN = "login"
"""The family of all requests of a login together; one with a name is login.NAME."""
_PERCENTILE = re.compile(r"p(100|\d{1,2}(?:\.\d+)?)", re.ASCII)
_LIMIT = re.compile(r"(<=|>=|==|<|>)\s*(\d+(?:\.\d+)?)\s*(us|ms|s|%|/s|MiB/h|)", re.ASCII)
_TO_MS = {"us": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000)}
_TAKES: dict[Unit, tuple[str, str]] = {
    "ms": ("a duration", "< 20ms"),
    "%": ("a share", ">= 99%"),
    "/s": ("a rate", ">= 1000/s"),
    "MiB/h": ("a growth", "< 50MiB/h"),
    "": ("a plain number", "<= 10"),
}
MOST_USED = 1000.0
"""`Limit.used` never exceeds this, so that it stays a number in JSON and a bar on a screen."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by its parts: family "response", statistic "p99" ("" for a single figure), quantile 0.99 or None."""

    name: str
    family: str
    statistic: str
    quantile: float | None
    unit: Unit


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a figure; `value` and the figures it judges are in `unit` (milliseconds for any duration)."""

    op: Op
    value: float
    unit: Unit = ""

    def __str__(self) -> str:
        return f"{self.op} {plain_number(shortest_decimal(self.value))}{self.unit}"

    def is_kept_by(self, value: float) -> bool:
        """Return whether the figure keeps the limit. A quotient that misses it by its last bits counts as equal."""
        same = math.isclose(value, self.value, rel_tol=1e-12)
        if self.op == "==":
            return same
        if same:
            return self.op in ("<=", ">=")
        return value < self.value if self.op in ("<", "<=") else value > self.value

    def used(self, value: float) -> float:
        """Return how much of the limit is used: 0 at best, 1 at the limit, more beyond, `MOST_USED` at most.

        A lower bound on a share uses up the allowed shortfall: 99.5 % of ">= 99%" is 0.5. Where nothing is
        allowed (">= 100%", "== 0") it is 0 when kept and above 1 when not.
        """
        if self.op == "==":
            used = 0.0 if self.is_kept_by(value) else 1 + _ratio(abs(value - self.value), self.value or 1.0)
        elif self.op in ("<", "<="):
            used = _part(value, self.value)
        elif self.unit == "%":
            used = _part(100 - value, 100 - self.value)
        elif value <= 0:
            used = 0.0 if self.is_kept_by(value) else (1.0 if self.value == 0 == value else MOST_USED)
        else:
            used = self.value / value
        if self.is_kept_by(value):
            return min(max(used, 0.0), 1.0)
        return min(max(used, 1.0), MOST_USED)


def parse_metric(name: str) -> Metric:
    """Return the metric of this name. Raises BadValue with the nearest one."""
    if name in FIGURES:
        return Metric(name, name, "", None, FIGURES[name])
    if name.startswith(f"{LOGIN}.") and _is_statistic(statistic := name.removeprefix(f"{LOGIN}.")):
        return _of_step(name, f"{LOGIN}.{LOGIN}", statistic)
    if name.partition(".")[0] in ("step", "stream", LOGIN):
        return _step_metric(name)
    for family in DISTRIBUTIONS:
        statistic = name.removeprefix(f"{family}.")
        if statistic != name and (statistic in STATISTICS or _PERCENTILE.fullmatch(statistic)):
            return Metric(name, family, statistic, _quantile(statistic), "ms")
    if name.startswith("delivery.") and _STEP.fullmatch(name):
        return _step_metric(name)
    raise BadValue("is not a metric", _nearest_metric(name))


def _quantile(statistic: str) -> float | None:
    return float(Decimal(statistic[1:]) / 100) if statistic.startswith("p") else None


def step_of(metric: str) -> str:
    """Return the step, the delivery or the login that a metric is about, or ""."""
    family = parse_metric(metric).family
    return "" if family in DISTRIBUTIONS or family in FIGURES else family.partition(".")[2]


def _is_statistic(text: str) -> bool:
    return text in STEP_COUNTS or text in STATISTICS or _PERCENTILE.fullmatch(text) is not None


def _of_step(name: str, family: str, statistic: str) -> Metric:
    if statistic in STEP_COUNTS:
        return Metric(name, family, statistic, None, STEP_COUNTS[statistic])
    return Metric(name, family, statistic, _quantile(statistic), "ms")


def _step_metric(name: str) -> Metric:
    """A metric of a step of a role: step.NAME.p99, or one of its counts: step.NAME.lost."""
    kind, step, statistic = match.groups() if (match := _STEP.fullmatch(name)) else ("step", "", "")
    if not step and name.startswith(LOGIN):
        near = nearest(name.removeprefix(f"{LOGIN}."), (*STATISTICS, *STEP_COUNTS))
        raise BadValue("is not a metric", f"{LOGIN}.{near or 'p99'}")
    if not step:
        example = f"{name.rstrip('.')}.p99"
        raise BadValue("is not a metric", example if _STEP.fullmatch(example) else "step.NAME.p99")
    if _is_statistic(statistic):
        return _of_step(name, f"{kind}.{step}", statistic)
    near = nearest(statistic, (*STATISTICS, *STEP_COUNTS))
    raise BadValue("is not a metric", f"{kind}.{step}.{near or 'p99'}")


def parse_limit(text: str, metric: str = "") -> Limit:
    """Return the limit in "< 20ms", checked against the metric when one is named; `BadValue` says what to write."""
    written = text.strip()
    match = _LIMIT.fullmatch(written)
    if match is None:
        examples = [_TAKES[parse_metric(metric).unit][1]] if metric else ["< 20ms", ">= 99%", ">= 1000/s"]
        example = " or ".join(f'"{text}"' for text in examples)
        raise BadValue(f"is not a limit: write {example}", _nearest_limit(written))
    op, number, suffix = cast(Op, match[1]), match[2], match[3]
    unit = cast(Unit, "ms" if suffix in _TO_MS else suffix)
    value = float(Decimal(number) * _TO_MS.get(suffix, Decimal(1)))
    if not math.isfinite(value):
        raise BadValue("is larger than any figure")
    limit = Limit(op, value, unit)
    if metric:
        wanted = parse_metric(metric).unit
        if wanted != unit:
            kind, example = _TAKES[wanted]
            raise BadValue(f'is the wrong unit: {metric} takes {kind}, such as "{example}"', _in_unit(limit, wanted))
    if unit == "%" and value > 100:
        raise BadValue("no share is above 100%")
    if unit == "%" and op == ">" and value == 100:
        raise BadValue("no share is above 100%", ">= 100%")
    if op == "<" and value == 0:
        raise BadValue("nothing is below 0", f"<= 0{unit}")
    return limit


def parse_condition(text: str) -> tuple[str, str]:
    """Return metric and limit of a condition such as "response.p99 < 20ms". Raises BadValue."""
    match = re.fullmatch(r"\s*([^\s<>=]+)\s*([<>=].*)", text)
    if match is None:
        raise BadValue('is not a threshold: write "response.p99 < 20ms"')
    metric, limit = match[1], match[2].strip()
    parse_metric(metric)
    parse_limit(limit, metric)
    return metric, limit


def _ratio(value: float, of: float) -> float:
    return value / of if of else MOST_USED


def _part(value: float, allowed: float) -> float:
    if allowed > 0:
        return value / allowed
    return 0.0 if value <= 0 else 1 + value


def _nearest_metric(name: str) -> str:
    options = list(METRICS)
    glued = re.fullmatch(r"(.*\.)p(9\d)(\d+)", name)  # p999, as some reports spell p99.9
    if glued:
        name = f"{glued[1]}p{glued[2]}.{glued[3]}"
    _, _, statistic = name.rpartition(".p")
    if _PERCENTILE.fullmatch(f"p{statistic}"):
        options += [f"{family}.p{statistic}" for family in DISTRIBUTIONS]
    return name if name in options else nearest(name, options)


def _nearest_limit(written: str) -> str:
    plain = written.replace("≤", "<=").replace("≥", ">=").replace("=<", "<=").replace("=>", ">=")
    plain = re.sub(r"^=(?=[^=])", "==", plain)
    plain = re.sub(r"(?<=\d)_(?=\d{3})", "", with_points(plain))
    plain = re.sub(r"(?:per|/) ?sec(?:ond)?$", "/s", plain)
    return plain if plain != written and _LIMIT.fullmatch(plain) else ""


def _in_unit(limit: Limit, unit: Unit) -> str:
    if limit.unit == "" and unit:
        if unit == "%" and 0 < limit.value <= 1:
            return f"{limit.op} {plain_number(shortest_decimal(limit.value) * 100)}%"
        return f"{limit}{unit}"
    return ""
