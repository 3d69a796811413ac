"""The options that commands share, and the one object that they are parsed into."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import click

from wstui.cli import completion
from wstui.cli.exit_codes import USAGE, fail
from wstui.cli.param_types import LEVELS, Finite, Whole
from wstui.scenario.errors import dotted
from wstui.scenario.fields import described, sentence
from wstui.scenario.hosts import split_hosts
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import KEYS, Overrides, option_of

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
REPORTS = ("json", "csv", "markdown", "junit", "html", "codequality")
"""The reports that a command can write, each to the file of the option of its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a command that runs presets, parsed."""

    overrides: Overrides = field(default_factory=Overrides)
    token_file: str | None = None
    cooldown: str | None = None
    from_member: str | None = None
    allow_files: bool = False
    allow_scripts: bool = False
    no_probe: bool = False
    trace: int = 0
    reports: Mapping[str, str] = field(default_factory=dict)  # file by report
    prometheus: str | None = None
    remote_write: str | None = None
    otlp: str | None = None
    otlp_logs: str | None = None
    events: str | None = None
    store_path: str | None = None
    no_store: bool = False
    no_control: bool = False
    lock: str = "ignore"
    lock_folder: str | None = None
    log_level: str | None = None
    quiet: bool = False
    progress_every: float = 5.0
    allow_limited: bool = False

    @classmethod
    def parsed(cls, given: Mapping[str, Any]) -> RunOptions:
        """Return the options as click gives them, with the token read; end the process when one is unusable."""
        changes = {name: given[name] for name in _OVERRIDES & given.keys()}
        hosts = _hosts(given["hosts"])
        if given.get("json_shape") and not given.get("json_file"):
            fail("--as says the shape of --json: name its FILE as well", USAGE)
        token = _read_token(given["token_file"]) if given["token_file"] else None
        return cls(
            **{name: given[name] for name in _OWN & given.keys()},
            reports={
                given.get("json_shape") or name if name == "json" else name: file
                for name in REPORTS
                if (file := given.get(f"{name}_file"))
            },
            overrides=Overrides(**changes | {"hosts": hosts, "token": token}),
        )

    def with_overrides(self, **changes: Any) -> RunOptions:
        """Return these options with further changes to the scenario."""
        return replace(self, overrides=replace(self.overrides, **changes))

    @property
    def kept(self) -> RunOptions:
        """Only the options that say how a run is kept, for the runs that begin in the terminal UI."""
        return RunOptions(
            store_path=self.store_path,
            no_store=self.no_store,
            no_control=self.no_control,
            log_level=self.log_level,
            lock=self.lock,
            lock_folder=self.lock_folder,
        )


_OVERRIDES = {option.name for option in fields(Overrides)} - {"token"}
_OWN = {option.name for option in fields(RunOptions)} - {"overrides", "reports"}
_MEANINGS = described(Scenario)


def _flag(name: str, metavar: str = "", more: str = "", **settings: Any) -> Decorator:
    """Make the option of a field of the scenario, whose meaning the model knows."""
    known = _MEANINGS[dotted(KEYS[name])]
    text = " ".join(part for part in (sentence(known.description), more) if part)
    if known.options and not settings:
        metavar = "|".join(known.options)
    return click.option(option_of(name), name, metavar=metavar or None, help=text, **settings)


_SCENARIO: list[Decorator] = [
    _flag("url", "URL", "Also WS_URL. Write a password or a token as '${NAME}', in single quotes."),
    _flag("proxy", "URL", "Write a password as '${NAME}', as for --url."),
    _flag("connect_to", "HOST:PORT"),
    _flag("spread_addresses", is_flag=True),
    _flag("ping_every", "TIME"),
    _flag("ping_timeout", "TIME"),
    _flag("type_field", "PATH"),
    click.option("--clients", type=Whole(), metavar="N", help="Peak number of clients. Also MAX_CONNECTIONS."),
    click.option("--scale", type=Finite(), metavar="F", help="Multiply the clients of every stage by F."),
    click.option("--ramp", metavar="TIME", help="Duration of the stage `ramp`: 500ms, 10s, 2m."),
    click.option("--hold", metavar="TIME", help="Duration of the stage `hold`. Also TEST_DURATION, in ms."),
    _flag("every", "TIME", "Also MESSAGE_FREQUENCY, in ms."),
    _flag("timeout", "TIME"),
    _flag("exchange"),
    _flag("auth"),
    click.option("--token-file", type=click.Path(dir_okay=False), help="File that holds the token. Also AUTH_TOKEN."),
    _flag("ready"),
    _flag("health", "URL"),
    _flag("workers", "N", type=Whole()),
    _flag("hosts", "LIST", shell_complete=completion.hosts),
    _flag("ssh_config", "FILE"),
    _flag("host_python", "PATH"),
    _flag("scheduler", "ADDRESS"),
    _flag("on_loss"),
    _flag("local_addresses", "IP", "Repeatable.", multiple=True),
    _flag("ca_file", "FILE"),
    _flag("insecure", is_flag=True),
    click.option(
        "--threshold", "thresholds", multiple=True, metavar="LIMIT", help='Such as "response.p99 < 20ms". Repeatable.'
    ),
    click.option("--no-thresholds", is_flag=True, help="Leave the preset's thresholds out."),
    click.option(
        "--breakpoint-of",
        metavar="clients|connects|messages",
        help="Search for the limit instead of running the stages: of clients, connects or messages a second. "
        "--ramp is then the time to reach each load, --hold the time that is judged, "
        "--clients the upper bound (clients) or the fixed number (connects, messages).",
    ),
    click.option("--start", type=Whole(), metavar="N", help="First load of such a search."),
    click.option("--most", type=Whole(), metavar="N", help="Largest load of such a search."),
    click.option("--cooldown", metavar="TIME", help="Pause between the runs of a suite."),
    click.option(
        "--from",
        "from_member",
        metavar="NAME",
        help="Resume a suite at this member; results of those before it come from the run store, if it has them.",
    ),
    click.option("--allow-files", is_flag=True, help="Let a preset send files from outside its own folder."),
    click.option("--allow-scripts", is_flag=True, help="Let the Python files of a preset's roles run."),
    click.option("--no-probe", is_flag=True, help="Start the load without trying one client first."),
]
_OUTPUT: list[Decorator] = [
    click.option("--json", "json_file", metavar="FILE", help="Write the result as JSON (- for stdout)."),
    click.option("--as", "json_shape", type=click.Choice(["k6"]), help="Give --json the shape of k6's summary."),
    click.option("--csv", "csv_file", metavar="FILE", help="Write the timeline as CSV, a row a second."),
    click.option("--markdown", "markdown_file", metavar="FILE", help="Write tables for a merge request."),
    click.option("--junit", "junit_file", metavar="FILE", help="Write thresholds as JUnit test cases."),
    click.option("--html", "html_file", metavar="FILE", help="Write one self-contained page with charts."),
    click.option(
        "--codequality", "codequality_file", metavar="FILE", help="Write findings for GitLab's merge requests."
    ),
    click.option("--prometheus", metavar="[HOST:]PORT", help="Serve metrics while the run goes (loopback by default)."),
    click.option("--remote-write", metavar="URL", help="Send metrics to Prometheus, Mimir … by remote write."),
    click.option("--otlp", metavar="URL", help="Send metrics to an OpenTelemetry collector (OTLP over HTTP)."),
    click.option("--otlp-logs", metavar="URL", help="Send events to an OpenTelemetry collector as log records."),
    click.option("--events", metavar="FILE", help="Write what happens as JSON lines while it does (- for stdout)."),
    click.option("--store", "store_path", envvar="WSTUI_STORE", metavar="FILE", help="Where runs are kept."),
    click.option("--no-store", is_flag=True, help="Do not keep this run in the store."),
    click.option("--no-control", is_flag=True, help="Serve no socket for `wstui attach` and `wstui ctl`."),
    click.option(
        "--lock",
        type=click.Choice(["wait", "refuse", "ignore"]),
        default="ignore",
        envvar="WSTUI_LOCK",
        help="While another locked run loads the same host and port: wait, refuse or ignore (the default).",
    ),
    click.option(
        "--lock-folder", envvar="WSTUI_LOCK_FOLDER", metavar="DIR", help="Where locks are kept; teams may share it."
    ),
    click.option(
        "--log-level", type=click.Choice(LEVELS, case_sensitive=False), help="Write a log file. Also LOG_LEVEL."
    ),
    click.option("--quiet", "-q", is_flag=True, help="No live lines; only the summary."),
    click.option(
        "--progress-every",
        type=Finite(0.25, 3600),
        default=5.0,
        metavar="S",
        show_default=True,
        help="Seconds between live lines.",
    ),
    click.option("--allow-limited", is_flag=True, help="Exit 0 although the generator was the limit."),
]


def scenario_options(command: Command) -> Command:
    """Add the options that change a scenario; the command gets them as `options`."""
    return _taking(_SCENARIO, command)


def run_options(command: Command) -> Command:
    """Add the options that change a scenario and say where results go; the command gets them as `options`."""
    return _taking([*_SCENARIO, *_OUTPUT], command)


def _taking(decorators: list[Decorator], command: Command) -> Command:
    @functools.wraps(command)
    def taking(**given: Any) -> Any:
        names = _OVERRIDES | _OWN | {f"{name}_file" for name in REPORTS} | {"json_shape"}
        options = RunOptions.parsed({name: value for name, value in given.items() if name in names})
        return command(**{name: value for name, value in given.items() if name not in names}, options=options)

    made: Command = taking
    for decorate in reversed(decorators):
        made = decorate(made)
    return made


def _hosts(given: str | None) -> list[str]:
    """Split the list of hosts; an empty variable in a script must not make this machine bear the load."""
    hosts: list[str] = split_hosts(given or "")
    if given is not None and not hosts:
        fail('--hosts names no host: write "host1", "host2:4" for four workers, or "user@host3"', USAGE)
    return hosts


def _read_token(path: str) -> str:
    try:
        if token := Path(path).read_text().strip().strip("\ufeff").strip():
            return token
        fail(f"--token-file {path} is empty: put the token into it", USAGE)
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--token-file {path} can't be read: {getattr(error, 'strerror', None) or error}", USAGE)
