"""A status as it travels: field by field, each only when it has changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from wstui.control.protocol import Changed
from wstui.execution.run.client_watches import watch_log
from wstui.execution.run.status import Status
from wstui.measure.append_log import AppendLog, new_since
from wstui.measure.timeline import MARKS_KEPT, ROWS_KEPT, fold_marks, fold_rows
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import masked
from wstui.scenario.secrets import MASK

_LOGS = ("rows", "marks", "watched")
_FIELDS = tuple(name for name in (field.name for field in dataclasses.fields(Status)) if name not in _LOGS)
_TYPES = get_type_hints(Status)
_MOST_ROWS = 600
"""Rows in a line at most: a reader that joins late gets a long run in parts."""


def _plain(value: object) -> Any:
    if isinstance(value, Scenario):
        return masked(value)
    raise NotImplementedError(f"{type(value).__name__} is not part of a status")


def _made(kind: type, value: Any) -> Any:
    if kind is Scenario:
        auth = {name: "" if part == MASK else part for name, part in value["auth"].items()}
        return Scenario.model_validate({**value, "auth": auth})  # a secret stays with the run
    raise NotImplementedError(f"{kind.__name__} is not part of a status")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


class Encodings:
    """Encodes each value of a status once for everybody who watches."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, msgspec.Raw]] = {}

    def of(self, name: str, value: object) -> msgspec.Raw:
        known = self._known.get(name)
        if known is None or known[0] is not value:
            known = self._known[name] = value, msgspec.Raw(_encode(value))
        return known[1]


class StatusWriter:
    """What of a run's status a reader has not been sent yet."""

    def __init__(self, encodings: Encodings) -> None:
        self._encodings = encodings
        self._sent: dict[str, object] = {}
        self._ends = dict.fromkeys(_LOGS, 0)

    def changes(self, status: Status) -> Changed | None:
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
                changed[name] = msgspec.Raw(_encode(list(entries)))
            self._ends[name] = end
        return Changed(changed, begins) if changed else None


class StatusReader:
    """Puts a status together again."""

    def __init__(self) -> None:
        self.status: Status | None = None
        self._fields: dict[str, Any] = {}

    def take(self, line: Changed) -> Status:
        """Return the status with these changes. Raises msgspec.ValidationError for what is not a status."""
        fields = self._fields
        if line.begins or not fields:
            fields["rows"] = AppendLog(keep=ROWS_KEPT, fold=fold_rows)
            fields["marks"] = AppendLog(keep=MARKS_KEPT, fold=fold_marks)
            fields["watched"] = watch_log()
        for name, raw in line.changed.items():
            if name not in _TYPES:
                continue  # of a later version
            value = msgspec.json.decode(raw, type=_TYPES[name], dec_hook=_made)
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
    data: dict[str, Any] = msgspec.json.decode(_encode(fields))
    return data
