from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from wstui.report.formats.atomic_write import NotWritable, prove_writable, write


def test_a_report_is_written_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write(path, "✓\n")
    assert path.read_text(encoding="utf-8") == "✓\n"
    assert list(tmp_path.iterdir()) == [path]


def test_proving_a_path_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    prove_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("before")
    prove_writable(path)
    assert path.read_text() == "before"


def test_a_failed_write_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    path.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotWritable, match=r"result\.json: No space left on device"):
        write(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "out" / "result.json"
    with pytest.raises(NotWritable, match=f"mkdir -p {path.parent}"):
        prove_writable(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux only")
def test_a_folder_that_takes_no_files_is_not_one_to_create() -> None:
    for attempt in (prove_writable, lambda path: write(path, "x")):
        with pytest.raises(
            NotWritable, match=r"^cannot write /proc/x: no new file can be made in /proc; choose a file in"
        ):
            attempt("/proc/x")


def test_a_folder_and_a_path_below_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotWritable, match="it is a folder"):
        prove_writable(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match="is not a folder"):
        prove_writable(tmp_path / "file" / "result.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(NotWritable, match="permission denied"):
        prove_writable(tmp_path / "result.json")


def test_a_link_stays_a_link_and_the_mode_stays_the_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "latest.json"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    write(link, "after")
    assert link.is_symlink() and real.read_text() == "after"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    prove_writable(pipe)
    write(pipe, "through")
    reader.join(10)
    assert read == ["through"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_dash_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    prove_writable("-")
    write("-", "out\n")
    assert capsys.readouterr().out == "out\n"
