"""A comparison of two runs as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.compare import Change, Comparison
from wstui.report.analysis.significance import ALPHA, FEWEST_SECONDS
from wstui.report.model.cell_text import paragraph, table, width_of
from wstui.report.model.labels import Tone
from wstui.report.model.terminal import Paint


def render(comparison: Comparison, *, width: int = 80, colour: bool = False) -> str:
    """The warnings, then each metric before and after with its change and whether that is more than noise."""
    paint = Paint(colour)
    lines = _remarks(comparison, width, paint)
    seen = [change for change in comparison.changes if change.before is not None or change.after is not None]
    rows = [["", "metric", sanitize(comparison.before, 16), sanitize(comparison.after, 16), "change", ""]]
    rows += [
        [
            glyph(change),
            change.metric,
            format.limit_figure(change.before, change.unit),
            format.limit_figure(change.after, change.unit),
            difference(change),
            judgement(change),
        ]
        for change in seen
    ]
    head, *body = table(rows, left=2, width=width)
    lines.append(paint.heading(head))
    lines += [paint.tone(line, tone(change)) for line, change in zip(body, seen, strict=True)]
    return "\n".join([*lines, "", *_note(seen, width, paint)])


def render_all(comparisons: Sequence[Comparison], *, width: int = 80, colour: bool = False) -> str:
    """Several runs against the same first one: side by side where there is room, else one below the other."""
    lines = side_by_side(comparisons)
    if len(comparisons) == 1 or max(map(width_of, lines)) > width:
        parts = [render(comparison, width=width, colour=colour) for comparison in comparisons]
        return f"\n\n{'─' * width}\n\n".join(parts)
    paint = Paint(colour)
    remarks = [line for comparison in comparisons for line in _remarks(comparison, width, paint, named=True)]
    changes = [change for comparison in comparisons for change in comparison.changes]
    return "\n".join([*remarks, paint.heading(lines[0]), *lines[1:], "", *_note(changes, width, paint)])


def _remarks(comparison: Comparison, width: int, paint: Paint, *, named: bool = False) -> list[str]:
    """Return the warnings about the comparison, and what its metrics do not show."""
    who = f"{comparison.after}: " if named else ""
    lines = [
        paint.tone(line, Tone.NEAR)
        for warning in comparison.warnings
        for line in paragraph(sanitize(f"▲ {who}{warning}"), width=width, indent="")
    ]
    if comparison.limits:
        lines += paragraph(sanitize(who + comparison.limits), width=width, indent="")
    for note in comparison.notes:
        lines += paragraph(sanitize(note), width=width, indent="")
    return [*lines, ""] if lines else []


def _note(changes: Sequence[Change], width: int, paint: Paint) -> list[str]:
    note = (
        f"better and worse (✓ and ✗): p < {ALPHA:g}, judged by the noise within these runs: latencies and rates by a "
        "rank test on batches of seconds (Mann and Whitney 1947), shares by Fisher's or the z test, Holm-corrected. "
        "The noise between runs is not in it: repeat a run to see that."
    )
    if any(judgement(change) == "not tested" for change in changes):
        note += f" Not tested: fewer than {FEWEST_SECONDS} s of steady load, or too few values, in one of them."
    return paint.dim(paragraph(note, width=width, indent=""))


def side_by_side(comparisons: Sequence[Comparison]) -> list[str]:
    """A row a metric: the first run, then each other one with its change; a glyph where it is proven."""
    first = comparisons[0]
    rows = [
        ["metric", sanitize(first.before, 14), *(c for of in comparisons for c in (sanitize(of.after, 14), "change"))]
    ]
    for number, change in enumerate(first.changes):
        others = [comparison.changes[number] for comparison in comparisons]
        if all(other.before is None and other.after is None for other in others):
            continue
        cells_of = [format.limit_figure(change.before, change.unit)]
        for other in others:
            cells_of += [
                format.limit_figure(other.after, other.unit),
                f"{difference(other)} {glyph(other)}".rstrip(),
            ]
        rows.append([change.metric, *cells_of])
    return table(rows, left=1, width=1000, indent="")


def tone(change: Change) -> Tone:
    """Return how good a change is."""
    if not change.significant or change.better is None:
        return Tone.PLAIN
    return Tone.GOOD if change.better else Tone.BAD


def glyph(change: Change) -> str:
    """A change at a glance."""
    return {Tone.GOOD: "✓", Tone.BAD: "✗"}.get(tone(change), " ")


def judgement(change: Change) -> str:
    """A change in a word: better, worse, the same, negligible, not proven, or not tested."""
    if change.before is None or change.after is None:
        return "not measured"
    if change.before == change.after:
        return "same"
    if change.significant:
        return "better" if change.better else "worse"
    if change.p_value is None:
        return "not tested"
    return "negligible" if change.p_value < ALPHA else "not proven"


def difference(change: Change) -> str:
    """The size of a change: relative, or in points for a share, or in its unit where it began at 0."""
    if change.before is None or change.after is None:
        return ""
    if change.unit == "%":
        return f"{change.after - change.before:+.2f} pt"
    if change.ratio is None:
        return f"+{format.limit_figure(change.after, change.unit)}" if change.after else ""
    return f"{change.ratio * 100:+.1f} %"
