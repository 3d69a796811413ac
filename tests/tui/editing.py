"""Finds what edits a value of the form."""

from __future__ import annotations

import re

from textual.widgets import Input

from wstui.scenario.errors import Key
from wstui.tui.app import WstuiApp
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.editor.form import FormView
from wstui.tui.editor.form_boxes import RowsBox
from wstui.tui.editor.form_lines import FormLine, FormRow, NotedLine
from wstui.tui.editor.host_capacity import HostCapacity
from wstui.tui.kit.option_row import OptionRow

HOST = HostCapacity(ports=28_232, files=1_048_576, spare=3, cores=4, memory=5_812 << 20)
"""A machine that is always the same."""


def key_of(app: WstuiApp, name: str) -> Key:
    """The key in the form of a place in the model: "messages.every", "stages[1].over"."""
    screen = app.screen
    assert isinstance(screen, Editor)
    found: list[str | int] = []
    for part in re.findall(r"[^.\[\]]+", name):
        rows = screen._draft.rows.get(tuple(found))
        found.append(rows[int(part)] if rows is not None else part)
    return tuple(found)


def control(app: WstuiApp, name: str) -> Input | OptionRow:
    """What edits the value at a place in the model."""
    screen = app.screen
    assert isinstance(screen, Editor)
    made = screen.form.control_at(key_of(app, name))
    assert isinstance(made, Input | OptionRow), name
    return made


def noted(app: WstuiApp, text: str) -> bool:
    """Whether a note below a value holds a text."""
    return text in notes(app)


def notes(app: WstuiApp) -> str:
    """What stands below the values."""
    form = app.screen.query_one(FormView)
    lines = [line for kind in (FormLine, FormRow, RowsBox) for line in form.query(kind) if line.display]
    said = [line.note for line in lines if isinstance(line, NotedLine | RowsBox)]
    return " ".join([*said, form.note])
