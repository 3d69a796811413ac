"""Writing a report so that it is there whole or not at all, and proving before the run that this will work."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

STDOUT = "-"
"""The path that stands for standard output."""


class NotWritable(Exception):
    """A report cannot be written there; the text names the file, what is wrong and what to do."""


def prove_writable(path: str | Path) -> None:
    """Do all that writing `path` needs, but leave it as it was, so that a run's result is not lost at its end.

    Raises NotWritable naming the file and the fix.
    """
    if str(path) == STDOUT:
        return
    target = _target(path)
    if _is_special(target):
        if not os.access(target, os.W_OK):
            raise NotWritable(f"cannot write {path}: permission denied; choose another file")
        return
    with _explained(path):
        temporary = _create_beside(target)
        temporary.unlink()


def write(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8: into a new file beside `path` that then takes its place; "-" is standard output.

    Raises NotWritable; what was at `path` before is then still there.
    """
    if str(path) == STDOUT:
        stream = standard_output()
        stream.write(text)
        stream.flush()
        return
    target = _target(path)
    with _explained(path):
        if _is_special(target):
            # A pipe or a device is written to; replacing it would remove it.
            with target.open("w", encoding="utf-8", newline="") as stream:
                stream.write(text)
            return
        temporary = _create_beside(target)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_new(path: Path, text: str) -> None:
    """Write `text` into a new file that only its owner can read, for folders that others write too. Raises OSError.

    Nothing that is there already is written to, nor what a link points to.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def standard_output() -> TextIO:
    """Standard output for programs: UTF-8 whatever the terminal speaks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def _target(path: str | Path) -> Path:
    """The file itself where `path` is a link to it, so that the link stays a link."""
    given = Path(path).expanduser()
    return given.resolve() if given.is_symlink() else given


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file() and not target.is_dir()


def _create_beside(target: Path) -> Path:
    if target.is_dir():
        raise IsADirectoryError
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return temporary


@contextlib.contextmanager
def _explained(path: str | Path) -> Iterator[None]:
    parent = Path(path).expanduser().parent
    try:
        yield
    except FileNotFoundError:
        if parent.is_dir():  # as /proc, which the kernel fills
            raise NotWritable(
                f"cannot write {path}: no new file can be made in {parent}; choose a file in another folder"
            ) from None
        raise NotWritable(
            f"cannot write {path}: the folder {parent} does not exist; create it with: mkdir -p {parent}"
        ) from None
    except IsADirectoryError:
        raise NotWritable(f"cannot write {path}: it is a folder; name a file in it") from None
    except NotADirectoryError:
        raise NotWritable(f"cannot write {path}: {parent} is not a folder; choose another one") from None
    except PermissionError:
        raise NotWritable(f"cannot write {path}: permission denied; choose a file that you may write") from None
    except OSError as error:
        raise NotWritable(
            f"cannot write {path}: {error.strerror or error}; choose a file on another disk or make room"
        ) from None
