"""The manual as a screen: opened by topic, searched, left one step at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.driving import running, shown, started, until
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.help import HelpDialog
from wstui.tui.manual.manual_screen import ManualScreen, Topics
from wstui.tui.start.start_screen import StartScreen


def is_open(app: WstuiApp) -> bool:
    return isinstance(app.screen, ManualScreen)


def topics_of(app: WstuiApp) -> Topics:
    assert isinstance(app.screen, ManualScreen)
    return app.screen.topics


async def test_help_then_m_opens_the_page_of_the_screen_and_esc_leads_back(home: Path) -> None:
    async with started(home, (80, 24)) as (app, pilot, _, _):
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpDialog), pilot)
        await pilot.press("m")
        await until(lambda: is_open(app) and "by the question they answer" in shown(app), pilot)
        assert "TOPIC" not in shown(app), "a narrow terminal gives the page all of its width"
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)


async def test_a_run_goes_on_below_the_manual() -> None:
    async with running(size=(120, 40)) as (app, pilot, session):
        app.action_manual()
        await until(lambda: is_open(app) and "pause, resume: connections stay open" in shown(app), pilot)
        await pilot.press("space", "plus", "a")
        assert is_open(app) and session.commands == []
        app.action_manual()
        assert sum(isinstance(screen, ManualScreen) for screen in app.screen_stack) == 1
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)


async def test_words_are_found_in_all_pages_and_each_step_back_undoes_one(home: Path) -> None:
    async with started(home, (120, 40)) as (app, pilot, _, _):
        app.action_manual()
        await until(lambda: is_open(app), pilot)
        await pilot.press("slash")
        await pilot.press(*"lease")
        topics = topics_of(app)
        await until(lambda: {place.topic for place in topics.items} >= {"hosts", "numbers"}, pilot)
        await pilot.press("enter")
        topics.go_to(next(place for place in topics.items if place.topic == "hosts"))
        await until(lambda: "Each worker holds a lease" in " ".join(shown(app).split()), pilot)
        await pilot.press("enter")
        assert app.screen.has_class("-reading")
        await pilot.press("escape")
        assert not app.screen.has_class("-reading") and app.screen.query_one(Input).value == "lease"
        await pilot.press("escape")
        await until(lambda: len(topics.items) > 20 and not app.screen.has_class("-finding"), pilot)
        assert is_open(app)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)


async def test_what_is_not_found_is_said(home: Path) -> None:
    async with started(home, (120, 40)) as (app, pilot, _, _):
        app.action_manual()
        await until(lambda: is_open(app), pilot)
        await pilot.press("slash", *"xyzzy")
        await until(lambda: 'no page has "xyzzy"' in shown(app), pilot)


SIZES = ((80, 24), (120, 40), (50, 14))


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_every_topic_can_be_read_and_topics_at_every_size(size: tuple[int, int], home: Path) -> None:
    async with started(home, size) as (app, pilot, _, _):
        app.action_manual()
        await until(lambda: is_open(app), pilot)
        topics = topics_of(app)
        await pilot.press("left")
        await until(lambda: topics.has_focus, pilot)
        # A page that breaks does so at any size, and a size at which pages break does so with many: a third at each.
        for place in [*topics.items[SIZES.index(size) :: len(SIZES)], topics.items[-1]]:
            topics.go_to(place)
            await pilot.pause()
            await until(lambda: app.screen._shown.topic == place.topic, pilot)  # type: ignore[attr-defined]  # noqa: B023
        await until(lambda: "Changelog" in shown(app), pilot)
        before = shown(app)
        await pilot.press("enter", "pagedown") if size[1] > 20 else None
        assert is_open(app) and (size[1] > 30 or size[1] < 20 or shown(app) != before)
