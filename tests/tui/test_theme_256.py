"""A terminal of 256 colours, which is nearly every SSH session, shows palette entries of the theme and no others."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from textual.color import Color
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES

from tests.control.served import served
from tests.terminal import on_pty
from tests.tui.driving import resized, shown, until
from tests.tui.screenshots import SIZES, Shot, staged
from wstui.tui.theme import _BADGES, _BOLD, _FOREGROUNDS, CONTRAST, DARK, LIGHT, Palette, contrast
from wstui.tui.theme_256 import ALL, DARK_256, LIGHT_256, IndexedTheme, entry, nearest
from wstui.tui.top import TopApp

_SGR = re.compile(r"\x1b\[([\d;]*)m")
_PATIENCE_S = 30.0
SCENES = ("start", "editor", "dashboard", "trouble", "result", "compare", "help", "palette", "stop", "search", "hosts")


def colours_in(output: str) -> set[str]:
    """What SGR sequences set as colours: palette numbers, or the sequence itself where it is anything else."""
    found: set[str] = set()
    for match in _SGR.finditer(output):
        codes = match[1].split(";")
        while codes:
            code = codes.pop(0)
            if code in ("38", "48"):
                found.add(codes[1] if codes[0] == "5" else match[1])
                del codes[: 2 if codes[0] == "5" else 4]
            elif code and code not in ("0", "1", "2", "3", "4", "7", "9"):
                found.add(match[1])
    return found


def numbers(theme: IndexedTheme) -> set[str]:
    return {str(number) for number in theme.shades}


def painted(app: Any) -> str:
    """The screen as the driver gets it."""
    return "".join(strip.render(app.console) for strip in app.screen._compositor.render_strips())


CASES = [(scene, "dark256", DARK_256) for scene in SCENES] + [
    (scene, "light256", LIGHT_256) for scene in ("editor", "dashboard", "stop", "palette")
]


@pytest.mark.parametrize(("scene", "theme", "colours"), CASES, ids=lambda part: part if isinstance(part, str) else "")
async def test_every_screen_uses_palette_entries_of_its_theme_alone(
    scene: str, theme: str, colours: IndexedTheme
) -> None:
    async with staged(Shot(scene, SIZES[0], theme)) as app:
        async for _ in resized(Pilot(app), *SIZES):
            used = colours_in(painted(app))
            assert used and used <= numbers(colours), sorted(used - numbers(colours))


async def test_the_list_of_runs_uses_them_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "256")
    with served():
        app = TopApp()
        async with app.run_test(size=(80, 24)) as pilot:
            await until(lambda: "Attach" in shown(app), pilot)
            used = colours_in(painted(app))
            assert {"233", "24"} <= used <= numbers(DARK_256), sorted(used - numbers(DARK_256))


def test_a_true_terminal_of_256_colours_gets_no_others(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLORTERM", "NO_COLOR")}
    environment = {**kept, "TERM": "xterm-256color", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "tests.tui.terminal_program"]
    with on_pty(command, size=SIZES[0], env=environment) as (child, master):
        for size in SIZES:
            termios.tcsetwinsize(master, (size[1], size[0]))
            os.kill(child.pid, signal.SIGWINCH)
            painted_at, output, deadline = f"\x1b[{size[1]};1H".encode(), b"", time.monotonic() + _PATIENCE_S
            while time.monotonic() < deadline and not (painted_at in output and b"palette" in output):
                if select.select([master], [], [], 0.1)[0]:
                    output += os.read(master, 1 << 16)
            used = colours_in(output.decode(errors="replace"))
            assert {"233", "236"} <= used <= numbers(DARK_256), sorted(used - numbers(DARK_256))


async def test_another_theme_is_shown_in_entries_that_look_most_like_it_and_a_change_takes_at_once() -> None:
    async with staged(Shot("dashboard", (80, 24), "dark256")) as app:
        app.theme = "nord"
        await Pilot(app).pause()
        used = colours_in(painted(app))
        assert used <= {str(number) for number in ALL}
        assert nearest(Color.parse(BUILTIN_THEMES["nord"].background or ""), ALL) == entry(236)
        assert "48;5;236" in painted(app) and "48;5;233" not in painted(app)
        app.theme = "wstui-light"
        await Pilot(app).pause()
        assert {"231"} <= colours_in(painted(app)) <= numbers(LIGHT_256)


@pytest.mark.parametrize(("exact", "model"), [(DARK_256, DARK), (LIGHT_256, LIGHT)], ids=["dark", "light"])
def test_a_theme_for_256_colours_is_readable_and_names_what_the_other_names(exact: IndexedTheme, model: Any) -> None:
    assert exact.name == model.name and set(exact.variables) == set(model.variables)
    entries = {entry(number) for number in exact.shades}
    named = [getattr(exact, name) for name in ("primary", "secondary", "foreground", "background", "surface", "panel")]
    assert {Color.parse(value) for value in (*named, *exact.variables.values())} <= entries
    variables = {**exact.to_color_system().generate(), **exact.variables}
    palette = Palette(variables, ansi=False, dark=exact.dark, shades=exact.shades)
    for meaning in (*(name for name, (_, least) in _FOREGROUNDS.items() if least >= CONTRAST), *_BOLD, *_BADGES):
        for ground in ("", "@panel", "@surface", "@cursor"):
            style = palette.style(meaning + ground, Color.parse(str(exact.background)))
            ink, paper = (Color.from_rich_color(colour) for colour in (style.color, style.bgcolor))
            assert ink in entries and paper in entries
            assert contrast(ink, paper) >= CONTRAST, meaning + ground


@pytest.mark.parametrize("name", list(BUILTIN_THEMES))
def test_every_text_stands_out_in_every_theme_of_256_colours(name: str) -> None:
    theme = BUILTIN_THEMES[name]
    if theme.ansi:
        return
    variables = {**theme.to_color_system().generate(), **theme.variables}
    palette = Palette(variables, ansi=False, dark=theme.dark, shades=ALL)
    for meaning in ("text", "muted", "ok", "warn", "bad", "accent", "text@panel", "muted@cursor", "badge-bad"):
        style = palette.style(meaning, Color.parse(variables["background"]))
        ink, paper = (Color.from_rich_color(colour) for colour in (style.color, style.bgcolor))
        assert contrast(ink, paper) >= CONTRAST, meaning


def test_the_palette_is_that_of_xterm() -> None:
    from rich._palettes import EIGHT_BIT_PALETTE

    assert all(entry(number).rgb == tuple(EIGHT_BIT_PALETTE[number]) for number in ALL)
