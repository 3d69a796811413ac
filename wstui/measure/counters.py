"""The counts of one worker. The hot path writes here; a snapshot is a copy."""

from __future__ import annotations

from wstui.measure.failure import FailureLog
from wstui.measure.histogram import Histogram
from wstui.measure.sanitize import sanitize
from wstui.measure.snapshot import Admitted, Counters, Health, Snapshot, Totals
from wstui.measure.steps import Steps

_NO_STEPS = Steps()
TYPES_KEPT = 64
OTHER_TYPES = b"(other types)"
_SHOWN = 60  # characters of a type's name
_KEPT = 4 * _SHOWN  # bytes: a name may be as long as a message


def counted_under(types: dict[bytes, int], name: bytes) -> bytes:
    """Return the key of a counted type in `types`."""
    return next((kept for kept in (name, name[:_KEPT]) if kept in types), OTHER_TYPES)


class Tally:
    """Counters, message types, histograms and failures of one worker, cumulative since the start of the run."""

    __slots__ = (
        "admitted",
        "connect",
        "counters",
        "failures",
        "on_time",
        "reconnect",
        "response",
        "round_trip",
        "send_delay",
        "slow_endings",
        "types",
    )

    def __init__(self) -> None:
        self.counters = Counters()
        self.types: dict[bytes, int] = {}
        self.connect = Histogram()
        self.response = Histogram()
        self.round_trip = Histogram()
        self.on_time = Histogram()  # both latencies of messages sent when due
        self.send_delay = Histogram()
        self.reconnect = Histogram()
        self.failures = FailureLog()
        self.admitted: dict[str, Admitted] = {}
        self.slow_endings: dict[str, int] = {}

    def count_type(self, name: bytes) -> None:
        """Count a message under its type. Bounded: further types count as "(other types)"."""
        types = self.types
        if name not in types:
            name = name[:_KEPT]
        if name in types:
            types[name] += 1
        elif len(types) < TYPES_KEPT:
            types[name] = 1
        else:
            types[OTHER_TYPES] = types.get(OTHER_TYPES, 0) + 1

    def snapshot(self, worker: int, sequence: int, at_ns: int, health: Health, steps: Steps = _NO_STEPS) -> Snapshot:
        """Return the state at `at_ns`; encode it before counting on."""
        types: dict[str, int] = {}
        for name, n in self.types.items():
            shown = sanitize(name, _SHOWN)
            types[shown] = types.get(shown, 0) + n
        on_time = self.on_time.data()
        return Snapshot(
            worker,
            sequence,
            Totals(
                at_ns,
                self.counters,
                self.connect.data(),
                self.response.data() + on_time,
                self.round_trip.data() + on_time,
                self.send_delay.data(),
                self.reconnect.data(),
                steps,
            ),
            types,
            self.failures.groups(),
            health,
            self.admitted,
            self.slow_endings,
        )
