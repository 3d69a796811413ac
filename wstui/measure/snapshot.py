"""The report of a worker, five times a second: cumulative and numbered, so that the next makes up for a lost one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import sub

import msgspec
from msgspec.structs import astuple

from wstui.measure.failure import FailureGroup
from wstui.measure.histogram import Distribution, add_all
from wstui.measure.steps import Steps


class Counters(msgspec.Struct):
    """Everything that is counted. Whole numbers since the start of the run, but for five states and `reconnecting`.

    attempted = ready + refused + timed_out + failed + drained + opening, at every moment.
    """

    # clients by state, now
    wanted: int = 0
    opening: int = 0
    open: int = 0
    closing: int = 0
    # attempts and their outcomes
    attempted: int = 0
    ready: int = 0
    refused: int = 0
    timed_out: int = 0
    failed: int = 0
    drained: int = 0
    # ready clients that ended: by the other side, or by us
    dropped: int = 0
    closed: int = 0
    # dropped clients: reconnecting now, ready again, attempts, and those that tried too often
    reconnecting: int = 0
    reconnects: int = 0
    reconnect_attempts: int = 0
    reconnects_given_up: int = 0
    reconnects_missing: int = 0  # still disconnected when the load ended, although they had tried
    # messages
    sent: int = 0
    received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    # bytes that compression saved
    compression_saved_sent: int = 0
    compression_saved_received: int = 0
    no_reply_expected: int = 0  # sent without awaiting a reply
    matched: int = 0
    reply_timeouts: int = 0
    abandoned: int = 0  # we ended the connection before the reply was due
    late: int = 0
    duplicates: int = 0
    unmatched: int = 0
    altered: int = 0  # unmatched replies that differ from what was sent
    invalid_texts: int = 0  # text messages that are not UTF-8
    broken_expectations: int = 0
    failed_steps: int = 0  # of roles, beside the messages of the load
    late_sends: int = 0
    late_broadcasts: int = 0
    # ended attempts with tokens of several kinds, and those that ended as expected
    auth_checked: int = 0
    auth_correct: int = 0
    # attempts that were refused with HTTP 429
    rate_limited: int = 0
    # planned clients not connected, or still connecting, at the end of the load
    unreached: int = 0
    # subscriptions to tokens, their acknowledgements, and messages about other tokens
    subscribes: int = 0
    subscribe_acks: int = 0
    filter_leaks: int = 0
    # ready clients that stopped reading, and those that the server closed (they count as closed)
    slow_readers: int = 0
    slow_closed: int = 0
    # keepalive pings and their pongs, which are not messages
    pings: int = 0
    pongs: int = 0
    # numbered messages that roles follow
    sequence_received: int = 0
    sequence_gaps: int = 0
    sequence_repeats: int = 0
    sequence_disorder: int = 0

    @property
    def in_flight(self) -> int:
        """Return messages that still await their reply."""
        return self.sent - self.no_reply_expected - self.matched - self.reply_timeouts - self.abandoned

    @staticmethod
    def add_all(parts: Iterable[Counters]) -> Counters:
        """Return the sum, field by field."""
        return Counters(*map(sum, zip(*map(astuple, parts), strict=True)))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*map(sub, astuple(self), astuple(other)))


class Admitted(msgspec.Struct):
    """Attempts with one kind of token, except those that we cut short."""

    attempted: int = 0
    ready: int = 0
    refused: int = 0  # turned away for the token
    other: int = 0  # timed out, failed, or refused for another reason


class Health(msgspec.Struct, frozen=True):
    """The health of one worker.

    `cpu` is the share of one core used since the last snapshot (0…1, may pass 1 with threads);
    `loop_lag_ns` the longest delay of the loop's own timer since then; files and ports are in use against
    their limits (0 = no limit known); `resident` is in bytes.
    """

    cpu: float = 0.0
    loop_lag_ns: int = 0
    files: int = 0
    files_limit: int = 0
    ports: int = 0
    ports_limit: int = 0
    resident: int = 0


class Totals(msgspec.Struct, frozen=True):
    """The counts of a worker, or of all, at `at_ns` (ns since the start of the run, including pauses).

    Durations are in nanoseconds. The difference of two totals is what was counted between them.
    """

    at_ns: int = 0
    counters: Counters = msgspec.field(default_factory=Counters)
    connect: Distribution = Distribution()
    response: Distribution = Distribution()
    round_trip: Distribution = Distribution()
    send_delay: Distribution = Distribution()
    reconnect: Distribution = Distribution()  # from a drop until ready again
    steps: Steps = Steps()  # of roles

    @staticmethod
    def add_all(parts: Sequence[Totals]) -> Totals:
        """Return the sum of totals, at the latest of their times."""
        return Totals(
            max((each.at_ns for each in parts), default=0),
            Counters.add_all(each.counters for each in parts),
            add_all(each.connect for each in parts),
            add_all(each.response for each in parts),
            add_all(each.round_trip for each in parts),
            add_all(each.send_delay for each in parts),
            add_all(each.reconnect for each in parts),
            sum((each.steps for each in parts), Steps()),
        )

    def __sub__(self, earlier: Totals) -> Totals:
        return Totals(self.at_ns, *map(sub, astuple(self)[1:], astuple(earlier)[1:]))


class Snapshot(msgspec.Struct, tag="snapshot"):
    """The totals and the health of one worker."""

    worker: int
    sequence: int
    totals: Totals
    types: dict[str, int] = {}
    failures: list[FailureGroup] = []
    health: Health = Health()
    admitted: dict[str, Admitted] = {}  # by kind of token, if a scenario mixes them
    slow_endings: dict[str, int] = {}  # how the server closed slow readers
    addresses: dict[str, int] = {}  # connections by target address, if they are spread
