from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from wstui.measure.counters import TYPES_KEPT, Tally
from wstui.measure.snapshot import Counters, Health, Snapshot

COUNTERS = st.builds(Counters, **{name: st.integers(0, 1 << 50) for name in Counters.__struct_fields__})


@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"pong", b"heartbeat"]), max_size=200))
def test_every_message_is_counted_under_some_type(names: list[bytes]) -> None:
    tally = Tally()
    for name in names:
        tally.count_type(name)
    types = tally.snapshot(0, 0, 0, Health()).types
    assert sum(types.values()) == len(names)


def test_a_server_that_invents_types_does_not_fill_the_memory() -> None:
    tally = Tally()
    for n in range(10 * TYPES_KEPT):
        tally.count_type(b"%d" % n + b"x" * 100_000)
    assert len(tally.types) <= TYPES_KEPT + 1
    assert sum(len(name) for name in tally.types) < 64 * 1024
    assert sum(tally.types.values()) == 10 * TYPES_KEPT


def test_types_that_look_the_same_when_cut_are_counted_together() -> None:
    tally = Tally()
    for end in (b"one", b"two"):
        tally.count_type(b"a" * 70 + end)
    assert list(tally.snapshot(0, 0, 0, Health()).types.values()) == [2]


@given(COUNTERS, COUNTERS)
def test_counters_add_and_subtract_field_by_field(one: Counters, other: Counters) -> None:
    total = Counters.add_all([one, other])
    assert total - other == one
    assert total.sent == one.sent + other.sent
    assert Counters.add_all([]) == Counters()


def test_a_snapshot_comes_back_from_the_wire_as_it_was() -> None:
    tally = Tally()
    tally.counters.sent = 3
    tally.response.record(1_000_000)
    tally.failures.record("timeout", "no reply", 5, 7, "detail")
    tally.count_type(b"pong")
    snapshot = tally.snapshot(1, 2, 3, Health(0.5, 10))
    wire = msgspec.msgpack.encode(snapshot)
    assert msgspec.msgpack.decode(wire, type=Snapshot) == snapshot
