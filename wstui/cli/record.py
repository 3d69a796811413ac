"""`wstui record`: a proxy that writes down what real clients and their server say."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import signal
import ssl
import sys
import time
from pathlib import Path

import click

from wstui.cli.exit_codes import KEPT, UNREACHABLE, USAGE, fail
from wstui.measure.sanitize import sanitize
from wstui.recording.certificate import made_certificate, served_with
from wstui.recording.proxy import Passed, Proxy
from wstui.recording.recording import Recorder
from wstui.scenario.errors import BadValue, ScenarioError, printable
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario
from wstui.scenario.secrets import is_secret_header, mask_text, secrets_in_header, secrets_in_url
from wstui.scenario.units import parse_size

_WIDTH = 160
_SECRET_IN_JSON = re.compile(r'"([\w.-]+)"\s*:\s*"((?:[^"\\]|\\.)+)"')
_MOST_SECRETS = 1000
"""Of those that are looked for on the screen; the oldest are forgotten."""


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
    screen = _Lines(quiet=quiet, only=only or "", url=url)
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
    screen: _Lines,
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
        proxy = Proxy(scenario, recorder, screen.show, http=http)
        port = await proxy.start(host, port, tls)
    except (OSError, ssl.SSLError) as error:
        recorder.discard()
        fail(f"--listen {host}:{port} can't be used: {getattr(error, 'strerror', None) or error}", USAGE)
    scheme = "" if tls is None else "s"
    shown = f"[{host}]" if ":" in host else host
    also = f" or http{scheme}://{shown}:{port}/" if http else ""
    click.echo(f"recording: connect to ws{scheme}://{shown}:{port}/{also} instead; Ctrl-C ends it")
    try:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.5)
            screen.full(recorder, path)
    finally:
        await proxy.stop()
        recorder.finish()
    counts = ", ".join(f"{count} {what}" for what, count in sorted(proxy.count.items())) or "nothing passed"
    click.echo(f"{printable(str(path))}: {counts}; it holds secrets, and only you can read it")
    click.echo(f"next: wstui import {printable(str(path))}")
    return KEPT if proxy.count["connections"] or not screen.failures else UNREACHABLE


class _Lines:
    """A line for each message, with secrets masked."""

    def __init__(self, *, quiet: bool, only: str, url: str) -> None:
        self._quiet = quiet
        self._only = only
        self._secrets: dict[str, None] = dict.fromkeys(secrets_in_url(url))
        self._told_full = False
        self.failures = 0

    def show(self, passed: Passed) -> None:
        """Print what passed."""
        self._learn(passed)
        if passed.sent is None and "can't be reached" in str(passed.data):
            self.failures += 1
        if self._quiet and passed.sent is not None:
            return
        text = (
            passed.data if isinstance(passed.data, str) else f"<{len(passed.data)} bytes> {passed.data[:32].hex(' ')}"
        )
        # Masked before it is cut: half of a secret would no longer be known for one.
        text = mask_text(text[:8192], tuple(self._secrets))
        arrow = {True: "→", False: "←", None: "·"}[passed.sent]
        line = f"{passed.at:9.3f} #{passed.number} {arrow} {sanitize(text, _WIDTH)}"
        if self._only in line:
            click.echo(line)

    def full(self, recorder: Recorder, path: Path) -> None:
        """Say once that the file has reached its size."""
        if recorder.is_full and not self._told_full:
            self._told_full = True
            click.echo(
                f"{printable(str(path))} has reached its size (--most): clients go on, no more is written", err=True
            )

    def _learn(self, passed: Passed) -> None:
        found: list[str] = []
        if isinstance(passed.data, str):
            found += [value for name, value in _SECRET_IN_JSON.findall(passed.data[:65536]) if is_secret_header(name)]
            found += secrets_in_url(passed.data) if passed.sent is None else []
        for name, value in passed.headers:
            if is_secret_header(name):
                found += [value, *secrets_in_header(value)]
        for secret in found:
            self._secrets[secret] = None
        while len(self._secrets) > _MOST_SECRETS:
            del self._secrets[next(iter(self._secrets))]
