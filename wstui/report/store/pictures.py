"""What the dashboard showed of a run, a picture a second: packed for the store, and put together again."""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from wstui.execution.run.result import NOT_STARTED, Result
from wstui.execution.run.result_sections import Connections, Traffic
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.execution.run.status_codec import decode, encode
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import Mark, TimelineRow
from wstui.report.model.labels import url_of
from wstui.scenario.model import Scenario

_ELSEWHERE = ("rows", "marks", "watched", "histograms")
_FIELDS = tuple(field.name for field in fields(Status) if field.name not in _ELSEWHERE)
_EVERY = 60
"""Each picture is compressed with one of the last minute for a dictionary: a tenth of its size by itself."""
_WINDOW = 32 << 10
_RAW = -15
Packed = tuple[int, int, float, bytes]
"""Number, number of the dictionary, second of the run, and the compressed picture."""


class PicturePacker:
    def __init__(self) -> None:
        self._number = self._key = 0
        self._dictionary = b""
        self._unsure = False

    def pack(self, status: Status) -> Packed:
        """Return the next picture as the store holds it."""
        bare = replace(status, result=_without_bulk(status.result))
        data = encode({name: getattr(bare, name) for name in _FIELDS})
        number = self._number
        self._number += 1
        if number % _EVERY == 0 or self._unsure:
            self._key, self._dictionary = number, data[-_WINDOW:]
            packer = zlib.compressobj(6, zlib.DEFLATED, _RAW)
        else:
            packer = zlib.compressobj(6, zlib.DEFLATED, _RAW, zdict=self._dictionary)
        self._unsure = True
        return number, self._key, status.elapsed_s, packer.compress(data) + packer.flush()

    def stored(self) -> None:
        """Confirm that the last picture is in the store: without that the next one does not build on it."""
        self._unsure = False


def _without_bulk(result: Result) -> Result:
    return msgspec.structs.replace(result, timeline=[], events=[], histograms={})


@dataclass(frozen=True)
class Recording:
    """A stored run, second by second; `packed` is empty for runs that were stored before pictures were."""

    result: Result
    packed: Sequence[Packed] = ()
    host: str = ""
    number: int = 0
    """Of the run in the store."""

    @cached_property
    def rows(self) -> list[TimelineRow]:
        known = {field.name for field in fields(TimelineRow)} - {"steps"}
        return [
            TimelineRow(
                **{name: value for name, value in row.items() if name in known},
                steps={name: value for name, value in row.items() if name not in known},
            )
            for row in self.result.timeline
        ]

    @cached_property
    def marks(self) -> list[Mark]:
        return [Mark(event.at_s, event.kind, event.text) for event in self.result.events]

    @cached_property
    def _moments(self) -> list[float]:
        return [at_s for _, _, at_s, _ in self.packed] or [0.0, *(row.at_s for row in self.rows)]

    @property
    def duration_s(self) -> float:
        return max(self._moments[-1], self.result.duration_s)

    @property
    def missing(self) -> str:
        """Return what was not stored, or ""."""
        if self.packed:
            return ""
        return "stored by an earlier wstui: limits, errors, steps and the generator are those of the end"

    def index_at(self, seconds: float) -> int:
        """Return the number of the picture that was shown at a second; after the last one, that of the end."""
        if seconds >= self.duration_s:
            return len(self._moments)
        return max(0, bisect.bisect_right(self._moments, seconds) - 1)

    def at(self, seconds: float) -> Status:
        """Return what was shown at a second of the run. Raises ValueError if it can't be read."""
        return self.picture(self.index_at(seconds))

    def picture(self, index: int) -> Status:
        """Return a picture by its number. Raises ValueError if it can't be read."""
        if index < len(self._moments):
            shown = self._picture(index)
            return self._cut(shown, bisect.bisect_right(self.rows, shown.elapsed_s, key=lambda row: row.at_s))
        shown = self._picture(index - 1)
        over = State.ABORTED if self.result.verdict.aborted else State.FINISHED
        ended = shown.state if shown.state.ended else over
        return self._cut(replace(shown, state=ended, result=_without_bulk(self.result)), len(self.rows))

    def _cut(self, shown: Status, rows: int) -> Status:
        marks = bisect.bisect_right(self.marks, shown.elapsed_s, key=lambda mark: mark.at_s)
        ended = shown.state.ended
        return replace(shown, rows=self.rows[:rows], marks=self.marks if ended else self.marks[:marks])

    def _picture(self, index: int) -> Status:
        if not self.packed:
            return self._derived(index)
        number, key, _, data = self.packed[index]
        try:
            if number == key:
                plain = zlib.decompressobj(_RAW).decompress(data)
            else:
                plain = zlib.decompressobj(_RAW, zdict=self._dictionary(key)).decompress(data)
            return Status(**decode(msgspec.json.decode(plain, type=dict[str, msgspec.Raw])))
        except (zlib.error, msgspec.MsgspecError, TypeError, KeyError) as error:
            raise ValueError(f"the picture at {self._moments[index]:.0f} s can't be read: {error}") from None

    @cached_property
    def _keys(self) -> dict[int, bytes]:
        return {number: data for number, key, _, data in self.packed if number == key}

    def _dictionary(self, key: int) -> bytes:
        return zlib.decompressobj(_RAW).decompress(self._keys[key])[-_WINDOW:]

    # -- of runs without pictures --------------------------------------------------------------------------------

    def _derived(self, index: int) -> Status:
        """Return what the rows tell of a second."""
        rows, result = self.rows[:index], self.result
        row = rows[-1] if rows else TimelineRow(0.0, "")
        spans = [one.at_s - before for one, before in zip(rows, [0.0, *(r.at_s for r in rows)], strict=False)]

        def counted(column: str) -> int:
            return round(sum(float(getattr(one, column)) * span for one, span in zip(rows, spans, strict=True)))

        seen = Counters(
            wanted=row.wanted, open=row.open, opening=row.opening, attempted=counted("attempted_per_s"),
            ready=counted("ready_per_s"), failed=counted("failures_per_s"), sent=counted("sent_per_s"),
            received=counted("received_per_s"),
        )  # fmt: skip
        partial = msgspec.structs.replace(
            NOT_STARTED, scenario=result.scenario, started=result.started, duration_s=row.at_s,
            connections=Connections(seen.attempted, seen.ready, failed=seen.failed),
            messages=Traffic(seen.sent, seen.received),
        )  # fmt: skip
        return Status(
            State.PAUSED if row.paused else State.RUNNING, self._scenario, url_of(result), self.host,
            started=datetime.fromisoformat(result.started) if result.started else None, elapsed_s=row.at_s,
            plan_s=row.at_s, plan_total_s=result.duration_s, target_clients=row.wanted, counters=seen, result=partial,
        )  # fmt: skip

    @cached_property
    def _scenario(self) -> Scenario:
        made: dict[str, Any] = decode({"scenario": msgspec.Raw(msgspec.json.encode(self.result.scenario))})
        scenario: Scenario = made["scenario"]
        return scenario
