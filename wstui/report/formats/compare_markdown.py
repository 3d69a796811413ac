"""A comparison as Markdown for a merge request: verdict first, then what changed, then the rest folded away."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.compare import Change, Comparison
from wstui.report.analysis.significance import ALPHA
from wstui.report.formats.compare_text import difference, judgement
from wstui.report.formats.markdown import code, grid, plain
from wstui.report.model.table import Column, Row, Table

_COLUMNS = (
    Column("metric", number=False, code=True),
    *(Column(title) for title in ("before", "after", "change")),
    Column("", number=False),
    Column("p"),
)


def marker(preset: str) -> str:
    """Return the hidden line by which a script finds its comment again, to update it."""
    return f"<!-- wstui compare: {sanitize(preset).replace('--', '- -')} -->"


def render(comparison: Comparison, preset: str, broken: Sequence[str] = ()) -> str:
    """Return the comment; `broken` are the conditions of `--fail-if` that hold."""
    proven = [change for change in comparison.changes if change.significant]
    worse = [change for change in proven if change.better is False]
    better = [change for change in proven if change.better]
    measured = [c for c in comparison.changes if c not in proven and not (c.before is None and c.after is None)]
    lines = [
        marker(preset),
        f"### {'✗' if broken else '▲' if worse else '✓'} {code(preset)}: {_verdict(worse, better, broken)}",
        "",
        f"{code(comparison.before)} → {code(comparison.after)}",
    ]
    lines += ["", *(f"- ✗ {plain(text)}" for text in broken)] if broken else []
    lines += ["", *(f"- ▲ {plain(text)}" for text in comparison.warnings)] if comparison.warnings else []
    lines += ["", plain(comparison.limits)] if comparison.limits else []
    lines += ["", *(f"- {plain(note)}" for note in comparison.notes)] if comparison.notes else []
    if proven:
        lines += ["", *_rows(proven)]
    if measured:
        summary = f"<summary>{len(measured)} metrics without a proven change</summary>"
        lines += ["", "<details>", summary, "", *_rows(measured), "", "</details>"]
    note = f"Proven: p < {ALPHA:g}, judged by the noise within these runs; the noise between runs is not in it."
    return "\n".join([*lines, "", f"<sub>{note}</sub>"]) + "\n"


def _verdict(worse: Sequence[Change], better: Sequence[Change], broken: Sequence[str]) -> str:
    counts = [f"{len(changes)} {word}" for changes, word in ((worse, "worse"), (better, "better")) if changes]
    told = " and ".join(counts) or "no proven change"
    return f"{'not accepted, ' if broken else ''}{told}"


def _rows(changes: Sequence[Change]) -> list[str]:
    rows = [
        Row(
            (
                change.metric,
                format.limit_figure(change.before, change.unit),
                format.limit_figure(change.after, change.unit),
                difference(change),
                judgement(change),
                "" if change.p_value is None else f"{change.p_value:.2g}",
            )
        )
        for change in changes
    ]
    return grid(Table("", _COLUMNS, rows))
