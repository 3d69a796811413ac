"""What all workers together have counted up to a moment."""

from __future__ import annotations

from dataclasses import dataclass

from wstui.measure.histogram import Histogram
from wstui.measure.snapshot import Counters


@dataclass(frozen=True, slots=True)
class Sum:
    """What the whole fleet has counted up to `at_ns`: cumulative, histograms in nanoseconds."""

    at_ns: int
    counters: Counters
    connect: Histogram
    response: Histogram
    round_trip: Histogram
    send_delay: Histogram
    reconnect: Histogram

    @classmethod
    def nothing(cls) -> Sum:
        """The state before anything was counted."""
        return cls(0, Counters(), *(Histogram() for _ in range(5)))

    def since(self, earlier: Sum) -> Sum:
        """What was counted after `earlier`, an older state of the same fleet."""
        return Sum(
            self.at_ns,
            self.counters - earlier.counters,
            self.connect.since(earlier.connect),
            self.response.since(earlier.response),
            self.round_trip.since(earlier.round_trip),
            self.send_delay.since(earlier.send_delay),
            self.reconnect.since(earlier.reconnect),
        )

    def plus(self, other: Sum) -> Sum:
        """Two stretches of a run taken together."""
        both = Sum(max(self.at_ns, other.at_ns), self.counters + other.counters, *(Histogram() for _ in range(5)))
        for part in (self, other):
            both.connect.add(part.connect)
            both.response.add(part.response)
            both.round_trip.add(part.round_trip)
            both.send_delay.add(part.send_delay)
            both.reconnect.add(part.reconnect)
        return both
