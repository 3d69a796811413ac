"""A status as it travels: field by field, each only when it has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from wstui.control.stream import StatusChanged
from wstui.execution.run.client_watches import watch_log
from wstui.execution.run.status import Status
from wstui.execution.run.status_codec import decode, encode
from wstui.measure.append_log import AppendLog, new_since
from wstui.measure.timeline import MARKS_KEPT, ROWS_KEPT, fold_marks, fold_rows

_LOGS = ("rows", "marks", "watched")
_FIELDS = tuple(name for name in (field.name for field in dataclasses.fields(Status)) if name not in _LOGS)
_MOST_ROWS = 600
"""Rows in a line at most: a reader that joins late gets a long run in parts."""


class Encodings:
    """Encodes each value of a status once for everybody who watches."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, msgspec.Raw]] = {}

    def of(self, name: str, value: object) -> msgspec.Raw:
        known = self._known.get(name)
        if known is None or known[0] is not value:
            known = self._known[name] = value, msgspec.Raw(encode(value))
        return known[1]


class StatusWriter:
    """Return the part of a run's status that a reader has not been sent yet."""

    def __init__(self, encodings: Encodings) -> None:
        self._encodings = encodings
        self._sent: dict[str, object] = {}
        self._ends = dict.fromkeys(_LOGS, 0)

    def changes(self, status: Status) -> StatusChanged | None:
        """Return what has changed since the last call, or None."""
        begins = bool(self._sent) and self._sent["started"] != status.started
        if begins:
            self._ends = dict.fromkeys(_LOGS, 0)
        changed: dict[str, msgspec.Raw] = {}
        for name in _FIELDS:
            value = getattr(status, name)
            before = self._sent.get(name, self)
            if value is not before and value != before:
                changed[name] = self._encodings.of(name, value)
            self._sent[name] = value
        for name in _LOGS:
            entries, end = new_since(getattr(status, name), self._ends[name])
            if len(entries) > _MOST_ROWS:
                entries, end = entries[:_MOST_ROWS], end - len(entries) + _MOST_ROWS
            if entries:
                changed[name] = msgspec.Raw(encode(list(entries)))
            self._ends[name] = end
        return StatusChanged(changed, begins) if changed else None


class StatusReader:
    """Puts a status together again."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self._fields: dict[str, Any] = {}

    def take(self, line: StatusChanged) -> Status:
        """Return the status with these changes. Raises msgspec.ValidationError for what is not a status."""
        fields = self._fields
        if line.begins or not fields:
            fields["rows"] = AppendLog(keep=ROWS_KEPT, fold=fold_rows)
            fields["marks"] = AppendLog(keep=MARKS_KEPT, fold=fold_marks)
            fields["watched"] = watch_log()
        for name, value in decode(line.changed).items():
            if name in _LOGS:
                for entry in value:
                    fields[name].append(entry)
            else:
                fields[name] = value
        self.status = Status(**fields)
        return self.status


def shown(status: Status) -> Mapping[str, Any]:
    """Return a status as plain data without what it lists: rows, marks and distributions."""
    fields = {name: getattr(status, name) for name in _FIELDS if name != "histograms"}
    data: dict[str, Any] = msgspec.json.decode(encode(fields))
    return data
