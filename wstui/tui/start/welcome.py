"""What to press first."""

from __future__ import annotations

from wstui.tui.kit.row_widget import Line, RowWidget, rule

_STEPS = (
    ("m", "no server at hand? one is started here, and loaded with quick"),
    ("enter", "runs the preset under the cursor against its target"),
    ("e", "opens it: every value explained, the load drawn"),
    ("n", "begins a scenario of your own"),
)


class Welcome(RowWidget):
    """Four first steps."""

    DEFAULT_CSS = "Welcome { height: 5; }"

    def paint(self, width: int, height: int) -> list[Line]:
        steps: list[Line] = [[(f"{key:>7}  ", "strong-accent"), (text, "text")] for key, text in _STEPS]
        return [rule([("first steps", "text")], width), *steps]
