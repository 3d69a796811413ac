"""The response times as a percentile table (.hgrm), which HdrHistogram's plotters read. Values are milliseconds."""

from __future__ import annotations

import io
import re

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.hdr import hdr_histogram
from wstui.report.model.labels import runs_of

_NS_PER_MS = 1e6


def render(result: Result | SuiteResult, of: str = "response") -> str:
    """Return the table of one distribution, of a suite that of its first run that has it."""
    found = next((text for run in runs_of(result) if (text := run.histograms.get(of))), "")
    histogram = hdr_histogram(found)
    table = io.BytesIO()
    histogram.output_percentile_distribution(table, _NS_PER_MS)
    # The library scales every figure but this one.
    deviation = f"StdDeviation   = {histogram.get_stddev() / _NS_PER_MS:12.2f}"
    return re.sub(r"StdDeviation   = *[\d.]+", deviation, table.getvalue().decode("ascii"))
