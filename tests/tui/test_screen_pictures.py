"""Every screen of a run at every size, compared with the pictures in `tests/tui/pictures`.

After a wanted change draw them again, and look at them: `python -m tests.tui.screenshots`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.screenshots import HELD, MAIN, PICTURES, SHOTS, SIZES, Shot, shoot


@pytest.mark.parametrize("shot", HELD, ids=lambda shot: shot.name)
async def test_the_screen_looks_as_in_its_picture(shot: Shot, tmp_path: Path) -> None:
    drawn = await shoot(shot, tmp_path)
    picture = PICTURES / drawn.name
    if drawn.read_text() != picture.read_text():  # to tell two such files apart line by line takes minutes
        pytest.fail(f"look at {drawn}: it is not {picture.name} any more")


def test_the_main_screens_are_drawn_at_every_size_in_the_dark_and_in_the_light() -> None:
    names = {f"{scene}_{w}x{h}_{theme}" for scene in MAIN for w, h in SIZES for theme in ("dark", "light")}
    assert names <= {shot.name for shot in SHOTS}


def test_the_pictures_are_those_of_the_screens() -> None:
    assert {path.name for path in PICTURES.iterdir()} == {f"{shot.name}.svg" for shot in HELD}
