"""One table of commands for `wstui ctl` and the command line of the dashboard, with completion and history."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.driving import running, shown, until
from wstui.cli.ctl import ctl
from wstui.control.words import WORDS, ShowStatus, WaitUntil, WatchOne, parse, usage
from wstui.execution.run.commands import AddNote, BeginSpan, EndSpan, PauseRun, RampTo, SetInterval
from wstui.scenario.errors import BadValue, Unfinished
from wstui.tui.app import WstuiApp
from wstui.tui.dialogs.command import History, completed
from wstui.tui.dialogs.dialog import DialogField


def test_ctl_and_the_dashboard_have_the_same_words() -> None:
    assert set(ctl.commands) == set(WORDS)
    for name, command in WORDS.items():
        mine = [param.opts for param in ctl.commands[name].params if param.name != "name"]
        assert mine == [param.opts for param in command.params]


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("pause", PauseRun()),
        ("ramp 5000 --over 30s", RampTo(5000, 30.0)),
        ("pace 500ms", SetInterval(0.5)),
        ('note "3 → 6 pods"', AddNote("3 → 6 pods")),
        ("note the cache is empty", AddNote("the cache is empty")),
        ("span deploy", BeginSpan("deploy")),
        ("span --end", EndSpan()),
        ("status", ShowStatus(False)),
        ("wait --until 'response.p99 > 200ms' --timeout 5m", WaitUntil("response.p99 > 200ms", 300.0, 10.0, False)),
        ("watch 12", WatchOne(12, None, False, False)),
    ],
)
def test_a_line_is_read_as_in_a_shell(line: str, asked: object) -> None:
    assert parse(line) == asked


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "type a command"),
        ("pasue", 'did you mean "pause"?'),
        ("ramp", "ramp CLIENTS [--over TIME]"),
        ("ramp many", "'many' is not a whole number"),
        ("ramp 99999999", "10000000 at most"),
        ("ramp ٣", "is not a whole number"),
        ("pace 5 parsecs", 'write "5s"'),
        ("pause --over 3s", "No such option"),
        ("note 'half", "a quotation mark is missing"),
        ("span", "Give the TEXT of a span that begins, or --end"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: str, told: str) -> None:
    with pytest.raises(BadValue) as error:
        parse(line)
    assert told in str(error.value)


def test_words_options_and_earlier_lines_are_completed(tmp_path: Path) -> None:
    history = History(tmp_path / "deep" / "commands")
    assert history.lines() == []
    for line in ("ramp 5000 --over 30s", "pause", "ramp 5000 --over 30s"):
        history.add(line)
    assert history.lines() == ["pause", "ramp 5000 --over 30s"]
    assert (tmp_path / "deep" / "commands").stat().st_mode & 0o777 == 0o600
    assert [completed(line) for line in ("", "pa", "redis", "pause", "ramp 5 --o")] == [
        "", "pause", "redistribute", "", "ramp 5 --over",
    ]  # fmt: skip
    assert completed("ramp 5", history.lines()) == "ramp 5000 --over 30s"
    assert usage("watch") == "watch [CLIENT] [--for TIME] [--json] [--pretty]"


@pytest.mark.parametrize("line", ["ramp", "pace", "note", "note 'half", "ramp 5 --ov", "ramp 5 --over", "wait --until"])
def test_a_line_that_is_right_so_far_is_told_from_a_wrong_one(line: str) -> None:
    with pytest.raises(Unfinished):
        parse(line)
    for wrong in ("ramp many", "ramp 5 --under 3", "pause --over", "rump"):
        with pytest.raises(BadValue) as error:
            parse(wrong)
        assert not isinstance(error.value, Unfinished), wrong


def note(app: WstuiApp) -> str:
    """What stands below the command."""
    return app.screen.query_one(DialogField).compact()[1]


async def test_the_dashboard_takes_the_words_completes_them_and_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with running(size=(120, 40)) as (app, pilot, session):
        await pilot.press("colon", *"pau", "tab")
        await until(lambda: "Stop sends, ramps" in shown(app), pilot)
        await pilot.press("enter")
        await until(lambda: ("pause",) in session.commands, pilot)
        await pilot.press("colon", *"ramp")
        await until(lambda: "ramp CLIENTS [--over TIME]" in shown(app) and "✗" not in note(app), pilot)
        await pilot.press("enter")
        await until(lambda: "✗ ramp CLIENTS" in note(app), pilot)
        await pilot.press("space", *"x", "enter")
        await until(lambda: "✗ Invalid value for 'CLIENTS': 'x' is not" in shown(app), pilot)
        await pilot.press("backspace", *"50", "space", *"--over", "space", *"2s", "enter")
        await until(lambda: session.commands[-1][:2] == ("ramp", 50), pilot)
        await pilot.press("colon", "up", "up")
        await until(lambda: "Stop sends, ramps" in shown(app), pilot)
        await pilot.press("down", "down", *"status", "enter")
        await until(lambda: "clients" in shown(app).splitlines()[-2], pilot)
        await pilot.press("colon")
        app.screen.query_one(Input).value = "wait --until 'connections.dropped >= 0' --window 0"
        await pilot.press("enter")
        await until(lambda: "connections.dropped >= 0: it is" in shown(app), pilot)
        await pilot.press("colon")
        app.screen.query_one(Input).value = "wait --until 'response.p98x > 1'"
        await pilot.press("enter")
        await until(lambda: "is not a metric" in shown(app), pilot)
        await pilot.press("escape", "colon", *"watch 7", "enter")
        await until(lambda: ("watch_client", 7) in session.commands, pilot)
