"""Distributions for HdrHistogram's tools: a percentile table (.hgrm, in ms) and a histogram log (.hlog, V2)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.histogram import BUCKETS, Distribution, bucket_bounds, decode_hdr
from wstui.report.model.labels import name_of, runs_of

_NS_PER_MS = 1e6
_TICKS = 5
"""Rows while the distance to 100 % halves."""


def render_hgrm(result: Result | SuiteResult, of: str = "response") -> str:
    """Return the table of one distribution, of a suite that of its first run that has it."""
    found = next((text for run in runs_of(result) if (text := run.histograms.get(of))), "")
    data = decode_hdr(found) if found else Distribution()
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


_HEAD = """#[Logged by wstui]
#[Histogram log format version 1.2]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""


def render_hlog(result: Result | SuiteResult) -> str:
    """Return the log. Tags name the distribution, such as "response@hold"; those of a suite begin with the run."""
    lines = []
    for run in runs_of(result):
        begun = datetime.fromisoformat(run.started).timestamp() if run.started else 0.0
        for name, text in run.histograms.items():
            tag = f"{name_of(run)}.{name}" if isinstance(result, SuiteResult) else name
            tag = re.sub(r"[^!-~]|,", "_", tag)  # a tag ends at the first comma
            lines.append(f"Tag={tag},{begun:.6f},{run.duration_s:.6f},{decode_hdr(text).high / 1e6:.6f},{text}\n")
    return _HEAD + "".join(lines)
