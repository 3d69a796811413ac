"""The pure rules: rate limits, de-duplication, faults, addresses, padding, stats."""

from __future__ import annotations

import json

import pytest

from wstui.odin import rate_limit
from wstui.odin.admission import choose_subprotocol
from wstui.odin.faults import Faults, FaultUnknown, parse_faults
from wstui.odin.hub import Deduplication
from wstui.odin.nats_client import redact_url
from wstui.odin.price_simulator import PriceSimulator
from wstui.odin.publisher import padded
from wstui.odin.rate_limit import RateLimit, TokenBucket
from wstui.odin.server_settings import is_loopback
from wstui.odin.stats import KIND_LENGTH_MAX, KINDS_MAX, Stats
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
    monkeypatch.setattr(rate_limit, "ADDRESSES_MAX", 100)
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
    assert redact_url("nats://user:secret@host:4222") == "nats://host:4222"
    assert redact_url("nats://host:4222") == "nats://host:4222"


@pytest.mark.parametrize("size", [0, 10, 200, 201, 5000])
def test_padding_reaches_the_size_and_leaves_json(size: int) -> None:
    message = json.dumps({"type": "price:update", "price": 1}).encode()
    result = padded(message, size)
    assert json.loads(result)["price"] == 1
    assert len(result) == max(len(message), size)


def test_a_market_numbers_its_messages_and_keeps_prices_positive() -> None:
    market = PriceSimulator(("BTC", "ETH"), seed=1)
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


def test_types_without_end_do_not_fill_the_memory() -> None:
    stats = Stats()
    for number in range(10 * KINDS_MAX):
        stats.count_published(f"type {number}")
    assert len(stats.published_by_type) == KINDS_MAX + 1
    assert stats.published_by_type["other"] == 9 * KINDS_MAX
    stats = Stats()
    stats.count_published("x" * 1_000_000)
    assert len(max(stats.published_by_type)) == KIND_LENGTH_MAX
