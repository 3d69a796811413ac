"""The pure rules: rate limits, de-duplication, faults, addresses, padding, merged stats."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from wstui.odin import ratelimit
from wstui.odin.admission import choose_subprotocol
from wstui.odin.deduplication import Deduplication
from wstui.odin.faults import Faults, FaultUnknown, parse_faults
from wstui.odin.nats_client import address
from wstui.odin.price_simulator import Market
from wstui.odin.publisher import padded
from wstui.odin.ratelimit import RateLimit, TokenBucket
from wstui.odin.server_settings import is_loopback
from wstui.odin.shared_limits import SETS, WAYS, SharedLimits
from wstui.odin.shared_stats import StatsBoard
from wstui.odin.stats import KIND_LENGTH_MAX, KINDS_MAX, Stats, merge
from wstui.odin.token import sign


def test_a_bucket_lets_one_second_of_events_through_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(5.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert bucket.retry_after() == 1
    assert not bucket.take(0.1)
    assert bucket.take(0.21)
    assert [bucket.take(100.0) for _ in range(6)] == [True] * 5 + [False]


def test_one_address_can_not_use_up_the_rate_of_another() -> None:
    limit = RateLimit(rate=0.0, rate_per_address=2.0)
    assert [limit.take("10.0.0.1", 0.0) for _ in range(4)] == [0, 0, 1, 1]
    assert limit.take("10.0.0.2", 0.0) == 0


def test_all_addresses_together_have_a_limit_too_and_its_refusals_cost_an_address_nothing() -> None:
    limit = RateLimit(rate=3.0, rate_per_address=0.1)
    waits = [limit.take(f"10.0.0.{number}", 0.0) for number in range(5)]
    assert [wait > 0 for wait in waits] == [False, False, False, True, True]
    assert limit.take("10.0.0.4", 1.0) == 0
    assert limit.take("10.0.0.4", 1.0) == 10  # seconds, at a tenth a second


def test_an_ipv6_network_is_one_address() -> None:
    limit = RateLimit(rate=0.0, rate_per_address=1.0)
    assert limit.take("2001:db8::1", 0.0) == 0
    assert limit.take("2001:db8::2", 0.0) > 0
    assert limit.take("2001:db8:0:1::1", 0.0) == 0


def test_the_memory_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "ADDRESSES_MAX", 100)
    limit = RateLimit(rate=0.0, rate_per_address=1.0)
    for number in range(1000):
        limit.take(f"10.0.{number // 250}.{number % 250}", 0.0)
    assert len(limit._addresses) == 100


def test_a_nonce_is_a_duplicate_for_a_minute() -> None:
    seen = Deduplication(window=60.0)
    assert not seen.is_duplicate("a", 0.0)
    assert seen.is_duplicate("a", 59.9)
    assert not seen.is_duplicate("a", 60.1)


def test_the_memory_of_nonces_is_bounded_and_the_oldest_goes_first() -> None:
    seen = Deduplication(window=60.0, limit=100)
    for number in range(150):
        assert not seen.is_duplicate(str(number), 1.0)
    assert (len(seen), seen.forgotten) == (100, 50)
    assert seen.is_duplicate("149", 2.0)
    assert not seen.is_duplicate("0", 2.0)
    assert not seen.is_duplicate("after", 100.0)
    assert len(seen) == 1


def test_faults_are_read_from_their_spellings() -> None:
    texts = ["delay=50ms", "freeze=3s@10s", "drop=1%", "duplicate=0.5", "refuse=90%", "close=5%/min", "lie"]
    assert parse_faults(texts, seed=7) == Faults(
        delay=0.05,
        freeze=3.0,
        freeze_at=10.0,
        drop=0.01,
        duplicate=0.5,
        refuse=0.9,
        close_per_minute=0.05,
        lie=True,
        seed=7,
    )
    assert parse_faults([]).active == {}
    assert parse_faults(["stray=1%", "leak=6MiB/min"]).active == {"stray": 0.01, "leak": 104857.6}


@pytest.mark.parametrize(
    "text", ["", "delay", "delay=fast", "drop=101%", "drop=-1%", "lie=1", "leak=1", "stray", "explode=1"]
)
def test_a_fault_that_can_not_be_read_is_named(text: str) -> None:
    with pytest.raises(FaultUnknown, match="fault"):
        parse_faults([text])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("odin", False)],
)
def test_only_loopback_addresses_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_nats_url_is_shown_without_its_password() -> None:
    assert address("nats://user:secret@host:4222") == "nats://host:4222"
    assert address("nats://host:4222") == "nats://host:4222"


@pytest.mark.parametrize("size", [0, 10, 200, 201, 5000])
def test_padding_reaches_the_size_and_leaves_json(size: int) -> None:
    message = json.dumps({"type": "price:update", "price": 1}).encode()
    result = padded(message, size)
    assert json.loads(result)["price"] == 1
    assert len(result) == max(len(message), size)


def test_a_market_numbers_its_messages_and_keeps_prices_positive() -> None:
    market = Market(("BTC", "ETH"), seed=1)
    messages = [market.trade(market.any_token()) for _ in range(500)] + [market.batch(), market.statistics()]
    assert [message["sequence"] for message in messages] == list(range(1, 503))
    assert len({message["nonce"] for message in messages}) == 502
    assert all(message["price"] > 0 for message in messages[:500])
    assert [update["tokenId"] for update in messages[500]["updates"]] == ["BTC", "ETH"]


def test_the_chosen_subprotocol_is_not_the_token_unless_nothing_else_is_offered() -> None:
    token = sign("ann", "a secret that is long enough to sign with")
    assert choose_subprotocol(["bearer", token]) == "bearer"  # type: ignore[list-item]
    assert choose_subprotocol([token]) == token  # type: ignore[list-item]
    assert choose_subprotocol([]) is None


def test_stats_of_workers_add_up_but_messages_from_nats_are_counted_once() -> None:
    parts = [Stats(started=5.0, published=10), Stats(started=4.0, published=11)]
    for part in parts:
        part.phases[1] = 100
        part.delivered = 1000
        part.refused["token expired"] += 3
        part.count_published("price:update")
        part.errors += 1  # NATS was lost: each worker has seen that
        part.nats_connected = True
    parts[1].nats_connected = False
    whole = merge(parts)
    assert (whole.phases[1], whole.delivered, whole.published) == (200, 2000, 11)
    assert whole.refused == {"token expired": 6}
    assert whole.published_by_type == {"price:update": 1}
    assert whole.errors == 1
    assert whole.started == 4.0
    assert not whole.nats_connected


def test_types_without_end_do_not_fill_the_memory() -> None:
    stats = Stats()
    for number in range(10 * KINDS_MAX):
        stats.count_published(f"type {number}")
    assert len(stats.published_by_type) == KINDS_MAX + 1
    assert stats.published_by_type["other"] == 9 * KINDS_MAX
    stats = Stats()
    stats.count_published("x" * 1_000_000)
    assert len(max(stats.published_by_type)) == KIND_LENGTH_MAX


def test_workers_see_on_the_board_what_each_of_them_posted_last() -> None:
    board = StatsBoard.create(3)
    other = StatsBoard(board.descriptor, 3)
    board.post(0, Stats(delivered=1))
    board.post(0, Stats(delivered=2))
    other.post(2, Stats(delivered=3))
    assert {worker: stats.delivered for worker, stats in other.read().items()} == {0: 2, 2: 3}
    huge = Stats(refused={f"reason {number}": number for number in range(10_000)})
    board.post(0, huge)
    assert other.read()[0].delivered == 2
    board.close()


@pytest.fixture
def workers() -> Iterator[tuple[SharedLimits, SharedLimits]]:
    """The limits as two workers see them."""
    one = SharedLimits.create()
    yield one, SharedLimits(one.descriptor)
    one.close()


def test_workers_share_one_bucket_for_all_and_one_for_each_address(
    workers: tuple[SharedLimits, SharedLimits],
) -> None:
    one, other = (worker.rate(0, 5.0, 2.0) for worker in workers)
    assert [one.take("10.0.0.1", 1e3), other.take("10.0.0.1", 1e3)] == [0, 0]
    assert one.take("10.0.0.1", 1e3) and other.take("10.0.0.1", 1e3)
    assert [other.take(f"10.0.0.{number}", 1e3) > 0 for number in range(2, 7)] == [False] * 3 + [True] * 2
    assert one.take("10.0.0.1", 1e3 + 0.6) == 0
    assert other.take("10.0.0.9", 999.0) == 0, "a clock that is behind gives nothing twice"
    other_limit = workers[1].rate(1, 1.0, 0.0)
    assert [other_limit.take("10.0.0.1", 1e3) > 0 for _ in range(2)] == [False, True]


def test_workers_forget_the_address_not_seen_for_longest(workers: tuple[SharedLimits, SharedLimits]) -> None:
    limit = workers[0].rate(0, 0.0, 1.0)
    addresses = [f"2001:db8:{number // 65536:x}:{number % 65536:x}::1" for number in range(2 * SETS * WAYS)]
    assert not any(limit.take(address, 1e3 + number / 1e6) for number, address in enumerate(addresses))
    assert limit.take(addresses[-1], 1e3 + 0.1) > 0


def test_workers_share_the_places(workers: tuple[SharedLimits, SharedLimits]) -> None:
    one, other = (worker.places(2) for worker in workers)
    assert [one.take(), other.take(), one.take(), other.take()] == [True, True, False, False]
    one.give_back()
    assert [other.take(), one.take()] == [True, False]
