from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import fake, fake_store
from tests.tui.driving import go_to, shown, started, until
from tests.tui.editing import control, noted, notes
from wstui.scenario.file import load
from wstui.scenario.model import Scenario, Suite
from wstui.tui.app import WstuiApp
from wstui.tui.checklist.checklist_screen import ChecklistScreen
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dialogs.file_dialogs import SaveDialog
from wstui.tui.dialogs.questions import ConfirmDialog
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.editor.form import FormView
from wstui.tui.editor.form_boxes import Folding
from wstui.tui.editor.form_lines import AddRow, FormLine, FormRow
from wstui.tui.editor.preview import About
from wstui.tui.kit.option_row import OptionRow
from wstui.tui.start.start_screen import StartScreen
from wstui.tui.theme import LIGHT


@asynccontextmanager
async def editing(
    home: Path, preset: str = "quick", size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], fake_store.FakeLaunches]]:
    async with started(home, size) as (app, pilot, launches, _):
        await go_to(app, pilot, preset)
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.pause()
        yield app, pilot, launches


def made(app: WstuiApp) -> Scenario:
    """The scenario that the form means."""
    screen = app.screen
    assert isinstance(screen, Editor)
    assert screen._reading.scenario is not None, screen._reading.wrong
    return screen._reading.scenario


async def type_into(app: WstuiApp, pilot: Pilot[Any], name: str, text: str) -> None:
    found = control(app, name)
    found.value = text
    await pilot.pause()


async def unfold(app: WstuiApp, pilot: Pilot[Any], title: str) -> None:
    fold = next(host.fold for host in app.screen.query(Folding) if title in host.title_shown)
    fold.focus()
    await pilot.press("enter")
    await pilot.pause()


async def test_the_editor_explains_values_draws_the_load_and_shows_the_file(home: Path) -> None:
    async with editing(home, "checkout-soak", (120, 60)) as (app, pilot, _):
        await until(lambda: "[target]" in shown(app), pilot)
        text = shown(app)
        for part in ("12000", "100 connections/s", "holds 12 000 for 10:00", "per client; 24.0k/s in all",
                     "from ${AUTH_TOKEN:-}", "AUTH_TOKEN is not set", "clients over 13:00", "hold", "cooldown",
                     "p99 over all but the cooldown", "100 connects/s, 24.0k messages/s", "12 000 needed",
                     "^s Save", "^d Connect", "f5 Check", "esc Back", "f1 Help", "name in lists"):  # fmt: skip
            assert part in text, part
        assert "unsaved" not in text


async def test_errors_stand_beside_their_field_with_the_nearest_value_and_block_run_and_save(home: Path) -> None:
    async with editing(home) as (app, pilot, launches):
        for name, wrong, said in (
            ("messages.every", "5 sec", 'did you mean "5s"?'),
            ("stages[0].over", "10", 'write "10s"'),
            ("stages[0].clients", "many", "12000 or 12k"),
            ("thresholds[0].metric", "connect.sucess", 'did you mean "connect.success"?'),
            ("thresholds[2].limit", "< 5", 'did you mean "< 5ms"?'),
            ("target.url", "http://localhost", 'did you mean "ws://localhost"?'),
            ("target.url", "${NOWHERE_SET}", "NOWHERE_SET is not set"),
        ):
            field = control(app, name)
            before = field.value
            field.value = wrong
            await until(partial(noted, app, said), pilot)
            app.screen.query_one(FormView).control_at(("name",)).focus()  # type: ignore[union-attr]
            await pilot.press("ctrl+r")
            await until(lambda: "Fix 1 error first" in shown(app), pilot)
            assert app.screen.focused is field
            field.value = before
            await until(lambda: "✗" not in notes(app), pilot)
        assert not launches.launched


async def test_stages_are_added_taken_out_and_moved_and_the_load_follows(home: Path) -> None:
    async with editing(home) as (app, pilot, launches):
        control(app, "stages[1].name").focus()
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert app.focused is control(app, "stages[2].name")
        await pilot.press(*"storm", "tab", *"5s", "tab", *"2k")
        await until(lambda: "380 connections/s" in shown(app) and "2 000 clients" not in notes(app), pilot)
        assert [stage.name for stage in made(app).stages] == ["ramp", "hold", "storm"]
        await pilot.press("ctrl+up")
        await until(lambda: [stage.name for stage in made(app).stages] == ["ramp", "storm", "hold"], pilot)
        assert app.focused is control(app, "stages[1].clients")
        await pilot.press("ctrl+up", "ctrl+up")
        await until(lambda: [stage.name for stage in made(app).stages] == ["storm", "ramp", "hold"], pilot)
        await pilot.press("down", "down", "ctrl+t")
        await until(lambda: [stage.name for stage in made(app).stages] == ["storm", "ramp"], pilot)
        assert app.focused is control(app, "stages[1].name")
        await pilot.press("ctrl+r")
        await until(lambda: isinstance(app.screen, ConfirmDialog), pilot)
        await pilot.press("y")  # to 2 000 clients
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        scenario = launches.launched[0][0][0]
        assert [(s.name, s.over, s.clients) for s in scenario.stages] == [("storm", 5.0, 2000), ("ramp", 10.0, 100)]


async def test_rows_come_and_go_by_the_mouse_as_well(home: Path) -> None:
    async with editing(home, size=(120, 60)) as (app, pilot, _):
        before = len(made(app).thresholds)
        adder = next(adder for adder in app.screen.query(AddRow) if adder.key == ("thresholds",))
        adder.scroll_visible(animate=False)
        await pilot.pause()
        await pilot.click(adder)
        await pilot.pause()
        await pilot.press(*"response.p99", "tab", *"< 50ms")
        await until(lambda: not app.screen._reading.wrong and len(made(app).thresholds) == before + 1, pilot)  # type: ignore[attr-defined]
        assert "+ a limit" in shown(app) and "metric" in shown(app)
        first = next(row for row in app.screen.query(FormRow) if row.key[0] == "thresholds")
        await pilot.click(first, offset=(first.size.width - 1, 0))
        await until(lambda: len(made(app).thresholds) == before, pilot)
        assert made(app).thresholds[0].metric != "connect.success"


async def test_a_choice_is_made_with_arrows_letters_and_clicks_and_shows_what_it_needs(home: Path) -> None:
    async with editing(home, size=(200, 60)) as (app, pilot, _):
        choice = control(app, "messages.exchange")
        choice.focus()
        await pilot.press("e")
        await until(lambda: made(app).messages.exchange == "echo" and "bytes each" in shown(app), pilot)
        await pilot.press("right")
        await until(lambda: made(app).messages.exchange == "ping" and "bytes each" not in shown(app), pilot)
        await pilot.click(choice, offset=(2, 0))
        await until(lambda: made(app).messages.exchange == "odin", pilot)
        control(app, "auth.kind").focus()
        await pilot.press("m")
        await until(lambda: "wrong_algorithm" not in shown(app) and "unsigned" in shown(app), pilot)


async def test_stages_become_a_search_for_the_limit_and_stages_again(home: Path) -> None:
    async with editing(home, size=(120, 60)) as (app, pilot, _):
        control(app, "breakpoint").focus()
        await pilot.press("right")
        await until(lambda: "looks for" in shown(app), pilot)
        await type_into(app, pilot, "breakpoint.most", "5k")
        await until(lambda: made(app).breakpoint is not None and made(app).breakpoint.largest == 5000, pilot)  # type: ignore[union-attr]
        assert made(app).stages == [] and "needs 5 000 of" in notes(app)
        control(app, "breakpoint").focus()
        await pilot.press("left")
        await until(lambda: made(app).breakpoint is None and len(made(app).stages) == 2, pilot)


async def test_headers_can_be_written_and_secret_ones_are_not_shown(home: Path) -> None:
    async with editing(home, size=(120, 60)) as (app, pilot, _):
        await unfold(app, pilot, "headers")
        next(adder for adder in app.screen.query(AddRow) if adder.key == ("target", "headers")).focus()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press(*"Authorization", "tab", *"Bearer hush")
        await until(lambda: made(app).target.headers == {"Authorization": "Bearer hush"}, pilot)
        await until(lambda: "AUTHORIZATION" in shown(app), pilot)
        assert "hush" not in shown(app)


async def test_what_clients_send_is_chosen_in_one_line_of_80_columns_unless_they_have_roles(home: Path) -> None:
    async with editing(home, size=(80, 60)) as (app, pilot, _):
        choice = control(app, "messages.exchange")
        choice.focus()
        await pilot.pause()
        assert "● odin" in shown(app) and "○ echo" in shown(app) and "○ listen" in shown(app)
        assert isinstance(choice, OptionRow) and "roles" not in choice.options
    stages = '[[stages]]\nname = "all"\nover = "9s"\nclients = 3\n'
    (home / "talk.toml").write_text(stages + '[[roles]]\nname = "one"\nloop = [{ json = { type = "say" } }]\n')
    async with editing(home, "talk", size=(80, 60)) as (app, pilot, _):
        lines = {line.key: line.display for line in app.screen.query(FormLine)}
        assert not lines["messages", "exchange"] and lines["messages", "every"]
        await type_into(app, pilot, "messages.every", "2s")
        await until(lambda: made(app).messages.every == 2.0 and len(made(app).roles) == 1, pilot)


async def test_a_mistake_in_a_folded_group_is_told_there_and_opened(home: Path) -> None:
    async with editing(home, size=(120, 60)) as (app, pilot, _):
        await unfold(app, pilot, "TLS")
        await type_into(app, pilot, "target.ca_file", "nowhere.pem")
        await until(lambda: "✗" in notes(app), pilot)
        await unfold(app, pilot, "TLS")
        await until(lambda: "something is wrong in here" in shown(app), pilot)
        await pilot.press("ctrl+s")
        await until(lambda: app.focused is control(app, "target.ca_file"), pilot)


async def test_what_is_edited_is_saved_with_its_references_and_comments_and_leaving_asks(home: Path) -> None:
    async with editing(home) as (app, pilot, _):
        await type_into(app, pilot, "name", "mine")
        await type_into(app, pilot, "messages.every", "2s")
        await until(lambda: "unsaved" in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ConfirmDialog), pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        await pilot.press("ctrl+s", "enter")
        await until((home / "mine.toml").exists, pilot)
        await until(lambda: isinstance(app.screen, Editor), pilot)
        text = (home / "mine.toml").read_text()
        assert '"${WS_URL:-ws://localhost:3001/ws}"' in text and 'every = "2s"' in text and "${AUTH_TOKEN:-}" in text
        assert "# Nobody may be turned away" in text
        assert load(home / "mine.toml") == made(app)
        await until(lambda: "unsaved" not in shown(app), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, StartScreen), pilot)
        assert "mine" in shown(app)


async def test_an_own_preset_is_replaced_only_after_a_yes_and_keeps_mode_and_comments(home: Path) -> None:
    file = home / "checkout-soak.toml"
    file.write_text("# by hand\n" + file.read_text())
    file.chmod(0o640)
    async with editing(home, "checkout-soak") as (app, pilot, _):
        await type_into(app, pilot, "messages.every", "250ms")
        await pilot.press("ctrl+s", "enter")
        await until(lambda: "is the file that was opened: enter once" in shown(app), pilot)
        assert 'every = "500ms"' in file.read_text()
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        text = file.read_text()
        assert text.startswith("# by hand\n") and 'every = "250ms"' in text and file.stat().st_mode & 0o777 == 0o640
        file.write_text(text + "# somebody else\n")
        await pilot.press("ctrl+s", "enter")
        await until(lambda: "was changed by somebody else" in shown(app), pilot)


async def test_a_secret_is_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_TOKEN", "tell-nobody")
    async with editing(home) as (app, pilot, _):
        await type_into(app, pilot, "auth.token", "tell-nobody-either")
        await until(lambda: "saving writes ${AUTH_TOKEN:-}" in notes(app), pilot)
        assert "tell-nobody" not in shown(app)
        await type_into(app, pilot, "auth.token", "${MY_TOKEN:-}")
        await until(lambda: 'token = "${MY_TOKEN:-}"' in shown(app), pilot)


async def test_one_connection_is_shown_step_by_step_with_its_times(home: Path) -> None:
    async with editing(home) as (app, pilot, launches):
        await pilot.press("ctrl+d")
        await until(lambda: "✓ all the way in 7.28 ms" in shown(app), pilot)
        for part in ("resolve", "connect", "tls", "3.84 ms", "HTTP 101", "welcome", "reply", "0.87 ms"):
            assert part in shown(app)
        assert launches.checked[0].name == "quick"
        control(app, "target.url").value = "ws://nowhere:1/ws"
        await pilot.press("ctrl+d")
        await until(lambda: "did not get through" in shown(app), pilot)
        assert "nothing listens on nowhere:1" in shown(app) and "→ start the server" in shown(app)
        await pilot.press("f2")
        await until(lambda: "did not get through" not in shown(app), pilot)


async def test_the_checklist_opens_from_the_editor(home: Path) -> None:
    async with editing(home) as (app, pilot, launches):
        await type_into(app, pilot, "messages.every", "2s")
        await pilot.press("f5")
        await until(lambda: isinstance(app.screen, ChecklistScreen) and "1 failed" in shown(app), pilot)
        assert launches.looked[0][0][0].messages.every == 2.0
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Editor), pilot)


async def test_a_sequence_is_edited_as_well(home: Path) -> None:
    async with editing(home, "progressive") as (app, pilot, _):
        await until(lambda: "3 presets, 25:10 in all" in notes(app), pilot)
        await type_into(app, pilot, "suite", "quick, medum")
        await until(lambda: 'did you mean "medium"?' in notes(app), pilot)
        await type_into(app, pilot, "suite", "quick, medium")
        await type_into(app, pilot, "name", "short")
        await pilot.press("ctrl+s", "enter")
        await until((home / "short.toml").exists, pilot)
        saved = load(home / "short.toml")
        assert isinstance(saved, Suite) and saved.suite == ["quick", "medium"]


async def test_up_and_down_go_from_line_to_line_in_their_column(home: Path) -> None:
    async with editing(home) as (app, pilot, _):
        control(app, "stages[0].over").focus()
        await pilot.press("down")
        assert app.focused is control(app, "stages[1].over")
        await pilot.press("up", "up")
        assert app.focused is control(app, "breakpoint")
        await pilot.press("pagedown")
        assert app.focused is control(app, "messages.exchange")
        await pilot.press("pageup", "pageup")
        assert app.focused is control(app, "auth.kind")


@pytest.mark.parametrize("size", [(80, 24), (100, 50), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_editor_is_complete_at_every_size(home: Path, size: tuple[int, int]) -> None:
    async with editing(home, "checkout-soak", size) as (app, pilot, _):
        assert "clients over 13:00" in shown(app) and "esc Back" in shown(app)
        if size[0] < 110:
            assert "[target]" not in shown(app) or size[1] >= 32
            await pilot.press("f2")
        await until(lambda: 'name = "checkout-soak"' in shown(app), pilot)
        await pilot.press("f2")
        await pilot.press("ctrl+d")
        await until(lambda: "✓ all the way" in shown(app) and "reply" in shown(app), pilot)


async def test_long_wide_and_right_to_left_texts_stay_in_their_place(home: Path) -> None:
    async with editing(home, size=(80, 24)) as (app, pilot, _):
        await type_into(app, pilot, "name", "名前が長いシナリオ")
        await type_into(app, pilot, "description", "שלום \u202eevil\u202c " * 20)
        await type_into(app, pilot, "target.url", "wss://example.com/" + "long/" * 80)
        await until(lambda: "名前" in shown(app), pilot)
        assert all(len(line) <= 80 for line in shown(app).splitlines())
        assert "\u202e" not in shown(app).splitlines()[0]


async def test_a_key_takes_the_value_that_was_probably_meant(home: Path) -> None:
    async with editing(home) as (app, pilot, _):
        assert "^y" not in shown(app)
        for name, wrong, meant in (
            ("messages.every", "5 sec", "5s"),
            ("thresholds[0].metric", "connect.sucess", "connect.success"),
            ("target.url", "http://localhost", "ws://localhost"),
        ):
            field = control(app, name)
            field.focus()
            field.value = wrong
            await until(lambda: "^y Accept" in shown(app), pilot)
            await pilot.press("ctrl+y")
            await until(lambda: not app.screen._reading.wrong, pilot)  # type: ignore[attr-defined]
            assert field.value == meant
        assert "^y" not in shown(app)


@pytest.mark.usefixtures("every_frame")
async def test_the_first_picture_of_the_editor_is_the_one_that_stays(home: Path) -> None:
    async with started(home, (80, 24)) as (app, pilot, _, _):
        await go_to(app, pilot, "quick")
        drawn: list[str] = []
        display = type(app)._display

        def watched(self: WstuiApp, screen: Any, renderable: Any) -> None:
            display(self, screen, renderable)
            if isinstance(screen, Editor) and screen is self.screen and renderable is not None:
                drawn.append(shown(self))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(app), "_display", watched)
            await pilot.press("e")
            await until(lambda: bool(drawn), pilot)
            await pilot.pause(0.5)
        for part in ("quick → ws://", "description", "name in lists", "^s Save"):
            assert part in drawn[0], part
        first, last = ([line[:-2] for line in picture.splitlines()[:20]] for picture in (drawn[0], drawn[-1]))
        assert first == last  # but for the length of the scrollbar


async def test_only_the_line_with_the_cursor_looks_focused(home: Path) -> None:
    async with editing(home, size=(80, 40)) as (app, pilot, _):
        choice = control(app, "target.ready")
        assert isinstance(choice, OptionRow)
        choice.focus()
        await pilot.press("right", "tab")
        await pilot.pause()
        assert app.screen.focused is not choice
        meanings = {meaning for line in choice._lines for _, meaning in line}
        assert not any(meaning.endswith("@cursor") for meaning in meanings)
        cursor = choice.palette.style("text@cursor", choice.background_colors[1]).bgcolor
        assert all(segment.style.bgcolor != cursor for segment in choice.render_line(0) if segment.style)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_explanation_is_shown_whole(size: tuple[int, int], home: Path) -> None:
    async with editing(home, size=size) as (app, pilot, _):
        about, draft = app.screen.query_one(About), app.screen._draft  # type: ignore[attr-defined]
        for key in draft.texts:
            about.show(draft, key)
            text = " ".join("".join(part for part, _ in line).strip() for line in about._lines)
            assert " ".join(draft.field(key).description.split()) in " ".join(text.split()), key
        await pilot.pause()


async def test_the_clock_of_a_screen_goes_on(home: Path) -> None:
    async with started(home) as (app, pilot, _, _):
        now = [fake.NOW.replace(second=59, microsecond=900_000)]
        app.services = replace(app.services, clock=lambda: now[0])
        app.navigation._services = app.services
        await pilot.press("h")
        await until(lambda: "14:32Z" in shown(app), pilot)
        now[0] += timedelta(seconds=30)
        await until(lambda: "14:33Z" in shown(app), pilot)


async def test_the_editor_follows_the_name_that_its_scenario_was_saved_under(home: Path) -> None:
    async with started(home) as (app, pilot, launches, _):
        await pilot.press("n", "enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        field = control(app, "name")
        assert isinstance(field, Input)
        field.value = "my echo!"
        await until(lambda: "my echo!" in shown(app), pilot)
        await pilot.press("ctrl+s")
        await until(lambda: isinstance(app.screen, SaveDialog), pilot)
        assert app.screen.query_one("#input-place", Input).value == "my-echo"
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor) and field.value == "my-echo", pilot)
        assert 'name = "my-echo"' in (home / "my-echo.toml").read_text()
        await until(lambda: "unsaved" not in shown(app), pilot)
        await pilot.press("ctrl+r")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert [scenarios[0].name for scenarios, _, _ in launches.launched] == ["my-echo"]


async def test_only_inputs_in_view_are_given_the_styles_of_their_parts(home: Path) -> None:
    async with editing(home, size=(80, 24)) as (app, _, _):
        inputs = list(app.screen.query(Input))
        shown = [field for field in inputs if app.screen.can_view_partial(field)]
        styled = [field for field in inputs if field._component_styles]
        assert len(inputs) > len(shown) > 0
        assert set(styled) <= set(shown)


async def test_the_cursor_of_an_input_follows_the_theme(home: Path) -> None:
    async with editing(home) as (app, pilot, _):
        field = app.screen.focused
        assert isinstance(field, Input)
        dark = field.get_component_rich_style("input--cursor")
        app.theme = LIGHT.name
        await pilot.pause()
        assert field.get_component_rich_style("input--cursor") != dark
