"""Reads a session from a file of any kind that is known, told by its content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wstui.recording.artillery import is_artillery, read_artillery
from wstui.recording.asyncapi import is_asyncapi, read_asyncapi
from wstui.recording.documents import is_document, read_document
from wstui.recording.har import is_har, read_har
from wstui.recording.insomnia import is_collection, read_collection
from wstui.recording.k6_script import is_k6, read_k6
from wstui.recording.mitmproxy import is_flow_file, read_flows
from wstui.recording.postman import is_postman_request, read_postman_request
from wstui.recording.recording import is_recording, read_recording
from wstui.recording.session import ImportFailed, RecordedSession
from wstui.scenario.errors import printable

_HEAD = 64 << 10
KINDS = (
    "a HAR, a flow file of mitmproxy, a recording of wstui, an AsyncAPI document, an Artillery or k6 "
    "script, an Insomnia v4 export, a request.yaml of Postman"
)
_STREAMS = ((is_recording, read_recording), (is_har, read_har), (is_flow_file, read_flows), (is_k6, read_k6))
_DOCUMENTS = ((is_asyncapi, read_asyncapi), (is_collection, read_collection), (is_artillery, read_artillery))


def _ignore(_: int) -> None:
    pass


def read_session(path: Path, progress: Callable[[int], None] = _ignore) -> RecordedSession:
    """Return what a file holds; `progress` is told the bytes read so far. Nothing in it is executed.

    Raises ImportFailed, which names the file, the place and the fix.
    """
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(0)
            for is_kind, read in _STREAMS:
                if is_kind(head):
                    return read(file, progress)
            if not is_document(head):
                what = "it is not a kind of file that is known" if head else "it is empty"
                raise ImportFailed(f"{what}: give {KINDS}")
            return _described(read_document(file), path)
    except OSError as error:
        raise ImportFailed(f"{shown} can't be read: {error.strerror or error}") from None
    except ImportFailed as error:
        raise ImportFailed(f"{shown}: {error}") from None


def _described(document: dict[Any, Any], path: Path) -> RecordedSession:
    if is_postman_request(document):
        return read_postman_request(document, path)
    for is_kind, read in _DOCUMENTS:
        if is_kind(document):
            return read(document)
    keys = ", ".join(list(map(str, document))[:5])
    raise ImportFailed(f"it holds {keys[:60] or 'nothing'}, which is not known: give {KINDS}")
