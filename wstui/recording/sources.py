"""Reads a session from a file of any kind that is known, told by its content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from wstui.recording.har import is_har, read_har
from wstui.recording.mitmproxy import is_flow_file, read_flows
from wstui.recording.recording import is_recording, read_recording
from wstui.recording.session import ImportFailed, Session
from wstui.scenario.errors import printable

_HEAD = 64 << 10
KINDS = "a HAR, a flow file of mitmproxy, a recording of wstui"


def _ignore(_: int) -> None:
    pass


def read_session(path: Path, progress: Callable[[int], None] = _ignore) -> Session:
    """Return what a file holds; `progress` is told the bytes read so far. Nothing in it is executed.

    Raises ImportFailed, which names the file, the place and the fix.
    """
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(0)
            if is_recording(head):
                return read_recording(file, progress)
            if is_har(head):
                return read_har(file, progress)
            if is_flow_file(head):
                return read_flows(file, progress)
            raise ImportFailed(_unknown(head))
    except OSError as error:
        raise ImportFailed(f"{shown} can't be read: {error.strerror or error}") from None
    except ImportFailed as error:
        raise ImportFailed(f"{shown}: {error}") from None


def _unknown(head: bytes) -> str:
    if not head:
        return "it is empty"
    what = "it is not a kind of file that is known"
    if head.lstrip()[:1] in (b"{", b"["):
        try:
            keys = ", ".join(list(json.loads(head))[:5])
            what = f"it is JSON with {keys[:60]}, which is not known"
        except (ValueError, TypeError):
            what = "it is JSON of an unknown kind"
    return f"{what}: give {KINDS}"
