"""The runs of this user that can be steered: a private folder for each, with its socket and a file that names it."""

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
_SHORT, _PREFIX = Path("/tmp"), "wstui-"
_FILE, _SOCKET = "run.json", "control.sock"


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
    """Make the folder of a run, and return its id. Raises OSError."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    draw = random.SystemRandom()
    while True:
        made = "".join(draw.choices(_LETTERS, k=4))
        with contextlib.suppress(FileExistsError):
            (place / made).mkdir(mode=0o700)
            return made


def socket_path(id: str) -> Path:
    """Return where the socket of a run goes: into its folder, or a short private one if that path is too long."""
    path = folder() / id / _SOCKET
    if len(os.fsencode(path)) <= _LONGEST:
        return path
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHORT)) / _SOCKET


def write(entry: Entry) -> None:
    """Make a run known, or what has changed of it."""
    path = folder() / entry.id / _FILE
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(entry))
    fresh.replace(path)


def remove(entry: Entry) -> None:
    """Forget a run and its socket."""
    shutil.rmtree(folder() / entry.id, ignore_errors=True)
    place = Path(entry.socket).parent
    if place.parent == _SHORT and place.name.startswith(_PREFIX):
        shutil.rmtree(place, ignore_errors=True)


def entries() -> list[Entry]:
    """Return the runs of this machine, the newest first. Those whose process has ended are removed."""
    found = []
    for path in folder().glob(f"*/{_FILE}"):
        try:
            entry = msgspec.json.decode(path.read_bytes(), type=Entry)
            updated = path.stat().st_mtime
            here = json.loads(entry.writer)[0] == socket.gethostname() and entry.id == path.parent.name
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
