"""No secret of any shape shows in any output, in whatever form a server or a library says it."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.report.stand_in import StandIn
from tests.search import FEW, MOST
from tests.tui.driving import shown, until
from tests.tui.fake import NOW, FakeSession
from wstui.cli.run_log import RunLog
from wstui.execution.run.commands import OPERATOR, AddNote, BeginSpan
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.measure.failure import FailureGroup, Occurrence
from wstui.measure.sanitize import sanitize
from wstui.measure.snapshot import Counters, Snapshot, Totals
from wstui.report.formats import format_registry
from wstui.report.live.event_stream import EventStream
from wstui.report.store.writer import StoreWriter
from wstui.scenario.errors import ScenarioError, printable
from wstui.scenario.errors import quote as quoted
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import mask_of
from wstui.scenario.secrets import mask_text
from wstui.tui.app import WstuiApp
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.dashboard.run_summary import summary
from wstui.tui.result.result_screen import ResultScreen

SHAPES = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-._~", min_size=6, max_size=60),
    st.text("aQz19 /+=%&?#\"'\\<>{}$`|,;:@!é你\u00a0\u2028\ufeff\n\r\t\x1b\u200b", min_size=6, max_size=40),
    st.binary(min_size=6, max_size=40).map(lambda raw: base64.b64encode(raw).decode()),
).map(lambda text: "Zq7" + text + "x9J")

SAID: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "bytes": lambda s: repr(s.encode()),
    "shown": lambda s: sanitize(s, 10_000),
    "printable": printable,
    "quoted": lambda s: quoted(s, 10_000),
    "json": json.dumps,
    "json as utf-8": lambda s: json.dumps(s, ensure_ascii=False),
    "json in json": lambda s: json.dumps(json.dumps({"token": s})),
    "repr shown": lambda s: sanitize(repr(s), 10_000),
    "bytes shown": lambda s: sanitize(s.encode(), 10_000),
    "percent": lambda s: quote(s, safe=""),
    "percent in lower case": lambda s: quote(s, safe="").replace("%2F", "%2f").replace("%0A", "%0a"),
    "path": quote,
    "form": lambda s: urlencode({"x": s}),
    "plus": quote_plus,
    "percent twice": lambda s: quote(quote(s, safe=""), safe=""),
    "html": html.escape,
    "latin-1": lambda s: s.encode().decode("latin-1"),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "hex": lambda s: s.encode().hex(),
    "stripped": str.strip,
}


@settings(FEW, phases=[Phase.generate])
@given(SHAPES)
def test_a_secret_is_masked_in_every_form_that_it_takes(secret: str) -> None:
    for name, form in SAID.items():
        said = form(secret)
        shown = mask_text(f"invalid subprotocol: <{said}> (401)", [secret])
        assert said.strip("\"'") not in shown and "Zq7" not in shown and "x9J" not in shown, name


@settings(FEW, phases=[Phase.generate])
@given(SHAPES, st.integers(4, 30))
def test_the_beginning_of_a_secret_is_masked_where_a_text_was_cut(secret: str, kept: int) -> None:
    assume(kept < len(secret) and secret[:kept].isprintable())
    for end in ("…", "...", ""):
        assert secret[:kept] not in mask_text(f"HTTP 401 bad token {secret[:kept]}{end}", [secret])


@pytest.mark.parametrize("user", ["user", "pass wörd"])
def test_basic_credentials_are_masked_inside_base64(user: str) -> None:
    for password in ("hunter2secret", "ünïcode-päss"):
        header = base64.b64encode(f"{user}:{password}".encode()).decode()
        shown = mask_text(f"you sent {header}", [password])
        assert base64.b64encode(password.encode()).decode()[4:12] not in shown and "***" in shown


WAYS = {
    "token by header": '[auth]\nkind = "token"\nsend_as = "header"\ntoken = "${PLAIN}"\n',
    "neutral query": '[target]\nurl = "ws://h/ws?leak=${SECRET_API_KEY}&room=1"\n',
    "neutral header": '[target]\nheaders.X-Leak = "v1 ${SECRET_API_KEY}"\n',
    "cookie": '[target]\nheaders.Cookie = "theme=dark; sid=${PLAIN}"\n',
    "labels": 'name = "run ${SECRET_API_KEY}"\ndescription = "with ${SECRET_API_KEY}"\n',
    "payload": '[[roles]]\nname = "a"\nloop = [{ send = "x {{env SECRET_API_KEY}} {{seq}}" }]\n',
    "subscription": '[messages]\nsubscribe = ["${SECRET_API_KEY}"]\n',
}
STAGES = '[[stages]]\nname = "hold"\nover = "2s"\nclients = 2\n'


def told(scenario: Scenario, secret: str) -> tuple[Status, Result]:
    """A run whose server repeats the secret wherever it can."""
    run = Run(scenario)
    groups = [
        FailureGroup(f"close {number}", f"{name}: {form(secret)}", 1, 1, 2, False, [Occurrence(1, 0, form(secret))])
        for number, (name, form) in enumerate(SAID.items())
    ]
    types = {sanitize(form(secret), 60): 3 for form in SAID.values()}
    counters = Counters(attempted=3, ready=3, sent=3, received=3, matched=3, slow_readers=1)
    run._fleet.totals.take(
        0, Snapshot(0, 1, Totals(10, counters), types, failures=groups, slow_endings={f"close {secret}": 1})
    )
    run._fleet.totals.lost[1] = ""
    run._monitor.look(1.0, 1.0)
    run._mark("start", "run started")
    for form in SAID.values():
        run._carry_out(AddNote(f"restarted with {form(secret)}"), OPERATOR)
    run._carry_out(BeginSpan(f"with {secret}"), "ann")
    result = run._conclude()
    return run.status, result


def outputs(status: Status, result: Result, folder: Path) -> Iterator[tuple[str, str]]:
    for name in format_registry.FORMATS:
        yield name, format_registry.named(name).render(result)
    yield "summary of the screen", summary(status)
    stream = io.StringIO()
    events = EventStream(StandIn(status), stream)
    events.follow()
    events.finish(result)
    yield "events", stream.getvalue()
    pytest.importorskip("prometheus_client")
    from prometheus_client import generate_latest

    from wstui.report.live.prometheus import RunCollector

    yield "prometheus", generate_latest(RunCollector(StandIn(status))).decode()
    pytest.importorskip("opentelemetry.sdk")
    from wstui.report.live.otlp import metrics_of

    yield "otlp", metrics_of(replace(status, started=NOW)).to_json()
    from opentelemetry.sdk._logs.export import LogRecordExportResult

    from wstui.report.live.otlp import OtlpLogs

    sent: list[str] = []
    logs = OtlpLogs(StandIn(replace(status, started=NOW)), "http://127.0.0.1:9/v1/logs")
    logs._exporter.shutdown()
    logs._exporter = MagicMock()

    def export(records: list[Any]) -> LogRecordExportResult:
        sent.extend(f"{record.log_record.body} {record.log_record.attributes}" for record in records)
        return LogRecordExportResult.SUCCESS

    logs._exporter.export = export
    logs.follow()
    logs.finish(result)
    assert "restarted with" in "".join(sent)
    yield "otlp logs", "".join(sent)
    recording = StoreWriter(StandIn(status), folder / "runs.db")
    recording.follow()
    recording.finish(result)
    recording.release()
    yield "store", "".join(file.read_bytes().decode("utf-8", "replace") for file in folder.glob("runs.db*"))
    log = RunLog(StandIn(status), "debug")
    log.follow()
    log.finish(result)
    log.release()
    yield "log", log.path.read_text()


async def drawn(status: Status, result: Result, folder: Path) -> list[tuple[str, str]]:
    """What the dashboard and the result show, wide enough that nothing is cut."""
    session = FakeSession(replace(status, state=State.RUNNING, started=NOW), result)
    app = WstuiApp(session, clock=lambda: NOW, presets=folder)
    async with app.run_test(size=(300, 80)) as pilot:
        await until(lambda: isinstance(app.screen, Dashboard) and status.scenario.name[:3] in shown(app), pilot)
        dashboard = shown(app)
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen) and "failures" in shown(app), pilot)
        return [("dashboard", dashboard), ("result", shown(app))]


def test_a_token_in_the_user_part_of_the_address_shows_nowhere(tmp_path: Path) -> None:
    secret = "Zq7aTokenInTheUserPartx9J"
    scenario = loads(f'[target]\nurl = "ws://{secret}@h/ws"\n' + STAGES)
    assert isinstance(scenario, Scenario)
    status, result = told(scenario, secret)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        for name, text in [*outputs(status, result, tmp_path), *asyncio.run(drawn(status, result, tmp_path))]:
            assert "Zq7" not in text and "x9J" not in text, name


@settings(phases=[Phase.generate], max_examples=MOST * 6 // 100, suppress_health_check=list(HealthCheck))
@given(SHAPES, st.sampled_from(sorted(WAYS)))
def test_no_output_of_a_run_shows_a_secret(tmp_path_factory: pytest.TempPathFactory, secret: str, way: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("outputs")
        environment.setenv("XDG_STATE_HOME", str(folder / "state"))
        environment.setenv("SECRET_API_KEY", secret)
        environment.setenv("PLAIN", secret)
        try:
            scenario = loads(WAYS[way] + STAGES)
        except ScenarioError as error:  # what HTTP or a URL cannot carry is refused, without saying it
            assert "Zq7" not in str(error) and "x9J" not in str(error)
            return
        assert isinstance(scenario, Scenario)
        status, result = told(scenario, secret)
        screens = asyncio.run(drawn(status, result, folder))
        for name, text in [*outputs(status, result, folder), *screens]:
            assert "Zq7" not in text and "x9J" not in text, (name, way)
        assert "Zq7" not in mask_of(scenario)(f"Traceback: {secret!r}")
