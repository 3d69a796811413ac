"""JSON and YAML documents, and the sessions that are made up from what they describe."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from wstui.recording.session import ImportFailed, RecordedConnection, RecordedMessage, RecordedSession

MOST_BYTES = 8 << 20
_YAML = re.compile(
    rb"""(?m)^["']?(asyncapi|config|scenarios|\$kind)["']?[ ]*:|^type[ ]*:[ ]*["']?collection\.insomnia"""
)
_MOST_VALUES = 500_000
_REPLY_S = 0.02
_START = 1_700_000_000.0


def is_document(head: bytes) -> bool:
    """Return whether a file may be JSON, or YAML of a kind that is known."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") or _YAML.search(head) is not None


def read_document(file: BinaryIO) -> dict[Any, Any]:
    """Return the table that a file holds. Raises ImportFailed with the place."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ImportFailed(f"it is larger than {MOST_BYTES >> 20} MiB, the most of a document")
    try:
        text = data.decode("utf-8-sig")
        made = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except UnicodeDecodeError as error:
        raise ImportFailed(f"it is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ImportFailed(f"it is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ImportFailed("it is nested too deep") from None
    if not isinstance(made, dict):
        raise ImportFailed("it is not a table of keys")
    return made


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        fix = "install it with: pip install 'wstui[yaml]', or give the document as JSON"
        raise ImportFailed(f"YAML needs {error.name}; {fix}") from None
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {  # as YAML 1.2: no times, and true and false alone are booleans
        first: [
            (tag, pattern)
            for tag, pattern in known
            if not tag.endswith(":timestamp") and (first in "tTfF" or not tag.endswith(":bool"))
        ]
        for first, known in base.yaml_implicit_resolvers.items()
    }
    try:
        made = yaml.load(text, type("Loader", (base,), {"yaml_implicit_resolvers": resolvers}))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ImportFailed(f"it is not valid YAML at line {line}: {str(error.problem)[:80]}") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ImportFailed(f"it is not valid YAML: {str(error)[:80]}") from None
    _check_size(made)
    return made


def _check_size(document: Any) -> None:
    """Refuse a document whose aliases make it endless."""
    left, stack = _MOST_VALUES, [document]
    while stack and left:
        left -= 1
        match stack.pop():
            case dict() as table:
                stack += table.values()
            case list() as items:
                stack += items
    if stack:
        raise ImportFailed(f"its aliases make it larger than {_MOST_VALUES} values")


@dataclass(slots=True)
class MadeUpConnection:
    """A connection that is made up: its messages in the order and with the gaps that a document tells."""

    session: RecordedSession
    connection: RecordedConnection
    at: float = _START

    @classmethod
    def to(cls, session: RecordedSession, url: str) -> MadeUpConnection:
        connection = RecordedConnection(len(session.connections) + 1, url, _START)
        session.connections.append(connection)
        return cls(session, connection)

    def send(self, data: str) -> None:
        self._add(True, data)

    def reply(self, data: str) -> None:
        """Add what comes at once after what was sent."""
        self.at += _REPLY_S
        self._add(False, data)

    def _add(self, sent: bool, data: str) -> None:
        whole = data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # escapes may hold half a character
        self.session.add_frame(self.connection, RecordedMessage(self.at, sent, whole))

    def wait(self, seconds: float) -> None:
        self.at += seconds


def as_table(value: Any) -> dict[Any, Any]:
    """Return a value if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
