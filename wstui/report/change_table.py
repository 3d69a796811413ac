"""A comparison of two runs as text for the terminal."""

from __future__ import annotations

from wstui.report import figures
from wstui.report.columns import table, wrap
from wstui.report.compare import Change, Comparison
from wstui.report.significance import ALPHA, FEWEST_SECONDS
from wstui.report.terminal import Paint
from wstui.report.wording import Tone, shown


def render(comparison: Comparison, *, width: int = 80, colour: bool = False) -> str:
    """The warnings, then each metric before and after with its change and whether that is more than noise."""
    paint = Paint(colour)
    lines = [
        paint.tone(line, Tone.NEAR)
        for warning in comparison.warnings
        for line in wrap(f"▲ {shown(warning)}", width=width, indent="")
    ]
    if lines:
        lines.append("")
    seen = [change for change in comparison.changes if change.before is not None or change.after is not None]
    rows = [["", "metric", shown(comparison.before, 16), shown(comparison.after, 16), "change", ""]]
    rows += [
        [
            glyph(change),
            change.metric,
            figures.limit_figure(change.before, change.unit),
            figures.limit_figure(change.after, change.unit),
            difference(change),
            judgement(change),
        ]
        for change in seen
    ]
    head, *body = table(rows, left=2, width=width)
    lines.append(paint.heading(head))
    lines += [paint.tone(line, tone(change)) for line, change in zip(body, seen, strict=True)]
    note = (
        f"better and worse: p < {ALPHA:g}, judged by the noise within these two runs. "
        "The noise between runs is not in it: repeat a run to see that."
    )
    if any(judgement(change) == "not tested" for change in seen):
        note += f" Not tested: fewer than {FEWEST_SECONDS} s of steady load, or too few values, in one of them."
    lines += ["", *paint.dim(wrap(note, width=width, indent=""))]
    return "\n".join(lines)


def tone(change: Change) -> Tone:
    """How good a change is."""
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
        return f"+{figures.limit_figure(change.after, change.unit)}" if change.after else ""
    return f"{change.ratio * 100:+.1f}%"
