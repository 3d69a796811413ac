from __future__ import annotations

import dataclasses
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import msgspec
import pytest

pytest.importorskip("prometheus_client", reason="the extra `prometheus` is not installed")

from prometheus_client.parser import text_string_to_metric_families

from tests.report.made_up import HOSTILE
from tests.report.stand_in import StandIn, status
from wstui.execution.run.result_sections import FailureSummary
from wstui.execution.run.state import State
from wstui.execution.run.status import HostStatus, Status
from wstui.report.live.prometheus import CannotListen, MetricsEndpoint, parse_address
from wstui.scenario.model import Scenario


@pytest.fixture
def endpoint() -> Iterator[MetricsEndpoint]:
    """The metrics of a run after 5 s, and after 9 s when asked again."""
    opened = MetricsEndpoint(StandIn(status(5), status(9)), port=0)
    yield opened
    opened.close()


def scrape(endpoint: MetricsEndpoint) -> dict[str, float]:
    with urllib.request.urlopen(endpoint.url, timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        sample.name + "".join(f"|{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_each_scrape_shows_the_run_as_it_is_then(endpoint: MetricsEndpoint) -> None:
    first, second = scrape(endpoint), scrape(endpoint)
    assert first["wstui_messages_sent_total"] == 100 and second["wstui_messages_sent_total"] == 180
    assert first["wstui_clients|state=open"] == 90
    assert first["wstui_connects_total|outcome=refused"] == 5
    assert first["wstui_run_elapsed_seconds"] == 5
    assert first["wstui_threshold_kept|limit=>= 100%|metric=connect.success|stage="] == 0
    assert first["wstui_failures_total|kind=http 429|local=false"] == 5
    assert first["wstui_generator_limited"] == 0


def test_latency_is_a_histogram_in_seconds(endpoint: MetricsEndpoint) -> None:
    seen = scrape(endpoint)
    assert seen["wstui_response_seconds_count"] == 100
    assert seen["wstui_response_seconds_bucket|le=+Inf"] == 100
    buckets = [value for name, value in seen.items() if name.startswith("wstui_response_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert 40 < seen["wstui_response_seconds_bucket|le=0.0025"] < 100
    assert seen["wstui_response_seconds_sum"] == pytest.approx(0.16, rel=0.3)
    assert seen["wstui_response_quantile_seconds|quantile=0.5"] == pytest.approx(0.0015, rel=0.2)


def test_what_a_server_names_is_escaped_and_bounded() -> None:
    kinds = [FailureSummary(f"{HOSTILE[:10]}{number}", HOSTILE, 1, 0.0, 0.0) for number in range(500)]
    plain = status(1)
    messages = msgspec.structs.replace(
        plain.result.messages, by_type={f"{number} {HOSTILE}": 1 for number in range(500)}
    )
    result = msgspec.structs.replace(plain.result, messages=messages, failures=kinds)
    hostile = dataclasses.replace(plain, result=result)
    endpoint = MetricsEndpoint(StandIn(hostile), port=0)
    try:
        seen = scrape(endpoint)
    finally:
        endpoint.close()
    assert len([name for name in seen if name.startswith("wstui_messages_received_by_type")]) == 50
    assert len([name for name in seen if name.startswith("wstui_failures_total")]) == 50
    assert not [name for name in seen if "\x1b" in name or "\u202e" in name]


def test_each_of_several_hosts_has_gauges_of_its_own() -> None:
    hosts = (HostStatus("host1", "ok", 2, 0, 40, 0.5, 3.0, 0.2, 2.5), HostStatus("host2", "lost", 3, 3, age_s=4.0))
    seen = status(5)
    generator = dataclasses.replace(seen.generator, hosts=hosts)
    opened = MetricsEndpoint(StandIn(dataclasses.replace(seen, generator=generator)), port=0)
    try:
        told = scrape(opened)
    finally:
        opened.close()
    assert told["wstui_host_clients|host=host1"] == 40 and told["wstui_host_clients|host=host2"] == 0
    assert (told["wstui_host_state|host=host2|state=lost"], told["wstui_host_state|host=host2|state=ok"]) == (1, 0)
    assert told["wstui_host_workers|host=host2|state=lost"] == 3
    assert told["wstui_host_loop_lag_seconds|host=host1"] == 0.003
    assert told["wstui_host_silent_seconds|host=host2"] == 4
    assert "wstui_host_round_trip_seconds|host=host2" not in told, "what is not known is not shown"


def test_a_run_that_has_not_begun_has_metrics_too() -> None:
    endpoint = MetricsEndpoint(StandIn(Status(State.STARTING, Scenario(), "ws://127.0.0.1:1/", "here")), port=0)
    try:
        seen = scrape(endpoint)
    finally:
        endpoint.close()
    assert seen["wstui_messages_sent_total"] == 0
    assert not [name for name in seen if name.startswith("wstui_response")]


def test_it_listens_on_loopback_unless_told_and_says_when_it_cannot(endpoint: MetricsEndpoint) -> None:
    assert endpoint.url.startswith("http://127.0.0.1:")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: Address already in use; choose another port"):
            MetricsEndpoint(StandIn(status(1)), port=port)


def test_addresses_are_a_port_or_a_host_and_a_port() -> None:
    assert parse_address("9464") == ("127.0.0.1", 9464)
    assert parse_address("0.0.0.0:1") == ("0.0.0.0", 1)
    assert parse_address("[::1]:80") == ("::1", 80)
    for text in ("", "x", "localhost", "1:2:3", "99999", "::1"):
        with pytest.raises(CannotListen, match="HOST:PORT"):
            parse_address(text)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:9464", 200), ("127.0.0.1", 200), ("[::1]:9464", 200), ("evil.example:9464", 421), ("10.0.0.7", 421)],
)
def test_only_a_host_of_its_own_is_answered(endpoint: MetricsEndpoint, host: str, status: int) -> None:
    request = urllib.request.Request(endpoint.url, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == status
    except urllib.error.HTTPError as error:
        assert error.code == status and b"wstui_" not in error.read()
