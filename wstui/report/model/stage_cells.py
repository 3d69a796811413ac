"""One stage as a row of figures, for the reports that show stages as a table."""

from __future__ import annotations

from wstui.execution.run.result_sections import StageSummary
from wstui.report.model import format

STAGE_HEAD = ("stage", "time", "became ready", "sent", "received", "p50", "p99", "timed out")


def stage_cells(stage: StageSummary) -> list[str]:
    """The cells of one stage, as STAGE_HEAD names them; its name comes as it is, to be escaped by the report."""
    return [
        stage.name,
        f"{format.clock(stage.started_s)}–{format.clock(stage.ended_s)}",
        format.count(stage.connections.ready),
        format.per_second(stage.messages.sent_per_second),
        format.per_second(stage.messages.received_per_second),
        format.milliseconds(stage.latency_ms.response.p50),
        format.milliseconds(stage.latency_ms.response.p99),
        format.count(stage.messages.timed_out),
    ]
