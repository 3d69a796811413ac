"""The runs of this user that can be steered: a file for each, beside its socket, in a private folder."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import platformdirs

from wstui.control.control_messages import PROTOCOL
from wstui.report.store.owner import alive
from wstui.scenario.errors import nearest

LAST = "last"
_LETTERS = "bcdfghjkmnpqrstvwxz"
"""Of ids: never a number of the store, nor a word."""
_LONGEST = 100
"""Bytes of a socket's path that every system takes."""
_PREFIX = "wstui-"


class NoSuchRun(Exception):
    """No run, or more than one, is meant; the text names those there are."""


class Entry(msgspec.Struct, kw_only=True):
    """A run that serves a control socket. `runs` are its numbers in the store, which is `store` ("" the usual one)."""

    id: str
    name: str
    socket: str
    pid: int
    writer: str
    started: str
    wstui: str
    protocol: int = PROTOCOL
    store: str = ""
    runs: list[int] = []


def folder() -> Path:
    return platformdirs.user_data_path("wstui", appauthor=False) / "control"


def new_id() -> str:
    """Return an id that no run has. Raises OSError when the folder can't be used."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    draw = random.SystemRandom()
    while (place / f"{(made := ''.join(draw.choices(_LETTERS, k=4)))}.json").exists():
        pass
    return made


def socket_path(id: str) -> Path:
    """Return where the socket of a run goes: beside its file, or in a short private folder if that path is too long."""
    path = folder() / f"{id}.sock"
    if len(os.fsencode(path)) <= _LONGEST:
        return path
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp")) / f"{id}.sock"


def write(entry: Entry) -> None:
    """Make a run known, or what has changed of it."""
    path = folder() / f"{entry.id}.json"
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(entry))
    fresh.replace(path)


def remove(entry: Entry) -> None:
    """Forget a run and its socket."""
    (folder() / f"{entry.id}.json").unlink(missing_ok=True)
    path = Path(entry.socket)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent.name.startswith(_PREFIX):
            shutil.rmtree(path.parent, ignore_errors=True)


def entries() -> list[Entry]:
    """Return the runs of this machine, the newest first. Those whose process has ended are removed."""
    found = []
    for path in folder().glob("*.json"):
        try:
            entry = msgspec.json.decode(path.read_bytes(), type=Entry)
            updated = path.stat().st_mtime
            here = json.loads(entry.writer)[0] == socket.gethostname()
        except (OSError, ValueError, msgspec.MsgspecError):
            continue  # it ended a moment ago, or is of a later version
        if not here:
            continue  # a home that several machines share
        if alive(entry.writer, updated):
            found.append(entry)
        else:
            remove(entry)
    return sorted(found, key=lambda entry: entry.started, reverse=True)


def find(reference: str, known: Sequence[Entry] | None = None) -> Entry:
    """Return the run that is meant, or raise NoSuchRun.

    It is meant by its id or the beginning of it, a number in the store, its name, "last", or "" if it is the only one.
    """
    known = entries() if known is None else known
    if not known:
        raise NoSuchRun("no run is going on that could be steered (see `wstui runs list`)")
    if reference == LAST:
        return known[0]
    there = ", ".join(f"{entry.id} ({entry.name})" for entry in known[:8])
    if not reference:
        if len(known) > 1:
            raise NoSuchRun(f"{len(known)} runs are going on, say which: {there}")
        return known[0]
    exact = [e for e in known if reference == e.id or (re.fullmatch(r"\d+", reference) and int(reference) in e.runs)]
    meant = exact or [e for e in known if e.id.startswith(reference)] or [e for e in known if e.name == reference]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise NoSuchRun(f"{reference!r} could be {', '.join(f'{e.id} ({e.name})' for e in meant)}")
    near = nearest(reference, [*(e.id for e in known), *(e.name for e in known), LAST])
    raise NoSuchRun(
        f"no run {reference!r} is going on" + (f"; did you mean {near!r}?" if near else f": there is {there}")
    )
