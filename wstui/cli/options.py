"""The options that commands share: what changes a scenario, and where results go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wstui.cli.exit_codes import USAGE, fail
from wstui.cli.log_level import LEVELS
from wstui.cli.param_types import Finite, Whole
from wstui.scenario.hosts import split_hosts
from wstui.scenario.overrides import Flags

Command = TypeVar("Command", bound=Callable[..., Any])

_SCENARIO: list[Callable[[Command], Command]] = [
    click.option(
        "--url",
        metavar="URL",
        help="Target: ws://, wss:// or ws+unix:/run/app.sock:/ws. Also WS_URL. "
        "Write a password or a token as '${NAME}', in single quotes: else it stands in the list of processes.",
    ),
    click.option(
        "--proxy",
        metavar="URL",
        help="Proxy: http://, https://, socks5:// or socks5h://; off; or env (the default): HTTPS_PROXY for wss://, "
        "HTTP_PROXY for ws://, ALL_PROXY, NO_PROXY. Write a password as '${NAME}', as for --url.",
    ),
    click.option("--connect-to", metavar="HOST:PORT", help="Connect there; Host and TLS keep the name in the URL."),
    click.option("--spread-addresses", is_flag=True, help="Take all addresses of the target's name in turn."),
    click.option("--ping-every", metavar="TIME", help="Send keepalive pings beside the exchange."),
    click.option("--ping-timeout", metavar="TIME", help="Drop a client whose pong takes longer."),
    click.option("--type-field", metavar="PATH", help="Key of a message that names its kind (default: type)."),
    click.option("--clients", type=Whole(), metavar="N", help="Peak number of clients. Also MAX_CONNECTIONS."),
    click.option("--scale", type=Finite(), metavar="F", help="Multiply the clients of every stage by F."),
    click.option("--ramp", metavar="TIME", help="Length of the stage `ramp`: 500ms, 10s, 2m."),
    click.option("--hold", metavar="TIME", help="Length of the stage `hold`. Also TEST_DURATION, in ms."),
    click.option("--every", metavar="TIME", help="Time between sends of a client. Also MESSAGE_FREQUENCY, in ms."),
    click.option("--timeout", metavar="TIME", help="How long a client waits for a reply."),
    click.option("--exchange", metavar="NAME", help="What clients say: odin, echo, ping, listen."),
    click.option("--auth", metavar="KIND", help="Who clients are: none, token, jwt, mix."),
    click.option("--token-file", type=click.Path(dir_okay=False), help="File that holds the token. Also AUTH_TOKEN."),
    click.option("--ready", metavar="HOW", help="What makes a client connected: welcome or open."),
    click.option("--health", metavar="URL", help="Base of /health, /metrics, /stats; auto or off."),
    click.option("--workers", type=Whole(), metavar="N", help="Processes that make the load (default: spare cores)."),
    click.option("--hosts", metavar="LIST", help="Machines that make the load, by ssh: host1,host2:4,user@host3."),
    click.option("--ssh-config", metavar="FILE", help="Configuration for ssh in place of your own."),
    click.option(
        "--host-python", metavar="PATH", help="The Python with wstui on the hosts (default: that of `wstui`)."
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this Dask cluster: tls://HOST:PORT."),
    click.option("--on-loss", metavar="WHAT", help="Load of lost processes: keep (it stays lost) or redistribute."),
    click.option("--local-address", multiple=True, metavar="IP", help="Source address; repeat for more ports."),
    click.option("--ca-file", metavar="FILE", help="Certificate authority of the target."),
    click.option("--insecure", is_flag=True, help="Accept any certificate."),
    click.option("--threshold", multiple=True, metavar="LIMIT", help='Such as "response.p99 < 20ms"; repeatable.'),
    click.option("--no-thresholds", is_flag=True, help="Leave the preset's thresholds out."),
    click.option(
        "--breakpoint-of",
        metavar="KIND",
        help="Look for the limit instead of running the stages: clients, connects or messages (a second). "
        "--ramp is then the way to each load, --hold its measurement, --clients the most, or how many there are.",
    ),
    click.option("--start", type=Whole(), metavar="N", help="First load of such a search."),
    click.option("--most", type=Whole(), metavar="N", help="Largest load of such a search."),
    click.option("--cooldown", metavar="TIME", help="Pause between the runs of a suite."),
    click.option(
        "--from",
        "from_member",
        metavar="NAME",
        help="Resume a suite at this member; those before it are taken from the run store, or skipped.",
    ),
    click.option("--allow-files", is_flag=True, help="Let a preset send files from outside its own folder."),
    click.option("--no-probe", is_flag=True, help="Begin the load without trying one client first."),
]

_ROUTE = ("proxy", "connect_to", "spread_addresses", "ping_every", "ping_timeout", "type_field")
_OUTPUT: list[Callable[[Command], Command]] = [
    click.option("--json", "json_file", metavar="FILE", help="Write the result as JSON (- for stdout)."),
    click.option("--csv", "csv_file", metavar="FILE", help="Write the timeline as CSV, a row a second."),
    click.option("--markdown", "markdown_file", metavar="FILE", help="Write tables for a merge request."),
    click.option("--junit", "junit_file", metavar="FILE", help="Write thresholds as JUnit test cases."),
    click.option("--html", "html_file", metavar="FILE", help="Write one self-contained page with charts."),
    click.option("--prometheus", metavar="[HOST:]PORT", help="Serve metrics while the run goes (loopback by default)."),
    click.option("--otlp", metavar="URL", help="Send metrics to an OpenTelemetry collector (OTLP over HTTP)."),
    click.option("--events", metavar="FILE", help="Write what happens as JSON lines while it does (- for stdout)."),
    click.option("--store", "store_path", envvar="WSTUI_STORE", metavar="FILE", help="Where runs are kept."),
    click.option("--no-store", is_flag=True, help="Do not keep this run in the store."),
    click.option(
        "--log-level", type=click.Choice(LEVELS, case_sensitive=False), help="Write a log file. Also LOG_LEVEL."
    ),
    click.option("--quiet", "-q", is_flag=True, help="No live lines; only the summary."),
    click.option(
        "--every-line",
        type=Finite(0.25, 3600),
        default=5.0,
        metavar="S",
        show_default=True,
        help="Seconds between live lines.",
    ),
    click.option("--allow-limited", is_flag=True, help="Exit 0 although the generator was the limit."),
]


def scenario_options(command: Command) -> Command:
    """Add the options that change a scenario."""
    for option in reversed(_SCENARIO):
        command = option(command)
    return command


def output_options(command: Command) -> Command:
    """Add the options that say where results go."""
    for option in reversed(_OUTPUT):
        command = option(command)
    return command


def flags_of(options: dict[str, Any]) -> Flags:
    """The scenario's part of a command's options."""
    flags: Flags = {
        **{name: options[name] for name in _ROUTE},  # type: ignore[typeddict-item]
        "url": options["url"],
        "clients": options["clients"],
        "scale": options["scale"],
        "ramp": options["ramp"],
        "hold": options["hold"],
        "every": options["every"],
        "timeout": options["timeout"],
        "exchange": options["exchange"],
        "auth": options["auth"],
        "ready": options["ready"],
        "health": options["health"],
        "workers": options["workers"],
        "local_addresses": options["local_address"],
        "hosts": _hosts(options["hosts"]),
        "ssh_config": options["ssh_config"],
        "host_python": options["host_python"],
        "scheduler": options["scheduler"],
        "on_loss": options["on_loss"],
        "ca_file": options["ca_file"],
        "insecure": options["insecure"],
        "thresholds": options["threshold"],
        "no_thresholds": options["no_thresholds"],
        "breakpoint_of": options["breakpoint_of"],
        "start": options["start"],
        "most": options["most"],
    }
    if options["token_file"]:
        flags["token"] = _read_token(options["token_file"])
    return flags


def _hosts(given: str | None) -> list[str]:
    """Machines, parted by commas. An empty variable in a script must not make this one bear the load."""
    hosts: list[str] = split_hosts(given or "")
    if given is not None and not hosts:
        fail('--hosts names no machine: write "host1", "host2:4" for four workers, or "user@host3"', USAGE)
    return hosts


def _read_token(path: str) -> str:
    try:
        if token := Path(path).read_text().strip().strip("\ufeff").strip():
            return token
        fail(f"--token-file {path} is empty: put the token into it", USAGE)
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--token-file {path} can't be read: {getattr(error, 'strerror', None) or error}", USAGE)
