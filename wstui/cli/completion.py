"""`wstui completion`: what the shell offers on tab, and the script that has it ask."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

_PLACES = {
    "bash": 'eval "$(wstui completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(wstui completion zsh)" in ~/.zshrc',
    "fish": "wstui completion fish > ~/.config/fish/completions/wstui.fish",
}


@click.command(epilog="Where it goes: " + "; ".join(_PLACES.values()) + ".")
@click.argument("shell", type=click.Choice(list(_PLACES)))
def completion(shell: str) -> None:
    """Print a script that completes commands, options, presets, runs, metrics and hosts."""
    from wstui.cli import wstui

    maker = get_completion_class(shell)
    assert maker is not None
    # Its text only: bash's class would start a bash to ask for its version.
    complete = maker(wstui, {}, "wstui", "_WSTUI_COMPLETE")
    script = complete.source_template % complete.source_vars()
    # click's script for fish cuts a completion at its second comma; a list of hosts has some.
    click.echo(script.replace('string split ","', 'string split -m 1 ","'), nl=False)


def presets(_ctx: click.Context, _param: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Return the names of presets, or let the shell complete a path."""
    from wstui.scenario.presets import names

    found = _beginning(names(), incomplete)
    return found or [CompletionItem(incomplete, type="file")]


def runs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return references to stored runs: tags, presets, ids with what they were, and "last"."""
    from wstui.report.store.database import StoreError
    from wstui.report.store.store import Store, default_path

    path = ctx.parent.params.get("path") if ctx.parent else None
    if not (path or default_path()).exists():
        return []
    with contextlib.suppress(StoreError), Store(path, create=False) as store:
        stored = store.runs(limit=100)
        words = {"last": "the last run", **{tag: f"tag of run {run.id}" for run in stored for tag in run.tags}}
        words |= {run.name: "its last run" for run in stored}
        words |= {str(run.id): f"{run.name}, {run.started[:16]}" for run in stored}
        return [CompletionItem(word, help=text) for word, text in words.items() if word.startswith(incomplete)]
    return []


def metrics(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from wstui.scenario.threshold import METRICS

    return _beginning(METRICS, incomplete)


def hosts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the last host of a list completed from the names in ~/.ssh/config."""
    before, comma, last = incomplete.rpartition(",")
    text = ""
    with contextlib.suppress(OSError, ValueError):
        text = (Path.home() / ".ssh" / "config").read_text(encoding="utf-8")
    named = [name for line in re.findall(r"(?im)^\s*host\s+(.+)$", text) for name in line.split()]
    plain = [name for name in dict.fromkeys(named) if not set(name) & set("*?!")]
    return [CompletionItem(before + comma + name) for name in plain if name.startswith(last)]


def _beginning(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]
