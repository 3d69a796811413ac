"""Every screen of a run at every size, held against the pictures in `screenshots`.

After a wanted change draw them anew, and look at them: `python -m tests.tui.screenshots`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.screenshots import FOLDER, SHOTS, SIZES, Shot, shoot

SCREENS = ("dashboard", "paused", "search", "stop", "help", "samples", "result", "runs")
# What comes before a run has snapshots of its own.
BEFORE = ("start", "confirm", "editor", "connection", "checklist")


@pytest.mark.parametrize("shot", [s for s in SHOTS if not s.name.startswith(BEFORE)], ids=lambda shot: shot.name)
async def test_the_screen_looks_as_in_its_picture(shot: Shot, tmp_path: Path) -> None:
    drawn = await shoot(shot, tmp_path)
    picture = FOLDER / drawn.name
    assert drawn.read_text() == picture.read_text(), f"look at {drawn}: it is not {picture.name} any more"


def test_every_screen_has_a_picture_at_every_size_and_one_in_the_light() -> None:
    names = {shot.name for shot in SHOTS}
    assert not {f"{screen}_{w}x{h}_dark" for screen in SCREENS for w, h in SIZES} - names
    light = {name.split("_")[0] for name in names if name.endswith("_light")}
    assert {"dashboard", "start", "editor", "result", "runs", "search", "stop"} <= light
    assert len(names) == len(SHOTS)


def test_no_picture_is_left_of_a_screen_that_is_gone() -> None:
    wanted = {f"{shot.name}.svg" for shot in SHOTS} | {f"{shot.name}.png" for shot in SHOTS if shot.png}
    assert not {path.name for path in FOLDER.iterdir()} - wanted
