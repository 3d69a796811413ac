"""Every distribution of the result as a histogram log (.hlog, V2): a tagged line each, over the time of its run."""

from __future__ import annotations

import io
import re
from datetime import datetime

from hdrh.log import HistogramLogWriter

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.hdr import hdr_histogram
from wstui.report.model.labels import name_of, runs_of

_NS_PER_MS = 1e6


def render(result: Result | SuiteResult) -> str:
    """Return the log. Tags name the distribution, such as "response@hold"; those of a suite begin with the run."""
    log = io.StringIO()
    writer = HistogramLogWriter(log)
    writer.output_comment("[Logged by wstui]")
    writer.output_log_format_version()
    writer.output_legend()
    for run in runs_of(result):
        begun = datetime.fromisoformat(run.started).timestamp() if run.started else 0.0
        for name, text in run.histograms.items():
            tag = f"{name_of(run)}.{name}" if isinstance(result, SuiteResult) else name
            log.write(f"Tag={re.sub(r'[^!-~]|,', '_', tag)},")  # a tag ends at the first comma
            writer.output_interval_histogram(hdr_histogram(text), begun, begun + run.duration_s, _NS_PER_MS)
    return log.getvalue()
