"""One stage as a row of figures, for the reports that show stages as a table."""

from __future__ import annotations

from wstui.execution.result import StageSummary
from wstui.report import figures

STAGE_HEAD = ("stage", "time", "became ready", "sent", "received", "p50", "p99", "timed out")


def stage_cells(stage: StageSummary) -> list[str]:
    """The cells of one stage, as STAGE_HEAD names them; its name comes as it is, to be escaped by the report."""
    return [
        stage.name,
        f"{figures.clock(stage.started_s)}–{figures.clock(stage.ended_s)}",
        figures.count(stage.connections.ready),
        figures.rate(stage.messages.sent_per_second),
        figures.rate(stage.messages.received_per_second),
        figures.milliseconds(stage.latency_ms.response.p50),
        figures.milliseconds(stage.latency_ms.response.p99),
        figures.count(stage.messages.timed_out),
    ]
