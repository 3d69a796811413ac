"""`wstui server`, `wstui publisher` and `wstui token`: flags and environment of the bundled Odin target."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from wstui.cli.garbage import collect_as_usual
from wstui.cli.param_types import LEVELS, Finite, Whole, wanted_level
from wstui.odin.faults import SPELLINGS, FaultUnknown, parse_faults
from wstui.odin.price_simulator import TOKENS
from wstui.odin.server_settings import AuthMode, Limits, ServerSettings, SlowConsumer, Timing, is_loopback
from wstui.odin.token import DAY_S, DEVELOPMENT_SECRET, SECRET_MIN, KeyUnusable, Verifier, sign

LONGEST_TTL_S = 3650 * DAY_S
SECRET_MIN_PUBLIC = 16
"""Bytes that a secret needs for a server that other machines can reach."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_RATE = Finite(0, 1e9)
_SEED = Whole(0, (1 << 63) - 1)
_log = logging.getLogger("wstui.odin")

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _with_logging(command: Callable[..., Any]) -> Callable[..., Any]:
    levels = click.Choice(LEVELS, case_sensitive=False)
    for option in (
        click.option("--die-with-parent", is_flag=True, help="End when the starting process ends, even by kill -9."),
        click.option("--log-json", is_flag=True, help="Log JSON lines instead of text."),
        click.option("--log-level", type=levels, help="Log level on stderr [env: LOG_LEVEL; default: info]."),
    ):
        command = option(command)
    return command


def _nats_url(_context: click.Context, _parameter: click.Parameter, url: str) -> str:
    from wstui.odin.nats_client import check_url

    try:
        if url:
            check_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return url


def _number(name: str, kind: Any, default: float, metavar: str, text: str, field: str = "") -> _Decorator:
    """Declare an option for a number; `field` is the parameter's name if it differs from the flag's."""
    names = (name, field) if field else (name,)
    return click.option(*names, type=kind, default=default, show_default=True, metavar=metavar, help=text)


def _limit(name: str, text: str) -> _Decorator:
    return click.option(name, type=_RATE, default=0.0, show_default="no limit", metavar="N", help=text)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_number("--port", Whole(0, 65535), 3001, "N", "0 takes a free one.")
@click.option(
    "--nats-url", envvar="NATS_URL", default="", callback=_nats_url, help="NATS to relay from [env: NATS_URL]."
)
@click.option("--embedded-nats", is_flag=True, help="Start the bundled NATS server when no URL is given.")
@click.option(
    "--auth",
    type=click.Choice([mode.value for mode in AuthMode]),
    default="required",
    show_default=True,
    help="Whether clients need a JWT (secret: env JWT_SECRET).",
)
@click.option("--secret-file", type=_FILE, help="HS256 secret.")
@click.option("--public-key", type=_FILE, help="PEM file: verify RS256 (RSA) or ES256 (P-256) tokens instead of HS256.")
@_number("--max-connections", Whole(1, 10_000_000), 50_000, "N", "503 beyond.", "connections")
@_limit("--connect-rate", "Upgrades a second; 429 beyond.")
@_limit("--connect-rate-per-address", "The same, per address.")
@_limit("--message-rate", "Messages a second; 1008 beyond.")
@_limit("--message-rate-per-address", "The same, per address.")
@_limit("--message-rate-per-client", "The same, per client.")
@_number("--max-message", Whole(125, 1 << 30), 65_536, "BYTES", "1009 beyond.", "message_bytes")
@click.option(
    "--slow-consumer",
    type=click.Choice([policy.value for policy in SlowConsumer]),
    default="drop-oldest",
    show_default=True,
    help="When a client reads too slowly: drop its oldest message, or close it with 1013.",
)
@_number("--send-queue", Whole(1, 1_000_000), 256, "N", "Messages kept for such a client.")
@_number("--heartbeat", Finite(0.1, DAY_S), 30.0, "S", "Seconds between heartbeats.")
@_number("--dead-peer", Finite(0.2, DAY_S), 60.0, "S", "Drop a client after so many seconds of silence; ping halfway.")
@_number("--drain", Finite(0, 3600), 5.0, "S", "Seconds to shut down in.")
@click.option("--compression", is_flag=True, help="Offer permessage-deflate.")
@click.option("--fault", "faults", multiple=True, help=f"{SPELLINGS}; repeatable.")
@click.option("--fault-seed", type=_SEED, default=0, metavar="N", help="Makes the faults repeatable.")
@_with_logging
def server(
    host: str,
    port: int,
    nats_url: str,
    embedded_nats: bool,
    auth: str,
    secret_file: Path | None,
    public_key: Path | None,
    slow_consumer: str,
    heartbeat: float,
    dead_peer: float,
    drain: float,
    compression: bool,
    faults: tuple[str, ...],
    fault_seed: int,
    log_level: str | None,
    log_json: bool,
    die_with_parent: bool,
    **limits: Any,
) -> None:
    """Run the Odin WebSocket server.

    When it is ready it prints one line on stdout: `ready ws://HOST:PORT/ws`. SIGTERM and SIGINT end it cleanly.
    """
    _begin(log_level, log_json, die_with_parent)
    try:
        injected = parse_faults(list(faults), fault_seed)
    except FaultUnknown as error:
        raise click.UsageError(str(error)) from error
    verifier = None
    if public_key is not None:
        verifier = _key_verifier(public_key)
    elif auth != AuthMode.OFF:
        verifier = Verifier.by_secret(_server_secret(host, secret_file))
    settings = ServerSettings(
        host=host,
        port=port,
        auth=AuthMode(auth),
        nats_url=nats_url,
        compression=compression,
        slow_consumer=SlowConsumer(slow_consumer),
        limits=Limits(**limits),
        timing=Timing(heartbeat=heartbeat, dead_peer=dead_peer, drain=drain),
        faults=injected,
    )
    from wstui.odin.main import serve

    _run(lambda: serve(settings, verifier, embedded_nats=embedded_nats))


@click.command()
@click.option(
    "--nats-url",
    envvar="NATS_URL",
    default="nats://127.0.0.1:4222",
    callback=_nats_url,
    show_default=True,
    help="NATS to publish to [env: NATS_URL].",
)
@_number("--speed", Finite(0.001, 1e6), 1.0, "N", "Divides all periods.")
@_number("--rate", _RATE, 0.0, "N", "Price updates a second, besides the plan.")
@_number("--size", Whole(0, 1_000_000), 0, "BYTES", "Least length of a message.")
@click.option("--tokens", default=",".join(TOKENS), show_default=True, help="Tokens, separated by commas.")
@click.option("--seed", type=_SEED, metavar="N", help="Makes the market repeatable.")
@_with_logging
def publisher(
    nats_url: str,
    tokens: str,
    log_level: str | None,
    log_json: bool,
    die_with_parent: bool,
    **plan: Any,
) -> None:
    """Publish the Odin data to NATS.

    When it is connected it prints one line on stdout: `ready nats://HOST:PORT`. SIGTERM and SIGINT end it cleanly.
    """
    from wstui.odin.main import publish
    from wstui.odin.publisher import PublishPlan

    names = tuple(dict.fromkeys(name.strip().upper() for name in tokens.split(",") if name.strip()))
    if not names or not all(name.isalnum() for name in names):
        raise click.UsageError(f"--tokens {tokens!r}: write names of letters and digits, such as BTC,ETH")
    _begin(log_level, log_json, die_with_parent)
    _run(lambda: publish(nats_url, PublishPlan(tokens=names, **plan)))


@click.command()
@click.option("--user", default="load-test", show_default=True, help="The claim userId.")
@_number("--ttl", Finite(1, LONGEST_TTL_S), DAY_S, "S", "Seconds it is valid.")
@click.option(
    "--secret-file", type=_FILE, help="File with the secret; else env JWT_SECRET, else the development secret."
)
def token(user: str, ttl: float, secret_file: Path | None) -> None:
    """Print a JWT, and nothing else: `export AUTH_TOKEN=$(wstui token)`."""
    secret = _secret(secret_file)
    if secret is None:
        click.echo("JWT_SECRET is not set: signed with the development secret", err=True)
    click.echo(sign(user, secret or DEVELOPMENT_SECRET, ttl))


def _begin(log_level: str | None, log_json: bool, die_with_parent: bool) -> None:
    """Set up the logs, and tie the process to its parent if asked to."""
    from wstui.odin.logs import set_up_logs

    if die_with_parent:
        from wstui.servers.parent_death import tie_to_parent

        tie_to_parent()
    problems: list[str] = []
    set_up_logs(wanted_level(log_level, problems.append) or "info", log_json)
    for problem in problems:
        _log.warning(problem)


def _key_verifier(public_key: Path) -> Verifier:
    """Return the verifier for the key in a file. Raises: click.UsageError: it can't be read or used."""
    try:
        return Verifier.by_public_key(public_key.read_bytes())
    except OSError as error:
        raise click.UsageError(f"--public-key {public_key} can't be read: {error.strerror}") from None
    except KeyUnusable as error:
        raise click.UsageError(f"--public-key {public_key}: {error}") from None


def _secret(secret_file: Path | None) -> str | None:
    if secret_file is None:
        return os.environ.get("JWT_SECRET") or None
    try:
        secret = secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise click.UsageError(f"--secret-file {secret_file} can't be read: {why}") from None
    if not secret:
        raise click.UsageError(f"--secret-file {secret_file} is empty; put the secret into it")
    return secret


def _server_secret(host: str, secret_file: Path | None) -> str:
    """Return the secret that verifies tokens. Raises: click.UsageError: it is too weak for this address."""
    secret = _secret(secret_file)
    if secret in (None, DEVELOPMENT_SECRET) and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} can be reached by others, and the development secret is public: "
            "set JWT_SECRET, or listen on 127.0.0.1"
        )
    if secret is None:
        _log.warning("JWT_SECRET is not set: the development secret is used, on this machine only")
        return DEVELOPMENT_SECRET
    if len(secret.encode()) < SECRET_MIN_PUBLIC and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} can be reached by others, and a secret of {len(secret.encode())} bytes is soon guessed: "
            f"use {SECRET_MIN_PUBLIC} bytes at least (`openssl rand -hex 32`), or listen on 127.0.0.1"
        )
    if secret != DEVELOPMENT_SECRET and len(secret) < SECRET_MIN:
        _log.warning("the JWT secret is short", extra={"bytes": len(secret), "recommended": SECRET_MIN})
    return secret


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end; a problem with sockets or NATS ends in one line."""
    from wstui.cli.stdio import is_of_output
    from wstui.servers.child_process import ProcessFailed
    from wstui.servers.event_loop import run

    try:
        collect_as_usual()
        run(main())
    except (OSError, ProcessFailed) as error:
        if isinstance(error, OSError) and is_of_output(error):
            raise
        raise click.ClickException(str(error)) from error
