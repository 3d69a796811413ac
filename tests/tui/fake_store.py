"""Made-up presets, kept runs and a launcher for the screens around a run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tests.tui import fake
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.preflight.probe import Probe, ProbeStep, Unreachable
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Latency
from wstui.measure.histogram import Histogram, encode_hdr
from wstui.report.analysis.compare import Comparison, compare
from wstui.report.analysis.trend import Point, Trend
from wstui.report.store.pictures import Recording
from wstui.report.store.store import StoredRun
from wstui.scenario.model import Scenario
from wstui.tui.services import Launcher


def stored(number: int, name: str, state: str, summary: Result) -> StoredRun:
    """A run as a store gives it."""
    return StoredRun(number, name, fake.status().url, "load-07", summary.started, state, "", 0, (), summary, {})


@cache  # a histogram of each takes long, and every test of the start screen has seven
def kept_result(
    name: str, started: str, *, clients: int, scale: float, passed: bool = True, aborted: bool = False
) -> Result:
    """A result whose latency is `scale` times that of the usual one."""
    plain = fake.result(passed=passed, aborted=aborted, name=name)
    rows = [row.values() for row in fake.rows(240, seed=int(scale * 100))]
    share = clients / fake.CLIENTS
    for row in rows:
        for quantile in ("p50", "p95", "p99"):
            row[f"response_{quantile}_ms"] *= scale
        for counted in ("sent_per_s", "received_per_s"):
            row[counted] *= share
        row["wanted"] = row["open"] = round(row["open"] * share)
    chance = random.Random(1)
    histogram = Histogram()
    for _ in range(2000):
        histogram.record(int(12e6 * scale * chance.lognormvariate(0, 0.9)))
    response = Latency.of(histogram.data())
    messages = msgspec.structs.replace(
        plain.messages, sent_per_second=24_050 * share, received_per_second=24_049 * share,
        timed_out=round(788 * share), sent=round(14_437_000 * share), received=round(14_436_212 * share),
    )  # fmt: skip
    load = [{"name": "ramp", "clients": clients, "over": "2m"}, {"name": "hold", "over": "10m"}]
    return msgspec.structs.replace(
        plain,
        started=started,
        duration_s=240.0,
        connections=msgspec.structs.replace(plain.connections, ready=clients, attempted=clients + 21),
        messages=messages,
        latency_ms=msgspec.structs.replace(plain.latency_ms, response=response),
        timeline=rows,
        histograms={"response": encode_hdr(histogram.data())},
        scenario={**plain.scenario, "stages": load},
    )


class FakeRuns:
    """A store of seven runs; the last of them is the one that `fake.result` tells of."""

    def __init__(self) -> None:
        self.kept = [
            self._kept(8, "checkout-soak", "2025-11-23T14:27:55+00:00", clients=12_000, scale=0.98),
            self._kept(7, "checkout-soak", "2025-11-23T11:02:00+00:00", clients=12_000, scale=0.95),
            self._kept(6, "checkout-soak", "2025-11-23T09:47:00+00:00", clients=14_000, scale=2.6, passed=False),
            self._kept(5, "quick", "2025-11-22T17:20:00+00:00", clients=100, scale=0.1, aborted=True),
            self._kept(4, "checkout-soak", "2025-11-22T15:05:00+00:00", clients=10_000, scale=0.82),
            self._kept(3, "quick", "2025-11-22T14:41:00+00:00", clients=100, scale=0.06),
            self._kept(2, "medium", "2025-11-21T18:12:00+00:00", clients=1_000, scale=0.3),
        ]
        self.deleted: list[int] = []

    @staticmethod
    def _kept(number: int, name: str, started: str, **wishes: Any) -> StoredRun:
        return stored(number, name, "finished", kept_result(name, started, **wishes))

    def newest(self, limit: int) -> Sequence[StoredRun]:
        return self.kept if limit < 0 else self.kept[:limit]

    def result(self, number: int) -> Result:
        return next(run.summary for run in self.kept if run.id == number)

    def recording(self, number: int) -> Recording:
        return Recording(self.result(number))

    def compare(self, before: int, after: int) -> Comparison:
        return compare(self.result(before), self.result(after))

    def trend(self, preset: str, metric: str) -> Trend:
        chance = random.Random(7)
        points = [
            Point(
                number,
                f"2025-11-{1 + number // 2:02}T{9 + number % 9:02}:30:00+00:00",
                round((180 if number < 15 else 131) * chance.lognormvariate(0, 0.05), 3),
                ("v1.2",) if number == 15 else (),
                ("cache on",) if number in {15, 19} else (),
            )
            for number in range(1, 25)
        ]
        return Trend.of(preset, metric, [] if preset == "medium" else points)

    def command(self, number: int) -> str:
        """What shows a run in a shell."""
        return f"wstui runs show {number}"

    @property
    def place(self) -> str:
        return "~/.local/share/wstui/runs.db"

    def scenario(self, number: int) -> Scenario:
        name = next(run.name for run in self.kept if run.id == number)
        if name == "medium":
            raise ValueError("auth.token was not kept: set AUTH_TOKEN, or run the preset")
        return fake.SCENARIO.model_copy(update={"name": name})

    def delete(self, numbers: Sequence[int]) -> None:
        self.deleted += numbers
        self.kept = [run for run in self.kept if run.id not in numbers]

    def tag(self, number: int, tags: Sequence[str]) -> None:
        if "last" in tags:
            raise ValueError("'last' cannot be a tag")
        self.kept = [replace(run, tags=tuple(tags)) if run.id == number else run for run in self.kept]


class FakeLaunches:
    """Notes what was to be run, and gives made-up sessions."""

    def __init__(self) -> None:
        self.launched: list[tuple[list[Scenario], str, float]] = []
        self.probed: list[bool] = []
        self.sessions: list[fake.FakeSession] = []
        self.demos = 0
        self.checked: list[Scenario] = []
        self.fault = ""
        self.looked: list[tuple[list[Scenario], float]] = []
        self.checks = list(CHECKS)
        self.gate = asyncio.Event()
        self.gate.set()

    def launch(
        self, scenarios: Sequence[Scenario], name: str, cooldown_s: float, probe_first: bool
    ) -> fake.FakeSession:
        if self.fault:
            raise RuntimeError(self.fault)
        self.launched.append((list(scenarios), name, cooldown_s))
        self.probed.append(probe_first)
        return self._session(scenarios[0])

    def demo(self) -> fake.FakeSession:
        self.demos += 1
        return self._session(fake.SCENARIO)

    def _session(self, scenario: Scenario) -> fake.FakeSession:
        session = fake.FakeSession(replace(fake.status(), scenario=scenario, url=scenario.target.url))
        self.sessions.append(session)
        return session

    async def connect(self, scenario: Scenario, seen: Probe) -> None:
        self.checked.append(scenario)
        if "nowhere" in scenario.target.url:
            seen.steps.append(ProbeStep("resolve", 0.42, "127.0.0.1"))
            raise Unreachable("nothing listens on nowhere:1", "start the server, or give its address with --url")
        place = "edge-1.stage.example:8443"
        seen.steps += [
            ProbeStep("resolve", 0.42, "10.4.0.7"),
            ProbeStep("connect", 0.61, place),
            ProbeStep("tls", 3.84, "TLSv1.3, TLS_AES_256_GCM_SHA384"),
            ProbeStep("upgrade", 1.21, "HTTP 101"),
            ProbeStep("welcome", 0.33, "connection:established"),
            ProbeStep("reply", 0.87, "odin"),
        ]

    async def preflight(self, scenarios: Sequence[Scenario], pauses_s: float) -> AsyncIterator[Check]:
        self.looked.append((list(scenarios), pauses_s))
        for check in self.checks:
            yield check
        await self.gate.wait()

    def launcher(self, runs: FakeRuns | None = None) -> Launcher:
        """All of it."""
        return Launcher(self.launch, self.demo, self.connect, self.preflight, runs)

    def end(self) -> None:
        """Let every session end."""
        for session in self.sessions:
            session.ended.set()


CHECKS = (
    Check("resolve", CheckMark.PASS, "0.4 ms, 10.4.0.7"),
    Check("connect", CheckMark.PASS, "0.6 ms, edge-1.stage.example:8443"),
    Check("tls", CheckMark.PASS, "3.8 ms, TLSv1.3, TLS_AES_256_GCM_SHA384"),
    Check("upgrade", CheckMark.PASS, "1.2 ms, HTTP 101"),
    Check("welcome", CheckMark.PASS, "0.3 ms, connection:established"),
    Check("reply", CheckMark.PASS, "0.9 ms, odin"),
    Check("health", CheckMark.WARN, "degraded: broker reconnecting, connections 41",
          "look at what it depends on (its own /health says more) before loading it"),
    Check("token", CheckMark.FAIL, "is valid until 2025-11-23 14:40:00+00:00, and the run takes 13 min",
          "make a new one (`wstui token --ttl SECONDS` for the Odin server) and set AUTH_TOKEN"),
    Check("clock", CheckMark.PASS, "the target's is +0.8 ms from ours, ± 0.4 ms"),
    Check("files", CheckMark.PASS, "12 300 needed, 1 048 576 allowed"),
    Check("ports", CheckMark.PASS, "12 000 needed, 28 232 from 1 source address"),
    Check("processors", CheckMark.PASS, "about 48 % of a processor by estimate, without broadcasts"),
    Check("memory", CheckMark.PASS, "about 284 MiB needed, 5 812 MiB free"),
)  # fmt: skip

OWN = {
    "checkout-soak.toml": """name = "checkout-soak"
description = "The checkout of the stage, for ten minutes"
stages = [
  { name = "ramp", over = "2m", clients = 12000 },
  { name = "hold", over = "10m" },
  { name = "cooldown", over = "1m", clients = 0 },
]
[target]
url = "wss://edge-1.stage.example:8443/ws"
[auth]
kind = "token"
token = "${AUTH_TOKEN:-}"
[messages]
every = "500ms"
[[thresholds]]
metric = "response.p99"
limit = "< 250ms"
[[thresholds]]
metric = "failures.rate"
limit = "< 1%"
""",
    "typo.toml": 'name = "typo"\ndescription = "Has a mistake in it"\n[target]\nurll = "ws://localhost/ws"\n',
}
"""Presets of the operator's own."""


def own_presets(folder: Path) -> Path:
    """Write them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in OWN.items():
        (folder / name).write_text(text)
    return folder


def shipped_presets(folder: Path) -> Path:
    """A few that come with wstui, in a folder: pictures should not change with those that really do."""
    folder.mkdir(exist_ok=True)
    for name, clients, hold, what in (
        ("quick", 100, "30s", "Development and CI check"),
        ("soak", 500, "1h", "An hour"),
    ):
        (folder / f"{name}.toml").write_text(
            f'description = "{what}"\n[load]\nclients = {clients}\nramp = "10s"\nhold = "{hold}"\n'
        )
    return folder
