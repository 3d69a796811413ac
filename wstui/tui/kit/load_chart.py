"""The planned load as a chart, and as a sketch of one row."""

from __future__ import annotations

from wstui.scenario.load_curve import LoadCurve
from wstui.tui.kit.bars import columns
from wstui.tui.kit.chart import Curve, Plot


def plot(curve: LoadCurve) -> Plot:
    """Return the curve as a chart; corners alone would leave the steep parts to the eye, so it is walked densely."""
    length = max(curve.length_s, 1.0)
    steps = 200
    xs = sorted({*curve.at_s, *(length * i / steps for i in range(steps + 1))})
    return Plot(
        [Curve(xs, [curve.clients_at(x) for x in xs], "p50")],
        0.0,
        length,
        marks=[mark for mark in curve.marks if mark[0] > 0],
        least_top=1.0,
        note="no stages yet",
        named=True,
    )


def sketch(curve: LoadCurve, width: int) -> str:
    """Return the curve as columns of one row, lower than the row: there are others above and below."""
    if not curve.length_s:
        return ""
    heights = [curve.clients_at((i + 0.5) * curve.length_s / width) for i in range(width)]
    return columns(heights, width, top=max(heights) * 4 / 3)
