"""Carries out people's mistakes: the command line in this process, in a folder of its own."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from click.testing import CliRunner

from tests.truth.case import Mistake, Row
from wstui.cli import wstui

WORD = {0: "", 1: "FAILED", 2: "REFUSED", 3: "UNREACHABLE", 4: "LIMITED", 70: "INTERNAL"}


def carried_out(group: str, mistakes: Sequence[Mistake]) -> Iterator[Row]:
    """The row of each mistake."""
    for mistake in mistakes:
        with tempfile.TemporaryDirectory(prefix="wstui-truth-") as folder, contextlib.chdir(folder):
            yield _row(group, mistake, Path(folder))


def _row(group: str, mistake: Mistake, folder: Path) -> Row:
    files: dict[str, str | bytes] = {**({"t.toml": mistake.toml} if mistake.toml else {}), **mistake.files}
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    environ = {"HOME": str(folder / "home"), "XDG_STATE_HOME": str(folder / "home"), "COLUMNS": "400", **mistake.env}
    done = CliRunner(env=environ).invoke(wstui, shlex.split(mistake.command), prog_name="wstui", env=environ)
    status = done.exit_code
    row = Row(mistake.name, group, status=status)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        row.status = status = 70
        row.wrong.append(f"internal error: {type(done.exception).__name__}: {done.exception}")
    row.verdict = WORD.get(status, "?")
    said = " ".join(done.output.split())
    row.failures = said.removeprefix("wstui: ")
    if status != mistake.status:
        row.wrong.append(f"status {status}, not {mistake.status}: {said[:300]}")
    row.wrong += [f"nowhere is said {words!r}: {said[:300]}" for words in mistake.says if words not in said]
    row.wrong += [f"{secret!r} is in clear" for secret in mistake.hides if secret in said]
    for name, content in files.items():
        if (folder / name).read_bytes() != (content.encode() if isinstance(content, str) else content):
            row.wrong.append(f"{name} was overwritten")
    return row
