"""Notes and spans on the dashboard: written by a key, drawn, and compared by a key."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.tui import fake
from tests.tui.driving import running, shown, until
from wstui.measure.timeline import Mark


async def test_a_note_is_written_and_its_change_is_shown() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        await pilot.press("c")
        assert len(app.screen_stack) == 2, "there is nothing to compare yet"
        await pilot.press("n", "enter")
        await until(lambda: "a note needs a text" in shown(app), pilot)
        await pilot.press(*"pods", "enter")
        await until(lambda: session.commands == [("note", "pods")], pilot)
        session.picture = replace(session.picture, marks=(*fake.MARKS[:2], Mark(180.0, "note", "pods")))
        await pilot.press("f", "f")  # charts are drawn at the next second of the run, or now
        await until(lambda: "¶ pods" in shown(app), pilot)
        await pilot.press("c")
        await until(lambda: "Before and after" in shown(app), pilot)
        rows = shown(app).splitlines()
        assert all("not proven" in row for row in rows if "response.p" in row), "no row of the table is wrapped"
        assert "2:00–3:00 and 3:00–4:12" in shown(app) and "response.p99" in shown(app)
        for size in ((80, 24), (120, 40)):
            await pilot.resize_terminal(*size)
            await until(lambda: "response.p99" in shown(app), pilot)
            (row,) = [row for row in shown(app).splitlines() if "response.mean" in row]
            assert re.search(r"response\.mean +[\d.]+ ms +[\d.]+ ms +[+-][\d.]+ %  \w+", row), row
        await pilot.press("escape")


async def test_one_key_begins_and_ends_a_span() -> None:
    async with running(size=(200, 50)) as (app, pilot, session):
        await pilot.press("N", *"six")
        await until(lambda: "Begin  enter" in shown(app), pilot)
        await pilot.press("enter")
        await until(lambda: session.commands == [("span", "six")], pilot)
        await until(lambda: shown(app).count("[ six") == 2, pilot)  # in the chart and among the events
        await pilot.press("N")
        await until(lambda: session.commands[-1] == ("span_end",), pilot)
