"""Export a run while it goes on: to the store, Prometheus, an event stream, a log file."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TextIO

import click

from wstui.cli.exit_codes import READER_GONE, USAGE, fail, tell
from wstui.cli.options import RunOptions
from wstui.cli.param_types import wanted_level
from wstui.cli.run_log import RunLog
from wstui.cli.run_refs import shown_by
from wstui.cli.stdio import STDOUT, silence
from wstui.control.run_server import ControlServer
from wstui.execution.run.commands import RunControl
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import RunView
from wstui.report.formats.atomic_write import standard_output
from wstui.report.live.event_stream import EventStream
from wstui.report.live.observer import ExportError, Observer
from wstui.report.store.writer import StoreWriter
from wstui.scenario.secrets import mask_url

_PUSHED = {
    "--remote-write": ("remote_write", "RemoteWrite", "", "http://127.0.0.1:9090/api/v1/write"),
    "--otlp": ("otlp", "OtlpExport", "otlp", "http://127.0.0.1:4318/v1/metrics"),
    "--otlp-logs": ("otlp_logs", "OtlpLogs", "otlp", "http://127.0.0.1:4318/v1/logs"),
}
"""Module, class, extra (if it needs one) and an address of each export that is pushed."""


class Exporters:
    """Poll the run's status from their own threads; their errors never stop the run."""

    def __init__(self, run: RunControl, options: RunOptions, on_problem: Callable[[str], None] | None = None) -> None:
        """Start those that were asked for; ends the process when an address can't be listened on.

        `on_problem` hears at once what goes wrong later; without it `close` says so at the end.
        """
        self._heard = on_problem is not None
        self._watchers: list[Observer] = []
        self._recording: StoreWriter | None = None
        self._events: EventStream | None = None
        self._to: str | TextIO = ""  # where they go
        self._log: Path | None = None
        self._endpoint = ExitStack()
        if options.prometheus:
            self._serve(run, options.prometheus)
        self._store_path = options.store_path
        if not options.no_store:
            path = Path(self._store_path) if self._store_path else None
            self._recording = StoreWriter(run, path, on_problem=on_problem)
            self._watchers.append(self._recording)
        for option, url in (
            ("--remote-write", options.remote_write),
            ("--otlp", options.otlp),
            ("--otlp-logs", options.otlp_logs),
        ):
            if url:
                self._export(run, option, url, on_problem)
        if options.events:
            self._to = standard_output() if options.events == STDOUT else options.events
            self._events = EventStream(run, self._to, on_problem=on_problem)
            self._watchers.append(self._events)
        if level := wanted_level(options.log_level, on_problem or tell):
            self._write_log(run, level, on_problem)
        for watcher in self._watchers:
            watcher.start()
        self._control = None if options.no_control else self._serve_control(run, on_problem)

    def _serve_control(self, run: RunControl, on_problem: Callable[[str], None] | None) -> ControlServer:
        recording = self._recording
        store = str(Path(self._store_path).resolve()) if self._store_path else ""
        control = ControlServer(run, store=store, numbers=lambda: recording.ids if recording is not None else ())
        control.start()
        if control.problem:
            (on_problem or tell)(control.problem)
        return control

    def _write_log(self, run: RunView, level: str, on_problem: Callable[[str], None] | None) -> None:
        try:
            log = RunLog(run, level, on_problem=on_problem)
        except ExportError as trouble:
            (on_problem or tell)(str(trouble))
            return
        self._watchers.append(log)
        self._log = log.path
        if on_problem is tell:
            click.echo(f"log: {log.path}", err=True)

    def _export(self, run: RunView, option: str, url: str, on_problem: Callable[[str], None] | None) -> None:
        module, name, extra, example = _PUSHED[option]
        try:
            export = getattr(import_module(f"wstui.report.live.{module}"), name)
        except ModuleNotFoundError as error:
            fail(f"{option} needs {error.name}; install it with: pip install 'wstui[{extra}]'", USAGE)
        if not re.match(r"https?://[^/\s]+", url):
            fail(f'{option} {mask_url(url)}: give the whole address, such as "{example}"', USAGE)
        try:
            self._watchers.append(export(run, url, on_problem=on_problem))
        except ExportError as error:
            fail(f"{option}: {error}", USAGE)

    def _serve(self, run: RunView, address: str) -> None:
        try:
            from wstui.report.live import prometheus
        except ModuleNotFoundError as error:
            fail(f"--prometheus needs {error.name}; install it with: pip install 'wstui[prometheus]'", USAGE)
        try:
            endpoint = prometheus.MetricsEndpoint(run, *prometheus.parse_address(address))
        except prometheus.CannotListen as error:
            fail(f"--prometheus: {error}", USAGE)
        self._endpoint.callback(endpoint.close)
        click.echo(f"metrics at {endpoint.url}", err=True)

    @property
    def status(self) -> int:
        """Exit status of the event stream: 0 as long as every event was written."""
        if self._events is None or not self._events.problem:
            return 0
        return READER_GONE if self._events.reader_gone else USAGE

    def close(self, result: Result | SuiteResult | None, stream: TextIO) -> bool | None:
        """Let them write the end of the run, and say where it is kept.

        Returns whether all of it is kept in the store, None where it was not to be.
        """
        for watcher in self._watchers:
            watcher.close(result)
            if watcher.problem and not self._heard:
                tell(watcher.problem)
        if self._control is not None:
            self._control.close(result)
        self._endpoint.close()
        if self.status and not isinstance(self._to, str):
            silence(self._to)  # what its buffer holds of the events has nowhere to go
        if self._log is not None and not self._heard:
            click.echo(f"log: {self._log}", err=True)
        if self._recording is None:
            return None
        ids, failed = self._recording.ids, bool(self._recording.problem)
        if ids:
            numbers = ", ".join(str(number) for number in ids)
            told = f"kept only in part as run {numbers}" if failed else f"kept as run {numbers}"
            again = shown_by(ids[-1], self._store_path, suite=isinstance(result, SuiteResult))
            click.echo(f"{told}: {again}", file=stream)
        return bool(ids) and not failed
