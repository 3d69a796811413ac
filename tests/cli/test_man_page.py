from __future__ import annotations

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from wstui.cli.man_page import man_page
from wstui.cli.manual import manual


@pytest.fixture(scope="module")
def page() -> str:
    return CliRunner().invoke(manual, ["--man"]).output


def test_the_man_page_has_every_command_and_status(page: str) -> None:
    for part in (".SS wstui run", "\\-\\-threshold", ".SH EXIT STATUS", ".B 130"):
        assert part in page


def test_text_cannot_become_a_request() -> None:
    made = man_page({"wstui x": ("usage", [("--x", ".so /etc/passwd")])}, {}, "1")
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
