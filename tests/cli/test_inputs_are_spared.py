"""No report takes the place of a file that the run reads, and the last resort writes to nobody else's file."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.report.example import good
from wstui.cli import wstui
from wstui.cli.options import REPORTS
from wstui.cli.output_files import saved_elsewhere
from wstui.report.formats.atomic_write import write_new

PRESET = """
[target]
url = "wss://127.0.0.1:9/ws"
ca_file = "ca.pem"
cert_file = "cert.pem"
key_file = "key.pem"
[fleet]
hosts = ["host1"]
[messages]
feed = "users.csv"
[[roles]]
name = "one"
loop = [{ file = "hello.json" }]
[[stages]]
name = "hold"
over = "1s"
clients = 1
"""
INPUTS = ("p.toml", "ca.pem", "cert.pem", "key.pem", "users.csv", "hello.json", "token", "ssh", "runs.db-wal")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in INPUTS:
        (tmp_path / name).write_text(name)
    command = "openssl req -x509 -newkey ed25519 -nodes -subj /CN=x -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "ca.pem").write_bytes((tmp_path / "cert.pem").read_bytes())
    (tmp_path / "p.toml").write_text(PRESET)
    (tmp_path / "users.csv").write_text("user\nann\n")
    return tmp_path


def refused(*arguments: str) -> str:
    command = ["run", "p.toml", "--no-probe", "--token-file", "token", "--ssh-config", "ssh", "--store", "runs.db"]
    ended = CliRunner().invoke(wstui, [*command, *arguments])
    assert ended.exit_code == 2, ended.output
    return ended.output


@pytest.mark.parametrize("name", INPUTS)
def test_a_report_never_overwrites_what_the_run_reads(folder: Path, name: str) -> None:
    before = (folder / name).read_text()
    (folder / "link").symlink_to(folder / name)
    os.link(folder / name, folder / "hard")
    for spelling in (name, f"./{name}", f"../{folder.name}/{name}", str(folder / name), "link", "hard"):
        assert "would overwrite" in refused("--csv", spelling)
    for flag in [*REPORTS, "events"]:
        assert "would overwrite" in refused(f"--{flag}", name)
    assert (folder / name).read_text() == before


def test_a_report_goes_neither_into_the_store_nor_into_another_report(folder: Path) -> None:
    (folder / "a.csv").touch()
    os.link(folder / "a.csv", folder / "b.csv")
    assert "both name" in refused("--csv", "a.csv", "--html", "b.csv")
    assert "both name" in refused("--csv", "runs.db")


def test_a_suite_s_own_file_is_an_input_too(folder: Path) -> None:
    (folder / "all.toml").write_text('suite = ["p"]\n')
    ended = CliRunner().invoke(wstui, ["run", "all.toml", "--markdown", "all.toml"])
    assert ended.exit_code == 2 and "would overwrite the preset" in ended.output


def test_an_export_does_not_replace_what_it_reads(folder: Path) -> None:
    ended = CliRunner().invoke(wstui, ["runs", "--store", "runs.db", "export", "r.json", "./r.json"])
    assert ended.exit_code == 2 and "is what is read" in ended.output


def test_the_last_resort_is_a_new_file_that_only_its_owner_reads(folder: Path) -> None:
    names = {saved_elsewhere(good()).split()[5] for _ in range(3)}
    saved = set(folder.glob("wstui-*.json"))
    assert len(names) == len(saved) == 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in saved)
    (folder / "victim").write_text("mine")
    (folder / "planted.json").symlink_to(folder / "victim")
    (folder / "dangling.json").symlink_to(folder / "nowhere")
    for name in ("planted.json", "dangling.json", "victim"):
        with pytest.raises(FileExistsError):
            write_new(folder / name, "{}")
    assert (folder / "victim").read_text() == "mine" and not (folder / "nowhere").exists()
