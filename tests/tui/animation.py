"""Film a real run for README: `python -m tests.tui.animation` writes screenshots/run_100x30_dark.webp.

The real application loads the real demo target on loopback, steered by its keys. Needs chromium. On a busy machine
start it with `chrt -r 5`, or the film shows a generator that was the limit.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.driving import shown, until
from tests.tui.screenshots import SCREENSHOTS, browser, save_svg, to_png
from wstui.cli.options import RunOptions
from wstui.cli.tui_services import launcher
from wstui.odin.demo_system import DemoTarget
from wstui.tui.app import WstuiApp
from wstui.tui.kit import chart
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.start.start_screen import StartScreen

PICTURE = SCREENSHOTS / "run_100x30_dark.webp"
SIZE = (100, 30)
MOST_BYTES = 1_500_000
_EVERY_S = 0.5
_KEYS = ((8.0, "space"), (10.5, "space"), (12.0, "plus"), (13.5, "plus"))
"""When each key is pressed, in seconds of the run: pause, resume, two steps up."""
_FIRST_MS, _LAST_MS = 2000, 5000
_PRESET = """
name = "first-look"
description = "200 clients for 16 s"

[target]
url = "${WS_URL}"
ready = "welcome"

[auth]
kind = "token"
token = "${AUTH_TOKEN}"

[[stages]]
name = "ramp"
over = "6s"
clients = 200

[[stages]]
name = "hold"
over = "10s"

[messages]
exchange = "odin"
every = "500ms"

[[thresholds]]
metric = "connect.success"
limit = ">= 100%"

[[thresholds]]
metric = "response.p95"
limit = "< 50ms"
"""


async def film(folder: Path) -> list[Path]:
    """Run it, and return a picture every half second: the start screen, the run, its result."""
    chart.kernel()
    presets = folder / "home" / ".config" / "wstui" / "presets"
    presets.mkdir(parents=True)
    (presets / "first-look.toml").write_text(_PRESET)
    async with DemoTarget() as target:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(folder / "home"))
            patch.delenv("XDG_CONFIG_HOME", raising=False)
            patch.chdir(folder / "home")
            patch.setenv("WS_URL", target.ws_url)
            patch.setenv("AUTH_TOKEN", target.token)
            app = WstuiApp(launcher=launcher(RunOptions(no_store=True), [], []), presets=presets, theme="wstui-dark")
            async with app.run_test(size=SIZE) as pilot:
                return await _play(app, pilot, folder)


async def _play(app: WstuiApp, pilot: Pilot[Any], folder: Path) -> list[Path]:
    taken: list[Path] = []

    def take() -> None:
        taken.append(save_svg(app, folder / f"{len(taken):03}.svg"))

    await pilot.pause(1.0)
    take()
    await pilot.press("enter")
    await until(lambda: not isinstance(app.screen, StartScreen), pilot)
    take()
    await until(lambda: "RUNNING" in shown(app), pilot)
    began, keys, before = time.monotonic(), list(_KEYS), len(taken)
    while not isinstance(app.screen, ResultScreen):
        if keys and time.monotonic() - began >= keys[0][0]:
            await pilot.press(keys.pop(0)[1])
        take()
        await asyncio.sleep(max(0.0, began + (len(taken) - before) * _EVERY_S - time.monotonic()))
    await pilot.pause(0.5)
    take()
    return taken


def write(frames: Sequence[Path], path: Path) -> None:
    """Join the pictures to a moving one."""
    from PIL import Image

    images = [Image.open(frame).convert("RGB") for frame in frames]
    times = [_FIRST_MS, *[round(_EVERY_S * 1000)] * (len(images) - 2), _LAST_MS]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=times, loop=0, lossless=True, quality=80, method=4
    )


def main() -> None:
    """Film, draw and write."""
    drawn_by = browser()
    if drawn_by is None:
        sys.exit("install chromium, which draws the pictures")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        svgs = asyncio.run(film(folder))
        to_png(svgs, folder, drawn_by)
        write([svg.with_suffix(".png") for svg in svgs], PICTURE)
    size = PICTURE.stat().st_size
    print(f"{PICTURE.name}: {len(svgs)} pictures, {size} bytes")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES} bytes: film a shorter run or fewer cells")


if __name__ == "__main__":
    main()
