"""The run as Prometheus metrics, pushed by remote write 1.0 while it goes: the figures of `prometheus`.

The request is one protobuf message of three kinds of fields, compressed with Snappy. It is written here because the
packages that do it either bring a compiler of 60 MB (prometheus-remote-writer) or send buckets that are not cumulative
(OpenTelemetry's exporter). Snappy allows a block of literals only, and a few kB every five seconds need no more.
"""

from __future__ import annotations

import os
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from urllib.parse import unquote, urlsplit

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import RunView
from wstui.measure.histogram import varint
from wstui.measure.sanitize import sanitize
from wstui.report.live.metric_table import METRICS
from wstui.report.live.observer import ExportError, Observer
from wstui.scenario.secrets import mask_url

HEADERS = "WSTUI_REMOTE_WRITE_HEADERS"
TIMEOUT_S = 5.0
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The NaN by which Prometheus knows that a series has ended."""
Series = tuple[tuple[str, str], ...]


class RemoteWrite(Observer):
    """Sends the metrics of a run every few seconds, and once more at its end."""

    def __init__(
        self, run: RunView, url: str, *, every_s: float = 5.0, on_problem: Callable[[str], None] | None = None
    ) -> None:
        """`url` is the whole address, such as http://127.0.0.1:9090/api/v1/write. Raises ExportError."""
        super().__init__("Prometheus remote write", run, every_s=every_s, on_problem=on_problem)
        if "@" in urlsplit(url).netloc:
            raise ExportError(f"put the user and the password into {HEADERS}=Authorization=Basic%20…", lasting=True)
        self._url = url
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
            "User-Agent": "wstui",
            **_given_headers(os.environ.get(HEADERS, "")),
        }
        self._sent: set[Series] = set()

    def follow(self) -> None:
        """Send the figures of this moment, and that those which are no longer there have ended."""
        status = self._run.status
        if status.started is None:
            return
        own = {"job": "wstui", "instance": f"{status.host}:{os.getpid()}"}  # several runs may share a host
        found = {
            tuple(sorted({"__name__": name, **labels, **own}.items())): float(value)
            for row in METRICS
            for name, labels, value in row.samples(status)
        }
        ended = dict.fromkeys(self._sent - found.keys(), STALE)
        self._post(write_request({**found, **ended}, time.time_ns() // 1_000_000))
        self._sent = set(found)

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Send the last figures."""
        self.follow()

    def release(self) -> None: ...

    def _post(self, message: bytes) -> None:
        request = urllib.request.Request(self._url, snappy_block(message), self._headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            with error:
                said = sanitize(error.read(200).decode(errors="replace").strip().partition("\n")[0], 120)
            hint = "; Prometheus needs --web.enable-remote-write-receiver" if error.code == 404 else ""
            why = f"answers HTTP {error.code}{said and f': {said}'}{hint}"
        except (OSError, ValueError, HTTPException) as error:
            why = f"can't be reached: {getattr(error, 'reason', None) or error}"
        raise ExportError(f"the remote write receiver at {mask_url(self._url)} {why}", lasting=False) from None


def _given_headers(text: str) -> dict[str, str]:
    """Return the headers of "Name=value,Name=value", percent-encoded as in OTEL_EXPORTER_OTLP_HEADERS."""
    headers = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        value = unquote(value.strip())
        if not (equals and name.strip().isascii() and value.isprintable()):
            raise ExportError(f"{HEADERS} is not a list of headers: write Name=value,Name=value", lasting=True)
        headers[name.strip()] = value
    return headers


def write_request(values: Mapping[Series, float], at_ms: int) -> bytes:
    """Return prometheus.WriteRequest with a sample of each series."""
    return b"".join(
        _field(
            1,
            [
                *(_field(1, [_field(1, [name.encode()]), _field(2, [text.encode()])]) for name, text in series),
                _field(2, [b"\x09", struct.pack("<d", value), b"\x10", varint(at_ms)]),
            ],
        )
        for series, value in values.items()
    )


def _field(number: int, parts: Iterable[bytes]) -> bytes:
    """Return a length-delimited field of protobuf."""
    data = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(data)) + data


def snappy_block(data: bytes) -> bytes:
    """Return data as a block of Snappy that holds only literals, of 64 KiB each."""
    block = bytearray(varint(len(data)))
    for start in range(0, len(data), 1 << 16):
        part = data[start : start + (1 << 16)]
        block += b"\xf4" + struct.pack("<H", len(part) - 1) + part  # a literal whose length takes two bytes
    return bytes(block)
