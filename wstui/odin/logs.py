"""Structured logs on stderr: one line for each event, as text or as JSON, control characters escaped.

Events of single clients are logged at level debug, and sampled.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

DEBUG_PER_SECOND = 10

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up_logs(level: str, as_json: bool) -> None:
    """Write the logs of the target to stderr; `level` in any case of letters."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LogSample())
    handler.setFormatter(JsonLines() if as_json else TextLines())
    logger = logging.getLogger("wstui.odin")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    logging.getLogger("asyncio").handlers[:] = [handler]  # errors of the event loop, in the same form


class LogSample(logging.Filter):
    """Pass `DEBUG_PER_SECOND` debug lines of each kind a second: events repeat for thousands of clients.

    The next line of that kind says in `skipped` how many were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[int, int, int]] = {}  # second, passed in it, skipped since the last that passed

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.levelno > logging.DEBUG:
            return True
        second, passed, skipped = self._seen.get(record.msg, (0, 0, 0))
        if second != int(record.created):
            second, passed = int(record.created), 0
        if passed >= DEBUG_PER_SECOND:
            self._seen[record.msg] = (second, passed, skipped + 1)
            return False
        self._seen[record.msg] = (second, passed + 1, 0)
        if skipped:
            record.skipped = skipped
        return True


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the record and its extra fields."""
        content = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


class TextLines(logging.Formatter):
    """Formats time, level, message, then `name=value` for each extra field."""

    def format(self, record: logging.LogRecord) -> str:
        """The record and its extra fields."""
        extras = "".join(f" {name}={value}" for name, value in _extras(record).items())
        line = _escaped(f"{_time(record)} {record.levelname.lower():7} {record.getMessage()}{extras}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
