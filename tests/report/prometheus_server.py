"""A real Prometheus on loopback, where one is installed."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.servers.process import free_ports, server_process

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")


class PrometheusServer:
    """Answers queries; nothing while it starts."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"

    def answer(self, query: str) -> list[Any]:
        try:
            encoded = urllib.parse.urlencode({"query": query})
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{encoded}", timeout=10) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                return []
            raise AssertionError(f"{query}: {error.read()!r}") from None
        except OSError:  # it has not started yet
            return []


@contextmanager
def prometheus(
    folder: Path, *flags: str, scrape: Mapping[str, str] = MappingProxyType({})
) -> Iterator[PrometheusServer]:
    """Run Prometheus; `scrape` has the host and port of metrics by the name of the job."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in scrape.items()]
    config = {"global": {"scrape_interval": "200ms"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with server_process(
        "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}", *flags,
    ):  # fmt: skip
        yield PrometheusServer(address)
