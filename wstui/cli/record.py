"""`wstui record`: a proxy that writes down what real clients and their server say."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import ssl
import sys
import time
from pathlib import Path

import click

from wstui.cli.exit_codes import KEPT, UNREACHABLE, USAGE, fail
from wstui.cli.garbage import collect_as_usual
from wstui.cli.record_lines import RecordLines
from wstui.recording.recording import Recorder
from wstui.recording.recording_proxy import RecordingProxy, made_certificate, served_with
from wstui.scenario.errors import BadValue, ScenarioError, printable
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario
from wstui.scenario.units import parse_size


@click.command()
@click.argument("url", metavar="URL")
@click.option("--listen", default="127.0.0.1:8765", show_default=True, metavar="HOST:PORT", help="A loopback address.")
@click.option("--out", metavar="FILE", help="Where to write; recording-DATE-TIME.jsonl unless given.")
@click.option("--http", is_flag=True, help="Pass and record HTTP requests to the same origin too: pages, logins.")
@click.option("--tls", is_flag=True, help="Listen with TLS, with a certificate made for the moment.")
@click.option("--cert", metavar="FILE", help="Listen with TLS, with this certificate (PEM).")
@click.option("--key", metavar="FILE", help="The key of --cert, if it is in another file.")
@click.option("--ca-file", metavar="FILE", help="Authorities to trust for the target instead of the system's.")
@click.option("--insecure", is_flag=True, help="Accept any certificate of the target.")
@click.option("--most", default="256MiB", show_default=True, metavar="SIZE", help="Stop writing at this size.")
@click.option("--only", metavar="TEXT", help="Show only lines with this text; all are recorded.")
@click.option("--quiet", "-q", is_flag=True, help="Show no messages.")
def record(
    url: str,
    listen: str,
    out: str | None,
    http: bool,
    tls: bool,
    cert: str | None,
    key: str | None,
    ca_file: str | None,
    insecure: bool,
    most: str,
    only: str | None,
    quiet: bool,
) -> None:
    """Stand between real clients and the server at URL, and write down what they say, for `wstui import`.

    Point a browser, an app or a script at the address that is printed instead of the server. Any number of clients may
    talk at once. Ctrl-C ends it. Secrets are masked on the screen; in the file they are not, so only you can read it.
    """
    host, port = _listener(listen)
    settings = {"target.url": url, "target.ready": "open", "target.ca_file": ca_file or "", "target.insecure": insecure}
    try:
        scenario = loads("", "", None, {name: value for name, value in settings.items() if value}, complete=False)
        assert isinstance(scenario, Scenario)
        bytes_most = parse_size(most)
    except ScenarioError as error:
        fail("; ".join(f"{problem.subject}: {problem.advice}" for problem in error.problems), USAGE)
    except BadValue as error:
        fail(f"--most {most}: {error}", USAGE)
    path = Path(out or time.strftime("recording-%Y%m%d-%H%M%S.jsonl"))
    try:
        context = served_with(cert, key) if cert else made_certificate() if tls else None
    except (OSError, ssl.SSLError) as error:
        fail(f"--cert {printable(cert or '')} can't be used: {getattr(error, 'strerror', None) or error}", USAGE)
    try:
        recorder = Recorder(path, url, bytes_most)
    except FileExistsError:
        fail(f"{printable(str(path))} is there already: --out writes elsewhere", USAGE)
    except OSError as error:
        fail(f"{printable(str(path))} can't be written: {error.strerror or error}", USAGE)
    screen = RecordLines(quiet=quiet, only=only or "", url=url)
    collect_as_usual()
    sys.exit(asyncio.run(_record(scenario, recorder, screen, host, port, context, path, http=http)))


def _listener(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        fail(f"--listen {text}: write host:port, such as 127.0.0.1:8765", USAGE)
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(host).is_loopback
    if not loopback:
        fail(f"--listen {text}: what passes holds secrets, so only loopback is listened on: 127.0.0.1:{port}", USAGE)
    return host, int(port)


async def _record(
    scenario: Scenario,
    recorder: Recorder,
    screen: RecordLines,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    path: Path,
    *,
    http: bool,
) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    try:
        proxy = RecordingProxy(scenario, recorder, screen.show, http=http)
        port = await proxy.start(host, port, tls)
    except (OSError, ssl.SSLError) as error:
        recorder.discard()
        fail(f"--listen {host}:{port} can't be used: {getattr(error, 'strerror', None) or error}", USAGE)
    scheme = "" if tls is None else "s"
    shown = f"[{host}]" if ":" in host else host
    also = f" or http{scheme}://{shown}:{port}/" if http else ""
    click.echo(f"recording: connect to ws{scheme}://{shown}:{port}/{also} instead{screen.keys or '; Ctrl-C ends it'}")
    try:
        screen.listen(loop, ended.set, lambda: _saved(recorder, path))
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.5)
            screen.full(recorder, path)
    finally:
        screen.restore_terminal(loop)
        await proxy.stop()
        recorder.finish()
    counts = ", ".join(f"{count} {what}" for what, count in sorted(proxy.count.items())) or "nothing passed"
    click.echo(f"{printable(str(path))}: {counts}; it holds secrets, and only you can read it")
    click.echo(f"next: wstui import {printable(str(path))}")
    return KEPT if proxy.count["connections"] or not screen.failures else UNREACHABLE


def _saved(recorder: Recorder, path: Path) -> str:
    """Copy what was recorded so far beside the file; say where."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in range(1, 10_000))
    copy = next(name for name in names if not name.exists())
    try:
        with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(path.read_bytes())
    except OSError as error:
        return f"{printable(str(copy))} can't be written: {error.strerror or error}"
    return f"{recorder.events} events so far are in {printable(str(copy))}"
