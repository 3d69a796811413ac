"""Feeds charts with everything a run could produce and more; run as a process, because plotext could end it."""

from __future__ import annotations

import math
import random
import sys

from wstui.tui.kit.chart import Curve, Plot, draw
from wstui.tui.kit.row_widget import cells

SIZES = [(1, 1), (2, 2), (11, 3), (12, 3), (13, 4), (40, 5), (79, 8), (80, 15), (150, 20), (300, 60)]
ODD = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 1e-300, 5e-324, 1e300, -1e300, 1e18, 1e-9, 118.0]


def values(chance: random.Random) -> list[float]:
    """One curve's worth of trouble."""
    kind = chance.randrange(9)
    count = chance.choice([0, 1, 2, 3, 7, 60, 500])
    if kind == 0:
        return [chance.choice(ODD) for _ in range(count)]
    if kind == 1:
        return [math.nan] * count
    if kind == 2:
        return [chance.choice(ODD)] * count
    if kind == 3:
        return [10 ** chance.uniform(-300, 300) for _ in range(count)]
    if kind == 4:
        return [-(10 ** chance.uniform(-3, 6)) for _ in range(count)]
    if kind == 5:
        return [1e16 + chance.random() for _ in range(count)]
    if kind == 6:
        return [math.inf] * count
    base = [chance.uniform(0, 100) for _ in range(count)]
    return [math.nan if chance.random() < 0.3 else value for value in base]


def main(rounds: int, seed: int) -> None:
    """Draw, and hold every chart to its size."""
    chance = random.Random(seed)
    for number in range(rounds):
        width, height = chance.choice(SIZES)
        curves = []
        for meaning in ("p50", "p95", "p99")[: chance.randrange(4)]:
            ys = values(chance)
            xs = [float(i) for i in range(len(ys))]
            if chance.random() < 0.2:
                xs = [chance.choice(ODD) for _ in ys]
            if chance.random() < 0.1:
                xs = xs[: len(xs) // 2]
            curves.append(Curve(xs, ys, meaning))
        start, end = chance.choice([(0.0, 60.0), (0.0, 0.0), (5.0, 1.0), (math.nan, 9.0), (0.0, math.inf), (1e9, 2e9)])
        plot = Plot(
            curves,
            start,
            end,
            log=chance.random() < 0.5,
            limit=chance.choice([None, *ODD]),
            marks=[(chance.choice(ODD), "mark")] * chance.randrange(3),
            note="nothing",
            least_top=chance.choice([0.0, 1.0, 1e300, math.nan, math.inf]),
        )
        lines = draw(plot, width, height)
        assert len(lines) == height, (number, len(lines), height)
        for line in lines:
            assert cells(line) == width, (number, cells(line), width, line)
        said = "".join(text for line in lines for text, _ in line)
        assert "cannot be drawn" not in said, (number, said, plot)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
