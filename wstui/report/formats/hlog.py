"""Every distribution of the result as a histogram log (.hlog, V2): a tagged line each, over the time of its run."""

from __future__ import annotations

import re
from datetime import datetime

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.hdr import decode
from wstui.report.model.labels import name_of, runs_of

_HEAD = """#[Logged by wstui]
#[Histogram log format version 1.2]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""


def render(result: Result | SuiteResult) -> str:
    """Return the log. Tags name the distribution, such as "response@hold"; those of a suite begin with the run."""
    lines = []
    for run in runs_of(result):
        begun = datetime.fromisoformat(run.started).timestamp() if run.started else 0.0
        for name, text in run.histograms.items():
            tag = f"{name_of(run)}.{name}" if isinstance(result, SuiteResult) else name
            tag = re.sub(r"[^!-~]|,", "_", tag)  # a tag ends at the first comma
            lines.append(f"Tag={tag},{begun:.6f},{run.duration_s:.6f},{decode(text).high / 1e6:.6f},{text}\n")
    return _HEAD + "".join(lines)
