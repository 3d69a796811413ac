"""Every screen of a run at every size, held against the pictures in `screenshots`.

After a wanted change draw them anew, and look at them: `python -m tests.tui.screenshots`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.screenshots import FOLDER, MAIN, README, SHOTS, SIZES, Shot, shoot

# What comes before a run has snapshots of its own: its pictures show the shipped presets, which may change.
BEFORE = ("start", "fresh", "broken", "confirm", "editor", "connection", "checklist")
# The light differs from the dark in its colours alone, so one size tells.
HELD = [s for s in SHOTS if s.scene not in BEFORE and (s.theme == "dark" or (s.scene in MAIN and s.size == SIZES[1]))]


@pytest.mark.parametrize("shot", HELD, ids=lambda shot: shot.name)
async def test_the_screen_looks_as_in_its_picture(shot: Shot, tmp_path: Path) -> None:
    drawn = await shoot(shot, tmp_path)
    picture = FOLDER / drawn.name
    assert drawn.read_text() == picture.read_text(), f"look at {drawn}: it is not {picture.name} any more"


def test_the_main_screens_are_there_at_every_size_in_the_dark_and_in_the_light() -> None:
    names = {f"{scene}_{w}x{h}_{theme}" for scene in MAIN for w, h in SIZES for theme in ("dark", "light")}
    for name in (*names, *README):
        assert (FOLDER / f"{name}.svg").is_file() and (FOLDER / f"{name}.png").is_file(), name


def test_no_picture_is_left_of_a_screen_that_is_gone() -> None:
    wanted = {f"{shot.name}.svg" for shot in SHOTS} | {f"{shot.name}.png" for shot in SHOTS if shot.png}
    assert {path.name for path in FOLDER.iterdir()} == wanted
