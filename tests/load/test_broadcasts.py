"""The window of broadcasts: who was there for a message, and who has it, whatever comes and goes meanwhile."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from wstui.load.broadcasts import FEW, NEWCOMER_NS, Broadcasts

SLOTS = FEW + 4
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["opened", "closed"]), st.integers(0, SLOTS - 1), st.just(0)),
        st.tuples(st.just("receipt"), st.integers(0, SLOTS + 2), st.integers(0, 2)),
        st.tuples(st.just("receipts"), st.just(0), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(EVENTS)
def test_a_message_is_expected_at_all_that_were_open_at_its_first_receipt_and_stayed(
    events: list[tuple[str, int, int]],
) -> None:
    window, now, open_slots = Broadcasts(10**15, {b"price": 0}), 0, set[int]()
    expected: dict[int, set[int]] = {}
    seen: dict[int, list[int]] = {}
    for kind, slot, message in events:
        now += 2 * NEWCOMER_NS
        match kind:
            case "opened" if slot not in open_slots:
                window.opened(slot, now - NEWCOMER_NS)
                open_slots.add(slot)
            case "closed" if slot in open_slots:
                window.closed(slot)
                open_slots.discard(slot)
                for there in expected.values():
                    there.discard(slot)
            case "receipt" | "receipts":
                for receiver in [slot] if kind == "receipt" else range(SLOTS):
                    text = b'{"type":"price","seq":%d}' % message
                    if not window.known(receiver, text, now):
                        expected[message] = set(open_slots)
                        window.first(receiver, b"price", text, now)
                    seen.setdefault(message, []).append(receiver)
    found = [(r.eligible, r.receivers, r.receipts, r.duplicates) for r in window.expired(2 * 10**15 + now, 0)]
    assert found == [
        (len(there), len(there & set(seen[message])), len(seen[message]), len(seen[message]) - len(set(seen[message])))
        for message, there in expected.items()
    ]


def test_a_message_to_one_client_of_many_takes_no_more_than_one_to_one_of_few() -> None:
    took = []
    for clients in (100, 50_000):
        window = Broadcasts(10**9, {b"price": 0})
        for slot in range(clients):
            window.opened(slot, 0)
        window.first(0, b"price", b"an early one", NEWCOMER_NS)
        tracemalloc.start()
        for number in range(100):
            window.first(number, b"price", b'{"type":"price","seq":%d}' % number, 2 * NEWCOMER_NS)
        took.append(tracemalloc.get_traced_memory()[0] / 100)
        tracemalloc.stop()
    assert took[1] < 1.5 * took[0] and took[1] < 2000
