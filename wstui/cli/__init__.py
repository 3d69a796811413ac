"""The commands: each file parses the options of one group and connects the packages that do the work."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from wstui.cli.garbage import collect_rarely

_COMMANDS = {
    "open": ("wstui.cli.tui", "open_terminal", "Open the terminal UI, on a preset when one is named."),
    "run": ("wstui.cli.run", "run", "Run a preset without a terminal UI: summary, files, exit status."),
    "demo": ("wstui.cli.demo", "demo", "Start NATS, the Odin server and its publisher, and load them."),
    "attach": ("wstui.cli.tui", "attach_", "Open the dashboard of a run that goes on elsewhere."),
    "top": ("wstui.cli.top", "top", "Show all runs of this machine, a line each, live."),
    "ctl": ("wstui.cli.ctl", "ctl", "Steer a run that goes on elsewhere, from a script."),
    "new": ("wstui.cli.new", "new", "Make a preset for a server, by what it speaks."),
    "presets": ("wstui.cli.presets", "presets", "List, show, validate and copy presets."),
    "runs": ("wstui.cli.runs", "runs", "List, show, compare, export and delete stored runs."),
    "replay": ("wstui.cli.tui", "replay", "Show stored runs on the dashboard as they were, at 1 to 100 times."),
    "record": ("wstui.cli.record", "record", "Record what real clients and their server say, through a proxy."),
    "import": ("wstui.cli.session_import", "import_session", "Make a scenario from a recorded session, such as a HAR."),
    "calibrate": ("wstui.cli.calibrate", "calibrate", "Measure how much load this machine can make."),
    "check": ("wstui.cli.check", "check", "Check target, token and limits of this machine before a run."),
    "server": ("wstui.cli.odin", "server", "Run the Odin WebSocket server."),
    "publisher": ("wstui.cli.odin", "publisher", "Publish the Odin data to NATS."),
    "token": ("wstui.cli.odin", "token", "Print a JWT for the Odin server."),
    "schema": ("wstui.cli.schema", "schema", "Print the JSON Schema of a file: scenario, suite, settings, result."),
    "grafana": ("wstui.cli.schema", "grafana", "Print a Grafana dashboard for the metrics of a run."),
    "completion": ("wstui.cli.completion", "completion", "Print a script for bash, zsh or fish that completes."),
    "doctor": ("wstui.cli.doctor", "doctor", "Show versions, terminal, limits and paths for a bug report."),
    "manual": ("wstui.cli.manual", "manual", "Read the manual: a topic, or the list of topics."),
}
_HIDDEN = {"_host": ("wstui.cli.remote", "host", "")}


def _mistyped(word: str) -> str:
    """Return the command that a word is nearest to, or "" if it is a preset or is nearer to one."""
    from wstui.scenario.errors import nearest
    from wstui.scenario.presets import is_path, names

    if word.startswith("-") or is_path(word) or word in (known := names()):
        return ""
    near = nearest(word, [*known, *_COMMANDS])
    return near if near in _COMMANDS else ""


def renamed_to(option: str) -> str:
    from wstui.scenario.validation_errors import RENAMED_FLAGS

    return RENAMED_FLAGS.get(option, "")


@contextlib.contextmanager
def _pipes_may_close() -> Iterator[None]:
    """Exit quietly on a broken pipe (`… | head`): click would exit 1, the status of a broken threshold."""
    try:
        yield
    except BrokenPipeError:
        sys.exit(_without_reader())


def _without_reader() -> int:
    from wstui.cli.exit_codes import READER_GONE

    _silence()
    return READER_GONE


def _silence() -> None:
    from wstui.cli.stdio import silence

    silence(sys.stdout)


class _Lazy(click.Group):
    """Loads the module of a command only when it is used: `wstui token` need not wait for the screens."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = (_COMMANDS | _HIDDEN).get(cmd_name)
        if found is None:
            return None
        module, attribute, _ = found
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from wstui.cli.completion import presets

        named = [(name, text) for name, (_, _, text) in _COMMANDS.items() if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=text) for name, text in named]
        return [*commands, *(item for item in presets(ctx, None, incomplete) if item.type == "plain" or not commands)]

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _pipes_may_close():  # the help is printed in here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        with _pipes_may_close():
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # `wstui PRESET` opens the terminal UI on a preset: anything but a command is its name, or an option of it.
        if args and args[0] not in {*_COMMANDS, *_HIDDEN, *self.get_help_option_names(ctx), "--version"}:
            if meant := _mistyped(args[0]):
                raise click.UsageError(f"No such command or preset: {args[0][:40]!r}. Did you mean {meant!r}?", ctx)
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.command(
    cls=_Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`wstui PRESET` opens the terminal on a preset; `wstui` alone lists them. Start with `wstui demo`.",
)
@click.version_option(package_name="wstui")
@click.pass_context
def wstui(ctx: click.Context) -> None:
    """A load tester for WebSocket servers: steer it in the terminal, run it headless in CI."""
    if ctx.invoked_subcommand is None:
        from wstui.cli.tui import open_terminal

        # Invoked through its parser, so that options have their defaults.
        open_terminal.main(args=[], prog_name="wstui", standalone_mode=False)


def main() -> None:
    """Run the command `wstui`. Unexpected errors are printed as one line; LOG_LEVEL=debug shows the traceback."""
    collect_rarely()
    _without_plugins()
    _open_what_was_closed()
    for name in ("stdout", "stderr"):
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            # An ASCII locale usually means that no locale is set: use UTF-8, and "?" for what can't be encoded.
            plain = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if plain else stream.encoding, errors="replace")
    sys.exit(_execute())


def _without_plugins() -> None:
    """Keep pydantic from looking for plugins in every installed package: 40 ms, and a plugin would see the secrets."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # The module that would look imports a great deal before it reads the variable.
    loader = types.ModuleType("pydantic.plugin._loader")
    loader.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules.setdefault(loader.__name__, loader)


def _open_what_was_closed() -> None:
    """Reopen closed standard streams, whose numbers sockets would get otherwise.

    stdin is empty, stderr is discarded, and a write to stdout fails: its output is what the command was called for.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _execute() -> int | None:
    """Execute the command line and return the exit status."""
    try:
        status: int | None = wstui.main(prog_name="wstui", standalone_mode=False)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        return _without_reader()
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and (new := renamed_to(error.option_name)):
            error = click.UsageError(f"No such option: {error.option_name} is called {new} now.", error.ctx)
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("wstui: ended by the operator", err=True)
        return 130
    except Exception as error:
        from wstui.cli.stdio import is_of_output, reason

        if isinstance(error, OSError) and is_of_output(error):
            click.echo(f"wstui: the output can't be written: {reason(error)}", err=True)
            _silence()  # or its buffer would be flushed again at exit
            return 2
        if isinstance(error, RuntimeError) and "home directory" in str(error):  # of pathlib and of platformdirs
            click.echo("wstui: this user has no home folder: set HOME to a folder that it may write to", err=True)
            return 2
        if os.environ.get("LOG_LEVEL", "").lower() == "debug":
            raise
        from wstui.cli.exit_codes import INTERNAL, tell
        from wstui.measure.sanitize import sanitize

        tell(f"internal error: {type(error).__name__}: {sanitize(str(error), 300)} (LOG_LEVEL=debug shows where)")
        return INTERNAL
