"""The run as Prometheus metrics, made when they are asked for: `http://127.0.0.1:9464/metrics`."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric

from wstui.execution.run.status import RunView
from wstui.report.live.metric_table import METRICS

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

DEFAULT_PORT = 9464
LOOPBACK = "127.0.0.1"


class CannotListen(Exception):
    """The endpoint cannot be opened; the text names the address and what to do."""


class MetricsEndpoint:
    """Serves the metrics of a run over HTTP until it is closed."""

    def __init__(self, run: RunView, host: str = LOOPBACK, port: int = DEFAULT_PORT) -> None:
        """Listen at once, on loopback unless told otherwise; port 0 takes any. Raises CannotListen."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(RunCollector(run))
        self._server: WSGIServer
        self._thread: Thread
        try:
            self._server, self._thread = start_http_server(port, host, registry)
            self._server.set_app(_only_for(host, self._server.get_app()))
        except (OSError, OverflowError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise CannotListen(f"metrics can't be served on {host}:{port}: {told}; choose another port") from None

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        name = str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/metrics"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _only_for(bound: str, app: Any) -> Any:
    """Answer only requests whose Host is a loopback name or address, or what the endpoint was bound to.

    A web page can have its own name resolve to 127.0.0.1 (DNS rebinding), but it cannot hide that name.
    """

    def guarded(environ: dict[str, Any], start_response: Any) -> Any:
        host = re.sub(r":\d*$", "", str(environ.get("HTTP_HOST", ""))).strip("[]").rstrip(".").lower()
        if _is_ours(host, bound.lower()):
            return app(environ, start_response)
        start_response("421 Misdirected Request", [("Content-Type", "text/plain")])
        return [b"metrics are served only under the address that they were bound to\n"]

    return guarded


def _is_ours(host: str, bound: str) -> bool:
    if host in ("", "localhost", bound) or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _is_wildcard(bound) and host in (socket.gethostname().lower(), socket.getfqdn().lower())
    return address.is_loopback or _is_wildcard(bound)


def _is_wildcard(bound: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(bound).is_unspecified
    return False


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "9464", "0.0.0.0:9464" or "[::1]:9464". Raises CannotListen."""
    match = re.fullmatch(r"(?:(?P<host>[^:\[\]]+|\[[0-9a-fA-F:]+\]):)?(?P<port>\d{1,5})", text.strip())
    if match is None or int(match["port"]) > 65535:
        raise CannotListen(f"{text!r} is not an address: write a port, such as 9464, or HOST:PORT")
    return (match["host"] or LOOPBACK).strip("[]"), int(match["port"])


class RunCollector:
    """Turns the picture of a run into metrics each time that somebody asks. It never waits for the run."""

    def __init__(self, run: RunView) -> None:
        self._run = run

    def collect(self) -> Iterator[Metric]:
        status = self._run.status
        for row in METRICS:
            # The library adds the suffix of a counter to the name of its family, but no other.
            family = Metric(row.name if row.kind == "counter" else row.exposed, row.told, row.kind)
            for name, labels, value in row.samples(status):
                family.add_sample(name, labels, value)
            if family.samples:
                yield family
