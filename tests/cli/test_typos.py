"""A word that is neither a command nor a preset."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from wstui.cli import wstui


@pytest.mark.parametrize(("typed", "meant"), [("rnu", "run"), ("precets", "presets"), ("chekc", "check")])
def test_the_nearest_command_is_named(typed: str, meant: str) -> None:
    with pytest.raises(click.UsageError, match=f"preset: '{typed}'. Did you mean '{meant}'") as ended:
        wstui.main(args=[typed], prog_name="wstui", standalone_mode=False)
    assert ended.value.exit_code == 2


def test_a_misspelt_preset_and_a_file_are_left_to_the_search_for_presets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for typed in ("quikc", str(tmp_path / "run.toml")):
        with pytest.raises((SystemExit, click.ClickException)):
            wstui.main(args=[typed], prog_name="wstui", standalone_mode=False)
        assert "Did you mean" not in capfd.readouterr().err
