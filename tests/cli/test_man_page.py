from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import wstui
from wstui.cli.man_page import VARIABLES, man_page
from wstui.cli.manual import manual


@pytest.fixture(scope="module")
def page() -> str:
    return CliRunner().invoke(manual, ["--man"]).output


def test_the_man_page_has_every_command_and_status(page: str) -> None:
    for part in (
        ".SS wstui run",
        "\\-\\-threshold",
        ".SH EXIT STATUS",
        ".B 130",
        ".B WSTUI_STORE",
        ".B wstui manual ci",
    ):
        assert part in page


def test_text_cannot_become_a_request() -> None:
    made = man_page({"wstui x": ("usage", [("--x", ".so /etc/passwd")])}, {}, {}, "1")
    assert "\n.so" not in made and "\\&.so" in made


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_reads_it_without_a_warning(page: str) -> None:
    done = subprocess.run(
        ["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-z"],
        input=page.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_every_variable_that_is_read_is_on_the_page() -> None:
    """Names that the code has in quotes, by their ending or as the variable of an option."""
    code = "".join(path.read_text() for path in Path(wstui.__file__).parent.rglob("*.py") if path.name != "man_page.py")
    read = set(re.findall(r'"(WSTUI_[A-Z_]+)"|environ(?:\.get)?[(\[]"([A-Z_]+)"|envvar="([A-Z_]+)"', code))
    names = {name for found in read for name in found if name}
    of_the_terminal = {"TERM", "COLORTERM", "TMUX"}
    elsewhere = {"PYTHONPATH", "LESS", "PYDANTIC_DISABLE_PLUGINS", "GITHUB_STEP_SUMMARY", "REQUEST_METHOD", "HTTP_HOST"}
    assert "WSTUI_STORE" in names and names - of_the_terminal - elsewhere - VARIABLES.keys() == set()
