"""The response times as a percentile table (.hgrm), which HdrHistogram's plotters read. Values are milliseconds."""

from __future__ import annotations

import math
from collections.abc import Iterator

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.hdr import BUCKETS, decode
from wstui.measure.histogram import Distribution, bucket_bounds
from wstui.report.model.labels import runs_of

_NS_PER_MS = 1e6
_TICKS = 5
"""Rows while the distance to 100 % halves."""


def render(result: Result | SuiteResult, of: str = "response") -> str:
    """Return the table of one distribution, of a suite that of its first run that has it."""
    found = next((text for run in runs_of(result) if (text := run.histograms.get(of))), "")
    data = decode(found) if found else Distribution()
    mean, high = (data.mean() or 0) / _NS_PER_MS, data.high / _NS_PER_MS
    middles = ((sum(bucket_bounds(data.first + at)) / 2 / _NS_PER_MS, count) for at, count in enumerate(data.counts))
    deviation = math.sqrt(sum((middle - mean) ** 2 * count for middle, count in middles) / max(data.count, 1))
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", "", *_rows(data)]
    lines.append(f"#[Mean    = {mean:12.2f}, StdDeviation   = {deviation:12.2f}]")
    lines.append(f"#[Max     = {high:12.2f}, TotalCount     = {data.count:12.2f}]")
    lines.append(f"#[Buckets = {BUCKETS // 128 - 1:12d}, SubBuckets     = {256:12d}]")
    return "\n".join(lines) + "\n"


def _rows(data: Distribution) -> Iterator[str]:
    share, seen = 0.0, 0
    for at, count in enumerate(data.counts):
        seen += count
        value = (bucket_bounds(data.first + at)[1] - 1) / _NS_PER_MS
        while count and seen / data.count >= share:
            yield f"{value:12.2f} {share:2.12f} {seen:10d} {1 / (1 - share):14.2f}"
            share += (1 - share) / (2 * _TICKS)
            if seen == data.count:
                yield f"{value:12.2f} {1:2.12f} {seen:10d}"
                break
