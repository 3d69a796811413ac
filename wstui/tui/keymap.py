"""Keys: how a binding is declared, and the file with which an operator remaps them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from textual.binding import Binding

from wstui.scenario.errors import Problem, ScenarioError, nearest, quote


def key(
    keys: str,
    action: str,
    name: str,
    id: str,
    tooltip: str,
    *,
    shown: bool = False,
    display: str | None = None,
    group: Binding.Group | None = None,
    first: bool = False,
) -> Binding:
    """A binding that can be remapped by its id and says what it does.

    `shown` puts it into the row of keys; `first` lets it win over what a focused widget does with the key.
    """
    return Binding(
        keys, action, name, show=shown, key_display=display, tooltip=tooltip, id=id, group=group, priority=first
    )


def read_keymap(path: Path, ids: frozenset[str]) -> dict[str, str]:
    """The keys by binding id in a TOML file such as `"load.pause" = "p"`; nothing when there is no file.

    Raises:
        ScenarioError: naming every entry that cannot be used.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(Problem(str(path), "", f"cannot be read: {error}")) from None
    problems: list[Problem] = []
    keymap: dict[str, str] = {}
    for name, keys in _flat(data):
        if name not in ids:
            problems.append(Problem(str(path), name, "is no action that has a key", nearest=nearest(name, ids)))
        elif not isinstance(keys, str) or not re.fullmatch(r"[a-z0-9_+]+(,[a-z0-9_+]+)*", keys):
            problems.append(
                Problem(str(path), name, 'takes a key such as "p", "ctrl+s" or "f5,plus"', value=quote(str(keys)))
            )
        else:
            keymap[name] = keys
    if problems:
        raise ScenarioError(problems)
    return keymap


def _flat(data: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """Entries by dotted name: `[load] pause` is the same as `"load.pause"`."""
    out: list[tuple[str, object]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            out += _flat(value, f"{prefix}{name}.")
        else:
            out.append((prefix + name, value))
    return out
