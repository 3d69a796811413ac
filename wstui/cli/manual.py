"""`wstui manual`: read a page of the manual in the terminal."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version

import click

from wstui.cli.exit_codes import MEANINGS, USAGE, fail
from wstui.cli.man_page import VARIABLES, man_page
from wstui.manual.pages import TOPICS, Manual, nearest_topic
from wstui.manual.reference import table

_WIDEST = 100


@click.command()
@click.argument("topic", required=False)
@click.option("--plain", is_flag=True, help="Print the Markdown as it is, without a pager.")
@click.option("--man", "as_man", is_flag=True, help="Print the man page: wstui manual --man > wstui.1")
@click.option("--find", "words", metavar="WORDS", help="List the lines that have these words, in TOPIC or all pages.")
@click.option("--json", "as_json", is_flag=True, help="JSON: the topics, the lines found, or the page as Markdown.")
def manual(topic: str | None, plain: bool, as_man: bool, words: str | None, as_json: bool) -> None:
    """Read the manual: TOPIC, or the list of topics without one."""
    if as_man:
        click.echo(man_page(described_commands(), MEANINGS, manual_pages().summaries, version("wstui")), nl=False)
        return
    if topic is not None and (topic := topic.casefold()) not in TOPICS:
        near = nearest_topic(topic)
        meant = f'did you mean "{near}"?' if near else "the topics are " + ", ".join(TOPICS)
        fail(f'"{topic}" is not a topic of the manual: {meant}', USAGE)
    pages = manual_pages()
    if words is not None:
        _find(pages, topic, words, as_json)
    elif as_json:
        listed = [{"topic": name, "summary": pages.summaries[name]} for name in TOPICS]
        _print_json(listed if topic is None else {"topic": topic, "text": pages.text(topic)})
    elif topic is None:
        width = max(map(len, TOPICS))
        click.echo("\n".join(f"{name:<{width}}  {pages.summaries[name]}" for name in TOPICS))
        click.echo("\nRead one: wstui manual TOPIC. Find words in all: wstui manual --find WORDS.")
    elif plain:
        click.echo(pages.text(topic), nl=False)
    else:
        _show(pages.text(topic))


def _find(pages: Manual, topic: str | None, words: str, as_json: bool) -> None:
    found = [place for place in pages.find(words) if topic in (None, place.topic)]
    if not found:
        fail(f'the manual has no line with "{words}"', USAGE)
    if as_json:
        _print_json([asdict(place) for place in found])
        return
    for place in found:
        click.echo(f"{place.topic}: {place.line}")


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _show(text: str) -> None:
    """Render a page; through a pager if stdout is a terminal, with its colours if the pager keeps them."""
    from rich.console import Console
    from rich.markdown import Markdown

    terminal = sys.stdout.isatty()
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    console = Console(width=width, force_terminal=terminal)
    with console.capture() as capture:
        console.print(Markdown(text))
    if not terminal:
        click.echo(capture.get(), nl=False)
        return
    os.environ.setdefault("LESS", "-RF")  # less shows colours, and does not wait at a page that fits the screen
    click.echo_via_pager(capture.get())


def manual_pages() -> Manual:
    """Return the manual with the sections that are made from the commands and the screens."""
    return Manual({"flags": flags_section, "exit-status": exit_status_section, "keys": _keys_section})


def _keys_section() -> str:
    from wstui.tui.key_reference import keys_section

    return keys_section()


def exit_status_section() -> str:
    """Return the table of exit statuses."""
    return table(("status", "meaning"), [(f"**{status}**", meaning) for status, meaning in MEANINGS.items()])


def flags_section() -> str:
    """Return every command that is not hidden; options that several commands share stand once, before them."""
    commands = described_commands()
    owners: dict[tuple[str, str], list[str]] = {}
    for name, (_, options) in commands.items():
        for option in options:
            owners.setdefault(option, []).append(name)
    shared: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for option, names in owners.items():
        shared.setdefault(tuple(names), []).append(option)
    common = {names: options for names, options in shared.items() if len(names) > 1 and len(options) > 1}
    parts = [
        f"## Options of {', '.join(f'`{name}`' for name in names)}\n\n{_options(options)}"
        for names, options in common.items()
    ]
    for name, (about, options) in commands.items():
        own = [option for option in options if tuple(owners[option]) not in common]
        rest = "And the options above that name it." if len(own) < len(options) else ""
        parts.append("\n\n".join(filter(None, (f"## {name}", about, _options(own), rest))))
    variables = table(("variable", "is"), [(f"`{name}`", text) for name, text in VARIABLES.items()])
    return "\n\n".join([*parts, f"## Environment variables\n\n{variables}"])


def described_commands() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Return the usage and help of each command that is not hidden, and its options, by its path."""
    from wstui.cli import wstui

    with click.Context(wstui, info_name="wstui") as root:
        return dict(_commands(wstui, root))


def _options(options: list[tuple[str, str]]) -> str:
    return table(("option", "does"), [(f"`{flag}`", text) for flag, text in options]) if options else ""


def _commands(group: click.Group, above: click.Context) -> Iterator[tuple[str, tuple[str, list[tuple[str, str]]]]]:
    """Yield each command's path with its usage and help, and its options as their help shows them."""
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=above) as context:
            if isinstance(command, click.Group):
                yield from _commands(command, context)
                continue
            usage = f"`{context.command_path} {' '.join(command.collect_usage_pieces(context))}`"
            options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
            records = [record for option in options if (record := option.get_help_record(context))]
            about = inspect.cleandoc((command.help or "").replace("\b", ""))
            yield context.command_path, (f"{usage}\n\n{about}", records)
