"""The summary that a run prints at its end."""

from __future__ import annotations

from typing import TextIO

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import visible
from wstui.report.formats import console_sections as sections
from wstui.report.model import format
from wstui.report.model.labels import name_of, peak_clients, route_of, url_of, verdict_sign
from wstui.report.model.terminal import Paint, terminal_width, wants_colour
from wstui.report.model.text import flow, paragraph, table, width_of


def print_summary(result: Result | SuiteResult, stream: TextIO) -> None:
    """Write the summary to `stream`: in colour and as wide as it is on a terminal, else 80 plain columns."""
    text = summary(result, width=terminal_width(stream), colour=wants_colour(stream))
    encoding = stream.encoding or "utf-8"
    # A terminal that cannot show "✓" gets "?" rather than a traceback.
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def summary(result: Result | SuiteResult, *, width: int = 80, colour: bool = False) -> str:
    """The final summary as plain text of at most `width` columns, without a newline at its end."""
    paint = Paint(colour)
    if isinstance(result, SuiteResult):
        return "\n".join(_suite(result, width, paint))
    return "\n".join(_run(result, width, paint))


def _suite(suite: SuiteResult, width: int, paint: Paint) -> list[str]:
    lines = _head(suite, width, paint)
    rows = [["", "run", "clients", "success", "p50", "p99", "failures", "took"]]
    for run in suite.runs:
        mark = verdict_sign(run.verdict)
        rows.append(
            [
                mark.glyph,
                f"{visible(name_of(run))} {mark.word.lower()}",
                format.count(peak_clients(run)),
                format.percentage(run.connections.success_rate),
                format.milliseconds(run.latency_ms.response.p50),
                format.milliseconds(run.latency_ms.response.p99),
                format.count(sum(failure.count for failure in run.failures)),
                format.duration(run.duration_s),
            ]
        )
    lines += table(rows, left=2, width=width)
    for run in suite.runs:
        lines += ["", "─" * width, *_run(run, width, paint)]
    return lines


def _head(result: Result | SuiteResult, width: int, paint: Paint) -> list[str]:
    """The verdict and its reason, whole: on one line where there is room."""
    sign = verdict_sign(result.verdict)
    reason = f"{visible(name_of(result), 60)}: {visible(result.verdict.reason)}"
    head = [paint.tone(f"{sign.glyph} {sign.word}", sign.tone, bold=True)]
    if width_of(f"{sign.glyph} {sign.word}  {reason}") <= width:
        head[0] += "  " + reason
    else:
        head += paragraph(reason, width=width)
    return head


def _run(run: Result, width: int, paint: Paint) -> list[str]:
    bodies = [
        ("", _verdict(run, width, paint)),
        ("Findings", sections.findings(run, width, paint)),
        ("Breakpoint", sections.breakpoint(run, width, paint)),
        ("Thresholds", sections.thresholds(run, width, paint)),
        ("Connections", sections.connections(run, width)),
        ("Tokens", sections.tokens(run, width, paint)),
        ("Subscriptions", sections.subscriptions(run, width)),
        ("Slow readers", sections.slow_readers(run, width)),
        ("Steps, ms", sections.steps(run, width, paint)),
        ("Messages", sections.messages(run, width)),
        ("Latency, ms", sections.latency(run, width)),
        ("Fan-out", sections.fan_out(run, width)),
        ("Stages", sections.stages(run, width)),
        ("Failures", sections.failures(run.failures, width, paint)),
        ("Target, by its own account", sections.target(run, width, paint)),
        ("Generator", sections.generator(run, width, paint)),
    ]
    lines: list[str] = []
    for heading, body in bodies:
        if not body:
            continue
        if heading:
            lines += ["", paint.heading(heading)]
        lines += body
    return lines


def _verdict(run: Result, width: int, paint: Paint) -> list[str]:
    head = _head(run, width, paint)
    facts = [visible(fact) for fact in (url_of(run), route_of(run)) if fact]
    if peak_clients(run):
        facts.append(f"{format.count(peak_clients(run))} clients")
    facts.append(format.duration(run.duration_s))
    if run.paused_s:
        facts.append(f"paused {format.duration(run.paused_s)}")
    facts.append(visible(run.started))
    return head + paint.dim(flow(facts, width=width))
