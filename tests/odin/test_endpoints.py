"""What the server says of itself over HTTP, on the port of the socket."""

from __future__ import annotations

import json

import pytest

from tests.odin.target import client, get, get_json, pinged, serving
from wstui.odin.faults import Faults


async def test_health_tells_clients_and_nats_with_the_field_names_of_the_protocol(nats: str) -> None:
    async with serving(nats_url=nats) as server, client(server), client(server):
        response, body = await get(server, "/health")
        assert response.status == 200
        assert json.loads(body) == {
            "status": "healthy",
            "uptime": 0,
            "nats": "connected",
            "websocket": {"currentConnections": 2, "totalDelivered": 0},
            "duplicatesDropped": 0,
        }


async def test_metrics_have_the_field_names_of_the_protocol_and_null_for_what_is_not_known() -> None:
    async with serving() as server, client(server):
        metrics = await get_json(server, "/metrics")
        assert metrics.pop("startTime") > 1_600_000_000_000
        assert metrics.pop("uptime") >= 0
        assert metrics == {
            "messagesPublished": 0,
            "messagesDelivered": 0,
            "connectionCount": 1,
            "duplicatesDropped": 0,
            "reconnectionCount": 0,
            "errors": 0,
            "peakLatency": None,
            "averageLatency": None,
            "errorRate": 0.0,
        }


async def test_latency_is_the_age_of_what_is_relayed() -> None:
    async with serving() as server:
        now = server.hub.last_relay_ms
        for age in (10, 20, -1_000_000):
            server.hub.relay(json.dumps({"timestamp": now - age}).encode(), 0.0)
        metrics = await get_json(server, "/metrics")
        assert 20 <= metrics["peakLatency"] < 10_000
        assert 10 <= metrics["averageLatency"] < 10_000


@pytest.mark.parametrize(
    ("path", "accept", "prometheus"),
    [
        ("/metrics", "application/json", False),
        ("/metrics", "*/*", False),
        ("/metrics", "", False),
        ("/metrics", "application/json, text/plain, */*", False),
        ("/metrics", "text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("/metrics", "application/json;q=0.5, TEXT/*", True),
        ("/metrics", "text/plain;q=0, */*", False),
        ("/metrics", "text/plain;q=much, application/json;q=0", False),
        ("/metrics", "text/plain;version=0.0.4;q=0.4,*/*;q=0.1", True),
        ("/metrics", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.2", True),
        ("/metrics", "application/openmetrics-text", True),
        ("/metrics?format=prometheus", "application/json", True),
        ("/metrics?format=json", "text/plain", False),
    ],
)
async def test_metrics_are_json_or_prometheus_text_as_asked(path: str, accept: str, prometheus: bool) -> None:
    async with serving() as server, client(server) as ws:
        await pinged(ws)
        server.hub.relay(b'{"type":"a \\"quoted\\"\\nname"}', 0.0)
        response, body = await get(server, path, headers={"Accept": accept})
        if not prometheus:
            assert json.loads(body)["connectionCount"] == 1
            return
        assert response.getheader("Content-Type", "").startswith("text/plain; version=0.0.4")
        text = body.decode()
        assert '\nodin_connections{state="open"} 1\n' in text
        assert "\nodin_messages_received_total 1\n" in text
        assert 'odin_messages_by_type_total{type="a \\"quoted\\"\\nname"} 1\n' in text
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        assert all(float(line.rpartition(" ")[2]) >= 0 for line in samples)


async def test_stats_tell_process_connections_messages_and_refusals() -> None:
    async with serving() as server, client(server) as ws:
        await pinged(ws)
        await get(server, "/ws", headers={"Upgrade": "websocket"})
        stats = await get_json(server, "/stats")
        (process,) = stats["processes"]
        assert process["rssBytes"] > 1_000_000
        assert process["openFiles"] > 3
        assert process["cpuPercent"] >= 0
        assert stats["connections"]["open"] == 1
        assert stats["connections"]["handshake"] == 1  # this very request
        assert stats["messages"]["receivedByType"] == {"ping": 1}
        assert stats["refused"] == {"token missing": 1}
        assert "faults" not in stats


async def test_faults_are_shown_while_they_are_on() -> None:
    async with serving(faults=Faults(delay=0.001, drop=0.5)) as server:
        assert (await get_json(server, "/stats"))["faults"] == {"delay": 0.001, "drop": 0.5}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/healthy", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/ws", 426),
        ("GET", "/ws?token=x", 426),
        ("POST", "/health", 405),
        ("GET", "/ws/", 404),
    ],
)
async def test_other_requests_get_the_status_that_fits(method: str, path: str, status: int) -> None:
    async with serving() as server:
        response, body = await get(server, path, method)
        assert response.status == status
        assert "error" in json.loads(body)


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with serving() as server:
        response, body = await get(server, "/health", "HEAD")
        assert (response.status, body) == (200, b"")
        assert int(response.getheader("Content-Length", "0")) > 0
