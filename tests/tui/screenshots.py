"""Draws the screens with made-up data: `python -m tests.tui.screenshots` writes screenshots/*.svg and *.png."""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from tests.tui import editing, fake, fake_search, fake_store, test_boxes
from wstui.tui.app import WstuiApp
from wstui.tui.screens.result import ResultScreen

FOLDER = Path(__file__).parents[2] / "screenshots"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Shot:
    """One picture: its size in cells, its theme, and the keys that lead to it."""

    name: str
    size: tuple[int, int]
    theme: str = "wstui-dark"
    keys: tuple[str, ...] = ()
    ends: bool = False
    listens: bool = False
    start: bool = False
    replaced: tuple[tuple[str, str], ...] = ()
    passed: bool = True
    fresh: bool = False
    searches: bool = False
    boxes: bool = False
    png: bool = True  # False: only as SVG, for the tests that hold every screen at every size


SIZES = ((80, 24), (120, 40), (200, 50))


def at_other_sizes(screen: str, *but: str, **how: Any) -> list[Shot]:
    """A screen at the sizes at which it has no picture yet."""
    named = ((f"{screen}_{w}x{h}_dark", (w, h)) for w, h in SIZES)
    return [Shot(name, size, png=False, **how) for name, size in named if name not in but]


SHOTS = [
    *(
        Shot(f"dashboard_{w}x{h}_{theme}", (w, h), f"wstui-{theme}")
        for w, h in ((80, 24), (120, 40), (200, 50))
        for theme in ("dark", "light")
    ),
    Shot("paused_120x40_dark", (120, 40), keys=("space",)),
    Shot("stop_120x40_light", (120, 40), "wstui-light", ("a",)),
    Shot("stop_80x24_dark", (80, 24), keys=("a",)),
    Shot("ramp_120x40_dark", (120, 40), keys=("t",)),
    Shot("help_120x40_dark", (120, 40), keys=("question_mark",)),
    Shot("help_80x24_dark", (80, 24), keys=("question_mark",)),
    Shot("samples_120x40_dark", (120, 40), keys=("enter",)),
    Shot("limits_80x24_dark", (80, 24), keys=("4",)),
    Shot("listen_120x50_dark", (120, 50), listens=True),
    Shot("result_120x40_dark", (120, 40), ends=True),
    Shot("result_failed_80x24_dark", (80, 24), ends=True, passed=False),
    *(Shot(f"search_{w}x{h}_dark", (w, h), searches=True) for w, h in ((80, 24), (120, 40), (200, 50))),
    Shot("found_120x40_dark", (120, 40), ends=True, searches=True),
    *(Shot(f"boxes_{w}x{h}_dark", (w, h), boxes=True) for w, h in ((80, 24), (120, 40))),
    *at_other_sizes("paused", "paused_120x40_dark", keys=("space",)),
    *at_other_sizes("stop", "stop_80x24_dark", keys=("a",)),
    *at_other_sizes("help", "help_120x40_dark", "help_80x24_dark", keys=("question_mark",)),
    *at_other_sizes("samples", "samples_120x40_dark", keys=("enter",)),
    *at_other_sizes("result", "result_120x40_dark", ends=True),
    Shot("result_120x40_light", (120, 40), "wstui-light", ends=True, png=False),
    Shot("runs_120x40_light", (120, 40), "wstui-light", keys=("h", "c"), start=True, png=False),
    Shot("runs_200x50_dark", (200, 50), keys=("h", "c"), start=True, png=False),
    Shot("search_120x40_light", (120, 40), "wstui-light", searches=True, png=False),
    Shot("small_50x14_dark", (50, 14)),
    Shot("start_120x40_dark", (120, 40), start=True),
    Shot("start_120x40_light", (120, 40), "wstui-light", start=True),
    Shot("start_80x24_dark", (80, 24), start=True),
    Shot("start_200x50_dark", (200, 50), start=True),
    Shot("start_fresh_80x24_dark", (80, 24), start=True, fresh=True),
    Shot("start_broken_120x40_dark", (120, 40), keys=("down", "down", "down"), start=True),
    Shot("confirm_120x40_dark", (120, 40), keys=("enter",), start=True),
    Shot("editor_120x40_dark", (120, 40), keys=("e",), start=True, replaced=(("thresholds[0].limit", "< 250"),)),
    Shot("editor_120x40_light", (120, 40), "wstui-light", keys=("e",), start=True),
    Shot("editor_80x24_dark", (80, 24), keys=("e",), start=True),
    Shot("editor_200x50_dark", (200, 50), keys=("e",), start=True),
    Shot("connection_120x40_dark", (120, 40), keys=("e", "ctrl+d"), start=True),
    Shot("checklist_120x40_dark", (120, 40), keys=("c",), start=True),
    Shot("checklist_120x40_light", (120, 40), "wstui-light", keys=("c",), start=True),
    Shot("checklist_80x24_dark", (80, 24), keys=("c",), start=True),
    Shot("runs_120x40_dark", (120, 40), keys=("h", "down", "down", "space", "up", "space"), start=True),
    Shot("runs_80x24_dark", (80, 24), keys=("h", "c"), start=True),
]


async def shoot(shot: Shot, folder: Path) -> Path:
    """Write one picture as SVG."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        presets = fake_store.own_presets(Path(home) / ".config" / "wstui" / "presets")
        patch.setenv("HOME", home)
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        patch.setenv("TZ", "UTC")
        patch.setattr("wstui.tui.screens.editor.this_box", lambda: editing.BOX)
        patch.chdir(home)
        return await _shoot(shot, folder, presets)


async def _shoot(shot: Shot, folder: Path, presets: Path) -> Path:
    session = fake.FakeSession(outcome=fake.result(passed=shot.passed))
    if shot.listens:
        session.picture = fake.status(scenario=fake.LISTENING, fanout=fake.FANOUT, spread=())
    if shot.searches:
        session = fake.FakeSession(fake_search.searching(), fake_search.found())
    if shot.boxes:
        session.picture = test_boxes.picture(test_boxes.TROUBLED, left_behind=2, left_behind_clients=3000)
    launches = fake_store.FakeLaunches()
    runs = fake_store.FakeRuns()
    if shot.fresh:
        runs.kept = []
    launcher = launches.launcher(runs)
    app = WstuiApp(
        None if shot.start else session, launcher=launcher, clock=lambda: fake.NOW, theme=shot.theme, presets=presets
    )
    async with app.run_test(size=shot.size) as pilot:
        await pilot.pause()
        await pilot.press(*shot.keys)
        await pilot.pause()
        for name, text in shot.replaced:
            control = editing.control(app, name)
            control.value = text
            control.focus()
            await pilot.pause()
        if shot.ends:
            session.ended.set()
            while not isinstance(app.screen, ResultScreen):
                await pilot.pause(0.02)
            while app.screen.stored is None and not shot.searches:  # it looks for itself among those that were kept
                await pilot.pause(0.02)
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause(0.3)
        svg = app.export_screenshot(title="wstui", simplify=True)
    session.ended.set()
    launches.end()
    path = folder / f"{shot.name}.svg"
    # the fonts of this machine rather than a download
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")
    return path


def to_png(svg: Path, browser: str) -> Path:
    """Draw an SVG with a headless browser: other converters lose the braille of the charts."""
    text = svg.read_text(encoding="utf-8")
    match = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    if match is None:
        raise ValueError(f"{svg} has no viewBox")
    width, height = (round(float(value)) for value in match.groups())
    png = svg.with_suffix(".png")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f"<meta charset=utf-8><body style='margin:0;background:#222'>{text}", encoding="utf-8")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--window-size={width},{height}", f"--screenshot={png}", page.as_uri()],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
    return png


def main() -> None:
    """All pictures, or those whose name contains a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only pictures whose name contains one of these")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    for shot in SHOTS:
        if options.words and not any(word in shot.name for word in options.words):
            continue
        svg = asyncio.run(shoot(shot, options.folder))
        print(to_png(svg, browser) if browser and shot.png else svg)
    if browser is None:
        print("no PNG: install chromium to have them drawn")


if __name__ == "__main__":
    main()
