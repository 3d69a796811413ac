"""A tile: one question, one large figure, its mark and its course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wstui.report.model.cell_text import clip, width_of
from wstui.tui.kit.bars import columns
from wstui.tui.kit.row_widget import Line, Part, RowWidget, cells

_EDGES = {"ok": "ok", "near": "warn", "bad": "bad", "": "track"}
_GLYPHS = {"ok": ("✓ ", "strong-ok"), "near": ("▲ ", "strong-warn"), "bad": ("✗ ", "strong-bad"), "": ("", "text")}


@dataclass(frozen=True, slots=True)
class TileModel:
    """What a tile reads. `sign` is "", "ok", "near" or "bad"; of the `details` the first that fits is shown.

    `judges_detail`: the sign is about the detail rather than the figure, and stands beside it.
    """

    title: str
    figure: str
    unit: str = ""
    details: tuple[str, ...] = ()
    sign: str = ""
    course: Sequence[float] = field(default=(), compare=False)
    top: float = 0.0
    judges_detail: bool = False


def _title(text: str, glyph: Part, width: int) -> Line:
    room = width - 1 - width_of(glyph[0])
    text = clip(text, room)
    return [(" " + text + " " * (room - width_of(text)), "muted"), glyph]


class Tile(RowWidget):
    """Three rows; a fourth with the course if there is room."""

    DEFAULT_CSS = "Tile { width: 1fr; height: 100%; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._face: TileModel | None = None

    def show(self, face: TileModel) -> None:
        self._face = face
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        face = self._face
        if face is None:
            return []
        edge = ("▌", _EDGES[face.sign])
        inner = width - 3
        glyph = _GLYPHS[face.sign]
        above, below = (_GLYPHS[""], glyph) if face.judges_detail else (glyph, _GLYPHS[""])
        figure: Line = [(face.figure, "strong")]
        if face.unit:
            # a unit that does not fit is dropped whole: half a number would be a wrong one
            unit = face.unit if cells(figure) + 1 + width_of(face.unit) <= inner else ""
            figure.append((f" {unit}" if unit else "", "muted"))
        room = inner - width_of(below[0])
        detail = next((d for d in face.details if width_of(d) <= room), face.details[-1] if face.details else "")
        lines: list[Line] = [
            [edge, *_title(face.title, above, width - 1)],
            [edge, (" ", "text"), *figure],
            [edge, (" ", "text"), below, (clip(detail, room), "muted")],
        ]
        if height > 3:
            lines.append([edge, (" " + columns(face.course, inner, top=face.top), "fill")])
        return lines
