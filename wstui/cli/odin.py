"""`wstui server`, `wstui publisher` and `wstui token`: flags and environment of the bundled Odin target."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from wstui.cli.log_level import LEVELS, wanted_level
from wstui.cli.param_types import Finite, Whole
from wstui.odin.faults import FaultUnknown, parse_faults
from wstui.odin.price_simulator import TOKENS
from wstui.odin.server_settings import AuthMode, Limits, Settings, SlowConsumer, Timing, is_loopback
from wstui.odin.token import DAY_S, DEVELOPMENT_SECRET, SECRET_MIN, KeyUnusable, Verifier, make_verifier, sign

LONGEST_TTL_S = 3650 * DAY_S
_RATE = Finite(0, 1e9)
_SEED = Whole(0, (1 << 63) - 1)
_log = logging.getLogger("wstui.odin")

_logging_options = [
    click.option(
        "--log-level",
        type=click.Choice(LEVELS, case_sensitive=False),
        default=None,
        help="How much is logged on stderr [env: LOG_LEVEL; default: info].",
    ),
    click.option("--log-json", is_flag=True, help="Log JSON lines instead of text."),
    click.option("--die-with-parent", is_flag=True, help="End when the starting process ends, even by kill -9."),
]


def _with_logging(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_logging_options):
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


def _limit(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(name, type=_RATE, default=0.0, show_default="no limit", metavar="N", help=text)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=Whole(0, 65535), default=3001, show_default=True, metavar="N", help="0 takes a free one.")
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
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="HS256 secret.")
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file: verify RS256 (RSA) or ES256 (P-256) tokens instead of HS256.",
)
@click.option(
    "--max-connections", type=Whole(1, 10_000_000), default=50_000, show_default=True, metavar="N", help="503 beyond."
)
@_limit("--connect-rate", "Upgrades a second; 429 beyond.")
@_limit("--connect-rate-per-address", "The same, per address.")
@_limit("--message-rate", "Messages a second; 1008 beyond.")
@_limit("--message-rate-per-address", "The same, per address.")
@_limit("--message-rate-per-client", "The same, per client.")
@click.option(
    "--max-message", type=Whole(125, 1 << 30), default=65_536, show_default=True, metavar="BYTES", help="1009 beyond."
)
@click.option(
    "--slow-consumer",
    type=click.Choice([policy.value for policy in SlowConsumer]),
    default="drop-oldest",
    show_default=True,
    help="When a client reads too slowly: drop its oldest message, or close it with 1013.",
)
@click.option(
    "--send-queue",
    type=Whole(1, 1_000_000),
    default=256,
    show_default=True,
    metavar="N",
    help="Messages kept for such a client.",
)
@click.option(
    "--workers", type=Whole(1, 64), default=1, show_default=True, metavar="N", help="Processes. All end with the first."
)
@click.option(
    "--heartbeat",
    type=Finite(0.1, DAY_S),
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds between heartbeats.",
)
@click.option(
    "--dead-peer",
    type=Finite(0.2, DAY_S),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds of silence, with a ping halfway, until a client counts as dead.",
)
@click.option(
    "--drain", type=Finite(0, 3600), default=5.0, show_default=True, metavar="S", help="Seconds to shut down in."
)
@click.option("--compression", is_flag=True, help="Offer permessage-deflate.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help="delay=50ms, freeze=3s@10s, drop=1%, duplicate=1%, stray=1%, refuse=90%, close=5%/min, storm=50%/10s, "
    "leak=10MiB/min, lie; repeatable.",
)
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
    max_connections: int,
    connect_rate: float,
    connect_rate_per_address: float,
    message_rate: float,
    message_rate_per_address: float,
    message_rate_per_client: float,
    max_message: int,
    slow_consumer: str,
    send_queue: int,
    workers: int,
    heartbeat: float,
    dead_peer: float,
    drain: float,
    compression: bool,
    faults: tuple[str, ...],
    fault_seed: int,
    log_level: str | None,
    log_json: bool,
    die_with_parent: bool,
) -> None:
    """Run the Odin WebSocket server.

    When it is ready it prints one line on stdout: `ready ws://HOST:PORT/ws`. SIGTERM and SIGINT end it cleanly.
    """
    level = _begin(log_level, log_json, die_with_parent)
    mode = AuthMode(auth)
    try:
        parsed_faults = parse_faults(list(faults), fault_seed)
        pem = _pem(public_key) if public_key is not None else ""
        secret = "" if mode is AuthMode.OFF or pem else _server_secret(host, secret_file)
        verifier = None if mode is AuthMode.OFF else make_verifier(pem, secret)
    except (FaultUnknown, KeyUnusable) as error:
        raise click.UsageError(str(error)) from error
    settings = Settings(
        host=host,
        port=port,
        auth=mode,
        public_key=pem,
        nats_url=nats_url,
        compression=compression,
        slow_consumer=SlowConsumer(slow_consumer),
        limits=Limits(
            connections=max_connections,
            connect_rate=connect_rate,
            connect_rate_per_address=connect_rate_per_address,
            message_rate=message_rate,
            message_rate_per_address=message_rate_per_address,
            message_rate_per_client=message_rate_per_client,
            message_bytes=max_message,
            send_queue=send_queue,
        ),
        timing=Timing(heartbeat=heartbeat, dead_peer=dead_peer, drain=drain),
        faults=parsed_faults,
    )
    from wstui.odin.main import serve
    from wstui.odin.workers import serve_with_workers

    if workers == 1:
        _run(lambda: serve(settings, verifier, embedded_nats=embedded_nats))
    else:
        _run(
            lambda: serve_with_workers(
                settings,
                secret,
                workers,
                embedded_nats=embedded_nats,
                log_level=level,
                log_json=log_json,
            )
        )


@click.command()
@click.option(
    "--nats-url",
    envvar="NATS_URL",
    default="nats://127.0.0.1:4222",
    callback=_nats_url,
    show_default=True,
    help="NATS to publish to [env: NATS_URL].",
)
@click.option(
    "--speed", type=Finite(0.001, 1e6), default=1.0, show_default=True, metavar="N", help="Divides all periods."
)
@click.option(
    "--rate", type=_RATE, default=0.0, show_default=True, metavar="N", help="Price updates a second, besides the plan."
)
@click.option(
    "--size", type=Whole(0, 1_000_000), default=0, show_default=True, metavar="BYTES", help="Least length of a message."
)
@click.option("--tokens", default=",".join(TOKENS), show_default=True, help="Tokens, separated by commas.")
@click.option("--seed", type=_SEED, metavar="N", help="Makes the market repeatable.")
@_with_logging
def publisher(
    nats_url: str,
    speed: float,
    rate: float,
    size: int,
    tokens: str,
    seed: int | None,
    log_level: str | None,
    log_json: bool,
    die_with_parent: bool,
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
    plan = PublishPlan(tokens=names, speed=speed, rate=rate, size=size, seed=seed)
    _run(lambda: publish(nats_url, plan))


@click.command()
@click.option("--user", default="load-test", show_default=True, help="The claim userId.")
@click.option(
    "--ttl", type=Finite(1, LONGEST_TTL_S), default=DAY_S, show_default=True, metavar="S", help="Seconds it is valid."
)
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the secret; else env JWT_SECRET, else the development secret.",
)
def token(user: str, ttl: float, secret_file: Path | None) -> None:
    """Print a JWT, and nothing else: `export AUTH_TOKEN=$(wstui token)`."""
    secret = _secret(secret_file)
    if secret is None:
        click.echo("JWT_SECRET is not set: signed with the development secret", err=True)
    click.echo(sign(user, secret or DEVELOPMENT_SECRET, ttl))


def _begin(log_level: str | None, log_json: bool, die_with_parent: bool) -> str:
    """Set up the logs, and tie the process to its parent where that is wanted. Returns the level."""
    from wstui.odin.logs import set_up_logs

    if die_with_parent:
        from wstui.servers.parent_death import tie_to_parent

        tie_to_parent()
    problems: list[str] = []
    level = wanted_level(log_level, problems.append) or "info"
    set_up_logs(level, log_json)
    for problem in problems:
        _log.warning(problem)
    return level


def _pem(public_key: Path) -> str:
    """The public key in a file. Raises: click.UsageError: there is none that can verify anything."""
    try:
        pem = public_key.read_bytes()
        Verifier.by_public_key(pem)
    except OSError as error:
        raise click.UsageError(f"--public-key {public_key} can't be read: {_why(error)}") from None
    except KeyUnusable as error:
        raise click.UsageError(f"--public-key {public_key}: {error}") from None
    return pem.decode("latin-1")  # of what is not ASCII nothing belongs to the key


def _why(error: OSError | UnicodeDecodeError) -> str:
    return "it is no text" if isinstance(error, UnicodeDecodeError) else str(error.strerror)


def _secret(secret_file: Path | None) -> str | None:
    if secret_file is not None:
        try:
            secret = secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"--secret-file {secret_file} can't be read: {_why(error)}") from None
        if not secret:
            raise click.UsageError(f"--secret-file {secret_file} is empty; put the secret into it")
        return secret
    return os.environ.get("JWT_SECRET") or None


SHORTEST_ABROAD = 16
"""Bytes of a secret below which no server listens beyond this machine."""


def _server_secret(host: str, secret_file: Path | None) -> str:
    """The secret that tokens are verified with. Raises: click.UsageError: there is none fit for this address."""
    secret = _secret(secret_file)
    if secret in (None, DEVELOPMENT_SECRET) and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} can be reached by others, and the development secret is known to all: "
            "set JWT_SECRET, or listen on 127.0.0.1"
        )
    if secret is not None and len(secret.encode()) < SHORTEST_ABROAD and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} can be reached by others, and a secret of {len(secret.encode())} bytes is soon guessed: "
            f"use {SHORTEST_ABROAD} bytes at least (`openssl rand -hex 32`), or listen on 127.0.0.1"
        )
    if secret is None:
        _log.warning("JWT_SECRET is not set: the development secret is used, on this machine only")
        return DEVELOPMENT_SECRET
    if secret != DEVELOPMENT_SECRET and len(secret) < SECRET_MIN:
        _log.warning("the JWT secret is short", extra={"bytes": len(secret), "recommended": SECRET_MIN})
    return secret


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to the end. What goes wrong with sockets, NATS or workers ends in one clear line."""
    from wstui.cli.stdio import is_of_output
    from wstui.odin.main import run
    from wstui.servers.child_process import ProcessFailed

    try:
        run(main())
    except (OSError, ProcessFailed) as error:
        if isinstance(error, OSError) and is_of_output(error):
            raise
        raise click.ClickException(str(error)) from error
