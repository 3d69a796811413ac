"""The commands. Each file parses the flags of one group and wires the rooms below; the work is done there."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

_COMMANDS = {
    "open": ("wstui.cli.tui", "open_terminal", "Open the terminal UI, on a preset when one is named."),
    "run": ("wstui.cli.run", "run", "Run a preset without a terminal UI: summary, files, exit status."),
    "demo": ("wstui.cli.demo", "demo", "Start NATS, the Odin server and its publisher, and load them."),
    "presets": ("wstui.cli.presets", "presets", "List, show, validate and copy presets."),
    "runs": ("wstui.cli.runs", "runs", "List, show, compare, export and delete stored runs."),
    "calibrate": ("wstui.cli.calibrate", "calibrate", "Measure how much load this machine can make."),
    "check": ("wstui.cli.check", "check", "Check target, token and limits of this machine before a run."),
    "server": ("wstui.cli.odin", "server", "Run the Odin WebSocket server."),
    "publisher": ("wstui.cli.odin", "publisher", "Publish the Odin data to NATS."),
    "token": ("wstui.cli.odin", "token", "Print a JWT for the Odin server."),
    "manual": ("wstui.cli.manual", "manual", "Read the manual: a topic, or the list of topics."),
}
_HIDDEN = {"_host": ("wstui.cli.remote", "host", "")}


@contextlib.contextmanager
def _readers_may_go() -> Iterator[None]:
    """`… | head`: who read has had enough. 1, which click makes of it, would mean that a threshold was broken."""
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
    """Loads a command's module when it is asked for: `wstui token` need not wait for the screens."""

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

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _readers_may_go():  # the help is printed in here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        with _readers_may_go():
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # `wstui PRESET` opens the terminal UI on a preset: what is no command is its name, or an option of it.
        if args and args[0] not in {*_COMMANDS, *_HIDDEN, *self.get_help_option_names(ctx), "--version"}:
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
    """Entry point of the command `wstui`. What nobody foresaw is told in a line; LOG_LEVEL=debug shows where."""
    _open_what_was_closed()
    for name in ("stdout", "stderr"):
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            # ASCII is what a system says that was told nothing: UTF-8 is meant. Where there really is no ✓, a "?".
            plain = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if plain else stream.encoding, errors="replace")
    sys.exit(_carried_out())


def _open_what_was_closed() -> None:
    """Give the standard streams that were closed their numbers back, which sockets would get otherwise.

    Nothing can be read from stdin, what is written to stderr goes nowhere, and a write to stdout fails: what a command
    prints there is what it was called for.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _carried_out() -> int | None:
    """Carry out what the command line asks for; the exit status."""
    try:
        status: int | None = wstui.main(prog_name="wstui", standalone_mode=False)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        return _without_reader()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("wstui: ended by the operator", err=True)
        return 130
    except Exception as error:
        from wstui.cli.stdio import is_of_output, reason

        if isinstance(error, OSError) and is_of_output(error):
            click.echo(f"wstui: the output can't be written: {reason(error)}", err=True)
            _silence()  # what its buffer holds would be tried once more at the very end
            return 2
        if os.environ.get("LOG_LEVEL", "").lower() == "debug":
            raise
        from wstui.cli.exit_codes import INTERNAL, tell
        from wstui.measure.sanitize import visible

        tell(f"internal error: {type(error).__name__}: {visible(str(error), 300)} (LOG_LEVEL=debug shows where)")
        return INTERNAL
