"""One worker's counts of each step and each role of a scenario."""

from __future__ import annotations

import msgspec

from wstui.measure.histogram import Distribution, Histogram


class StepCounts(msgspec.Struct):
    """How often a step began, and what became of it.

    begun = done + lost + abandoned + those that wait now, at every moment. `failed` ones are among the done: an answer
    came in time, and it was not the one hoped for.
    """

    begun: int = 0
    done: int = 0
    lost: int = 0  # no answer within its time, or the connection ended before
    abandoned: int = 0  # we ended the connection, or the wait, before the answer was due
    failed: int = 0
    late: int = 0  # answers to lost ones
    duplicates: int = 0

    @property
    def waiting(self) -> int:
        """Return how many wait for their answer now."""
        return self.begun - self.done - self.lost - self.abandoned

    def __add__(self, other: StepCounts) -> StepCounts:
        return StepCounts(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))

    def __sub__(self, other: StepCounts) -> StepCounts:
        return StepCounts(*(getattr(self, name) - getattr(other, name) for name in self.__struct_fields__))


class StepData(msgspec.Struct, array_like=True, frozen=True):
    """The counts of a step of a role. `kind` is "step", "heartbeat", "delivery", "stream" or "login"."""

    role: str
    name: str
    kind: str
    counts: StepCounts
    response: Distribution = Distribution()
    round_trip: Distribution = Distribution()

    @property
    def key(self) -> tuple[str, str, str]:
        return self.role, self.name, self.kind

    def __add__(self, other: StepData) -> StepData:
        response, round_trip = self.response + other.response, self.round_trip + other.round_trip
        return StepData(*self.key, self.counts + other.counts, response, round_trip)

    def __sub__(self, earlier: StepData) -> StepData:
        response, round_trip = self.response - earlier.response, self.round_trip - earlier.round_trip
        return StepData(*self.key, self.counts - earlier.counts, response, round_trip)


class RoleCounts(msgspec.Struct):
    """The rounds of a role: begun = completed + failed + cut + those under way, at every moment."""

    ready: int = 0  # clients that became ready
    begun: int = 0
    completed: int = 0
    failed: int = 0
    cut: int = 0  # the connection ended, or the client was to leave

    def __add__(self, other: RoleCounts) -> RoleCounts:
        return RoleCounts(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))

    def __sub__(self, other: RoleCounts) -> RoleCounts:
        return RoleCounts(*(getattr(self, name) - getattr(other, name) for name in self.__struct_fields__))


class Steps(msgspec.Struct, array_like=True, frozen=True):
    """All named steps, in the order of the scenario, and the rounds of each role."""

    rows: list[StepData] = []
    roles: dict[str, RoleCounts] = {}

    def __add__(self, other: Steps) -> Steps:
        if not other.rows and not other.roles:
            return self
        rows = {row.key: row for row in self.rows}
        for row in other.rows:
            known = rows.get(row.key)
            rows[row.key] = row if known is None else known + row
        names = dict.fromkeys((*self.roles, *other.roles))
        nothing = RoleCounts()
        roles = {name: self.roles.get(name, nothing) + other.roles.get(name, nothing) for name in names}
        return Steps(list(rows.values()), roles)

    def __sub__(self, earlier: Steps) -> Steps:
        if not earlier.rows and not earlier.roles:
            return self
        before = {row.key: row for row in earlier.rows}
        rows = [row - before[row.key] if row.key in before else row for row in self.rows]
        nothing = RoleCounts()
        return Steps(rows, {name: counts - earlier.roles.get(name, nothing) for name, counts in self.roles.items()})


class StepTally:
    """Counts of one step, and its distributions: from the intended time, and from the write."""

    __slots__ = ("counts", "kind", "name", "on_time", "response", "role", "round_trip")

    def __init__(self, role: str, name: str, kind: str = "step") -> None:
        self.role = role
        self.name = name
        self.kind = kind
        self.counts = StepCounts()
        self.response = Histogram()
        self.round_trip = Histogram()
        self.on_time = Histogram()  # both at once: of steps that began when they were meant to

    def data(self) -> StepData:
        on_time = self.on_time.data()
        response, round_trip = self.response.data() + on_time, self.round_trip.data() + on_time
        return StepData(self.role, self.name, self.kind, self.counts, response, round_trip)
