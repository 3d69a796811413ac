"""Draw the screens with made-up data: `python -m tests.tui.screenshots`.

Writes tests/tui/pictures/*.svg, which the tests compare with, and screenshots/*.png, which README and manual show.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import editing, fake, fake_roles, fake_search, fake_store, fake_trouble, test_hosts_panel, test_replay
from wstui.execution.run.status import Status
from wstui.load.protocol import TraceLine
from wstui.measure.timeline import Mark
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.kit import chart
from wstui.tui.replay.replay_screen import Replay
from wstui.tui.requests import OpenReplay
from wstui.tui.result.result_screen import ResultScreen

PICTURES = Path(__file__).parent / "pictures"
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PAGE = 9000
"""Pixels that a page of pictures for the browser is high, at most."""


@dataclass(frozen=True)
class Scene:
    """What is on a screen, and the keys that lead to it."""

    keys: tuple[str, ...] = ()
    picture: Status | None = None
    outcome: Any = None
    ends: bool = False
    start: bool = False
    fresh: bool = False
    replaced: tuple[tuple[str, str], ...] = ()
    attached: bool = False
    later: Status | None = None
    """The picture once the keys were pressed."""
    replayed: int = 0
    """How many stored runs are replayed, one or two."""


@dataclass(frozen=True)
class Shot:
    """One picture: what, how many cells, in which theme."""

    scene: str
    size: tuple[int, int]
    theme: str = "dark"

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.scene}_{self.size[0]}x{self.size[1]}_{self.theme}"


LISTENS = fake.status(scenario=fake.LISTENING, fanout=fake.FANOUT, spread=(), rows=fake.broadcast_rows())
STEERED = fake.status(
    marks=(
        *fake.MARKS[:2],
        Mark(198.0, "pause", "paused by ada (attach, pid 4711): connections stay open, nothing is sent"),
        Mark(206.0, "resume", "resumed by ada (attach, pid 4711)"),
        Mark(232.0, "operator", "ci (deploy.sh, pid 815): 11 000 → 12 000 clients over 30 s"),
    )
)
NOTED = fake.status(
    marks=(
        fake.MARKS[0],
        Mark(25.0, "note", "cache emptied"),
        fake.MARKS[1],
        Mark(135.0, "span", "3 → 6 pods (ci (deploy.sh, pid 815))"),
        Mark(190.0, "span_end", "end of 3 → 6 pods (ci (deploy.sh, pid 815)) by ci (deploy.sh, pid 816)"),
    )
)
_MINE = partial(TraceLine, role="member", client=4711)
WATCHED = replace(
    fake_roles.status(),
    watched=(
        _MINE(250_120.4, text="ready", received=False, kind="state"),
        _MINE(250_121.9, text='{"type":"say","to":"café","text":"hello to all"}', received=False, step="say", size=50),
        _MINE(250_124.3, text='{"type":"said","at":1795973124447,"to":["café",4]}', received=True, step="say", size=51),
        _MINE(250_611.0, text="beat", received=True, kind="ping", size=4),
        _MINE(250_611.1, text="beat", received=False, kind="pong", size=4),
        _MINE(250_820.7, text='{"type":"note","text":"hello \x1b[31m"}', received=True, size=37),
        _MINE(251_121.9, text='{"type":"say","to":"café","text":"and again"}', received=False, step="say", size=47),
    ),
)
HOSTS = test_hosts_panel.picture(test_hosts_panel.TROUBLED, unreplaced_workers=2, left_behind_clients=3000)
SCENES = {
    "start": Scene(start=True),
    "editor": Scene(("e",), start=True, replaced=(("thresholds[0].limit", "< 250"),)),
    "dashboard": Scene(),
    "paused": Scene(("space",)),
    "stop": Scene(("a",)),
    "result": Scene(ends=True),
    "compare": Scene(("h", "down", "down", "space", "up", "space"), start=True),
    "help": Scene(("question_mark",)),
    "starting": Scene(picture=fake.first_second()),
    "trouble": Scene(picture=fake_trouble.troubled()),
    "limited": Scene(picture=fake_trouble.limited()),
    "listen": Scene(picture=LISTENS),
    "search": Scene(picture=fake_search.searching()),
    "hosts": Scene(picture=HOSTS),
    "roles": Scene(("v", "v", "v"), picture=fake_roles.status()),
    "steps": Scene(("5",), picture=fake_roles.status()),
    "conversed": Scene(ends=True, picture=fake_roles.status(), outcome=fake_roles.result()),
    "extreme": Scene(picture=fake_trouble.extreme()),
    "limits": Scene(("4",)),
    "ramp": Scene(("t",)),
    "samples": Scene(("enter",)),
    "palette": Scene(("ctrl+p",)),
    "failed": Scene(ends=True, outcome=fake.result(passed=False)),
    "found": Scene(ends=True, picture=fake_search.searching(), outcome=fake_search.found()),
    "runs": Scene(("h",), start=True),
    "trend": Scene(("h", "T"), start=True),
    "fresh": Scene(start=True, fresh=True),
    "broken": Scene(("down", "down", "down"), start=True),
    "confirm": Scene(("enter",), start=True),
    "connection": Scene(("e", "ctrl+d"), start=True),
    "checklist": Scene(("c",), start=True),
    "attached": Scene(picture=STEERED, attached=True),
    "watched": Scene(("W", "end", "shift+home", *"4711", "enter", "j"), fake_roles.status(), later=WATCHED),
    "noted": Scene(picture=NOTED),
    "change": Scene(("c",), picture=NOTED),
    "replayed": Scene(("minus",), start=True, replayed=1),
    "replays": Scene(("minus",), start=True, replayed=2),
}
SIZES = ((80, 24), (120, 40), (200, 50))
MAIN = (
    "start",
    "editor",
    "dashboard",
    "paused",
    "stop",
    "result",
    "compare",
    "help",
    "attached",
    "watched",
    "replayed",
    "noted",
)
"""Scenes that are drawn in light colours as well."""
SMALL = ("dashboard", "start", "stop")
"""Scenes that are drawn on a terminal too small for them."""
INDEXED = (
    ("dashboard", (120, 40), "dark"),
    ("dashboard", (120, 40), "light"),
    ("stop", (80, 24), "dark"),
    ("compare", (200, 50), "dark"),
)
"""Scenes that are drawn as a terminal of 256 colours shows them."""
BEFORE = ("start", "fresh", "broken", "confirm", "editor", "connection", "checklist")
"""Scenes before a run: they show the shipped presets, which may change, and have snapshots of their own."""
SHOWN = (
    "attached_120x40_dark",
    "checklist_120x40_dark",
    "compare_120x40_dark",
    "connection_120x40_dark",
    "dashboard_80x24_dark",
    "dashboard_120x40_dark256",
    "dashboard_120x40_light",
    "dashboard_200x50_dark",
    "editor_120x40_light",
    "found_120x40_dark",
    "hosts_120x40_dark",
    "noted_120x40_dark",
    "replays_200x50_dark",
    "result_120x40_dark",
    "search_120x40_dark",
    "start_120x40_dark",
    "stop_120x40_light",
    "watched_120x40_dark",
)
"""Pictures that README and manual show, as PNG."""


def _shots() -> Iterator[Shot]:
    for scene, size, theme in product(SCENES, SIZES, ("dark", "light")):
        if scene in MAIN or theme == "dark":
            yield Shot(scene, size, theme)
    yield from (Shot(scene, (50, 14)) for scene in SMALL)
    yield from (Shot(scene, size, f"{theme}256") for scene, size, theme in INDEXED)


SHOTS = list(_shots())
HELD = [
    shot
    for shot in SHOTS
    if shot.scene not in BEFORE and (shot.theme == "dark" or (shot.scene in MAIN and shot.size == SIZES[1]))
]
"""Pictures that the tests compare with: light differs from dark in its colours alone, so one size is enough."""


async def shoot(shot: Shot, folder: Path) -> Path:
    """Write one picture as SVG."""
    async with staged(shot) as app:
        return save_svg(app, folder / f"{shot.name}.svg")


def save_svg(app: WstuiApp, path: Path) -> Path:
    """Write the screen as SVG, which is drawn with the fonts of this machine rather than a download."""
    svg = app.export_screenshot(title="wstui", simplify=True)
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")
    return path


def browser() -> str | None:
    """Return the browser that draws SVGs, if there is one."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


@asynccontextmanager
async def staged(shot: Shot) -> AsyncIterator[WstuiApp]:
    """The application as it stands in a picture."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        presets = fake_store.own_presets(Path(home) / ".config" / "wstui" / "presets")
        patch.setenv("HOME", home)
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        patch.setenv("TZ", "UTC")
        patch.setattr("wstui.tui.editor.editor_screen.this_host", lambda: editing.HOST)
        chart.kernel()
        if shot.theme.endswith("256"):
            patch.setattr("textual.constants.COLOR_SYSTEM", "256")
        patch.chdir(home)
        async with _staged(shot, presets) as app:
            yield app


@asynccontextmanager
async def _staged(shot: Shot, presets: Path) -> AsyncIterator[WstuiApp]:
    scene = SCENES[shot.scene]
    session = fake.FakeSession(scene.picture, scene.outcome)
    session.is_remote = scene.attached
    launches = fake_store.FakeLaunches()
    runs = fake_store.FakeRuns()
    if scene.fresh:
        runs.kept = []
    launcher = launches.launcher(runs)
    theme = f"wstui-{shot.theme.removesuffix('256')}"
    app = WstuiApp(
        None if scene.start else session,
        launcher=launcher,
        clock=lambda: fake.NOW,
        theme=theme,
        presets=presets,
        opening=_replay(scene.replayed) if scene.replayed else None,
    )
    try:
        async with app.run_test(size=shot.size) as pilot:
            await pilot.pause()
            if scene.replayed:
                await _stand_still(app, pilot)
            await pilot.press(*scene.keys)
            await pilot.pause()
            if scene.later is not None:
                session.picture = scene.later
                await pilot.pause(0.5)
            for name, text in scene.replaced:
                control = editing.control(app, name)
                control.value = text
                control.focus()
                await pilot.pause()
            if scene.ends:
                session.ended.set()
                while not isinstance(app.screen, ResultScreen):
                    await pilot.pause(0.02)
                # it looks for itself among those that were kept
                while app.screen.stored is None and shot.scene not in ("found", "conversed"):
                    await pilot.pause(0.02)
            for field in app.screen.query(Input):
                field.cursor_blink = False
            if isinstance(app.screen, Dashboard):
                app.screen.poll()  # as it does by itself a moment after a key
            await pilot.pause()
            yield app
    finally:
        session.ended.set()
        launches.end()


def _replay(runs: int) -> OpenReplay:
    """Two stored runs, the second one of fewer clients."""
    recordings = [test_replay.recorded(fake.ELAPSED_S - 1, fake.ELAPSED_S)]
    fewer = msgspec.structs.replace(fake.status().counters, open=8_900, opening=0)
    recordings += [test_replay.recorded(fake.ELAPSED_S - 1, fake.ELAPSED_S, counters=fewer, target_clients=9000)]
    return OpenReplay([(f"run {number}", recording) for number, recording in enumerate(recordings[:runs], 7)], 10.0)


async def _stand_still(app: WstuiApp, pilot: Pilot[Any]) -> None:
    """Hold a replay at the moment that the pictures of a run show."""
    while not isinstance(app.screen, Replay):
        await pilot.pause(0.02)
    app.screen.player._clock = lambda: 0.0
    app.screen.player.seek(fake.ELAPSED_S - 1.0)


def to_png(svgs: Sequence[Path], folder: Path, drawn_by: str) -> None:
    """Draw SVGs with a headless browser: other converters lose the braille of the charts.

    A palette of the most frequent colours makes the files a third as large and keeps every shade.
    """
    from PIL import Image

    page: list[tuple[Path, int, int]] = []
    pages = [page]
    for svg in svgs:
        match = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text(encoding="utf-8"))
        if match is None:
            raise ValueError(f"{svg} has no viewBox")
        width, height = (round(float(value)) for value in match.groups())
        if sum(high for _, _, high in page) + height > _PAGE:
            page = []
            pages.append(page)
        page.append((svg, width, height))
    for page in pages:
        width, height = max((wide for _, wide, _ in page), default=1), sum(high for _, _, high in page)
        with tempfile.TemporaryDirectory() as scratch:
            html, sheet = Path(scratch) / "page.html", Path(scratch) / "page.png"
            images = (f'<img src="{svg.resolve().as_uri()}" width={wide} height={high}>' for svg, wide, high in page)
            html.write_text(
                f"<style>img {{ display: block }}</style><body style='margin:0;background:#222'>{''.join(images)}"
            )
            subprocess.run(
                [drawn_by, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 "--allow-file-access-from-files",
                 f"--window-size={width},{height}", f"--screenshot={sheet}", html.as_uri()],
                check=True, capture_output=True, timeout=180,
            )  # fmt: skip
            drawn, top = Image.open(sheet).convert("RGB"), 0
            for svg, wide, high in page:
                one = drawn.crop((0, top, wide, top + high))
                counts = cast("list[tuple[int, tuple[int, ...]]]", one.getcolors(wide * high) or [])
                often = sorted(counts, reverse=True)[:256]
                palette = Image.new("P", (1, 1))
                palette.putpalette([part for _, colour in often for part in colour])
                one.quantize(palette=palette, dither=Image.Dither.NONE).save(folder / f"{svg.stem}.png", optimize=True)
                top += high


def main() -> None:
    """Draw all pictures, or those whose name contains a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only pictures whose name contains one of these")
    words = parser.parse_args().words
    drawn_by = browser()
    with tempfile.TemporaryDirectory() as beside:
        shown = []
        for shot in SHOTS:
            wanted = shot in HELD or shot.name in SHOWN
            if wanted and (not words or any(word in shot.name for word in words)):
                svg = asyncio.run(shoot(shot, PICTURES if shot in HELD else Path(beside)))
                print(shot.name, flush=True)
                shown += [svg] * (shot.name in SHOWN)
        if drawn_by is None:
            print("no PNG: install chromium to have them drawn")
        elif shown:
            to_png(shown, SCREENSHOTS, drawn_by)


if __name__ == "__main__":
    main()
