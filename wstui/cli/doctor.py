"""`wstui doctor`: what a bug report needs to know about this machine and terminal, without any secret."""

from __future__ import annotations

import os
import select
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from wstui.measure.sanitize import sanitize

_EXTRAS = {
    "html": "jinja2",
    "prometheus": "prometheus-client",
    "otlp": "opentelemetry-sdk",
    "cluster": "distributed",
    "yaml": "PyYAML",
}
_TERMINAL = ("TERM", "COLORTERM", "TERM_PROGRAM", "NO_COLOR", "FORCE_COLOR", "TMUX", "STY", "LANG", "LC_ALL", "SSH_TTY")
"""Variables that change how the screens look; their values hold no secret but paths, which are left out."""
_FEWEST_FILES = 4096
_MISSING = "not installed"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
def doctor(as_json: bool) -> None:
    """Show versions, terminal, limits and paths, and what about them will be a hindrance.

    Nothing in it is secret. Exit status: 0 whatever it finds.
    """
    found = sections()
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for title, facts in found.items():
        click.echo(f"{title}")
        if isinstance(facts, list):
            click.echo("\n".join(f"  ▲ {text}" for text in facts) or "  ✓ nothing")
            continue
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            click.echo(f"  {name:<{width}}  {', '.join(map(str, value)) if isinstance(value, list) else value}")


def sections() -> dict[str, Any]:
    """Return each section's facts as plain values; "advice" is a list of sentences."""
    from wstui.report.model.environment import environment

    about = environment()
    versions = {"wstui": metadata.version("wstui"), "python": about["python"]}
    versions |= {name: version for name, version in about["versions"].items() if name != "wstui"}
    versions |= {name: metadata.version(name) for name in ("textual", "click", "pydantic")}
    machine = {
        "system": f"{about['system']} {about['machine']}",
        "processors": f"{about['processors']} ({about['limits']['usable_processors'] or 'all'} usable)",
        "memory": f"{about['memory_bytes'] / 2**30:.1f} GiB",
        **{name.replace("_", " "): value for name, value in about["limits"].items() if name != "usable_processors"},
    }
    return {
        "versions": versions,
        "extras": {extra: _version(library) for extra, library in _EXTRAS.items()},
        "terminal": _terminal(),
        "machine": machine,
        "engine": _engine(),
        "paths": _paths(),
        "advice": _advice(about),
    }


def _engine() -> dict[str, str]:
    """Return how load is made here: what only Linux has, or what stands in for it."""
    from wstui.load.timer_queue import library_with_timerfd

    uvloop = _version("uvloop")
    return {
        "event loop": "asyncio's own: uvloop is not installed" if uvloop == _MISSING else f"uvloop {uvloop}",
        "sockets": "an epoll set of its own" if hasattr(select, "epoll") else "those of the event loop: no epoll here",
        "sends": "timed by timerfd" if library_with_timerfd() else "timed by the event loop: no timerfd here",
        "cores": "pinned to calibrate" if hasattr(os, "sched_setaffinity") else "never pinned: this system can't",
    }


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return _MISSING


def _terminal() -> dict[str, str]:
    size = shutil.get_terminal_size()
    seen = {name: os.environ[name] for name in _TERMINAL if name in os.environ}
    inside = dict.fromkeys(("TMUX", "STY", "SSH_TTY"), "yes")
    return {
        "stdin, stdout": ", ".join(
            "terminal" if s and s.isatty() else "not a terminal" for s in (sys.stdin, sys.stdout)
        ),
        "size": f"{size.columns}x{size.lines}",
        "encoding": getattr(sys.stdout, "encoding", "") or "none",
        "colours": _colours(),
        "clipboard": "by OSC 52: the terminal must allow it"
        + (" (tmux: set -g set-clipboard on)" if "TMUX" in seen else ""),
        **{name: inside.get(name, sanitize(value, 80)) for name, value in seen.items()},
    }


def _colours() -> str:
    """Return how many colours the screens have, and why there are none."""
    from rich.console import Console

    if os.environ.get("NO_COLOR"):
        return "none: NO_COLOR is set"
    if not os.environ.get("TERM"):
        return "none: TERM is not set"
    named = {"truecolor": "16 million", "256": "256", "standard": "16", "windows": "16"}
    return named.get(Console(force_terminal=True).color_system or "", "none")


def _paths() -> dict[str, str]:
    from wstui.cli.run_log import folder
    from wstui.report.model.cell_text import tilde
    from wstui.report.store.store import default_path
    from wstui.scenario.presets import own_folder

    store = Path(os.environ.get("WSTUI_STORE") or default_path())
    places = {"run store": store, "own presets": own_folder(), "settings": own_folder().with_name("config.toml")}
    return {
        name: f"{sanitize(tilde(path))}{'' if _exists(path) else ' (not there yet)'}"
        for name, path in {**places, "logs": folder(), "program": Path(sys.executable)}.items()
    }


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that may not be read
        return False


def _advice(about: dict[str, Any]) -> list[str]:
    found = []
    files = about["limits"].get("open_files", [0, 0])
    if 0 < files[1] < _FEWEST_FILES:
        found.append(f"at most {files[1]} open files for each worker, so about as many clients: raise `ulimit -Hn`")
    if "utf" not in (getattr(sys.stdout, "encoding", "") or "").lower():
        found.append("the locale is not UTF-8: charts and marks need it (export LANG=C.UTF-8)")
    if os.environ.get("TERM", "").endswith("256color") and not os.environ.get("COLORTERM") and _colours() != "256":
        found.append("TERM names 256 colours, and the terminal library sees others")
    if _version("uvloop") == _MISSING:
        found.append("uvloop is not installed: workers make less load on asyncio's own loop")
    return found
